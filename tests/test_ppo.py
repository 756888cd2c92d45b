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

from rlhf_lesson import train_ppo
from rlhf_lesson.diagnose import diagnose, same_tree
from rlhf_lesson.kl import exact_kl, tilted_policy
from rlhf_lesson.rollout import Prompts, collect, prompt_batches
from rlhf_lesson.train_ppo import Config, Equations, train, update

IDS = {"pad_id": tiny.PAD, "end_id": tiny.END}
SMALL = Config(iterations=3, batch=32, response=8, epochs=2, minibatches=2, learning_rate=3e-3)


def sevens(tokens, mask):
    """Share of real tokens that are 7: a reward with fractions, known in closed form."""
    return jnp.sum((tokens == 7) & mask, axis=1) / jnp.maximum(jnp.sum(mask, axis=1), 1)


SEVENS = {"proxy": jax.tree_util.Partial(sevens)}


def run(config=SMALL, scorers=SEVENS, policy=None, **changes):
    policy = tiny.model() if policy is None else policy
    return list(train(config, policy, tiny.prompts(64), scorers, **IDS, **changes))


@pytest.mark.parametrize("temperature", [0.7, 1.0])
def test_the_first_ratio_is_one_and_the_first_kl_zero_at_any_temperature(temperature):
    _, metrics, _ = run(replace(SMALL, temperature=temperature, iterations=1))[0]
    assert metrics["first_ratio_gap"] <= 1e-4 and abs(metrics["kl"]) <= 1e-4 and metrics["sampler_gap"] <= 1e-5


def test_an_iteration_is_two_compiled_programs():
    run()
    before = collect._cache_size(), update._cache_size()
    run(replace(SMALL, seed=5))
    after = collect._cache_size(), update._cache_size()
    assert (
        after[0] == before[0] and after[1] - before[1] == 1
    )  # one update for the new Config, and nothing per iteration


def test_the_reference_and_the_callers_policy_stay_bitwise_the_same():
    policy = tiny.model()
    results = run(policy=policy)
    assert same_tree(policy, tiny.model()) and not same_tree(policy, results[-1][0].policy)


def test_gradient_accumulation_changes_nothing_although_lengths_differ():
    one = run(replace(SMALL, iterations=1))[-1]
    four = run(replace(SMALL, iterations=1, accumulate=4))[-1]
    assert len(set(one[2].response_mask.sum(1).tolist())) > 3, "lengths must differ for this to test anything"
    for a, b in zip(jax.tree.leaves(one[0].actor_critic), jax.tree.leaves(four[0].actor_critic), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    assert one[1]["policy_loss"] == pytest.approx(four[1]["policy_loss"], abs=1e-5)


def test_fractions_of_a_reward_survive_and_it_rises():
    config = replace(SMALL, iterations=25, kl_coef=0.02, missing_end_penalty=0.0)
    rows = [m for _, m, _ in run(config)]
    assert 0.0 < rows[0]["score"] < 0.2
    assert np.mean([r["score"] for r in rows[-5:]]) > rows[0]["score"] + 0.2
    assert not [s for s in diagnose(rows) if "rate" not in s and "ntropy" not in s], "a healthy run has no broken part"


def test_a_python_function_can_be_the_reward():
    seen = []

    def reward(rollout):
        seen.append(rollout.tokens.shape)
        return np.asarray(rollout.scores["proxy"]) * 2.0

    python = run(replace(SMALL, iterations=2), reward=reward)
    assert len(seen) == 2 and python[0][1]["score"] == pytest.approx(2 * python[0][1]["score/proxy"])


def test_an_unknown_scorer_and_sizes_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="no scorer is called 'gold'"):
        run(reward="gold")
    with pytest.raises(ValueError, match="multiple of minibatches"):
        run(replace(SMALL, accumulate=3))


def test_a_separate_critic_learns_and_needs_a_start():
    config = replace(SMALL, separate_critic=True, iterations=12, missing_end_penalty=0.0, kl_coef=0.0)
    rows = [m for _, m, _ in run(config, critic=tiny.scorer())]
    assert rows[-1]["value_loss"] < 0.5 * rows[0]["value_loss"]
    with pytest.raises(ValueError, match="needs a critic"):
        run(config)


