"""One HTML file with the simulator and every explorer: opens from disk, needs no kernel, asks no host for anything.

Leaves out what needs Python: labelling, live training and texts that nobody has scored yet. The JavaScript is the widgets' own.
"""

import importlib
import json
from html import escape
from pathlib import Path

from rlhf_lesson.disk import write_atomically
from rlhf_lesson.widgets import look

SECTIONS = {  # heading -> {file in static/, and module in widgets/: what makes the widget there}
    "Reward against KL": {"simulator": "Simulator", "best_of_n": "BestOfN"},
    "One model at work": {"next_token": "NextToken", "score": "ScoreExplorer"},
    "Equations": {"bradley_terry": "BradleyTerry", "clip": "Clip", "gae": "GAE", "kl_estimators": "KLEstimators"},
    "Measured runs": {"frontier": "frontier", "gallery": "gallery"},
}
NEEDS_PYTHON = ("dashboard", "label")
SHELL = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>RLHF by hand</title>
<style>{style}</style>
</head>
<body>
<header>
<h1>RLHF by hand</h1>
<p>Move something and see what happens. Every number is computed here, from a real model's responses and measured runs, by the
functions of the course.</p>
<nav aria-label="On this page"><ul>{links}</ul></nav>
</header>
<main>{sections}</main>
<noscript><p>This page draws with JavaScript: switch it on for this file.</p></noscript>
{states}
<script>
(() => {{
"use strict";
{shared}
const DRAW = {{
{modules}
}};
for (const el of document.querySelectorAll("[data-widget]")) {{
  const name = el.dataset.widget;
  DRAW[name].render({{ model: plainModel(JSON.parse(document.getElementById(`state-${{name}}`).textContent)), el }});
}}
}})();
</script>
</body>
</html>
"""
STYLE = """
:root { color-scheme: light dark; }
body { margin: 0 auto; max-width: 960px; padding: 16px;
  background: light-dark(#ffffff, #1b1b1b); color: light-dark(#1a1a1a, #e8e8e8);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
nav ul { display: flex; flex-wrap: wrap; gap: 4px 18px; padding: 0; list-style: none; }
a { color: light-dark(#0072b2, #56b4e9); }
main h2 { margin: 36px 0 8px; font-size: 20px; }
main .rl { margin: 0 0 28px; padding-top: 10px; border-top: 1px solid light-dark(#dddddd, #444444); }
"""


def own_script(name: str) -> str:
    """A widget's own JavaScript as an expression: its default export."""
    body, export, value = look.script(name).rpartition("export default")
    if not export:
        raise ValueError(f"static/{name}.js has no default export: end it with `export default {{ render, maths }};`")
    return f"(() => {{\n{body}return{value}}})()"


def style(names: list[str]) -> str:
    """The look once, then each widget's own style sheet."""
    own = (look.STATIC / f"{name}.css" for name in names)
    return STYLE + look.css() + "".join(file.read_text(encoding="utf-8") for file in own if file.is_file())


def page(states: dict[str, dict], sections: dict[str, dict] = SECTIONS) -> str:
    """The HTML.

    Args:
      states: name of a widget -> the plain JSON of its `state()`; only these get a place.
      sections: heading -> names of widgets.
    """
    found = {heading: [name for name in names if name in states] for heading, names in sections.items()}
    found = {heading: names for heading, names in found.items() if names}
    places, links = [], []
    for i, (heading, names) in enumerate(found.items()):
        links.append(f'<li><a href="#part-{i}">{escape(heading)}</a></li>')
        inside = "".join(f'<div id="{name}" data-widget="{name}"></div>\n' for name in names)
        places.append(
            f'<section aria-labelledby="part-{i}"><h2 id="part-{i}">{escape(heading)}</h2>\n{inside}</section>'
        )
    as_json = {name: json.dumps(state, allow_nan=False).replace("<", "\\u003c") for name, state in states.items()}
    blocks = [f'<script type="application/json" id="state-{name}">{text}</script>' for name, text in as_json.items()]
    return SHELL.format(
        style=style(list(states)),
        links="".join(links),
        sections="\n".join(places),
        states="\n".join(blocks),
        shared=look.shared_script().replace("</", "<\\/"),
        modules=",\n".join(f"{name}: {own_script(name)}" for name in states).replace("</", "<\\/"),
    )


def state_of(name: str, maker: str) -> dict:
    """The starting state of a widget."""
    return getattr(importlib.import_module(f"rlhf_lesson.widgets.{name}"), maker)().state()


def write(out: Path, sections: dict[str, dict] = SECTIONS) -> dict:
    """Writes index.html into a folder; a widget whose data can't be had here is left out, and its reason returned.

    Returns:
      {"page": path, "bytes": size, "left_out": {name: reason}}.
    """
    states, left_out = {}, {}
    for names in sections.values():
        for name, maker in names.items():
            try:
                states[name] = state_of(name, maker)
            except ValueError as error:  # no measured results, or no ratings to train the course's models on
                left_out[name] = str(error)
    content = page(states, sections).encode()
    write_atomically(out / "index.html", content)
    return {"page": str(out / "index.html"), "bytes": len(content), "left_out": left_out}
