"""The simulator without a browser: its numbers are the library's, its traits answer, live PPO starts, progresses and stops.

The same file passes on ipywidgets 7.7.1 and 8: messages of the page are what `hear` gets.
"""

import json
import time

import jax.numpy as jnp
import numpy as np
import pytest
import tiny_chain
from float64 import float64

from rlhf_lesson import kl, rewards
from rlhf_lesson.study import pool
from rlhf_lesson.study.pool import Proxy
from rlhf_lesson.study.pool_runs import CLEAN, few_prompts, settings, trained_proxy
from rlhf_lesson.widgets.simulator import BETAS, Simulator


@pytest.fixture(autouse=True)
def widgets(monkeypatch):
    monkeypatch.delenv("RLHF_NO_WIDGETS", raising=False)


@pytest.mark.parametrize("beta", [5.0, 1.0, 0.4])
def test_the_optimum_equals_the_librarys_in_float64(beta):
    simulator = Simulator(beta=beta, prompt=3)
    score = simulator._pool.scores(CLEAN)[3].astype(float)
    with float64():
        uniform = -jnp.log(jnp.full(len(score), float(len(score))))
        logp = kl.tilted_policy(uniform, jnp.asarray(score), kl_coef=beta)
        expected = float(kl.exact_kl(logp, uniform)), float(jnp.sum(jnp.exp(logp) * score))
        point = simulator.optimum()
    assert (point.kl, point.proxy) == pytest.approx(expected, abs=1e-6)


def test_best_of_n_equals_the_librarys_in_float64():
    simulator = Simulator(n=32, prompt=0)
    score, gold = (simulator._pool.scores(name)[0].astype(float) for name in (CLEAN, "gold"))
    with float64():
        uniform = -jnp.log(jnp.full(len(score), float(len(score))))
        expected = float(kl.best_of_n_kl(uniform, jnp.asarray(score), 32))
        value = float(rewards.best_of_n_estimate(jnp.asarray(score), jnp.asarray(gold), 32))
        point = simulator.best()
    assert (point.kl, point.gold) == pytest.approx((expected, value), abs=1e-6)


def test_at_infinite_beta_it_is_exactly_the_reference():
    simulator = Simulator(beta=None)
    now = simulator.now()
    assert now["optimum"] == now["reference"] and now["optimum"].kl == 0.0
    assert now["optimum"].gold == pytest.approx(simulator._pool.scores("gold").mean(), abs=1e-5)
    assert simulator.warning() == ""


def test_a_small_beta_warns_that_the_pool_is_too_small_for_it():
    simulator = Simulator(beta=BETAS[0])
    assert simulator.optimum().ess < pool.ENOUGH and "too small" in simulator.warning()
    assert simulator.warning() in simulator.alt()


def test_another_proxy_gives_other_numbers_and_hides_runs_that_did_not_optimise_it():
    simulator = Simulator(beta=0.5)
    clean = simulator.optimum()
    simulator.run_beta = simulator.run_rate = simulator.run_clip = None
    assert simulator.shown_runs() and len(simulator.shown_runs()) == len(simulator.runs)
    simulator.pairs = 250
    assert simulator.proxy == Proxy(250, 0.0) and simulator.optimum().gold != clean.gold
    assert simulator.shown_runs() == []


def test_the_filter_keeps_runs_with_its_settings():
    simulator = Simulator(run_beta=0.15)
    assert {(run.beta, run.rate, run.clip) for run in simulator.shown_runs()} == {(0.15, 3e-4, 0.2)}
    assert len({run.seed for run in simulator.shown_runs()}) >= 5


def test_settings_that_do_not_exist_are_refused():
    with pytest.raises(ValueError, match="take 0 to"):
        Simulator(prompt=99)
    with pytest.raises(Exception, match="n"):
        Simulator(n=0)


