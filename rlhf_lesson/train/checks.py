"""Self-checks that stop a run: sampler against learner, the first ratio, the first margin, padding, numbers that are not finite.

Each sentence names the likely cause and the place to look. What only the curves of a run show is train/diagnose.py's.
"""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson import precision
from rlhf_lesson.train.diagnose import SENTENCES, SWAMPED


def check_rollout(stats: Mapping[str, Any], *, first: bool, tolerance: float = 1e-4) -> None:
    """Sampler and learner agree; at the very first rollout the policy still is the reference.

    Args:
      stats: of the rollout: "sampler_gap" and "kl", nats.
      first: whether it is the first rollout of a run that started from the reference.
      tolerance: largest KL at step 0, nats per response; the sampler's gap may be ten times as large, in nats per token.
        Both hold for float32 products, and grow where the chip rounds (precision.py).

    Raises:
      ValueError: sampled and re-scored log-probs differ, or the KL at step 0 is not 0.
    """
    gap = float(stats["sampler_gap"])
    kl = float(stats["kl"])
    tolerance = tolerance * precision.room()
    if not np.isfinite(gap) or gap > 10 * tolerance:
        raise ValueError(
            f"sampled and re-scored log-probs differ by {gap:.2g} nats: look for a temperature, a mask or a position"
            f" that only one of the two sees, or for dropout in the training forward pass{precision.remark()}"
        )
    if first and not abs(kl) <= tolerance:  # so written, NaN fails too
        raise ValueError(
            f"the KL at step 0 is {kl:.2g} nats, not 0: the reference is not the policy you start from, or the two"
            f" are scored at different temperatures{precision.remark()}"
        )


def check_first_update(ratio_gap: float, *, tolerance: float = 1e-3) -> None:
    """The first probability ratio after a rollout is 1.

    Args:
      ratio_gap: largest distance of a token's ratio from 1 in the first mini-batch, at least 0.
      tolerance: above the rounding of two log-probs; for float32 products, it grows where the chip rounds.

    Raises:
      ValueError: it is not, so the old log-probs are stale or misaligned.
    """
    if not np.isfinite(ratio_gap) or ratio_gap > tolerance * precision.room():
        raise ValueError(
            f"the first ratio of the update differs from 1 by {ratio_gap:.2g}: the old log-probs are stale, shifted by"
            f" a token, or taken at another temperature than the new ones{precision.remark()}"
        )


def check_first_margin(margin: float, *, tolerance: float = 1e-2) -> None:
    """Before DPO's first step no pair has a margin, since the policy still is the reference: the loss is log 2.

    Args:
      margin: largest difference of the log-ratios of chosen and rejected response, nats.
      tolerance: above the rounding of two sums of token log-probs; for float32 products, it grows where the chip rounds.

    Raises:
      ValueError: a pair has one.
    """
    if not np.isfinite(margin) or margin > tolerance * precision.room():
        raise ValueError(
            f"a margin at step 0 is {margin:.2g} nats, not 0: the reference is not the policy you start from, or its"
            f" log-probs were taken at another temperature, with dropout, or over other tokens{precision.remark()}"
        )


def check_tokens(pad_id: int, end_id: int) -> None:
    """Pad and end differ.

    Args:
      pad_id: the padding token.
      end_id: the token that ends a response.

    Raises:
      ValueError: they are one token, so a model never learns to stop.
    """
    if pad_id == end_id:
        raise ValueError("pad and end are one token: the end is masked as padding and never learnt; add a pad token")


def same_tree(before, after) -> bool:
    """Whether two trees of weights are equal bit for bit, as a reference must be.

    Args:
      before: weights, or any tree of arrays.
      after: a tree of the same form.
    """
    pairs = zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True)
    return all(bool(jnp.array_equal(a, b)) for a, b in pairs)


def padding_matters(score: Callable, tokens, mask, *, other: int) -> float:
    """Largest change of a score when every padded token is replaced by another; 0 where all is right.

    Args:
      score: (tokens, mask) -> one number per row.
      tokens: token ids, one row per text.
      mask: True on real tokens.
      other: the token that takes the place of padding.

    Returns:
      The change, in the units of the score.
    """
    changed = jnp.where(jnp.asarray(mask), tokens, other)
    return float(jnp.max(jnp.abs(score(tokens, mask) - score(changed, mask))))


@jax.jit
def _all_finite(arrays) -> jax.Array:
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(x)) for x in arrays]))


def all_finite(tree) -> bool:
    """Whether a tree of weights, or a loop's whole state, contains neither NaN nor infinity.

    Args:
      tree: of arrays; integers and random keys are always finite.
    """
    arrays = [x for x in jax.tree.leaves(tree) if jnp.issubdtype(jnp.result_type(x), jnp.inexact)]
    return not arrays or bool(_all_finite(arrays))


def with_value_pull(row: dict[str, float], config) -> dict[str, float]:
    """A row of PPO with "value_pull", where critic and policy share a net; warns, once a session, where the critic drowns it.

        pull = value_coef * sqrt(mean squared error of the critic), in units of the spread of a whitened advantage, which is 1

    Whitened advantages have no unit; the critic's errors have the reward's. So a reward on a scale of 0 to 100 trains the
    critic alone.

    Args:
      row: of an iteration; "value_loss" is half the mean squared error.
      config: of PPO.
    """
    if not config.whiten_advantages or config.separate_critic:
        return row
    pull = config.value_coef * float(np.sqrt(2.0 * row["value_loss"]))
    if pull > SWAMPED:
        warnings.warn(SENTENCES["value-swamps"], stacklevel=3)
    return {**row, "value_pull": pull}


def finite(row: dict[str, float], state) -> dict[str, float]:
    """The row of an iteration that left its numbers finite, and the weights as well if it was the last.

    Weights that became NaN show in the numbers of the next iteration, so they are looked at only where there is none.

    Args:
      row: the metrics; "step" counts from 1.
      state: of the loop, after this iteration.

    Raises:
      ValueError: a number or a weight is NaN or infinite; says which, and which iteration was the last good one.
    """
    wrong = [f"{name} = {x}" for name, x in row.items() if isinstance(x, float) and not np.isfinite(x)]
    if not wrong and row.get("step") == row.get("steps") and not all_finite(state):
        wrong = ["weights that are not finite"]
    if wrong:
        raise ValueError(
            f"iteration {row.get('step')} gave {wrong[0]}: its weights are lost, and the iteration before was the last with"
            " finite numbers; lower the learning rate, and look for a log or a division without its mask"
        )
    return row
