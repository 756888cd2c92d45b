"""REINFORCE: the reward rises, the penalty holds it back, and the sign of the advantage matters."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import tiny

from rlhf_lesson.train.checks import same_tree
from rlhf_lesson.train.reinforce import Config, train


def sevens(tokens, mask):
    """Share of real tokens that are 7."""
    return jnp.sum((tokens == 7) & mask, axis=1) / jnp.maximum(jnp.sum(mask, axis=1), 1)


SMALL = Config(iterations=25, batch=64, response=8, learning_rate=1e-2, kl_coef=0.0)


def run(config=SMALL, **changes):
    scorers = {"proxy": jax.tree_util.Partial(sevens)}
    return list(train(config, tiny.model(), tiny.prompts(64), scorers, pad_id=tiny.PAD, end_id=tiny.END, **changes))


def test_the_reward_rises_and_a_penalty_holds_the_policy_near_its_reference():
    free = [m for _, m, _ in run()]
    held = [m for _, m, _ in run(replace(SMALL, kl_coef=1.0))]
    assert np.mean([m["score"] for m in free[-5:]]) > free[0]["score"] + 0.2
    assert held[-1]["kl"] < 0.5 * free[-1]["kl"]


def test_with_the_sign_of_the_advantage_turned_the_reward_falls():
    wrong = [m for _, m, _ in run(baseline=lambda r: jnp.mean(r) - r)]
    assert np.mean([m["score"] for m in wrong[-5:]]) < 0.5 * wrong[0]["score"]


def test_a_resumed_run_ends_in_the_same_weights():
    config = replace(SMALL, iterations=3)
    whole = run(config)[-1][0]
    states = iter(
        train(config, tiny.model(), tiny.prompts(64), {"proxy": jax.tree_util.Partial(sevens)}, pad_id=0, end_id=1)
    )
    first = jax.tree.map(jnp.copy, next(states)[0])
    assert same_tree(whole, run(config, state=first)[-1][0])
