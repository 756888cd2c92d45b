"""Fills in the generated parts of README and docs: numbers from benchmarks/results/, and README's tree from the files.

No number is typed by hand, and a test compares. In the tree only the words beside a file are written by hand, in README itself.
"""

import ast
import json
import re
import textwrap
from pathlib import Path

from rlhf_lesson.measures import gain_at, mean_and_interval
from rlhf_lesson.view.report import WHEN
from rlhf_lesson.wings import EQUATIONS, ORDER, wing

ROOT = Path(__file__).resolve().parent.parent
BEGIN = "<!-- numbers: tools/sync_readme.py -->"
END = "<!-- end of numbers -->"
STRIP_BEGIN = "<!-- strip: tools/sync_readme.py -->"
STRIP_END = "<!-- end of strip -->"
TREE_BEGIN = "<!-- tree: tools/sync_readme.py -->"
TREE_END = "<!-- end of tree -->"
COLUMN = 32  # where the words beside a file begin


def read(name: str) -> dict:
    return json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text(encoding="utf-8"))


def over_seeds(rows: list[dict], name: str, digits: int = 2, times: float = 1.0) -> str:
    """Mean over the seeds, the spread of single seeds (divided by n - 1), and the 95 % interval of the mean."""
    row = mean_and_interval([times * row[name] for row in rows])
    return f"{row['mean']:.{digits}f} ± {row['std']:.{digits}f} [{row['low']:.{digits}f}, {row['high']:.{digits}f}]"


def over_snippets(row: dict) -> str:
    """How far a mean over seeds would move with other held-out snippets; nothing where that was not measured."""
    return f"; snippets [{100 * row['low']:.1f}, {100 * row['high']:.1f}]" if row else ""


def accuracy(reward: dict, name: str) -> str:
    """A model's accuracy on held-out choices, with both uncertainties."""
    boot = reward["summary"][name].get("over_snippets", {})
    return over_seeds(reward["rows"], name, 1, 100) + over_snippets(boot) + " %"


def leads(reward: dict) -> list[tuple[str, str]]:
    """How far the net is ahead of each bag of words, in points, where that was measured."""
    names = {
        "neural - bag_of_words": "The net's lead over the bag of words, in points",
        "neural - bag_with_verdicts": "The net's lead over the bag with the same verdicts, in points",
    }
    rows = []
    for name, what in names.items():
        if row := reward.get("differences", {}).get(name):
            a, b = name.split(" - ")
            gaps = [{"gap": seed[a] - seed[b]} for seed in reward["rows"]]
            rows.append((what, over_seeds(gaps, "gap", 1, 100) + over_snippets(row["over_snippets"])))
    return rows


