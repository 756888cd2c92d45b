"""The pool: policies as weights over real responses, equal to the library's equations, and the files that ship."""

import json
from itertools import combinations, pairwise
from math import log

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from project import ROOT

from rlhf_lesson import kl, rewards
from rlhf_lesson.study import pool
from rlhf_lesson.study.pool import Pool, Proxy
from rlhf_lesson.study.pool_runs import CLEAN, PROMPTS

RESULTS = ROOT / "benchmarks" / "results"
PROXY = Proxy(5000, 0.0)


def made(proxy, gold=None, judge=None, *, prompts=1) -> Pool:
    """A pool of given scores; gold and judge are the proxy's where they are not given."""
    rows = np.asarray(proxy, float).reshape(prompts, -1)
    gold, judge = (rows if x is None else np.asarray(x, float).reshape(rows.shape) for x in (gold, judge))
    texts = [[f" response {i}" for i in range(rows.shape[1])] for _ in range(prompts)]
    scores = {"logp": -np.ones_like(rows), PROXY: rows, "gold": gold, "judge": judge}
    return Pool(pool.pack([f"prompt {i}" for i in range(prompts)], texts, scores))


def random_pool(size=64, seed=0, prompts=2):
    rng = np.random.default_rng(seed)
    return made(*(rng.normal(size=prompts * size) for _ in range(3)), prompts=prompts)


# ---- the file ------------------------------------------------------------------------------------


def test_a_pool_comes_back_from_its_bytes_as_float16_holds_it():
    proxy = np.array([[0.5, -1.25, 3.0], [2.0, 0.0, -0.75]])
    found = made(proxy, prompts=2)
    assert found.prompts == ["prompt 0", "prompt 1"] and found.size == 3 and found.proxies == [PROXY]
    np.testing.assert_array_equal(found.scores(PROXY), proxy)
    np.testing.assert_array_equal(found.scores("logp"), -np.ones((2, 3)))
    assert found.texts[1] == [" response 0", " response 1", " response 2"]


def test_a_response_with_a_line_break_is_refused():
    with pytest.raises(ValueError, match="line break"):
        pool.pack(["p"], [["two\nlines"]], {"gold": np.zeros((1, 1))})


# ---- the optimum ---------------------------------------------------------------------------------


def test_two_responses_by_hand():
    # beta = 0.5 and scores 0 and 1: weights 1 : e^2. exp(1 / 0.5) = 7.389; p = 1/8.389 = 0.1192 and 0.8808
    # KL = 0.1192 log(0.2384) + 0.8808 log(1.7616) = -0.1709 + 0.4987 = 0.3278; ess = 1/(0.0142 + 0.7758) = 1.2658
    point = pool.closed_form(made([0.0, 1.0], [2.0, 4.0], [0.0, -1.0]), 0, PROXY, kl_coef=0.5)
    assert point == pytest.approx((0.3278, 0.8808, 0.2384 + 3.5232, -0.8808, 1.2658), abs=2e-4)


def test_an_infinite_beta_is_exactly_the_reference():
    found = random_pool(2048)
    point = pool.closed_form(found, 0, PROXY, kl_coef=float("inf"))
    assert point.kl == 0.0 and point.ess == pytest.approx(2048, rel=1e-5)
    assert point.gold == pytest.approx(found.scores("gold")[0].mean(), abs=1e-6)
    np.testing.assert_array_equal(pool.tilted(jnp.arange(8.0), kl_coef=jnp.inf), pool.reference(8))


def test_a_smaller_beta_goes_further_for_more_proxy_and_rests_on_less():
    points = [pool.closed_form(random_pool(), 0, PROXY, kl_coef=beta) for beta in (10.0, 3.0, 1.0, 0.3, 0.1)]
    for nearer, further in pairwise(points):
        assert further.kl > nearer.kl and further.proxy > nearer.proxy and further.ess < nearer.ess
    assert points[-1].kl < log(64)