def test_beta_adapts_towards_the_target():
    config = replace(SMALL, kl_target=1e-6, kl_horizon=64.0, iterations=4)
    up = [m["kl_coef"] for _, m, _ in run(config)]
    assert up[2] > up[1], "above the target, beta rises"
    down = [m["kl_coef"] for _, m, _ in run(replace(config, kl_target=1e6))]
    assert down[0] == pytest.approx(SMALL.kl_coef) and down[1] < down[0]


def test_the_missing_end_penalty_is_charged_to_unfinished_responses_only():
    cheap, dear = (run(replace(SMALL, iterations=1, kl_coef=0.0, missing_end_penalty=p))[0] for p in (0.0, 3.0))
    unfinished = 1.0 - float(cheap[2].has_end.mean())
    discounted = cheap[1]["return"] - dear[1]["return"]
    assert unfinished > 0.1 and 0 < discounted <= 3.0 * unfinished + 1e-5


def test_a_students_function_drives_the_run():
    plain = run(replace(SMALL, iterations=1))[0][1]
    mine = run(replace(SMALL, iterations=1), equations=Equations(gae=lambda r, v, m, **_: jnp.zeros_like(r)))[0][1]
    assert mine["policy_loss"] != plain["policy_loss"]


def test_ppo_finds_the_closed_form_optimum_of_one_token():
    beta = 0.5
    score_of_token = jnp.sin(jnp.arange(48.0))
    scorer = jax.tree_util.Partial(lambda s, tokens, mask: s[tokens[:, -1]], score_of_token)
    prompts = Prompts(np.full((256, 2), 5, np.int32), np.ones((256, 2), bool))
    config = Config(
        iterations=60, batch=256, response=1, epochs=2, minibatches=2, learning_rate=1e-2, kl_coef=beta,
        missing_end_penalty=0.0,
    )  # fmt: skip
    policy = tiny.model()
    for state, metrics, _ in train(config, policy, prompts, {"proxy": scorer}, **IDS):
        pass
    one = jnp.full((1, 2), 5), jnp.ones((1, 2), bool)
    ref, got = (jax.nn.log_softmax(m(*one)[0, -1]) for m in (policy, state.policy))
    optimum = tilted_policy(ref, score_of_token, kl_coef=beta)
    assert float(exact_kl(optimum, ref)) > 0.3, "the optimum must be somewhere else than the start"
    assert float(exact_kl(got, optimum)) < 0.05


def test_prompts_are_reshuffled_each_epoch_and_depend_on_seed_and_step_only():
    prompts = tiny.prompts(64)
    stream = [next(b) for b in [prompt_batches(prompts, 32, 0)] for _ in range(4)]
    assert not (stream[0].tokens == stream[2].tokens).all()
    later = next(prompt_batches(prompts, 32, 0, start=3))
    assert (later.tokens == stream[3].tokens).all()
    with pytest.raises(ValueError, match="do not fill a batch"):
        next(prompt_batches(prompts, 65, 0))


def test_resuming_from_a_state_ends_in_the_same_weights():
    whole = run()[-1][0]
    states = train(SMALL, tiny.model(), tiny.prompts(64), SEVENS, **IDS)
    first = jax.tree.map(jnp.copy, next(states)[0])
    rest = run(state=first)
    assert len(rest) == 2 and same_tree(whole, rest[-1][0])


def test_eight_devices_give_the_same_metrics_as_one():
    code = """
        import jax
        jax.config.update("jax_num_cpu_devices", 8)
        import tiny, test_ppo as t
        mesh = jax.make_mesh((8,), ("data",))
        alone = [m for _, m, _ in t.run()]
        split = [m for _, m, _ in t.run(mesh=mesh)]
        assert len(jax.devices()) == 8
        worst = max(abs(a[k] - b[k]) / max(1.0, abs(a[k])) for a, b in zip(alone, split) for k in a)
        assert worst <= 1e-5, worst
    """
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(__file__), "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_advantage_is_whitened_after_the_returns_are_taken():
    *_, rollout = run(replace(SMALL, iterations=1))[0]
    make = partial(train_ppo.experience, rollout, rollout.scores["proxy"], 0.1)
    plain, returns = make(replace(SMALL, whiten_advantages=False), Equations())
    white, same = make(SMALL, Equations())
    np.testing.assert_allclose(returns, same)
    np.testing.assert_allclose(returns, plain.advantages + rollout.values, atol=1e-6)
    real = np.asarray(rollout.response_mask)
    assert (
        abs(np.asarray(white.advantages)[real].mean()) < 1e-4
        and abs(np.asarray(white.advantages)[real].std() - 1) < 1e-3
    )
