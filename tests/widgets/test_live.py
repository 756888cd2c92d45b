"""The live widgets without a browser: labels on disk before the next pair, a loop in the background, gallery and frontier.

The same file passes on ipywidgets 7.7.1 and 8: messages of the page are what `hear` and `set_state` get.
"""

import json

import jax
import jax.numpy as jnp
import matplotlib.pyplot
import numpy as np
import pytest
import tiny
from counting import counting, until

from rlhf_lesson.data import labels
from rlhf_lesson.data.labels import Labelling, Question
from rlhf_lesson.study.mistakes import SWITCHES
from rlhf_lesson.train import ppo
from rlhf_lesson.widgets.dashboard import MOST_POINTS, AsText, Dashboard, dashboard, panels, thinned
from rlhf_lesson.widgets.frontier import Frontier, frontier
from rlhf_lesson.widgets.gallery import Gallery, gallery
from rlhf_lesson.widgets.label import label

ASKED = [Question("", f"first {i}", f"second {i}") for i in range(5)]


@pytest.fixture(autouse=True)
def widgets(monkeypatch):
    monkeypatch.delenv("RLHF_NO_WIDGETS", raising=False)


# ---- labelling -----------------------------------------------------------------------------------


@pytest.fixture
def app(tmp_path):
    return label(file=tmp_path / "mine.jsonl", rules=tmp_path / "rules.md", questions=ASKED)


def decide(app, vote):
    app.hear({"do": "decide", "vote": vote, "number": app.question["number"], "seconds": 1.5})


def test_each_decision_is_on_disk_before_the_next_pair_is_shown(app):
    seen = []
    app.observe(lambda change: seen.append([v.vote for v in labels.read(app.session.file)]), "question")
    for vote in ("A", "tie", "skip"):
        decide(app, vote)
    assert seen == [["A"], ["A", "tie"], ["A", "tie", "skip"]]
    assert app.question == {"number": 3, "prompt": "", "left": "first 3", "right": "second 3"}
    app.hear({"do": "undo"})
    assert app.question["number"] == 2 and app.counts == {"A": 1, "B": 0, "tie": 1, "skip": 0, "total": 5}


def test_a_page_that_speaks_of_another_pair_decides_nothing_and_gets_an_answer(app):
    saved = app.saved
    app.hear({"do": "decide", "vote": "A", "number": 3})
    assert labels.read(app.session.file) == [] and app.saved == saved + 1


def test_a_label_that_cannot_be_written_is_told_and_the_pair_stays(app, monkeypatch):
    def full(*_, **__):
        raise OSError("No space left on device")

    monkeypatch.setattr(labels, "append", full)
    decide(app, "A")
    assert "No space left" in app.message and app.question["number"] == 0


def test_guidelines_are_read_again_with_every_pair(app):
    assert "rules.md" in app.guidelines
    app.rules.write_text("Praise of the whole counts more.")
    decide(app, "B")
    assert app.guidelines == "Praise of the whole counts more."


def test_the_end_is_an_empty_question(app):
    for _ in ASKED:
        decide(app, "A")
    assert app.question == {}
    decide_late = {"do": "decide", "vote": "A", "number": None}
    app.hear(decide_late)
    assert "every question has a decision" in app.message and app.session.counts["A"] == 5


def test_download_and_import_carry_the_labels_to_another_machine(app, tmp_path, monkeypatch):
    for vote in ("A", "B", "tie"):
        decide(app, vote)
    sent = []
    monkeypatch.setattr(app, "send", lambda content, buffers=None: sent.append(content))
    app.hear({"do": "download"})
    assert sent[0]["name"] == "labels_me.jsonl"
    other = label(file=tmp_path / "other.jsonl", questions=ASKED)
    other.hear({"do": "import", "name": "labels_me.jsonl", "text": sent[0]["text"]})
    assert other.question["number"] == 3 and other.message == "3 labels taken in."
    other.hear({"do": "import", "name": "x.jsonl", "text": '{"vote": 1}\n'})
    assert "Not done" in other.message and other.question["number"] == 3


