"""What goes wrong silently in RLHF, said aloud: cheap checks that stop a run, and `diagnose` for a finished one.

Each sentence names the likely cause and the place to look.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson import precision

# ---- checks that stop a run ----------------------------------------------------------------------


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


# ---- a finished run ------------------------------------------------------------------------------


def diagnose(metrics: Sequence[Mapping[str, float]], *, judge: str = "gold", reward: str = "proxy") -> list[str]:
    """Names the likely causes of what a run's metrics show, most serious first; empty when nothing stands out.

    Args:
      metrics: one mapping per iteration, as `ppo.train` yields them.
      judge: the scorer that was not optimised.
      reward: the scorer that was.

    Raises:
      ValueError: no metrics.
    """
    if not metrics:
        raise ValueError("no metrics: pass the rows that the run logged")
    column = lambda name: np.array([row[name] for row in metrics if name in row])  # noqa: E731
    first, last = metrics[0], metrics[-1]
    tail = metrics[-max(1, len(metrics) // 4) :]
    found = []

    def late(name):
        return float(np.mean([row[name] for row in tail if name in row])) if name in last else float("nan")

    if not all(np.isfinite(v) for row in metrics for v in row.values() if isinstance(v, float)):
        found.append(
            "A metric is not finite: lower the learning rate, and look for a log or a division without its mask."
        )
    if first.get("sampler_gap", 0.0) > 1e-3:
        found.append("Sampler and learner disagree: temperature, mask or positions differ between the two.")
    if abs(first.get("kl", 0.0)) > 1e-3:
        found.append(
            "The KL starts above 0: the reference is not the starting policy, or sees left padding differently."
        )
    if (column("first_ratio_gap") > 1e-3).any():
        found.append("The first ratio is not 1: the old log-probs are stale or shifted by one token.")
    if late("repeats") > 0.05:
        found.append(
            "Samples repeat from rollout to rollout: each uses the same random key; fold the iteration into it."
        )
    if late("kl") < -0.5:
        found.append(
            "The KL is negative: log-probs do not belong to the sampled tokens (top-k, padding or a reference swap)."
        )
    if len(metrics) > 3 and "kl" in first and float(np.ptp(column("kl"))) == 0.0:
        found.append("The KL never moves: policy and reference are one object, or the optimiser's update is dropped.")
    if len(metrics) > 3 and "return" in first and np.abs(column("return")).max() < 1e-3 < np.abs(column("score")).max():
        found.append(
            "The returns are 0 although the scores are not: the score lands on padding, by a mask that is off by one."
        )
    gain = late(f"score/{reward}") - first.get(f"score/{reward}", 0.0)
    far = late("kl") > 50.0 or late("kl") > 2.0 * late("length")  # nats per response, nats per token
    if far or (late("kl") > 10.0 and gain < 0.1):  # or less far, but for nothing
        found.append(
            "The KL ran away: the penalty has the wrong sign, is 0, or is far too small for this reward's scale."
        )
    if f"score/{judge}" in first and f"score/{reward}" in first:
        gold = column(f"score/{judge}")
        if gain > 0.2 and gold.max() - late(f"score/{judge}") > 0.3:
            found.append(
                "The proxy rises while the judge falls from its peak: over-optimisation; raise beta or stop earlier."
            )
    if gain < -0.2:
        found.append("The optimised reward falls: a sign is wrong, in the loss, in the advantage or in the reward.")
    if late("entropy") < 0.35 * first.get("entropy", 0.0):
        found.append(
            "The entropy collapsed: a few phrases take all; raise beta, or lower the learning rate and the epochs."
        )
    if late("missing_end") > 0.5 and first.get("missing_end", 0.0) < 0.3:
        found.append("Responses no longer end: the end token is masked out of the loss, or length is rewarded.")
    if first.get("missing_end", 0.0) > 0.9:
        if len(metrics) > 3 and np.ptp(column("length")) < 0.02 * first["length"]:
            found.append(
                "No response ever ends: the end id is wrong, or the policy never learnt to write the end token."
            )
        else:
            found.append(
                "Responses stop, but no end token is counted: pad and end are one token, and the mask removes it."
            )
    extra = (
        column("score") - column(f"score/{reward}") if f"score/{reward}" in first and "score" in first else np.zeros(1)
    )
    paid_more = extra[-len(tail) :].mean() - extra[0] > 0.3  # for something besides the reward model's score
    if late("length") > (1.05 if paid_more else 1.3) * first.get("length", 1.0):
        found.append("Responses grow longer: the reward likes length; check its correlation with length.")
    if late("length") < 0.5 * first.get("length", 1.0):
        found.append(
            "Responses shrink: ending early earns more, for example because each further token pays a penalty."
        )
    if late("clip_fraction") > 0.5:
        found.append("Over half of the ratios are clipped: the step is too large; fewer epochs or a lower rate.")
    if late("explained_variance") < -1.0:
        found.append("The critic is worse than a constant: check that the returns are taken before whitening.")
    return found
