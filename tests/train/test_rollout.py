"""What the loops on samples share: one log, one way to name a reward or to compute it, one place where the prompt ends."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from rlhf_lesson.models.heads import ActorCritic
from rlhf_lesson.train import grpo, ppo, reinforce
from rlhf_lesson.train.rollout import check_scores, collect, score_of, text_reward

SAME = [  # columns of every loop
    *"step steps score score/gold score/proxy entropy kl length sampler_gap missing_end score_spread".split(),
    *"return grad_norm".split(),
]


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
    assert row["score_spread"] == pytest.approx(float(jnp.std(rollout.scores["proxy"])), rel=1e-5)
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


GIVEN = {  # what a reward function gives for 32 responses -> the sentence
    "NaN": ([0.5] * 3 + [float("nan")] + [0.5] * 28, "reward function gave nan for response 3"),
    "infinity": ([0.5] * 31 + [float("-inf")], "reward function gave -inf for response 31"),
    "too large for float32": ([1e39] + [0.5] * 31, r"gave 1e\+39 for response 0"),
    "one too few": ([0.5] * 31, r"gave shape \(31,\) for 32 responses"),
    "a column": (np.zeros((32, 1)), r"gave shape \(32, 1\) for 32 responses"),
    "one for all": (0.5, "gave one float for 32 responses"),
    "nothing": (None, "gave one NoneType for 32 responses"),
    "None among numbers": ([0.5, None] + [0.5] * 30, "gave None for response 1"),
    "words": (["0.5"] * 32, "gave '0.5' for response 0"),
    "lists of several lengths": ([[0.5], [0.5, 1.0]] * 16, "gave no list of numbers"),
    "complex numbers": ([0.5] * 31 + [1j], "for response 0"),
}


@pytest.mark.parametrize("what", GIVEN)
def test_scores_that_would_destroy_the_run_are_refused_by_their_row(what):
    values, sentence = GIVEN[what]
    with pytest.raises(ValueError, match=sentence):
        check_scores(values, 32, "the reward function")


@each_loop
def test_every_loop_looks_at_a_reward_before_it_updates(name, monkeypatch):
    updated = []
    monkeypatch.setattr(LOOPS[name][0], "update", lambda *args, **named: updated.append(args))
    with pytest.raises(ValueError, match="reward function gave nan for response 3 of the rollout"):
        next(start(name, reward=lambda rollout: GIVEN["NaN"][0]))
    assert not updated


def test_a_scorer_inside_the_compiled_rollout_is_looked_at_too_even_if_it_is_only_logged():
    rollout = next(start("ppo"))[2]
    lost = rollout._replace(scores={**rollout.scores, "gold": rollout.scores["gold"].at[5].set(jnp.nan)})
    with pytest.raises(ValueError, match="scorer 'gold' gave nan for response 5"):
        score_of(lost, "proxy")
    flat = rollout._replace(scores={"proxy": rollout.scores["proxy"][:, None]})
    with pytest.raises(ValueError, match=r"scorer 'proxy' gave shape \(32, 1\)"):
        score_of(flat, "proxy")


@pytest.mark.parametrize("values", [[True, False], (1, 2), np.array([1, 2]), jnp.array([1.0, 2.0], jnp.bfloat16)])
def test_any_plain_numbers_will_do(values):
    got = check_scores(values, 2, "the reward function")
    assert got.dtype == np.float32 and got.tolist() == [float(values[0]), float(values[1])]


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