def table() -> str:
    """README's table, one row per claim: what was measured, and its value."""
    reward = read("reward")
    chain = read("chain")
    tuned = [row["penalised"] for row in chain["rows"]]
    free = [row["unpenalised"] for row in chain["rows"]]
    seeds = len(chain["rows"])
    bags = {"bag_of_words": "Bag of words, trained on the same pairs"}
    if "bag_with_verdicts" in reward["summary"]:
        bags["bag_with_verdicts"] = "The same, given the verdicts that the net's base model was pretrained on"
        bags["verdicts_alone"] = "Those verdicts alone, without a single human pair"
    ppo = read("ppo_step")
    trl = read("trl_compare")
    graded = read("grade_class")
    lessons = [row["cpu"]["quick"] for row in read("chapters").values()]
    longest = max(row["seconds"] for row in lessons)
    most_memory = max(row["megabytes"] for row in lessons) / 1000
    rows = [
        (
            "Reward model, 8,000 single-rater pairs: held-out choices predicted",
            accuracy(reward, "neural"),
        ),
        *((what, accuracy(reward, name)) for name, what in bags.items()),
        *leads(reward),
        ("VADER's rules on the same choices", accuracy(reward, "vader")),
        (
            "Gold, a reader: correlation with raters' means on held-out snippets",
            f"{free[0]['gold.correlation']:.3f}",
        ),
        ("A net on the proxy's base, taught by the same ratings", over_seeds(reward["rows"], "gold_correlation", 3)),
        ("Ridge regression on the same ratings", f"{reward['ridge_correlation']:.3f}"),
        ("PPO: gain in gold reward (reference spreads)", over_seeds(tuned, "ppo.gold_gain")),
        ("PPO: gain by the sibling, a net on the proxy's base", over_seeds(tuned, "ppo.sibling_gain")),
        ("PPO: gain by the independent judge (-1 to 1)", over_seeds(tuned, "ppo.judge_gain")),
        ("PPO: prompts on which gold prefers it to SFT", over_seeds(tuned, "ppo.win_rate_gold", 0, 100) + " %"),
        ("PPO: KL from SFT, nats per response", over_seeds(tuned, "ppo.kl_nats", 1)),
        (
            "PPO: distinct bigrams, before and after",
            f"{over_seeds(tuned, 'ppo.distinct2_before')}, {over_seeds(tuned, 'ppo.distinct2_after')}",
        ),
        ("Without the penalty: KL from SFT, nats per response", over_seeds(free, "ppo.kl_nats", 0)),
        ("Without the penalty: gain in gold reward, at the end", over_seeds(free, "ppo.gold_gain")),
        ("Without the penalty: gain by the sibling, at the end", over_seeds(free, "ppo.sibling_gain")),
        ("Without the penalty: distinct bigrams, after", over_seeds(free, "ppo.distinct2_after")),
        (
            "Without the penalty: the proxy keeps rising while the text collapses",
            f"{len(chain['text_collapses'])} of {seeds} seeds",
        ),
        (
            "Without the penalty: the proxy keeps rising while the gold reward falls by a quarter",
            f"{len(chain['gold_falls'])} of {seeds} seeds",
        ),
        (
            "One PPO iteration, one core (benchmark shape)",
            f"{ppo['shared_trunk']['median']:.1f} CPU-s; two networks {ppo['two_nets']['median']:.1f}",
        ),
        (
            "The same, and TRL 1.12.0 measured in the same run",
            f"{trl['ours']['shared_trunk']['median']:.1f} CPU-s; two networks {trl['ours']['two_nets']['median']:.1f};"
            f" TRL (two networks) {trl['trl']['median']:.1f}",
        ),
        ("Sampling, one core", f"{read('generate')['tokens_per_second']:,.0f} tokens/s"),
        (
            f"Chapters {min(read('chapters'))[:2]} to {max(read('chapters'))[:2]}, solved, two cores",
            f"{sum(row['seconds'] for row in lessons) / 60:.0f} min; the longest {longest:.0f} s, {most_memory:.1f} GB",
        ),
        (
            f"Grading {graded['students']} submissions of {graded['exercises']} exercises, two cores,"
            " before each answer was asked in both modes",
            f"{graded['seconds'] / 60:.0f} min, {graded['peak_mb_of_all_processes'] / 1000:.1f} GB in all;"
            " now several times as long (LOG.md)",
        ),
    ]
    lines = [
        "| measured over five seeds: mean ± sample standard deviation (n - 1) [95 % interval of the mean] | |",
        "|---|---|",
    ]
    notes = (
        "*Snippets* is the 95 % interval of a bootstrap over the held-out snippets, which are the same in every seed; the spread"
        " over seeds does not hold it. Held out are texts, not raters (`data/feedback.py`, `by_split`)."
    )
    words = textwrap.fill(f"{takeaways()} {notes}", 128, break_long_words=False, break_on_hyphens=False)
    return "\n".join([*lines, *(f"| {what} | {value} |" for what, value in rows), "", words])


def mean_of(values: list[float], digits: int = 2, times: float = 1.0) -> str:
    """A mean over seeds with its 95 % interval, in words."""
    row = mean_and_interval([times * value for value in values])
    return f"{row['mean']:.{digits}f} (95 %: {row['low']:.{digits}f} to {row['high']:.{digits}f})"


def told_apart(*intervals: dict) -> bool:
    """Whether every interval lies on one side of 0."""
    return all(row["low"] > 0 for row in intervals) or all(row["high"] < 0 for row in intervals)


def lead_in_words(lead: dict, bag: str) -> str:
    """A sentence on the net and a bag of words that says no more than both intervals allow."""
    points = f"{100 * lead['mean']:+.1f} points"
    if not told_apart(lead, lead["over_snippets"]):
        return f"Five seeds and 1,041 held-out snippets do not tell the small network from {bag} ({points})."
    return f"The small network is {'ahead of' if lead['mean'] > 0 else 'behind'} {bag} ({points})."