def test_generated_responses_are_the_pools_and_the_optimum_draws_better_ones():
    simulator = Simulator(beta=0.3, n=256, prompt=2)
    rows = [simulator.generate(seed) for seed in range(40)]
    assert [row["policy"] for row in rows[0]] == ["reference", "optimum", "best of n"]
    responses = {simulator._pool.prompts[2] + text for text in simulator._pool.texts[2]}
    assert all(row["text"] in responses for three in rows for row in three)
    mean = {k: np.mean([three[i]["proxy"] for three in rows]) for i, k in enumerate(("reference", "optimum", "best"))}
    assert mean["optimum"] > mean["reference"] + 0.5 and mean["best"] > mean["reference"] + 0.5
    assert all(three[0]["log_ratio"] == 0.0 for three in rows)
    assert rows[0] == simulator.generate(0) and rows[0] != rows[1]


def test_its_state_is_plain_json_that_says_a_page_cannot_train():
    state = json.loads(json.dumps(Simulator().state(), allow_nan=False))
    assert state["can_train"] is False and state["beta"] == 1.0 and len(state["packed"]["base64"]) > 1e5


def test_without_widgets_it_is_a_picture_with_words(monkeypatch):
    monkeypatch.setenv("RLHF_NO_WIDGETS", "1")
    shown, _ = Simulator(beta=2.0)._repr_mimebundle_()
    assert "<img" in shown["text/html"] and "nats from the reference" in shown["text/plain"]


# ---- proxies and live PPO ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chain():
    return tiny_chain.chain()


def test_the_pools_prompts_are_those_that_ship(chain):
    prompts = few_prompts(chain.data)
    texts = chain.data.tokenizer.batch_decode(
        [t[m].tolist() for t, m in zip(*prompts, strict=True)], skip_special_tokens=True
    )
    assert [text.strip() for text in texts] == pool.load().prompts
    assert all(len(text.split()) > 1 for text in texts)


def test_the_courses_own_proxy_is_not_trained_again(chain):
    assert [model for model, _ in trained_proxy(chain, CLEAN)] == [chain.scorers["proxy"]]


def test_runs_sample_as_the_pool_did():
    ppo = settings(kl_coef=0.3)
    assert (ppo.response, ppo.temperature, ppo.kl_coef) == (32, 0.7, 0.3)
    assert pool.load().header["sampling"]["response"] == ppo.response
    assert pool.load().header["sampling"]["temperature"] == ppo.temperature


def wait(condition, seconds=900):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.05)


@pytest.mark.slow
def test_live_ppo_starts_progresses_stops_and_starts_again(chain):
    simulator, heard = Simulator(beta=0.2, iterations=500, chain=lambda: chain), []
    simulator.observe(lambda change: heard.append(change["new"]["status"]), "progress")
    simulator.hear({"do": "train"})
    first = simulator.loop
    wait(lambda: len(simulator.points) >= 2 or first.ended)
    assert first.error is None
    simulator.train()
    assert simulator.loop is first, "one run at a time"
    simulator.hear({"do": "stop"})
    wait(lambda: first.ended)
    assert simulator.progress["status"] == "stopped", simulator.progress["error"]
    assert 0 < simulator.progress["step"] < 500
    assert "running" in heard
    assert [p["step"] for p in simulator.points[:2]] == [1, 2]
    assert all(np.isfinite([p[k] for k in ("kl", "proxy", "gold", "judge")]).all() for p in simulator.points)
    simulator.iterations, simulator.beta = 2, 1.0
    simulator.train()
    wait(lambda: simulator.loop.ended)
    assert simulator.progress["status"] == "finished"
    assert {(p["run"], p["beta"]) for p in simulator.points} == {(1, 0.2), (2, 1.0)}


def test_at_infinite_beta_there_is_nothing_to_train(chain):
    simulator = Simulator(beta=None, chain=lambda: chain)
    simulator.train()
    assert simulator.progress["status"] == "failed" and "choose a beta" in simulator.progress["error"]


def test_what_goes_wrong_in_the_background_is_shown():
    def broken():
        raise ValueError("no ratings here")

    simulator = Simulator(chain=broken)
    simulator.train()
    wait(lambda: simulator.loop.ended)
    assert simulator.progress["status"] == "failed" and "no ratings here" in simulator.progress["error"]
