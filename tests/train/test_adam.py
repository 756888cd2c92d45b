"""The step that every loop shares: its rate over a run, and the first step of Adam with and without a warm-up."""

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from rlhf_lesson.train.adam import adam, warmed_up


def test_the_rate_rises_to_its_peak_over_its_part_of_the_run_and_falls_to_0_at_the_end():
    rate = warmed_up(1.0, 40, 0.25)
    np.testing.assert_allclose([rate(step) for step in (0, 5, 10, 25, 40)], [0.0, 0.5, 1.0, 0.5, 0.0], atol=1e-6)


@pytest.mark.parametrize(
    ("steps", "warmup", "rates"), [(4, 0.0, [1.0, 0.75, 0.5, 0.25]), (4, 0.1, [0.0, 1.0]), (1, 0.5, [0.0])]
)
def test_without_a_warm_up_a_run_begins_at_the_peak_and_the_shortest_warm_up_is_one_step(steps, warmup, rates):
    rate = warmed_up(1.0, steps, warmup)
    np.testing.assert_allclose([rate(i) for i in range(len(rates))], rates, atol=1e-6)


def test_a_first_step_moves_every_weight_by_the_full_rate_unless_it_is_warmed_up():
    gradient = {"w": jnp.array([1e-2, -0.5])}
    for warmup, moved in ((0.0, 0.1), (0.5, 0.0)):
        optimiser = adam(SimpleNamespace(learning_rate=0.1, warmup=warmup, clip_norm=1.0), 10)
        updates, _ = optimiser.update(gradient, optimiser.init(gradient), gradient)
        np.testing.assert_allclose(updates["w"], [-moved, moved], atol=2e-4)
