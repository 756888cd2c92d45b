"""A batch in parts: each epoch sees every row once, in an order of its own, and the sum over parts is the sum over rows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rlhf_lesson.train.split import over_minibatches, placed, sum_over_parts

BATCH = {"x": jnp.arange(12.0), "y": jnp.arange(24.0).reshape(12, 2)}


def test_each_epoch_sees_every_row_once_in_an_order_of_its_own():
    def step(carry, rows):
        return carry + 1, rows["x"]

    steps, seen = over_minibatches(step, jnp.asarray(0), BATCH, jax.random.key(0), epochs=3, count=4)
    assert int(steps) == 12 and seen.shape == (12, 3)
    orders = np.asarray(seen).reshape(3, 12)
    assert all(sorted(order) == list(range(12)) for order in orders)
    assert not (orders[0] == orders[1]).all() and not (orders[1] == orders[2]).all()


@pytest.mark.parametrize("parts", [1, 2, 6])
def test_the_sum_over_parts_is_the_sum_over_rows(parts):
    def sums(part):
        return jnp.sum(part["x"]), {"y": jnp.sum(part["y"], axis=0)}

    total, rest = sum_over_parts(sums, BATCH, parts)
    assert float(total) == 66.0
    np.testing.assert_allclose(rest["y"], [132.0, 144.0])


@pytest.mark.parametrize("parts", [1, 2, 6])
def test_of_a_stat_that_is_a_maximum_the_largest_is_kept(parts):
    def stats(part):
        return jnp.sum(part["x"]), {"sum": jnp.sum(part["x"]), "most": jnp.max(part["x"])}

    _, got = sum_over_parts(stats, BATCH, parts, largest=("most",))
    assert (float(got["sum"]), float(got["most"])) == (66.0, 11.0)


def test_without_a_mesh_nothing_moves():
    assert placed(BATCH, None, "data") is BATCH


def test_a_mesh_of_one_device_holds_the_same_numbers():
    mesh = jax.make_mesh((1,), ("data",))
    for axes in ((), ("data",)):
        moved = placed(BATCH, mesh, *axes)
        assert all((moved[name] == BATCH[name]).all() for name in BATCH)