def test_no_other_weights_do_better_at_the_optimums_beta():
    found, beta = random_pool(), 0.7
    score, uniform = jnp.asarray(found.scores(PROXY)[0]), pool.reference(64)

    def worth(logp):
        return jnp.sum(jnp.exp(logp) * score) - beta * kl.exact_kl(logp, uniform)

    best = worth(pool.tilted(score, kl_coef=beta))
    for key in jax.random.split(jax.random.key(0), 20):
        other = jax.nn.log_softmax(pool.tilted(score, kl_coef=beta) + 0.3 * jax.random.normal(key, (64,)))
        assert worth(other) < best


# ---- best of n -----------------------------------------------------------------------------------


def test_best_of_n_is_the_average_over_every_subset():
    proxy, gold = [0.5, -1.0, 2.0, 1.0, 0.0], [3.0, 1.0, -2.0, 5.0, 0.0]
    found = made(proxy, gold)
    for n in range(1, 6):
        subsets = list(combinations(range(5), n))
        expected = np.mean([gold[max(subset, key=proxy.__getitem__)] for subset in subsets])
        assert pool.best_of_n(found, 0, PROXY, n).gold == pytest.approx(expected, abs=1e-5)


def test_best_of_ns_distance_is_the_librarys_and_below_its_bound():
    found = random_pool()
    score = jnp.asarray(found.scores(PROXY)[1])
    for n in (1, 2, 7, 64):
        point = pool.best_of_n(found, 1, PROXY, n)
        assert point.kl == pytest.approx(float(kl.best_of_n_kl(pool.reference(64), score, n)), abs=1e-6)
        assert point.kl <= float(kl.best_of_n_kl_bound(n)) + 1e-6
        assert point.proxy == pytest.approx(float(rewards.best_of_n_estimate(score, score, n)), abs=1e-6)


# ---- several prompts, draws, proxies -------------------------------------------------------------


def test_a_mean_over_prompts_keeps_the_weakest_prompts_effective_size():
    points = [pool.Point(1.0, 2.0, 3.0, 0.5, 100.0), pool.Point(3.0, 0.0, 1.0, -0.5, 10.0)]
    assert pool.mean_point(points) == (2.0, 1.0, 2.0, 0.0, 10.0)


def test_draws_follow_the_weights():
    logp = jnp.log(jnp.array([0.2, 0.5, 0.3]))
    assert [pool.pick(logp, chance) for chance in (0.0, 0.19, 0.21, 0.69, 0.71, 0.999999)] == [0, 0, 1, 1, 2, 2]


# ---- what ships ----------------------------------------------------------------------------------


def test_the_pool_that_ships_is_large_small_and_on_the_courses_scale():
    shipped = pool.load()
    assert len(shipped.prompts) == len(set(shipped.prompts)) >= PROMPTS == 12 and shipped.size >= 2000
    assert pool.ASSET.stat().st_size < 3e6
    assert [len(texts) for texts in shipped.texts] == [shipped.size] * len(shipped.prompts)
    assert CLEAN in shipped.proxies and len({p.pairs for p in shipped.proxies}) >= 3
    assert len({p.noise for p in shipped.proxies}) >= 2
    assert np.all(shipped.scores("logp") < 0) and np.all(np.abs(shipped.scores("judge")) <= 1)
    for proxy in shipped.proxies:
        scores = shipped.scores(proxy)
        assert abs(scores.mean()) < 1 and 0.4 < scores.std() < 2, f"{proxy} is not normalised on the SFT policy"


def test_a_response_that_is_there_twice_has_the_same_scores_twice():
    shipped = pool.load()
    texts, gold = shipped.texts[0], shipped.scores("gold")[0]
    first = {}
    repeated = [(first.setdefault(text, i), i) for i, text in enumerate(texts)]
    cut = 3e-3  # two token sequences can read alike; nearly always they are one
    same = [abs(gold[i] - gold[j]) <= cut for i, j in repeated if i != j]
    assert not same or np.mean(same) > 0.9


def test_more_and_cleaner_pairs_make_a_proxy_that_goes_more_with_gold():
    rows = json.loads((RESULTS / "pool.json").read_text())["proxies"]
    goes = {(row["pairs"], row["noise"]): row["correlation_with_gold"] for row in rows}
    assert goes[5000, 0.0] > goes[250, 0.0] and goes[5000, 0.0] > goes[5000, 0.3]
