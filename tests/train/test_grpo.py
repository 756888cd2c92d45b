"""RLOO and GRPO: the checks hold, the optimum is the one of theory, silent groups teach nothing, planted bugs are caught."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from rlhf_lesson import kl, losses
from rlhf_lesson.advantages import group_advantages, leave_one_out
from rlhf_lesson.data.prompts import Prompts
from rlhf_lesson.kl import exact_kl, tilted_policy
from rlhf_lesson.train import grpo
from rlhf_lesson.train.checks import same_tree
from rlhf_lesson.train.grpo import GRPO, RLOO, Config, Equations, experience, no_penalty, train, update
from rlhf_lesson.train.rollout import collect

IDS = {"pad_id": tiny.PAD, "end_id": tiny.END}
SMALL = Config(iterations=3, prompts=8, group=4, response=8, epochs=2, minibatches=2, learning_rate=3e-3)
METHODS = [pytest.param(RLOO, id="RLOO"), pytest.param(GRPO, id="GRPO")]


def sevens(tokens, mask):
    """Share of real tokens that are 7: a reward with fractions, known in closed form."""
    return jnp.sum((tokens == 7) & mask, axis=1) / jnp.maximum(jnp.sum(mask, axis=1), 1)


SEVENS = {"proxy": jax.tree_util.Partial(sevens)}


def start(config=SMALL, scorers=SEVENS, policy=None, **changes):
    policy = tiny.model(layers=1) if policy is None else policy
    return train(config, policy, tiny.prompts(64), scorers, **IDS, **changes)


def run(config=SMALL, **changes):
    return list(start(config, **changes))


@pytest.mark.parametrize("method", METHODS)
def test_the_reward_rises_in_two_compiled_programs_and_the_callers_policy_stays(method):
    policy = tiny.model(layers=1)
    before = collect._cache_size(), update._cache_size()
    config = replace(SMALL, iterations=25, kl_coef=0.01, missing_end_penalty=0.0, learning_rate=1e-2)
    results = run(config, policy=policy, equations=method)
    assert collect._cache_size() - before[0] <= 1 and update._cache_size() - before[1] <= 1
    rows = [m for _, m, _ in results]
    assert np.mean([r["score"] for r in rows[-5:]]) > rows[0]["score"] + 0.2
    assert same_tree(policy, tiny.model(layers=1)) and not same_tree(policy, results[-1][0].policy)


@pytest.mark.parametrize("temperature", [0.7, 1.0])
def test_the_first_ratio_is_one_and_the_first_kl_zero_at_any_temperature(temperature):
    _, metrics, _ = next(start(replace(SMALL, temperature=temperature)))
    assert metrics["first_ratio_gap"] <= 1e-4 and abs(metrics["kl"]) <= 1e-4 and metrics["sampler_gap"] <= 1e-5


@pytest.mark.parametrize("method", METHODS)
def test_a_resumed_run_ends_in_the_same_weights(method):
    whole = run(equations=method)[-1][0]
    first = jax.tree.map(jnp.copy, next(start(equations=method))[0])
    rest = run(state=first, equations=method)
    assert len(rest) == 2 and same_tree(whole, rest[-1][0])


def test_a_group_shares_its_prompt_and_differs_in_its_responses():
    _, _, rollout = next(start())
    prompts, responses = (np.asarray(x).reshape(8, 4, -1) for x in (rollout.tokens[:, :5], rollout.tokens[:, 5:]))
    assert (prompts == prompts[:, :1]).all() and len({p.tobytes() for p in prompts[:, 0]}) > 4
    assert (responses[:, 0] != responses[:, 1]).any(axis=1).mean() > 0.9


def test_a_python_function_can_be_the_reward_and_wrong_arguments_are_refused():
    twice = next(start(reward=lambda rollout: np.asarray(rollout.scores["proxy"]) * 2.0))[1]
    assert twice["score"] == pytest.approx(2 * twice["score/proxy"]) and 0.0 < twice["score/proxy"] < 0.1
    with pytest.raises(ValueError, match="no scorer is called 'gold'"):
        next(start(reward="gold"))
    with pytest.raises(ValueError, match="multiple of minibatches"):
        next(start(replace(SMALL, minibatches=3)))


# ---- groups that teach nothing ---------------------------------------------------------------------


def of_the_prompt(tokens, mask):
    return jnp.sin(jnp.sum(tokens[:, :5], axis=1) / 7.0)


@pytest.mark.parametrize("method", METHODS)
def test_when_all_groups_score_alike_the_weights_move_by_rounding_alone(method):
    """Adam divides rounding by itself, hence the comparison with a reward that does tell."""
    before = tiny.model(layers=1)

    def step(scorer):
        config = replace(SMALL, iterations=1, missing_end_penalty=0.0)
        state, metrics, rollout = run(config, scorers={"proxy": jax.tree_util.Partial(scorer)}, equations=method)[0]
        gaps = jax.tree.map(lambda a, b: jnp.sum((a - b) ** 2), before, state.policy)
        return (
            metrics["silent_groups"],
            float(np.ptp(rollout.scores["proxy"])),
            float(sum(jax.tree.leaves(gaps))) ** 0.5,
        )

    silent, spread, still = step(of_the_prompt)
    assert silent == 1.0 and spread > 0.5
    silent, _, moved = step(sevens)
    assert silent < 1.0 and still < 0.02 * moved


def test_a_silent_group_beside_a_telling_one_has_advantage_0():
    _, _, rollout = next(start())
    score = jnp.where(jnp.arange(32) < 4, 0.3, jnp.sin(jnp.arange(32.0)))
    for method in (RLOO, GRPO):
        data, _ = experience(rollout, score, replace(SMALL, missing_end_penalty=0.0), method)
        assert np.abs(data.advantages[:4]).max() < 1e-6 < 0.1 < np.abs(data.advantages[4:]).max()


def test_rloo_pays_for_the_kl_in_its_reward_and_grpo_in_its_loss():
    _, _, rollout = next(start())
    moved = rollout._replace(logp=jnp.where(rollout.response_mask, rollout.ref_logp + 0.5, 0.0))
    score, config = moved.scores["proxy"], replace(SMALL, missing_end_penalty=0.0, kl_coef=0.3)
    lengths = np.asarray(rollout.response_mask.sum(1), np.float32)
    np.testing.assert_allclose(
        experience(moved, score, config, RLOO)[1].ravel(), score - 0.3 * 0.5 * lengths, atol=1e-5
    )
    np.testing.assert_allclose(experience(moved, score, config, GRPO)[1].ravel(), score, atol=1e-6)
    policy = tiny.model(layers=1)
    _, of_rloo = grpo.loss_fn(policy, experience(moved, score, config, RLOO)[0], config, RLOO)
    farther = rollout._replace(ref_logp=jnp.where(rollout.response_mask, rollout.logp - 0.5, 0.0))
    _, of_grpo = grpo.loss_fn(policy, experience(farther, score, config, GRPO)[0], config, GRPO)
    assert float(of_rloo["kl_loss"]) == 0.0 and float(of_grpo["kl_loss"]) == pytest.approx(
        np.exp(-0.5) - 1 + 0.5, abs=1e-4
    )


# ---- the optimum of one token ----------------------------------------------------------------------


def one_token(equations, kl_coef=0.5, **changes):
    """Responses of one token, whose optimum is known: policies before and after, and the score of each token."""
    score_of_token = jnp.sin(jnp.arange(48.0))
    scorer = jax.tree_util.Partial(lambda s, tokens, mask: s[tokens[:, -1]], score_of_token)
    prompts = Prompts(np.full((16, 2), 5, np.int32), np.ones((16, 2), bool))
    settings = dict(iterations=60, prompts=4, group=64, response=1, learning_rate=1e-2, missing_end_penalty=0.0)
    config = Config(**{**settings, "kl_coef": kl_coef, **changes})
    policy = tiny.model(layers=1)
    for state, _, _ in train(config, policy, prompts, {"proxy": scorer}, **IDS, equations=equations):
        pass
    one = jnp.full((1, 2), 5), jnp.ones((1, 2), bool)
    ref, got = (jax.nn.log_softmax(m(*one)[0, -1]) for m in (policy, state.policy))
    return ref, got, score_of_token


def forward_kl_optimum(ref_logp, score, kl_coef):
    """argmax_pi E_pi[r] - beta KL(ref || pi), what k3 in the loss really asks for: pi = beta ref / (lambda - r)."""
    low, high = float(score.max()) + 1e-6, float(score.max()) + 10.0
    for _ in range(100):
        middle = 0.5 * (low + high)
        total = float(jnp.sum(kl_coef * jnp.exp(ref_logp) / (middle - score)))
        low, high = (middle, high) if total > 1.0 else (low, middle)
    return jnp.log(kl_coef * jnp.exp(ref_logp) / (middle - score))


@pytest.fixture(scope="module")
def rloo():
    return one_token(RLOO)


def test_rloo_finds_the_closed_form_optimum_of_one_token(rloo):
    ref, got, score = rloo
    optimum = tilted_policy(ref, score, kl_coef=0.5)
    assert float(exact_kl(optimum, ref)) > 0.3, "the optimum must be somewhere else than the start"
    assert float(exact_kl(got, optimum)) < 0.02


def test_k2_in_the_loss_finds_the_same_optimum_and_k3_that_of_the_other_kl():
    k2 = Equations(leave_one_out, kl_in_reward=no_penalty, kl_in_loss=kl.k2)
    ref, got, score = one_token(k2)
    tilted = tilted_policy(ref, score, kl_coef=0.5)
    other = forward_kl_optimum(ref, score, 0.5)
    assert float(exact_kl(got, tilted)) < 0.02 and float(exact_kl(tilted, other)) > 0.05
    _, got, _ = one_token(k2._replace(kl_in_loss=kl.k3))
    assert float(exact_kl(got, other)) < 0.02 < float(exact_kl(got, tilted))


def test_the_spread_does_no_harm_while_the_kl_stands_in_the_reward(rloo):
    ref, got, score = one_token(RLOO._replace(advantages=group_advantages))
    assert float(exact_kl(got, tilted_policy(ref, score, kl_coef=0.5))) < 0.02


def test_grpo_divides_by_the_spread_so_its_beta_shrinks_with_it():
    ref, got, score = one_token(GRPO)
    p = jnp.exp(got)
    spread = float(jnp.sqrt(jnp.sum(p * score**2) - jnp.sum(p * score) ** 2))
    assert float(exact_kl(got, forward_kl_optimum(ref, score, 0.5 * spread))) < 0.03
    assert float(exact_kl(got, forward_kl_optimum(ref, score, 0.5))) > 0.03, "the spread is not 1"


# ---- planted bugs: rows 23 and 43 ------------------------------------------------------------------


def whole_batch(scores):
    return group_advantages(scores)


def first_advantages(advantages_of, score, prompts=8, group=4):
    rollout = next(start())[2]
    config = replace(SMALL, missing_end_penalty=0.0, prompts=prompts, group=group)
    return np.asarray(experience(rollout, score, config, GRPO._replace(advantages=advantages_of))[0].advantages)


def test_groups_of_the_wrong_rows_are_seen_by_their_means():
    score = jnp.repeat(jnp.arange(8.0), 4) + jnp.tile(jnp.asarray([0.0, 0.1, 0.2, 0.3]), 8)  # hard and easy prompts

    def by_prompt(advantage):
        return np.abs(advantage.reshape(8, 4).mean(axis=1)).max()

    assert by_prompt(first_advantages(group_advantages, score)) < 1e-5
    assert by_prompt(first_advantages(whole_batch, score, prompts=1, group=32)) > 0.5  # one group of all
    tiled = grpo.experience(
        next(start())[2], score.reshape(8, 4).T.ravel(), replace(SMALL, missing_end_penalty=0.0), GRPO
    )  # rows in the order of np.tile instead of np.repeat
    assert by_prompt(np.asarray(tiled[0].advantages).reshape(4, 8).T.ravel()) > 0.5


def test_a_baseline_that_sees_its_own_response_shrinks_the_advantage():
    score = jnp.sin(jnp.arange(32.0))
    right = first_advantages(leave_one_out, score)
    wrong = first_advantages(lambda r: r - jnp.mean(r), score)
    np.testing.assert_allclose(wrong, 0.75 * right, atol=1e-6)  # (G - 1) / G


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(RLOO._replace(advantages=lambda r: -leave_one_out(r)), id="sign of the advantage"),
        pytest.param(RLOO._replace(kl_in_reward=lambda logp, ref: kl.k1(ref, logp)), id="sign of the KL"),
        pytest.param(RLOO._replace(kl_in_reward=no_penalty), id="no KL anywhere"),
        pytest.param(RLOO._replace(kl_in_reward=no_penalty, kl_in_loss=kl.k1), id="row 23: k1 in the loss"),
        pytest.param(RLOO._replace(kl_in_loss=kl.k2), id="KL paid for twice"),
    ],
)
def test_a_wrong_equation_misses_the_closed_form_optimum(rloo, wrong):
    ref, got, score = one_token(wrong)
    optimum = tilted_policy(ref, score, kl_coef=0.5)
    assert float(exact_kl(got, optimum)) > max(0.04, 4 * float(exact_kl(rloo[1], optimum)))


def test_old_log_probs_that_are_stale_or_shifted_stop_the_run(monkeypatch):
    right = grpo.collect
    for wrong in (lambda r: jnp.roll(r.logp, 1, axis=1), lambda r: r.logp * 1.1):
        plant = partial(lambda wrong, *a, **k: (lambda r: r._replace(logp=wrong(r)))(right(*a, **k)), wrong)
        monkeypatch.setattr(grpo, "collect", plant)
        with pytest.raises(ValueError, match="first ratio"):
            next(start())


def test_padding_reaches_neither_loss_nor_gradient():
    _, _, rollout = next(start())
    config, policy = replace(SMALL, missing_end_penalty=0.0), tiny.model(layers=1)
    data, _ = experience(rollout, rollout.scores["proxy"], config, GRPO)
    assert not rollout.response_mask.all()
    dirty = data._replace(old=data.old._replace(tokens=jnp.where(data.old.mask, data.old.tokens, 9)))
    grads = [jax.grad(lambda p, d=d: grpo.loss_fn(p, d, config, GRPO)[0])(policy) for d in (data, dirty)]
    assert same_tree(*grads)


def test_a_students_clip_loss_drives_the_run():
    calls = []

    def mine(*args, **named):
        calls.append(named)
        return losses.ppo_clip_loss(*args, **named)

    ours = run(equations=RLOO._replace(ppo_clip_loss=mine))[-1][0]
    assert calls and same_tree(ours, run(equations=RLOO)[-1][0])
