"""Writes what README and docs take from elsewhere: measured numbers from benchmarks/results/, and README's tree from the files.

No number is typed; a test compares. In the tree only the words beside a file are written by hand, in README itself.
"""

import ast
import json
import re
from pathlib import Path

from rlhf_lesson.wings import EQUATIONS, ORDER, wing

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- numbers: tools/sync_readme.py -->", "<!-- end of numbers -->"
TREE_BEGIN, TREE_END = "<!-- tree: tools/sync_readme.py -->", "<!-- end of tree -->"
COLUMN = 32  # where the words beside a file begin


def read(name: str) -> dict:
    return json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text())


def spread(summary: dict, name: str, digits: int = 2, times: float = 1.0) -> str:
    """Mean and standard deviation over the seeds, with the lowest and highest where they are known."""
    row = {k: v * times for k, v in summary[name].items()}
    ends = f" ({row['min']:.{digits}f} to {row['max']:.{digits}f})" if "min" in row else ""
    return f"{row['mean']:.{digits}f} ± {row['std']:.{digits}f}{ends}"


def table() -> str:
    """The table, one row a claim: what, how much, which file and command."""
    reward, chain = read("reward"), read("chain")
    tuned, free = chain["penalised_summary"], chain["unpenalised_summary"]
    ppo, generate, trl, graded = read("ppo_step"), read("generate"), read("trl_compare"), read("grade_class")
    lessons = [row["cpu"]["quick"] for row in read("chapters").values()]
    fell, collapsed, seeds = (len(chain[k]) for k in ("gold_falls", "text_collapses", "rows"))
    rows = [
        (
            "Reward model, 8,000 single-rater pairs: held-out choices",
            spread(reward["summary"], "neural", 1, 100) + " %",
        ),
        ("Bag of words on the same pairs", spread(reward["summary"], "bag_of_words", 1, 100) + " %"),
        ("VADER's rules on the same choices", spread(reward["summary"], "vader", 1, 100) + " %"),
        ("Gold model: correlation with held-out raters", spread(reward["summary"], "gold_correlation", 3)),
        ("Ridge regression on the same ratings", f"{reward['ridge_correlation']:.3f}"),
        ("PPO: gain in gold reward (reference spreads)", spread(tuned, "ppo.gold_gain")),
        ("PPO: gain by the independent judge (-1 to 1)", spread(tuned, "ppo.judge_gain")),
        ("PPO: gold prefers it to SFT", spread(tuned, "ppo.win_rate_gold", 0, 100) + " %"),
        ("PPO: KL from SFT, nats a response", spread(tuned, "ppo.kl_nats", 1)),
        (
            "PPO: distinct bigrams, before and after",
            f"{spread(tuned, 'ppo.distinct2_before')}, {spread(tuned, 'ppo.distinct2_after')}",
        ),
        ("Without the penalty: KL", spread(free, "ppo.kl_nats", 0)),
        ("Without the penalty: distinct bigrams after", spread(free, "ppo.distinct2_after")),
        ("Without the penalty: the proxy rises on while the text collapses", f"{collapsed} of {seeds} seeds"),
        (
            "Without the penalty: the proxy rises on while the gold reward falls by a quarter",
            f"{fell} of {seeds} seeds",
        ),
        (
            "One PPO iteration, one core (benchmark shape)",
            f"{ppo['shared_trunk']['median']:.1f} CPU-s; two nets {ppo['two_nets']['median']:.1f}",
        ),
        (
            "The same beside TRL 1.12.0, in one run",
            f"{trl['ours']['shared_trunk']['median']:.1f} CPU-s; two nets {trl['ours']['two_nets']['median']:.1f};"
            f" TRL (two nets) {trl['trl']['median']:.1f}",
        ),
        ("Sampling, one core", f"{generate['tokens_per_second']:,.0f} tokens/s"),
        (
            "All ten chapters, solved, two cores",
            f"{sum(row['seconds'] for row in lessons) / 60:.0f} min; the longest {max(row['seconds'] for row in lessons):.0f} s,"
            f" {max(row['megabytes'] for row in lessons) / 1000:.1f} GB",
        ),
        (
            f"Grading {graded['students']} submissions of {graded['exercises']} exercises, two cores",
            f"{graded['seconds'] / 60:.0f} min, {graded['peak_mb_of_all_processes'] / 1000:.1f} GB in all",
        ),
    ]
    lines = ["| measured over five seeds: mean ± spread (lowest to highest) | |", "|---|---|"]
    return "\n".join([*lines, *(f"| {what} | {value} |" for what, value in rows)])


def lessons() -> str:
    """Seconds and memory of every solved chapter, a column a device."""
    measured = read("chapters")
    chips = sorted({(chip, preset) for row in measured.values() for chip, presets in row.items() for preset in presets})
    lines = [
        "| chapter | " + " | ".join(f"{chip}, {preset}" for chip, preset in chips) + " |",
        "|---" * (len(chips) + 1) + "|",
    ]
    for name, row in measured.items():
        cells = (row.get(chip, {}).get(preset) for chip, preset in chips)
        told = [f"{c['seconds']:.0f} s, {c['megabytes'] / 1000:.1f} GB" if c else "not measured" for c in cells]
        lines.append(f"| {' | '.join([name, *told])} |")
    return "\n".join(lines)


def first_words(path: Path) -> str:
    """A module's docstring up to its first colon, comma or stop, for a file that README does not describe yet."""
    text = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0]
    words = re.split(r"[:;,]|\.(?: |$)", text)[0].split()
    return " ".join(words[:10])


def tree(current: str) -> str:
    """The package's files under their wings, in the order of the wings; the words beside a file stay as `current` has them.

    Files keep the order that README gives them within a wing; a file that README does not list yet comes last, with the
    first words of its docstring. All files of the exercises are one line, since there is one for each exercise.
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


TABLES = {"README.md": table, "docs/instructors.md": lessons}


def synced(name: str) -> str:
    """The file's text with its table, and README's tree, in their places."""
    before, rest = (ROOT / name).read_text(encoding="utf-8").split(BEGIN)
    text = f"{before}{BEGIN}\n{TABLES[name]()}\n{END}{rest.split(END)[1]}"
    if TREE_BEGIN in text:
        before, rest = text.split(TREE_BEGIN)
        current, after = rest.split(TREE_END)
        text = f"{before}{TREE_BEGIN}\n{tree(current)}\n{TREE_END}{after}"
    return text


if __name__ == "__main__":
    for name in TABLES:
        (ROOT / name).write_text(synced(name), encoding="utf-8")
