"""A run's results as one HTML file that opens from disk: figures, samples side by side, and a table that explains every number.

The file contains no scripts and loads nothing from a network.
"""

import base64
import io
import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from matplotlib.figure import Figure

from rlhf_lesson.disk import write_atomically
from rlhf_lesson.view.plots import alt_text

MEANING = {  # what it is, unit, which direction is good
    "sft.val_loss": ("cross-entropy of the SFT model on held-out completions", "nats per token", "lower"),
    "reward.accuracy_single_rater": ("single raters' held-out choices that the proxy predicts", "share", "above 0.5"),
    "gold.correlation": ("of gold with the raters' mean, on held-out snippets", "-1 to 1", "higher"),
    "ppo.proxy_gain": (
        "rise of the proxy's score, optimised by PPO",
        "spreads of SFT's scores",
        "higher, if gold rises",
    ),
    "ppo.gold_gain": ("rise of the gold score, which PPO never saw", "spreads of SFT's scores", "higher"),
    "ppo.judge_gain": ("rise of an independent rule-based judge's score (VADER)", "its scale, -1 to 1", "higher"),
    "ppo.win_rate_gold": ("prompts on which gold prefers PPO's text to SFT's", "share", "above 0.5"),
    "ppo.kl_nats": ("how far PPO went from SFT", "nats per response", "lower for the same gain"),
    "ppo.distinct2_before": ("variety of SFT's texts: different word pairs, of all word pairs", "share", "higher"),
    "ppo.distinct2_after": ("the same for PPO's texts", "share", "close to the value before"),
    "free.proxy_gain": ("rise of the proxy's score by PPO without the penalty", "spreads of SFT's scores", "see gold"),
    "free.gold_gain": ("rise of the gold score by the same run", "spreads of SFT's scores", "higher"),
    "free.judge_gain": ("rise of VADER's score by the same run", "its scale, -1 to 1", "higher"),
    "free.win_rate_gold": ("prompts on which gold prefers that run's text to SFT's", "share", "above 0.5"),
    "free.kl_nats": ("how far that run went from SFT", "nats per response", "lower for the same gain"),
    "free.distinct2_before": ("variety of SFT's texts", "share", "higher"),
    "free.distinct2_after": ("variety of that run's texts", "share", "close to the value before"),
    "seconds.total": ("wall time of the whole chain", "seconds", "lower"),
    "seconds.compile": ("the part of it that JAX spent compiling", "seconds", "lower"),
}
SHOWN = 8  # samples that are always visible; the others are folded
STRIP = 3  # prompts that the report opens with
COLUMNS = {
    "before": "before (SFT)",
    "after": "after (PPO)",
    "free": "PPO without the penalty",
    "best_of_n": "best of n",
}
WHEN = {"before": "before PPO", "after": "with the penalty", "free": "without it"}
GOLD = {
    "reader": "The gold score is that of a reader: a language model forty times larger, with one linear layer that learned to read"
    " the ratings of other snippets.",
    "reward model": "The gold model learned from all ratings of other snippets, on the proxy's own base: it may be fooled with it.",
}
STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --paper: #fff; --soft: #5a5a5a; --line: #c8c8c8; }
@media (prefers-color-scheme: dark) { :root { --ink: #ececec; --paper: #161616; --soft: #adadad; --line: #4a4a4a; } }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 66rem; margin: 2rem auto; padding: 0 1rem;
  color: var(--ink); background: var(--paper); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin-bottom: 1rem; min-width: min(36rem, 100%); }
caption { text-align: left; color: var(--soft); padding-bottom: .35rem; position: sticky; left: 0;
  max-width: calc(100vw - 2rem); }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid var(--line); }
