"""A batch in parts: mini-batches for several steps on one rollout, micro-batches to save memory, shares for several devices.

A model that is too large for one device is not treated here: every device holds all the weights.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray


def over_minibatches(step: Callable, carry, batch, key: PRNGKeyArray, *, epochs: int, count: int):
    """Passes several times over a batch, in a fresh order each time, one step on each mini-batch.

    Args:
      step: (carry, mini-batch) -> (carry, stats).
      carry: what one step hands to the next: weights and the optimiser's state.
      batch: a tree of arrays whose first dimension is the rows.
      key: of the orders.
      epochs: passes over the batch.
      count: mini-batches per pass; it divides the number of rows.

    Returns:
      The last carry, and the stats of every step, stacked in their order.
    """
    size = len(jax.tree.leaves(batch)[0])
    orders = [jax.random.permutation(k, size) for k in jax.random.split(key, epochs)]
    rows = jnp.stack(orders).reshape(epochs * count, -1)
    return jax.lax.scan(lambda carry, chosen: step(carry, jax.tree.map(lambda x: x[chosen], batch)), carry, rows)


def placed(tree, mesh: jax.sharding.Mesh | None, *axes: str):
    """A tree of arrays on the devices of a mesh.

    Args:
      tree: arrays.
      mesh: the devices; None leaves the tree where it is.
      axes: names of the mesh's axes over which the arrays' first dimensions are split; none copies them to every device.
    """
    if mesh is None:
        return tree
    mesh = jax.sharding.Mesh(mesh.devices, mesh.axis_names)  # axes of type Auto: the compiler places the rest
    return jax.device_put(tree, jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(*axes)))


def sum_over_parts(function: Callable, batch, parts: int, *, largest: Sequence[str] = ()):
    """Applies a function to one part of a batch after the other and adds up what it returns.

    Only one part is in memory at a time. For a gradient the sum equals that of the whole batch wherever the loss is a sum
    over rows with a divisor that does not depend on the part.

    Args:
      function: from a part to a pair: a tree of arrays, and stats by name.
      batch: a tree of arrays whose first dimension is the rows.
      parts: how many; it divides the number of rows. 1 is the plain call.
      largest: stats, each at least 0, whose largest is kept instead of the sum.

    Returns:
      The sum over the parts, in the shape that `function` returns.
    """
    if parts == 1:
        return function(batch)
    stacked = jax.tree.map(lambda x: x.reshape(parts, -1, *x.shape[1:]), batch)
    shapes = jax.eval_shape(function, jax.tree.map(lambda x: x[0], stacked))
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

    def add(total, part):
        more = function(part)
        tree, stats = jax.tree.map(jnp.add, total, more)
        return (tree, {**stats, **{name: jnp.maximum(total[1][name], more[1][name]) for name in largest}}), None

    return jax.lax.scan(add, zeros, stacked)[0]