def takeaways() -> str:
    """What follows from the numbers, in sentences that turn with them."""
    chain = read("chain")
    rows = chain["rows"]
    sentences = []
    if found := read("reward").get("differences"):
        sentences.append(lead_in_words(found["neural - bag_of_words"], "a bag of words trained on the same pairs"))
        bag = "a bag that is also given the verdicts which the network's base model was pretrained on"
        sentences.append(lead_in_words(found["neural - bag_with_verdicts"], bag))
    gains = {name: [row["penalised"][f"ppo.{name}_gain"] for row in rows] for name in ("gold", "judge")}
    rises = "raises" if told_apart(mean_and_interval(gains["gold"])) else "does not clearly raise"
    sentences.append(f"PPO {rises} the gold reward, by {mean_of(gains['gold'])} spreads of the reference's scores.")
    ends = [row["equal_kl"][-1] for row in rows]
    lead = [end["best_of_n_gold"] - end["ppo_gold"] for end in ends]
    over = mean_and_interval(lead)
    kl = sum(end["kl"] for end in ends) / len(ends)
    who = "best-of-n has gained more gold than PPO" if over["mean"] > 0 else "PPO has gained more gold than best-of-n"
    size = mean_of([abs(over["mean"]) / (over["mean"] or 1.0) * value for value in lead])
    if told_apart(over):
        sentences.append(f"At equal KL (about {kl:.1f} nats), on the same prompts, {who}, by {size}.")
    else:
        sentences.append(
            f"At equal KL (about {kl:.1f} nats), on the same prompts, PPO and best-of-n are not told apart."
        )
    sentences.append(small_steps())
    collapsed, fell, seeds = len(chain["text_collapses"]), len(chain["gold_falls"]), len(rows)
    sentences.append(
        f"Without the KL penalty the proxy keeps rising while the text falls apart in {collapsed} of {seeds} seeds; gold,"
        f" which shares no weights with the proxy, loses at least a quarter of what it had gained in {fell}, and the sibling, a net"
        f" on the proxy's base, ends {mean_of([row['unpenalised']['ppo.sibling_gain'] for row in rows])} above its start."
    )
    return " ".join(sentences)


def small_steps(rate: float = 5e-5) -> str:
    """How much more proxy a run with small steps has at the KL at which it ends than the chosen run had when it passed there."""
    tuned = read("tune")
    settings = [row for row in tuned["settings"] if (row["method"], row["beta"]) == ("PPO", tuned["config"]["kl_coef"])]
    chosen = settings[0]  # the best come first, and methods_at_equal_kl.py takes them
    (small,) = (row for row in settings if row["learning_rate"] == rate)
    gained = small["gain"] + small["beta"] * small["kl"]
    same = read("methods")["seeds"][: small["seeds"]]
    passed = [gain_at(small["kl"], seed["paths"]["PPO"][str(small["beta"])], "proxy") for seed in same]
    return (
        f"PPO's steps cost KL of their own: with a learning rate of {rate:g} it had gained {gained:.2f} of proxy when it ended at"
        f" {small['kl']:.1f} nats ({small['seeds']} seeds); with the setting that was chosen, {chosen['learning_rate']:g} and"
        f" {chosen['epochs']} passes, which goes on to more, it had {sum(passed) / len(passed):.2f} when it passed there."
    )


def lessons() -> str:
    """Seconds and memory of every solved chapter, one column per device and preset."""
    measured = read("chapters")
    chips = sorted({(chip, preset) for row in measured.values() for chip, presets in row.items() for preset in presets})
    lines = [
        "| chapter | " + " | ".join(f"{chip}, {preset}" for chip, preset in chips) + " |",
        "|---" * (len(chips) + 1) + "|",
    ]
    for name, row in measured.items():
        cells = (row.get(chip, {}).get(preset) for chip, preset in chips)
        costs = [f"{c['seconds']:.0f} s, {c['megabytes'] / 1000:.1f} GB" if c else "not measured" for c in cells]
        lines.append(f"| {' | '.join([name, *costs])} |")
    return "\n".join(lines)


