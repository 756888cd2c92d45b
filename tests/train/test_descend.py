"""Adam on a small loss ends at its lowest point."""

import jax.numpy as jnp
import numpy as np
import optax

from rlhf_lesson.train.descend import descend


def bowl(place):
    return jnp.sum(jnp.array([1.0, 10.0]) * (place - jnp.array([3.0, -2.0])) ** 2)


def test_it_ends_at_the_bottom():
    np.testing.assert_allclose(descend(bowl, jnp.zeros(2), learning_rate=0.1, steps=2000), [3.0, -2.0], atol=1e-4)


def test_no_steps_leave_the_start():
    np.testing.assert_array_equal(descend(bowl, jnp.array([0.5, 0.25]), learning_rate=0.1, steps=0), [0.5, 0.25])


def test_the_first_step_has_the_length_of_the_learning_rate_down_the_slope():
    first = descend(bowl, jnp.zeros(2), learning_rate=0.1, steps=1)
    np.testing.assert_allclose(first, [0.1, -0.1], rtol=1e-4)


def test_the_compiled_loop_is_adam_step_by_step():
    adam, place = optax.adam(0.05), jnp.array([1.0, 1.0])
    state = adam.init(place)
    for _ in range(5):
        slope = 2.0 * jnp.array([1.0, 10.0]) * (place - jnp.array([3.0, -2.0]))  # by hand
        updates, state = adam.update(slope, state)
        place = optax.apply_updates(place, updates)
    np.testing.assert_allclose(descend(bowl, jnp.array([1.0, 1.0]), learning_rate=0.05, steps=5), place, rtol=1e-5)