def test_agreement_is_shown_when_asked_for_and_never_before(tmp_path):
    try:
        app = label(12, file=tmp_path / "mine.jsonl")
    except ValueError as error:
        pytest.skip(f"the ratings need one fetch: {error}")
    app.hear({"do": "report"})
    assert app.report == [] and "Label a few" in app.message
    for _ in range(12):
        decide(app, "A")
    assert app.report == []
    app.hear({"do": "report"})
    assert [row["pairs"] for row in app.report] == [12, 12, 12] and "100 % went to the left" in app.message
    json.dumps(app.state(), allow_nan=False)
    assert "12 of 12" in app.picture().alt


def test_without_widgets_the_session_is_answered_by_hand(tmp_path, monkeypatch):
    monkeypatch.setenv("RLHF_NO_WIDGETS", "1")
    session = label(file=tmp_path / "mine.jsonl", questions=ASKED)
    assert type(session) is Labelling and "A: first 0" in repr(session)
    session.decide("A")
    assert "1 of 5" in repr(session)


# ---- a loop in the background --------------------------------------------------------------------


def test_what_the_loop_raises_reaches_who_waits():
    def broken():
        yield None, {"step": 1, "steps": 3}
        raise ValueError("the KL at step 0 is 3, not 0")

    live = Dashboard(broken())
    with pytest.raises(ValueError, match="KL at step 0"):
        live.result()
    assert live.progress["status"] == "failed" and "the KL at step 0 is 3" in live.progress["error"]


def drawn(live):
    """The curves as the page gets them, by name."""
    data = np.frombuffer(live.data, np.float32).reshape(len(live.names), -1)
    return dict(zip(live.names, data, strict=True))


def test_the_page_gets_every_curve_of_the_finished_run():
    live = dashboard(counting(50), sample=lambda state: [f"text {state.step}"], every=20)
    live.result()
    assert live.names == ["step", "kl", "loss"]
    np.testing.assert_array_equal(drawn(live)["kl"], np.arange(1, 51))
    np.testing.assert_allclose(drawn(live)["loss"], 1 / np.arange(1, 51), rtol=1e-6)
    assert [panel["title"] for panel in live.panels] == ["KL (nats per response)", "loss"]
    assert live.progress["status"] == "finished" and live.progress["step"] == live.progress["steps"] == 50
    assert live.samples == [{"step": s, "texts": [f"text {s}"]} for s in (1, 20, 40, 50)]
    assert "finished after 50 of 50" in live.picture().alt and matplotlib.pyplot.get_fignums() == []


def test_a_fast_loop_does_not_drown_the_page(monkeypatch):
    live, sent = Dashboard(counting(2000)), []
    live.observe(lambda change: sent.append(change["name"]), "data")
    live.result()
    assert 1 <= len(sent) <= 3 + live.loop.seconds[0] + sum(live.loop.seconds) / 0.25 + 10
    assert len(drawn(live)["kl"]) <= 2 * MOST_POINTS and drawn(live)["step"][-1] == 2000


def test_long_runs_are_thinned_with_their_ends_kept_and_gaps_stay_gaps():
    rows = [{"step": i, **({"kl": i} if i % 2 else {})} for i in range(1, 5001)]
    step, kl = thinned(rows, ["step", "kl"])
    assert step[0] == 1 and step[-1] == 5000 and len(step) <= 2 * MOST_POINTS
    assert np.isnan(kl[step % 2 == 0]).all() and (kl[step % 2 == 1] == step[step % 2 == 1]).all()


def test_a_loop_with_metrics_of_its_own_is_drawn_too():
    assert panels({"step": 1, "steps": 9, "apples": 2.0, "pears": 1}) == [
        {"title": "apples", "names": ["apples"]},
        {"title": "pears", "names": ["pears"]},
    ]


def test_buttons_of_the_page_start_pause_and_stop():
    live = dashboard(counting(10_000, wait=0.002))
    live.hear({"do": "start"})
    until(lambda: len(live.rows) > 2)
    live.hear({"do": "pause"})
    until(lambda: live.progress["status"] == "paused")
    live.hear({"do": "start"})
    live.hear({"do": "stop"})
    assert live.result().step == len(live.rows) and live.progress["status"] == "stopped"