th[scope=row] { font-weight: normal; }
td:not(.number) { min-width: 8rem; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; padding-left: 1.5rem; }
figure { margin: 1.5rem 0; }
img { max-width: min(100%, 46rem); height: auto; background: #fff; }
small { display: block; color: var(--soft); }
summary { cursor: pointer; }
@media (prefers-color-scheme: dark) { img { filter: invert(.928) hue-rotate(180deg) brightness(1.2); } }
@media print {
  :root { color-scheme: light; --ink: #000; --paper: #fff; --soft: #444; --line: #999; }
  body { max-width: none; font-size: .8rem; }
  td:not(.number) { min-width: 0; }
  img { filter: none; }
  tr, figure { break-inside: avoid; }
}
"""


def picture(figure: Figure, alt: str) -> str:
    """A figure as an <img> that carries its own bytes; ValueError if it has no description in words."""
    if not alt.strip():
        raise ValueError("a figure needs an alt text: say in a sentence what it shows")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<figure><img alt="{escape(alt)}" src="data:image/png;base64,{data}"></figure>'


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: Collection[str] = ()) -> str:
    """A table of cells that are HTML already; the first cell of a row is its name. A wide table scrolls, also by keyboard.

    The headings listed in `numbers` are aligned right, like the numbers below them.
    """
    head = "".join(f'<th scope="col"{" class=number" if h in numbers else ""}>{h}</th>' for h in heads)
    body = "".join(f'<tr><th scope="row">{first}</th>{"".join(rest)}</tr>' for first, *rest in rows)
    inner = f"<caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="wide" tabindex="0" role="region" aria-label="{caption}"><table>{inner}</table></div>'


def _number(value: float) -> str:
    return f'<td class="number">{value}</td>' if isinstance(value, int) else f'<td class="number">{value:.3f}</td>'


def _numbers(results: Mapping) -> Iterable[list[str]]:
    for name, value in results.items():
        if isinstance(value, (int, float)):
            about = MEANING.get(name, ("", "", ""))
            yield [escape(name), _number(value), *(f"<td>{escape(text)}</td>" for text in about)]


def _cell(row: Mapping, when: str, names: Sequence[str] = ("proxy", "gold", "judge")) -> str:
    """A text with its scores, as far as the row has them."""
    scores = [f"{n} {row[f'{n}_{when}']:+.2f}" for n in names if f"{n}_{when}" in row]
    scores += [f"KL {row[f'kl_{when}']:.1f}"] if f"kl_{when}" in row else []
    return f"<td>{escape(row.get(when, ''))}<small>{', '.join(scores)}</small></td>"


def strip(samples: Sequence[Mapping]) -> str:
    """The first prompts, each in three rows: before PPO, with the penalty, without it; with what proxy and gold say."""
    rows = [
        [name, _cell(row, when, ("proxy", "gold"))]
        for row in samples[:STRIP]
        for when, name in WHEN.items()
        if when in row
    ]
    return table("What the penalty is for: the same beginnings, three times", ["", "text"], rows)


def page(
    results: Mapping, samples: Sequence[Mapping], figures: Mapping[str, Figure], alts: Mapping[str, str] | None = None
) -> str:
    """The whole report as HTML; `write_report` explains the arguments."""
    pictures = "".join(picture(f, (alts or {}).get(name) or alt_text(f)) for name, f in figures.items())
    shown = [when for when in COLUMNS if when != "free" or any("free" in row for row in samples)]
    heads = ["prompt", *(COLUMNS[when] for when in shown)]
    texts = [[escape(row["prompt"]), *(_cell(row, when) for when in shown)] for row in samples]
    caption = "Texts for the same prompt: before PPO, after it, and the best of n samples by the proxy. KL in nats."
    before_after = table(caption, heads, texts[:SHOWN])
    if rest := texts[SHOWN:]:
        more = table("The other prompts, with the same columns.", heads, rest)
        before_after += f"<details><summary>{len(rest)} more prompts</summary>{more}</details>"
    heads = ["name", "value", "what it is", "unit", "better"]
    numbers = table("Every number in metrics.json.", heads, _numbers(results), ["value"])
    points = results.get("bestofn", [])
    scorers = [name for name in ("proxy", "gold", "judge") if all(name in p for p in points)]
    rows = [[f"{p['n']}", *(_number(float(p[k])) for k in ("kl", *scorers))] for p in points]
    caption = "The best of n samples of the SFT model, chosen by the proxy: KL in nats, and mean scores."
    bestofn = table(caption, ["n", "KL", *scorers], rows, ["KL", *scorers])
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>RLHF, end to end</title><style>{STYLE}</style></head><body><main>
<h1>RLHF, end to end</h1>
<p>A small language model was fine-tuned on film-review snippets (SFT). A proxy reward model learned from the choices of single
people, and PPO raised its score twice: once under a KL penalty, once without. {GOLD[results.get("gold.is", "reward model")]}
Nothing was optimised against it, so it shows whether the rise is real.</p>
{strip(samples)}
{pictures}
<h2>Samples</h2>
{before_after}
<h2>Numbers</h2>
{numbers}
<h2>Best of n</h2>
{bestofn}
</main></body></html>
"""


def strict(value):
    """The same JSON value with null for NaN and infinities, which JSON does not have."""
    if isinstance(value, Mapping):
        return {k: strict(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [strict(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_report(
    folder: Path | str,
    results: Mapping,
    samples: Sequence[Mapping],
    figures: Mapping[str, Figure],
    alts: Mapping[str, str] | None = None,
) -> None:
    """Writes report.html, samples.jsonl and metrics.json into a folder, each atomically.

    Args:
      folder: created if missing.
      results: flat, as {"sft.val_loss": 3.9}; "bestofn" is a list of {n, kl, proxy, gold}.
      samples: rows {prompt, before, after, free, best_of_n, proxy_before, ..., kl_after}; what a row does not have is not shown.
      figures: name -> figure, in the order of the page.
      alts: name -> what the figure shows, in words; if missing, `plots.alt_text` describes it.
    """
    folder = Path(folder)
    lines = "".join(json.dumps(strict(row), ensure_ascii=False) + "\n" for row in samples)
    write_atomically(folder / "samples.jsonl", lines.encode())
    write_atomically(folder / "metrics.json", (json.dumps(strict(results), indent=1) + "\n").encode())
    write_atomically(folder / "report.html", page(results, samples, figures, alts).encode())
