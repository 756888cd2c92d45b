"""What the loops on samples share: one log, one way to name a reward or to compute it, one place where the prompt ends."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from rlhf_lesson.models.gpt2 import ActorCritic
from rlhf_lesson.train import grpo, ppo, reinforce
from rlhf_lesson.train.rollout import collect, text_reward

SAME = (
    (
        "step steps score score/gold score/proxy entropy kl length sampler_gap missing_end return grad_norm"  # of every loop
    ).split()
)


def sevens(tokens, mask):
    """Share of real tokens that are 7."""
    return jnp.sum((tokens == 7) & mask, axis=1) / jnp.maximum(jnp.sum(mask, axis=1), 1)


SCORERS = {"proxy": jax.tree_util.Partial(sevens), "gold": jax.tree_util.Partial(lambda *args: 1.0 - sevens(*args))}
LOOPS = {
    "ppo": (ppo, ppo.Config(iterations=2, batch=32, response=8, learning_rate=3e-3)),
    "grpo": (grpo, grpo.Config(iterations=2, prompts=8, group=4, response=8, learning_rate=3e-3)),
    "reinforce": (reinforce, reinforce.Config(iterations=2, batch=32, response=8, learning_rate=3e-3)),
}
each_loop = pytest.mark.parametrize("name", LOOPS)


def start(name, config=None, **changes):
    """A loop as a generator: `next` takes one iteration of it."""
    loop, default = LOOPS[name]
    ids = {"pad_id": tiny.PAD, "end_id": tiny.END}
    return loop.train(config or default, tiny.model(layers=1), tiny.prompts(64), SCORERS, **ids, **changes)


@each_loop
def test_every_loop_logs_the_same_columns_and_its_scores_are_the_means_of_its_rollout(name):
    _, row, rollout = next(start(name))
    assert set(SAME) <= set(row) and all(isinstance(row[column], int | float) for column in row)
    assert list(row)[: len(SAME) - 2] == SAME[:-2], "the same columns come first and in the same order"
    assert row["score"] == row["score/proxy"] == pytest.approx(float(rollout.scores["proxy"].mean()))
    assert row["score/gold"] == pytest.approx(float(rollout.scores["gold"].mean()))
    assert row["missing_end"] == pytest.approx(1.0 - float(rollout.has_end.mean()))
    assert (row["step"], row["steps"]) == (1, 2)


@each_loop
def test_every_loop_refuses_a_reward_that_no_scorer_gives(name):
    with pytest.raises(ValueError, match="no scorer is called 'judge'"):
        next(start(name, reward="judge"))


@each_loop
def test_every_loop_optimises_the_scorer_that_is_named(name):
    _, row, _ = next(start(name, reward="gold"))
    assert row["score"] == row["score/gold"] != row["score/proxy"]


@each_loop
def test_a_python_function_can_be_the_reward(name):
    seen = []

    def reward(rollout):
        seen.append(rollout.tokens.shape)
        return np.asarray(rollout.scores["proxy"]) * 2.0

    rows = [row for _, row, _ in start(name, reward=reward)]
    assert len(seen) == 2 and rows[0]["score"] == pytest.approx(2 * rows[0]["score/proxy"])


def test_a_python_function_of_text_can_be_the_reward_and_raises_it():
    class Letters:  # stands for a tokenizer: one letter per token
        def decode(self, ids, skip_special_tokens):
            return "".join(chr(0x4E00 + i) for i in ids)

    config = replace(LOOPS["ppo"][1], iterations=12, kl_coef=0.0, missing_end_penalty=0.0)
    reward = text_reward(lambda text: text.count(chr(0x4E07)) / len(text), Letters())
    rows = [m for _, m, _ in start("ppo", config, reward=reward)]
    assert rows[0]["score"] == pytest.approx(rows[0]["score/proxy"]) and rows[-1]["score"] > 2 * rows[0]["score"]


def test_the_prompt_ends_where_the_response_begins():
    prompts = tiny.prompts(8, length=5)
    policy = tiny.model(layers=1)
    ids = {"pad_id": tiny.PAD, "end_id": tiny.END}
    rollout = collect(ActorCritic(policy), policy, SCORERS, prompts, jax.random.key(0), response=6, **ids)
    assert rollout.prompt == 5
    np.testing.assert_array_equal(rollout.tokens[:, : rollout.prompt], prompts.tokens)
    np.testing.assert_array_equal(rollout.mask[:, rollout.prompt :], rollout.response_mask)
