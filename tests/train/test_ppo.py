"""PPO end to end on the smallest model: the checks hold, the knobs work, and it finds the optimum it should."""

import os
import subprocess
import sys
import textwrap
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from project import TESTS

from rlhf_lesson.advantages import gae
from rlhf_lesson.data.prompts import Prompts
from rlhf_lesson.kl import exact_kl, tilted_policy
from rlhf_lesson.train import ppo
from rlhf_lesson.train.checks import same_tree
from rlhf_lesson.train.diagnose import diagnose
from rlhf_lesson.train.ppo import Config, Equations, train, update
from rlhf_lesson.train.rollout import collect

IDS = {"pad_id": tiny.PAD, "end_id": tiny.END}
SMALL = Config(iterations=3, batch=32, response=8, epochs=2, minibatches=2, learning_rate=3e-3)


def sevens(tokens, mask):
    """Share of real tokens that are 7: a reward with fractions, known in closed form."""
    return jnp.sum((tokens == 7) & mask, axis=1) / jnp.maximum(jnp.sum(mask, axis=1), 1)


SEVENS = {"proxy": jax.tree_util.Partial(sevens)}


def start(config=SMALL, scorers=SEVENS, policy=None, **changes):
    """The run as a generator: `next` takes one iteration of it, and needs no Config (and no program) of its own."""
    policy = tiny.model(layers=1) if policy is None else policy
    return train(config, policy, tiny.prompts(64), scorers, **IDS, **changes)


def run(config=SMALL, **changes):
    return list(start(config, **changes))


@pytest.fixture(scope="module")
def healthy():
    """A run that learns: its metrics, its last state, the policy it started from, and the programs it compiled."""
    policy = tiny.model(layers=1)
    before = collect._cache_size(), update._cache_size()
    config = replace(SMALL, iterations=30, kl_coef=0.03, missing_end_penalty=0.0)
    results = run(config, policy=policy)
    programs = collect._cache_size() - before[0], update._cache_size() - before[1]
    return [m for _, m, _ in results], results[-1][0], policy, programs


def test_an_iteration_is_two_compiled_programs(healthy):
    assert max(healthy[3]) <= 1


def test_fractions_of_a_reward_survive_and_it_rises(healthy):
    rows = healthy[0]
    assert 0.0 < rows[0]["score"] < 0.1
    assert np.mean([r["score"] for r in rows[-5:]]) > rows[0]["score"] + 0.2


def test_a_healthy_run_gets_no_diagnosis(healthy):
    assert diagnose(healthy[0]) == []


def test_the_reference_and_the_callers_policy_stay_bitwise_the_same(healthy):
    _, last, policy, _ = healthy
    assert same_tree(policy, tiny.model(layers=1)) and not same_tree(policy, last.policy)


@pytest.mark.parametrize("temperature", [0.7, 1.0])
def test_the_first_ratio_is_one_and_the_first_kl_zero_at_any_temperature(temperature):
    _, metrics, _ = next(start(replace(SMALL, temperature=temperature)))
    assert metrics["first_ratio_gap"] <= 1e-4 and abs(metrics["kl"]) <= 1e-4 and metrics["sampler_gap"] <= 1e-5


def test_gradient_accumulation_changes_nothing_although_lengths_differ():
    one, four = next(start()), next(start(replace(SMALL, accumulate=4)))
    assert four[1]["ratio_gap"] == pytest.approx(one[1]["ratio_gap"], rel=1e-3), (
        "the largest of the parts, not their sum"
    )
    assert len(set(one[2].response_mask.sum(1).tolist())) > 3, "lengths must differ for this to test anything"
    for a, b in zip(jax.tree.leaves(one[0].actor_critic), jax.tree.leaves(four[0].actor_critic), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    assert one[1]["policy_loss"] == pytest.approx(four[1]["policy_loss"], abs=1e-5)


def test_an_unknown_scorer_and_sizes_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="no scorer is called 'gold'"):
        next(start(reward="gold"))
    with pytest.raises(ValueError, match="multiple of minibatches"):
        next(start(replace(SMALL, accumulate=3)))


def test_a_separate_critic_starts_from_the_reward_model_learns_and_must_be_given():
    config = replace(SMALL, separate_critic=True, iterations=8, missing_end_penalty=0.0, kl_coef=0.0)
    critic = tiny.scorer(layers=1)
    results = run(config, critic=critic)
    out = results[0][2]
    values = jnp.where(out.response_mask, critic.values(out.tokens, out.mask)[:, 4:-1], 0.0)
    np.testing.assert_allclose(out.values, values, atol=1e-5)
    assert results[-1][1]["value_loss"] < 0.5 * results[0][1]["value_loss"]
    with pytest.raises(ValueError, match="needs a critic"):
        next(start(config))