def test_the_dashboard_changes_no_number_of_a_real_ppo_run():
    sevens = jax.tree_util.Partial(lambda tokens, mask: jnp.sum((tokens == 7) & mask, axis=1) / jnp.sum(mask, axis=1))
    config = ppo.Config(iterations=3, batch=32, response=8, learning_rate=3e-3)

    def train():
        ids = {"pad_id": tiny.PAD, "end_id": tiny.END}
        return ppo.train(config, tiny.model(layers=1), tiny.prompts(), {"proxy": sevens}, **ids)

    live = dashboard(train(), sample=lambda state: [str(int(state.step))])
    state = live.result()
    plain = [metrics for _, metrics, _ in train()]
    assert live.rows == plain and int(state.step) == 3
    titles = [panel["title"] for panel in live.panels]
    for title in ("score (reward units)", "KL (nats per response)", "entropy (nats per token)", "length (tokens)"):
        assert title in titles
    assert "share of ratios clipped" in titles and [s["texts"] for s in live.samples] == [["1"], ["2"], ["3"]]


def test_without_widgets_the_loop_runs_as_text(monkeypatch, capsys):
    monkeypatch.setenv("RLHF_NO_WIDGETS", "1")
    live = dashboard(counting(10), sample=lambda state: [f"text {state.step}"], title="PPO")
    assert (
        isinstance(live, AsText)
        and live.start().result().step == 10
        and repr(live) == "finished after 10 iterations, 0 s"
    )
    said = "".join(capsys.readouterr())
    assert "text 10" in said and "10/10" in said and "loss=0.1" in said


# ---- gallery and frontier ------------------------------------------------------------------------


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
    shown = w._repr_mimebundle_()
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


def methods():
    """Three methods, two seeds, in the form of benchmarks/results/methods.json."""
    slopes = {"PPO": (0.5, 0.3), "DPO": (0.4, 0.1)}

    def path(method, seed):
        proxy, gold = slopes[method]
        return [
            {"step": 8 * i, "kl": float(i), "proxy": proxy * i + 0.1 * seed, "gold": gold * i + 0.1 * seed}
            for i in range(5)
        ]

    best = [{"n": n, "kl": float(np.log(n)), "proxy": 0.6 * np.log(n), "gold": 0.5 * np.log(n)} for n in (1, 2, 4, 8)]
    seeds = [{"seed": s, "paths": {m: {"0.1": path(m, s)} for m in slopes}, "best of n": best} for s in (0, 1)]
    equal = []
    for method, (proxy, gold) in slopes.items():
        for kl in (1.0, 2.0, 4.0):
            both = {"proxy": proxy * kl, "gold": gold * kl}
            spread = {name: {"min": v, "median": v + 0.05, "max": v + 0.1} for name, v in both.items()}
            equal.append({"method": method, "kl": kl, "seeds": 2, **spread})
    return {"equal_kl": equal, "seeds": seeds}


def test_the_frontier_reads_methods_at_one_kl_highest_first():
    w = Frontier(methods())
    assert w.kls == [1.0, 2.0, 4.0] and w.kl == 2.0 and w.scorers == ["proxy", "gold"]
    assert [(row["method"], round(row["gold"]["median"], 3)) for row in w.at(4.0)] == [("PPO", 1.25), ("DPO", 0.45)]
    w.set_state({"shown": ["DPO", "best of n"], "place": 0, "scorer": "proxy"})
    assert [row["method"] for row in w.at(w.kl)] == ["DPO"] and w.alt() == "Median proxy at 1 nat: DPO +0.45"


def test_every_measured_path_reaches_the_page():
    w = Frontier(methods())
    assert len(w.paths) == 2 * (2 + 1) and {p["method"] for p in w.paths} == {"PPO", "DPO", "best of n"}
    assert next(p for p in w.paths if p["method"] == "best of n")["n"] == [1, 2, 4, 8]
    json.dumps(w.state(), allow_nan=False)
    assert "Median gold at 2 nats" in w.picture().alt and matplotlib.pyplot.get_fignums() == []
    looks = [tuple(look) for look in w.looks.values()]
    assert len(set(looks)) == len(looks), "two methods look alike"


def test_the_committed_frontier_has_every_method_over_seeds():
    try:
        w = frontier()
    except ValueError as error:
        assert "benchmarks/methods_at_equal_kl.py" in str(error)
        pytest.skip(str(error))
    assert {"PPO", "DPO", "GRPO", "RLOO", "REINFORCE", "best of n"} <= set(w.looks)
    assert len({path["seed"] for path in w.paths}) >= 2


def test_three_hundred_changes_cost_little_memory():
    import resource

    w = Frontier(methods())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for i in range(300):
        w.set_state({"place": i % 3, "root": bool(i % 2)})
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 20
