"""A notebook that is opened again in a real JupyterLab, its kernel gone: a picture of each widget, and no error."""

import json

import pytest
from browser import SECONDS, TOKEN, notebook

pytestmark = pytest.mark.slow

SLOW = 240 * SECONDS
SETUP = """
from flax import nnx
from rlhf_lesson.data.questions import Question
from rlhf_lesson.models.heads import ScalarModel
from rlhf_lesson.models.pretrained import load_base
from rlhf_lesson.widgets import (
    best_of_n, bradley_terry, clip, dashboard, frontier, gae, gallery, kl_estimators, label, next_token, score, simulator
)
base = load_base()
scorers = {
    "proxy": score.reward_scorer(ScalarModel(base[0], rngs=nnx.Rngs(0)), base[1]), "judge": score.judge_scorer
}
"""
CELLS = (
    SETUP,
    "bradley_terry.BradleyTerry()",
    "clip.Clip()",
    "gae.GAE()",
    "kl_estimators.KLEstimators()",
    "best_of_n.BestOfN()",
    "next_token.NextToken(*base)",
    "score.ScoreExplorer(scorers)",
    "simulator.Simulator()",
    "frontier.frontier()",
    "gallery.gallery()",
    "live = dashboard.dashboard((None, {'step': i + 1, 'steps': 5, 'kl': 0.1 * i}) for i in range(5))\nlive",
    "live.result();",
    "label.label(questions=[Question('', 'first', 'second')])",
)
WIDGETS = len(CELLS) - 2
VISIBLE = """selector => [...document.querySelectorAll(selector)].filter((e) => e.offsetHeight > 0).length"""
TEXT = "() => document.querySelector('.jp-Notebook').innerText"


def stills(cell) -> list[dict]:
    """The outputs of a cell that are HTML."""
    return [output for output in cell["outputs"] if "text/html" in output.get("data", {})]


def test_a_reopened_notebook_shows_a_picture_in_place_of_every_widget(chromium, lab):
    everything = {
        "name": "reopened",
        "height": 9000,
    }  # a window as long as the notebook: JupyterLab draws what is in sight
    with notebook(chromium, lab, *CELLS, **everything) as page:
        page.wait_for_function(f"() => document.querySelectorAll('.rl').length === {WIDGETS}", timeout=SLOW)
        page.wait_for_timeout(2 * SECONDS)
        assert page.evaluate(VISIBLE, "[class^=rl-still]") == 0, "while a widget lives its still is hidden"
        page.evaluate("() => jupyterapp.commands.execute('docmanager:save')")
        page.wait_for_timeout(2 * SECONDS)
    saved = json.loads((lab.folder / "reopened.ipynb").read_text(encoding="utf-8"))
    (still,) = [output["data"] for output in stills(saved["cells"][11])]
    assert "finished after 5 of 5" in "".join(still["text/plain"]), "the still is of the finished run"

    # What somebody else sent is not trusted: JupyterLab leaves out its styles and its widgets.
    for output in (output for cell in saved["cells"] for output in stills(cell)):
        output["data"]["text/html"] = ["<!-- not signed -->", *output["data"]["text/html"]]
    (lab.folder / "sent.ipynb").write_text(json.dumps(saved), encoding="utf-8")
    for name in ("reopened", "sent"):
        page = chromium.new_page(viewport={"width": 1200, "height": everything["height"]})
        try:
            page.goto(f"{lab.url}/lab/tree/{name}.ipynb?token={TOKEN}&reset", timeout=90 * SECONDS)
            shown = f"() => ({VISIBLE})('[class^=rl-still] img') === {WIDGETS}"
            page.wait_for_function(shown, timeout=90 * SECONDS)
            page.wait_for_timeout(6 * SECONDS)  # after which JupyterLab has given up looking for the models
            assert page.evaluate(shown)
            assert "Error displaying widget" not in page.evaluate(TEXT) and "Loading widget" not in page.evaluate(TEXT)
        finally:
            page.close()
