"""Three answers to the exercise masked_mean: a right one, a slip, and none yet."""

import jax.numpy as jnp


def masked_mean(values, mask):
    return jnp.sum(jnp.where(mask, values, 0.0)) / jnp.maximum(jnp.sum(mask), 1)


def forgets_the_mask(values, mask):
    return jnp.mean(values)


def not_written(values, mask):
    raise NotImplementedError