def chips() -> str:
    """What a lent GPU or TPU showed, card by card: speed beside torch, precision, checks and chapters."""
    lines = []
    for card, parts in read("accelerator").items():
        lines += [f"**{card}**", "", "| shape | | PPO iteration | sampling | peak memory |", "|---|---|---|---|---|"]
        for name, row in parts.items():
            if name.startswith("speed/"):
                _, size, whose = name.split("/")
                who = "here" if whose == "ours" else f"TRL 1.12.0, torch {row['torch']}"
                lines.append(
                    f"| {size} | {who} | {row['ppo_seconds']:.2f} s | {row['tokens_per_second']:,.0f} tokens/s"
                    f" | {row['peak_megabytes'] / 1000:.1f} GB |"
                )
        gaps = {name: row["sampler_gap"] for name, row in parts["precision"].items() if isinstance(row, dict)}
        checks = [row for name, row in parts.items() if name.startswith("checks/")]
        rejected = sum(len(names) for row in checks for names in row["rejected"].values())
        compiling = " and ".join(
            f"{parts[f'speed/{size}/ours']['first_ppo_seconds']:.0f} s" for size in ("benchmark", "124M")
        )
        ran = [name for name, row in parts.items() if name.startswith("chapter/") and "seconds" in row]
        lines += [
            "",
            f"The first PPO iteration, which compiles, took {compiling}. Largest gap between sampler and learner by the precision"
            f" of products: {', '.join(f'{name} {gap:.1g} nats' for name, gap in gaps.items())}. The checks rejected {rejected} of"
            f" {sum(row['answers'] for row in checks)} right answers, by float32 and by the chip's own products. Chapters that were"
            f" run to their end: {', '.join(name.removeprefix('chapter/') for name in ran) or 'none'}.",
            "",
        ]
    return "\n".join(
        textwrap.fill(x, 128, break_long_words=False, break_on_hyphens=False) if len(x) > 200 else x for x in lines
    )


def first_words(path: Path) -> str:
    """A module's docstring up to its first colon, comma or full stop, for a file that README does not describe yet."""
    text = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0]
    words = re.split(r"[:;,]|\.(?: |$)", text)[0].split()
    return " ".join(words[:10])


def tree(current: str) -> str:
    """The package's files under their wings, in the order of the wings; the words beside a file stay as `current` has them.

    Files keep the order that README gives them within a wing; a file that README does not list yet comes last, with the
    first words of its docstring. The folder of the exercises is one line, since it has one file per exercise.
    """
    known = dict(re.findall(r"^ +(\S+\.py|\S+/)  +(\S.*)$", current, re.MULTILINE))
    package = ROOT / "rlhf_lesson"
    listed = [path for path in sorted(package.rglob("*.py")) if path.stem != "__init__"]
    listed = [path for path in listed if path.parent.name != "specs"] + [package / "course" / "specs"]
    names = {path: path.relative_to(package).as_posix() + ("/" if path.is_dir() else "") for path in listed}
    order = [*(f"{name}.py" for name in EQUATIONS), *known]
    lines = ["```", "rlhf_lesson/"]
    for name, words in ORDER.items():
        lines.append(f"  {name.upper() or 'ROOT'}: {words}")
        files = [p for p in listed if wing("rlhf_lesson." + names[p].replace("/", ".")) == name]
        files.sort(key=lambda p: order.index(names[p]) if names[p] in order else len(order))
        for path in files:
            about = path / "__init__.py" if path.is_dir() else path
            lines.append(f"    {names[path]:<{COLUMN - 4}}{known.get(names[path]) or first_words(about)}")
    return "\n".join([*lines, "```"])


def strip() -> str:
    """Of the demo's first three prompts the one that gold tells apart most clearly, before PPO, with the penalty and without it."""
    rows = json.loads((ROOT / "docs" / "demo.json").read_text(encoding="utf-8"))["samples"]
    row = max(rows, key=lambda row: row["gold_after"] - row["gold_free"])
    lines = ["| | what the model writes | proxy | gold |", "|---|---|---|---|"]
    for when, name in WHEN.items():
        text = row[when].replace("|", "\\|")
        lines.append(f"| {name} | {text} | {row[f'proxy_{when}']:+.1f} | {row[f'gold_{when}']:+.1f} |")
    return "\n".join(lines)


TABLES = {"README.md": table, "docs/instructors.md": lessons, "docs/systems.md": chips}


def synced(name: str) -> str:
    """The file's text with its table, and README's tree, in their places."""
    text = filled((ROOT / name).read_text(encoding="utf-8"), BEGIN, END, lambda _: TABLES[name]())
    if TREE_BEGIN in text:
        text = filled(text, TREE_BEGIN, TREE_END, tree)
        text = filled(text, STRIP_BEGIN, STRIP_END, lambda _: strip())
    return text


def filled(text: str, begin: str, end: str, make) -> str:
    """The text with what `make` gives, from what stood there, between two marks."""
    before, rest = text.split(begin)
    current, after = rest.split(end)
    return f"{before}{begin}\n{make(current)}\n{end}{after}"


if __name__ == "__main__":
    for name in TABLES:
        (ROOT / name).write_text(synced(name), encoding="utf-8")
