"""The gallery of broken runs, without a browser."""

import json

import matplotlib.pyplot
import pytest

from rlhf_lesson.study.mistakes import SWITCHES
from rlhf_lesson.widgets.gallery import Gallery, gallery


def runs():
    """A gallery of two broken runs, in the form of benchmarks/results/gallery.json."""

    def run(story, diagnosis, checks=(), **changes):
        curve = [
            {"step": i, "kl": 0.1 * i, "score/proxy": 0.02 * i, "score/gold": 0.01 * i, "length": 9.0}
            for i in range(1, 21)
        ]
        curve = [{name: changes.get(name, lambda x: x)(value) for name, value in row.items()} for row in curve]
        return {
            "curve": curve,
            "samples": ["the film is good"],
            "checks": list(checks),
            "diagnosis": diagnosis,
            "story": story,
        }

    return {
        "healthy": run("Nothing is wrong here.", []),
        "wrong KL sign": run("The KL was added.", ["The KL ran away: it has the wrong sign."], kl=lambda x: 40 * x),
        "frozen key": run("One key.", ["Samples repeat."], ["stopped at once"], length=lambda x: float("nan")),
    }


def test_the_gallery_answers_with_the_librarys_sentences():
    w = Gallery(runs())
    first, second = (run["name"] for run in w.runs)
    right, wrong = w.answer(first), w.answer(second)
    assert w.runs[0]["diagnosis"][0] in right and w.runs[0]["story"] in right
    assert w.runs[1]["diagnosis"][0] in wrong and "Not this one" in wrong and w.runs[0]["story"] not in wrong
    w.run = 1
    assert w.answer(second).count(w.runs[1]["story"]) == 1 and ("stopped at once" in w.answer("")) == (
        second == "frozen key"
    )


def test_picks_of_the_page_are_counted():
    w = Gallery(runs())
    first, second = (run["name"] for run in w.runs)
    w.set_state({"picks": {"0": [second, first], "1": [""]}})
    assert w.found == 1
    w.set_state({"run": 99})
    assert w.run == 1


def test_the_gallery_can_be_said_as_json_and_drawn_without_widgets(monkeypatch):
    w = Gallery(runs())
    json.dumps(w.state(), allow_nan=False)  # NaN in a curve would break the page
    monkeypatch.setenv("RLHF_NO_WIDGETS", "1")
    shown, _ = w._repr_mimebundle_()
    assert shown["text/html"].startswith("<img alt=") and "Run 1 of 2" in shown["text/plain"]
    assert matplotlib.pyplot.get_fignums() == []


def test_every_mistake_of_the_committed_gallery_is_there():
    try:
        w = gallery()
    except ValueError as error:
        assert "benchmarks/gallery.py" in str(error)
        pytest.skip(str(error))
    assert sorted(w.choices) == sorted(SWITCHES)
    assert all(len(run["curve"]["kl"]) > 10 and run["story"] for run in w.runs)
