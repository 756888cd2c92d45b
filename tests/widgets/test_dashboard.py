"""The dashboard, without a browser: curves of a loop in the background, thinned where they are long, and buttons.

The same file passes on ipywidgets 7.7.1 and 8: messages of the page are what `hear` and `set_state` get.
"""

import jax
import jax.numpy as jnp
import matplotlib.pyplot
import numpy as np
import pytest
import tiny
from counting import counting, until

from rlhf_lesson.train import ppo
from rlhf_lesson.widgets.dashboard import MOST_POINTS, AsText, Dashboard, dashboard, panels, thinned


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


def test_what_diagnose_says_of_the_rows_so_far_stands_on_the_page_while_the_loop_runs(monkeypatch, capsys):
    def endless(count):
        for step in range(1, count + 1):
            yield step, {"step": step, "steps": 4, "kl": 0.01 * (step - 1), "missing_end": 1.0, "length": 24.0}

    live, seen = Dashboard(endless(4)), []
    live.loop._seen = lambda state, row: [Dashboard._seen(live, state, row), seen.append(list(live.findings))]
    live.result()
    assert all("No response ever ends" in said[0] for said in seen) and len(seen) == 4
    assert live.progress["findings"] == seen[-1] and "No response ever ends" in live.alt()
    monkeypatch.setenv("RLHF_NO_WIDGETS", "1")
    dashboard(endless(4)).start()
    assert "".join(capsys.readouterr()).count("No response ever ends") == 1


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
