"""The student's feedback as one HTML page that runs nothing and loads nothing, whatever the submission's strings say.

What the other readers get is in outputs.py.
"""

import base64
import hashlib
from collections.abc import Mapping
from html import escape

from rlhf_lesson.grading.outputs import chapters, unreadable

POLICY = "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'"
STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --paper: #fff; --soft: #5a5a5a; --line: #c8c8c8; }
@media (prefers-color-scheme: dark) { :root { --ink: #ececec; --paper: #161616; --soft: #adadad; --line: #4a4a4a; } }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 48rem; margin: 2rem auto; padding: 0 1rem;
  color: var(--ink); background: var(--paper); }
article { border-top: 1px solid var(--line); padding: .5rem 0; }
pre { overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; color: var(--soft); }
li.held::marker { content: "✓ "; } li.broken::marker { content: "✗ "; }
@media print { body { color: #000; background: #fff; } article { break-inside: avoid; } }
"""


def page(result: Mapping) -> bytes:
    """The student's feedback as one HTML file: no script runs in it, nothing is loaded."""
    style = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    parts = []
    for m in result["exercises"]:
        properties = "".join(
            f'<li class="{"broken" if p["hidden"] else "held"}">{escape(p["must_hold"])}'
            f"{escape(''.join(f' ({n} × {k})' for k, n in p['hidden'].items()))}: {p['points']:g} of {p['out_of']:g}</li>"
            for p in m["parts"]
        )
        shown = "\n".join(f"{k:<9} {v}" for k, v in m["shown"].items())
        points = "open" if m["kind"] == "grader-error" else format(m["points"], "g")
        title = f"{escape(m['exercise'])}: {points} of {m['out_of']:g}"
        message = f"<p>{escape(m['message'])}</p>" if m["message"] else ""
        case = f"<p>A case that check() shows:</p><pre>{escape(shown)}</pre>" if shown else ""
        parts.append(f"<article><h2>{title}</h2>{message}{case}<ul>{properties}</ul></article>")
    subtotals = [
        f"Chapter {chapter}: {'open' if points is None else f'{points:g} of {out_of:g}'}."
        for chapter, (points, out_of) in chapters(result).items()
    ]
    lines = filter(None, [unreadable(result), *result["notes"], " ".join(subtotals if len(subtotals) > 1 else [])])
    notes = "".join(f"<p>{escape(line)}</p>" for line in lines)
    title = f"{escape(result['student'])}: {result['points']:g} of {result['out_of']:g} points"
    policy = escape(POLICY.format(style=style))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>'
        f"<style>{STYLE}</style></head><body><main><h1>{title}</h1>{notes}{''.join(parts)}"
        f"<p>Hidden cases are named by their kind and number only.</p></main></body></html>\n"
    ).encode()
