"""Numbers that are not finite stop a run, and a drowned policy is said; the other checks are in test_planted_bugs.py."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from rlhf_lesson.data.examples import Example
from rlhf_lesson.losses import cross_entropy_loss
from rlhf_lesson.train import ppo, sft
from rlhf_lesson.train.checks import all_finite, finite, with_value_pull

GOOD = {"w": jnp.ones(3), "step": jnp.zeros((), jnp.int32), "key": jax.random.key(0)}
LOST = {**GOOD, "w": jnp.array([1.0, jnp.nan, 1.0])}


def test_a_tree_is_finite_where_all_its_numbers_are():
    assert all_finite(GOOD) and all_finite(tiny.model()) and all_finite({})
    assert not all_finite(LOST) and not all_finite({**GOOD, "w": jnp.array([jnp.inf])})


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_stops_the_run_by_its_name(wrong):
    row = {"step": 7, "steps": 9, "loss": 0.5, "grad_norm": wrong}
    with pytest.raises(ValueError, match=f"iteration 7 gave grad_norm = {wrong}.*the iteration before was the last"):
        finite(row, GOOD)


def test_lost_weights_are_found_in_the_last_iteration_which_has_no_next_one_to_show_them():
    assert finite({"step": 8, "steps": 9, "loss": 0.5}, LOST)["loss"] == 0.5
    with pytest.raises(ValueError, match="iteration 9 gave weights that are not finite"):
        finite({"step": 9, "steps": 9, "loss": 0.5}, LOST)
    assert finite({"step": 9, "steps": 9, "loss": 0.5}, GOOD)["step"] == 9


def test_a_gradient_that_is_lost_in_the_last_step_is_not_the_result_of_a_run():
    @jax.custom_jvp
    def poisoned(x):
        return x

    poisoned.defjvp(lambda x, dx: (x[0], dx[0] * jnp.nan))
    steps = sft.train(
        sft.Config(),
        tiny.model(layers=1),
        [Example([3, 4, 5], 1)],
        pad_id=tiny.PAD,
        cross_entropy_loss=lambda logits, targets: poisoned(cross_entropy_loss(logits, targets)),
    )
    with pytest.raises(ValueError, match="iteration 1 gave weights that are not finite"):
        next(steps)


def test_the_critics_pull_on_a_shared_net_is_counted_by_hand_and_a_large_one_is_warned_of():
    config = ppo.Config(value_coef=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert with_value_pull({"value_loss": 8.0}, config)["value_pull"] == pytest.approx(0.4)  # 0.1 x sqrt(2 x 8)
        for other in (ppo.Config(separate_critic=True), ppo.Config(whiten_advantages=False)):
            assert with_value_pull({"value_loss": 1e6}, other) == {"value_loss": 1e6}
    with pytest.warns(UserWarning, match="value loss swamps"):
        assert with_value_pull({"value_loss": 4194.0}, config)["value_pull"] > 9.0


def test_a_reward_on_a_scale_of_hundreds_is_warned_of_by_ppo():
    reward = jax.tree_util.Partial(lambda tokens, mask: 100.0 * jnp.sum(jnp.sin(tokens) * mask, axis=1))
    config = ppo.Config(iterations=1, batch=8, response=4, epochs=1, minibatches=1)
    ids = {"pad_id": tiny.PAD, "end_id": tiny.END}
    with pytest.warns(UserWarning, match="divide the reward by its spread"):
        ((_, row, _),) = ppo.train(config, tiny.model(layers=1), tiny.prompts(), {"proxy": reward}, **ids)
    assert np.isfinite(row["score"]) and row["value_pull"] > 3.0