def test_beta_falls_below_the_target_and_rises_above_it():
    betas = [m["kl_coef"] for _, m, _ in run(replace(SMALL, kl_target=1e-6, kl_horizon=64.0, iterations=4))]
    assert betas[0] == pytest.approx(SMALL.kl_coef)
    assert betas[1] == pytest.approx(SMALL.kl_coef * (1 - 0.2 * 32 / 64)), "the first KL is 0"
    assert betas[3] > betas[2] > betas[1]


def test_the_missing_end_penalty_is_charged_to_unfinished_responses_only():
    _, _, rollout = next(start())
    score = rollout.scores["proxy"]
    cheap, dear = (
        ppo.experience(rollout, score, 0.0, replace(SMALL, lam=1.0, missing_end_penalty=p), Equations()).returns[:, 0]
        for p in (0.0, 3.0)
    )
    assert 0 < rollout.has_end.sum() < 32
    np.testing.assert_allclose(cheap - dear, np.where(rollout.has_end, 0.0, 3.0), atol=1e-5)


def one_token(kl_coef=0.5, **changes):
    """Responses of one token, whose optimum is known: policies before and after, and the score of each token."""
    score_of_token = jnp.sin(jnp.arange(48.0))
    scorer = jax.tree_util.Partial(lambda s, tokens, mask: s[tokens[:, -1]], score_of_token)
    prompts = Prompts(np.full((128, 2), 5, np.int32), np.ones((128, 2), bool))
    config = Config(
        iterations=30, batch=128, response=1, epochs=2, minibatches=2, learning_rate=1e-2, missing_end_penalty=0.0
    )
    policy = tiny.model(layers=1)
    state = ppo.initial_state(config, policy)._replace(kl_coef=jnp.asarray(kl_coef))
    for state, metrics, _ in train(config, policy, prompts, {"proxy": scorer}, **IDS, state=state, **changes):
        pass
    one = jnp.full((1, 2), 5), jnp.ones((1, 2), bool)
    ref, got = (jax.nn.log_softmax(m(*one)[0, -1]) for m in (policy, state.policy))
    return ref, got, score_of_token


def test_ppo_finds_the_closed_form_optimum_of_one_token_driven_by_a_students_function():
    calls = []

    def my_gae(*args, **named):
        calls.append(named)
        return gae(*args, **named)

    mine = {"equations": Equations(gae=my_gae)}
    ref, got, score = one_token(**mine)
    optimum = tilted_policy(ref, score, kl_coef=0.5)
    assert calls and float(exact_kl(optimum, ref)) > 0.3, "the optimum must be somewhere else than the start"
    assert float(exact_kl(got, optimum)) < 0.02
    ref, got, score = one_token(kl_coef=0.0, **mine)
    assert got.argmax() == score.argmax() and float(got.max()) > np.log(0.7), "without a penalty one token takes all"


def test_resuming_from_a_state_ends_in_the_same_weights():
    whole = run()[-1][0]
    first = jax.tree.map(jnp.copy, next(start())[0])
    rest = run(state=first)
    assert len(rest) == 2 and same_tree(whole, rest[-1][0])


@pytest.mark.parametrize("how", ["", "policy=tiny.llama(frozen=2), trains=upper_layers(tiny.llama(frozen=2)), "])
def test_eight_devices_give_the_same_metrics_as_one(how):
    code = f"""
        import jax
        jax.config.update("jax_num_cpu_devices", 8)
        jax.config.update("jax_disable_most_optimizations", True)
        import tiny, test_ppo as t
        from rlhf_lesson.models.partial import upper_layers
        mesh = jax.make_mesh((8,), ("data",))
        alone = [m for _, m, _ in t.run({how})]
        split = [m for _, m, _ in t.run({how}mesh=mesh)]
        assert len(jax.devices()) == 8
        worst = max(abs(a[k] - b[k]) / max(1.0, abs(a[k])) for a, b in zip(alone, split) for k in a)
        assert worst <= 1e-5, worst
    """
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS / "train")]),
        "JAX_PLATFORMS": "cpu",
    }
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_advantage_is_whitened_after_the_returns_are_taken():
    *_, rollout = next(start())
    make = partial(ppo.experience, rollout, rollout.scores["proxy"], 0.1)
    plain = make(replace(SMALL, whiten_advantages=False), Equations())
    white = make(SMALL, Equations())
    np.testing.assert_allclose(plain.returns, white.returns)
    np.testing.assert_allclose(plain.returns, plain.advantages + rollout.values, atol=1e-6)
    real = np.asarray(rollout.response_mask)
    assert (
        abs(np.asarray(white.advantages)[real].mean()) < 1e-4
        and abs(np.asarray(white.advantages)[real].std() - 1) < 1e-3
    )
