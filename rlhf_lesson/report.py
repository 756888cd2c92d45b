"""A run's results as one HTML file that opens from disk: figures inside, samples side by side, a table that explains itself.

Leaves out scripts and anything from a network.
"""

import base64
import html
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from rlhf_lesson.checkpoint import write_atomically

MEANING = {
    "sft.val_loss": "cross-entropy of the SFT model on held-out completions, nats per token; lower is better",
    "reward.accuracy_single_rater": "share of held-out single-rater choices that the proxy predicts; 0.5 is chance",
    "gold.correlation": "correlation of the gold model with the mean of held-out raters; 1 is perfect",
    "ppo.proxy_gain": "rise of the optimised reward over SFT, in spreads of the SFT policy",
    "ppo.gold_gain": "rise of the gold reward, which PPO never saw, in spreads of the SFT policy",
    "ppo.judge_gain": "rise of the independent rule-based judge, on its scale of -1 to 1",
    "ppo.win_rate_gold": "share of prompts on which the gold model prefers PPO's response to SFT's",
    "ppo.kl_nats": "distance of the tuned policy from SFT, nats per response",
    "ppo.distinct2_before": "distinct word pairs over all word pairs, SFT samples; low means repetitive",
    "ppo.distinct2_after": "the same after PPO",
    "seconds.total": "wall time of the whole chain",
    "seconds.compile": "of which JAX compiling",
}
STYLE = """
:root { color-scheme: light dark; --line: #8886; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid var(--line); }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
img { max-width: 100%; height: auto; background: white; }
small { opacity: .75; }
"""


def picture(figure: Figure, alt: str) -> str:
    """A figure as an <img> that carries its own bytes; an empty alt text is refused."""
    if not alt.strip():
        raise ValueError("a figure needs an alt text: say in a sentence what it shows")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{data}">'


def _row(cells: Sequence[str], tag: str = "td") -> str:
    return "<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in cells) + "</tr>"


def _number(value: float) -> str:
    return f'<td class="number">{value:.3f}</td>'


def _sample(row: Mapping) -> str:
    def cell(text: str, when: str) -> str:
        scores = ", ".join(f"{n} {row[f'{n}_{when}']:+.2f}" for n in ("proxy", "gold", "judge") if f"{n}_{when}" in row)
        return f"{html.escape(text)}<br><small>{scores}</small>"

    cells = [html.escape(row["prompt"]), cell(row["before"], "before"), cell(row["after"], "after")]
    return _row([*cells, html.escape(row.get("best_of_n", ""))])


def page(results: Mapping, samples: Sequence[Mapping], figures: Mapping[str, Figure], alts: Mapping[str, str]) -> str:
    """The whole report as HTML."""
    numbers = "".join(
        f"<tr><td>{html.escape(name)}</td>{_number(value)}<td>{html.escape(MEANING.get(name, ''))}</td></tr>"
        for name, value in results.items()
        if isinstance(value, float)
    )
    pools = "".join(
        f"<tr><td>{p['n']}</td>" + "".join(_number(p[k]) for k in ("kl", "proxy", "gold")) + "</tr>"
        for p in results.get("bestofn", [])
    )
    pictures = "".join(f"<figure>{picture(f, alts[name])}</figure>" for name, f in figures.items())
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>RLHF, end to end</title><style>{STYLE}</style></head><body><main>
<h1>RLHF, end to end</h1>
<p>A small language model was fine-tuned on film-review snippets, a proxy reward model learned from single people's choices,
and PPO raised that reward under a KL penalty. The gold model knows all ratings of other snippets and was never optimised.</p>
{pictures}
<h2>Samples</h2>
<table>{_row(["prompt", "before (SFT)", "after (PPO)", "best of n"], "th")}{"".join(map(_sample, samples))}</table>
<h2>Numbers</h2>
<table>{_row(["name", "value", "what it is"], "th")}{numbers}</table>
<h2>Best of n</h2>
<table>{_row(["n", "KL (nats)", "proxy", "gold"], "th")}{pools}</table>
</main></body></html>
"""


def write_report(
    folder: Path, results: Mapping, samples: Sequence[Mapping], figures: Mapping[str, Figure], alts: Mapping[str, str]
) -> None:
    """Writes report.html, samples.jsonl and metrics.json into a folder, each atomically."""
    folder = Path(folder)
    lines = "".join(json.dumps(row) + "\n" for row in samples)
    write_atomically(folder / "samples.jsonl", lines.encode())
    write_atomically(folder / "metrics.json", (json.dumps(dict(results), indent=1) + "\n").encode())
    write_atomically(folder / "report.html", page(results, samples, figures, alts).encode())
