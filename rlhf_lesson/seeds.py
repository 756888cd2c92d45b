"""From one seed to many random keys: every stage has keys of its own, so that no two of them share their luck."""

import zlib

import jax
from jaxtyping import PRNGKeyArray


def stage_key(seed: int, purpose: str, *, impl: str | None = None) -> PRNGKeyArray:
    """The random key of one purpose under one seed: fold your iterations and batches into this key, never into the seed's own.

    If the evaluation drew with `fold_in(key(seed), 2)` and PPO's third iteration with the same key, a policy would be measured
    with the very noise that it was trained on, and no number would show it.

    Args:
      seed: of the run.
      purpose: what the key is for, for example "ppo" or "evaluation"; the same words give the same key.
      impl: JAX's name of the generator; None is the default one.
    """
    return jax.random.fold_in(jax.random.key(seed, impl=impl), zlib.crc32(purpose.encode()))
