"""What all explorers share: plain state, a figure with words where there are no widgets, and a drawing that needs no kernel."""

import json
import re

import pytest
import traitlets
from browser import bare
from IPython.core.formatters import DisplayFormatter

from rlhf_lesson.view import plots
from rlhf_lesson.widgets import best_of_n, gae, kl_estimators, look, next_token, score
from rlhf_lesson.widgets.bradley_terry import BradleyTerry
from rlhf_lesson.widgets.clip import Clip

VIEW = "application/vnd.jupyter.widget-view+json"


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


def test_a_notebook_gets_the_widget_and_without_widgets_its_figure(monkeypatch, explorers):
    show = DisplayFormatter().format
    monkeypatch.delenv("RLHF_NO_WIDGETS", raising=False)
    for widget in explorers:
        assert VIEW in show(widget)[0]
    monkeypatch.setenv("RLHF_NO_WIDGETS", "1")
    for widget in explorers:
        data = show(widget)[0]
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
