"""What all explorers share: plain state, a figure with words where there are no widgets, and a drawing that needs no kernel."""

import json
import re
from types import SimpleNamespace

import nbformat
import pytest
import traitlets
from browser import bare
from counting import counting
from IPython.core.formatters import DisplayFormatter
from nbconvert import HTMLExporter

from rlhf_lesson.data.questions import Question
from rlhf_lesson.view import plots
from rlhf_lesson.widgets import best_of_n, gae, kl_estimators, look, next_token, score
from rlhf_lesson.widgets.bradley_terry import BradleyTerry
from rlhf_lesson.widgets.clip import Clip
from rlhf_lesson.widgets.dashboard import dashboard
from rlhf_lesson.widgets.frontier import frontier
from rlhf_lesson.widgets.gallery import gallery
from rlhf_lesson.widgets.label import label
from rlhf_lesson.widgets.look import VIEW
from rlhf_lesson.widgets.simulator import Simulator


@pytest.fixture(scope="module")
def explorers(base, scorers):
    made = [BradleyTerry(), Clip(), gae.GAE(), kl_estimators.KLEstimators(), best_of_n.BestOfN()]
    return [*made, next_token.NextToken(*base), score.ScoreExplorer(scorers)]


def test_state_is_plain_json_of_the_widgets_own_traits(explorers):
    for widget in explorers:
        state = json.loads(json.dumps(widget.state()))
        assert state and not {"layout", "tabbable", "_esm", "_css"} & set(state)
        declared = [cls for cls in type(widget).mro() if issubclass(cls, look.Widget)]
        traits = {n for cls in declared for n, v in vars(cls).items() if isinstance(v, traitlets.TraitType)}
        assert set(state) == {name for name in traits if not name.startswith("_")}


def test_every_picture_has_a_figure_and_words_with_numbers(explorers):
    for widget in explorers:
        picture = widget.picture()
        assert re.search(r"\d\.\d", widget.alt()), widget.alt()
        assert picture._repr_html_().startswith("<img alt=") and picture.alt.startswith(widget.alt())


def test_words_follow_the_traits():
    widget = BradleyTerry(chosen=0.0, rejected=2.0)
    assert "probability 0.119" in widget.alt()
    widget.margin = 1.0  # sigmoid(-3)
    assert "probability 0.047" in widget.alt()


def test_a_number_out_of_range_is_refused():
    with pytest.raises(traitlets.TraitError):
        Clip(clip=0.9)
    with pytest.raises(traitlets.TraitError):
        kl_estimators.KLEstimators(sampler="nobody")
    with pytest.raises(ValueError, match="one of each per token"):
        gae.GAE(rewards=[1.0, 2.0], values=[0.0])


@pytest.fixture(scope="module")
def all_widgets(explorers, tmp_path_factory):
    folder = tmp_path_factory.mktemp("labels")
    asked = [Question("", "first", "second")]
    app = label(file=folder / "mine.jsonl", rules=folder / "rules.md", questions=asked)
    made = [*explorers, Simulator(), frontier(), gallery(), dashboard(counting(3)), app]
    written = {name for file in look.STATIC.parent.glob("*.py") for name in widgets_of(file)}
    assert {type(widget).__name__ for widget in made} == written, (
        "a new widget joins this list, to be tested like the others"
    )
    return made


def widgets_of(file):
    return re.findall(r"^class (\w+)\((?:look\.)?Widget\)", file.read_text(encoding="utf-8"), re.MULTILINE)


def outputs(widget, monkeypatch) -> list[dict]:
    """What a notebook stores when a cell shows the widget: each output's data."""
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, **more: shown.append(data))
    assert DisplayFormatter().format(widget) == ({}, {}), "it shows itself"
    return shown


def test_a_notebook_stores_a_still_beside_the_widget(monkeypatch, all_widgets):
    for widget in all_widgets:
        still, view = outputs(widget, monkeypatch)
        assert VIEW not in still and '<img alt="' in still["text/html"] and still["text/plain"] == widget.alt()
        assert view[VIEW]["model_id"] == widget.model_id and "text/html" not in view, (
            "else some hosts show the still twice"
        )


def test_the_live_widget_hides_its_own_still_and_no_other(monkeypatch, all_widgets):
    hidden = r"body:has\(\.(\S+)\) \.(\S+),"
    for widget in all_widgets:
        ((live, still),) = re.findall(hidden, outputs(widget, monkeypatch)[0]["text/html"])
        assert live in widget._dom_classes and f'<div class="{still}">' in widget.still()
        assert not any(live in other._dom_classes for other in all_widgets if other is not widget)


def test_a_page_of_a_notebook_without_a_kernel_shows_each_widgets_picture(monkeypatch, all_widgets):
    cell = nbformat.v4.new_code_cell("widget")
    for widget in all_widgets:
        cell.outputs += [nbformat.v4.new_output("display_data", data) for data in outputs(widget, monkeypatch)]
    page, _ = HTMLExporter(embed_images=True).from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))
    assert page.count('src="data:image/png;base64,') == len(all_widgets) and "model not found" not in page


def test_a_run_that_has_ended_leaves_its_curves_as_its_still(monkeypatch):
    live, renewed = dashboard(counting(5)), []
    monkeypatch.setattr("IPython.display.display", lambda data, **more: SimpleNamespace(update=renewed_by(renewed)))
    live._ipython_display_()
    live.result()
    assert renewed and all("finished after 5 of 5 iterations" in data["text/plain"] for data in renewed), renewed


def renewed_by(renewed):
    return lambda data, raw: renewed.append(data)


def test_without_widgets_or_with_a_closed_one_a_notebook_gets_the_figure(monkeypatch, explorers):
    closed = Clip()
    closed.close()
    (data,) = outputs(closed, monkeypatch)
    assert VIEW not in data and data["text/html"].startswith("<img alt=")
    monkeypatch.setenv("RLHF_NO_WIDGETS", "1")
    for widget in explorers:
        (data,) = outputs(widget, monkeypatch)
        assert VIEW not in data and data["text/html"].startswith("<img alt=") and widget.alt() in data["text/plain"]


def test_every_role_has_a_colour_for_light_and_dark_pages_and_nothing_is_fetched():
    for name, role in plots.ROLES.items():
        assert f"--rl-{name}: light-dark({role['color']}, {look.DARK[name]});" in look.css()
    for file in look.STATIC.glob("*.js"):
        text = file.read_text()
        assert not re.search(r"^\s*import\b|\bimport\(|https?://(?!www\.w3\.org/2000/svg)", text, re.M), file


def test_drawing_needs_no_kernel_and_the_page_asks_nobody(chromium, explorers):
    """`bare` fails if anything outside the page is asked for; a widget that draws has words and a picture."""
    names = ["bradley_terry", "clip", "gae", "kl_estimators", "best_of_n", "next_token", "score"]
    for name, widget in zip(names, explorers, strict=True):
        with bare(chromium, look.esm(name), look.css(name), widget.state()) as page:
            assert page.locator(".rl svg").count() >= 1, name
            assert len(page.locator("[role=status]").last.inner_text()) > 30, name
