"""What goes wrong silently in RLHF, said aloud: `diagnose` reads the metrics of any loop, of a finished run or of one that goes on.

Each sentence names the likely cause and the place to look. Checks that stop a run by themselves are in train/checks.py.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from rlhf_lesson import precision

SENTENCES = {
    "not-finite": "A metric is not finite: lower the learning rate, and look for a log or a division without its mask.",
    "sampler-disagrees": "Sampler and learner disagree: temperature, mask or positions differ between the two.",
    "kl-starts": "The KL starts above 0: the reference is not the starting policy, or sees left padding differently.",
    "first-ratio": "The first ratio is not 1: the old log-probs are stale or shifted by one token.",
    "same-key": "Samples repeat from rollout to rollout: each uses the same random key; fold the iteration into it.",
    "negative-kl": "The KL is negative: log-probs do not belong to the sampled tokens (top-k, padding or a reference swap).",
    "no-returns": "The returns are 0 although the scores are not: the score lands on padding, by a mask that is off by one.",
    "still-kl": "The KL never moves: policy and reference are one object, or the optimiser's update is dropped.",
    "constant-reward": "The reward is the same for every response: there is nothing to learn; look at what the reward reads.",
    "equal-groups": "All rewards are equal in nearly every group, so loss and gradient are 0: take prompts that are neither too"
    " easy nor too hard, larger groups, or a reward with more steps.",
    "value-swamps": "The value loss swamps the policy's gradient, so that only the critic learns: divide the reward by its spread"
    " (see reward_model.normalised), lower value_coef, or use separate_critic.",
    "kl-ran-away": "The KL ran away: the penalty has the wrong sign, is 0, or is far too small for this reward's scale.",
    "over-optimised": "The proxy rises while the judge falls from its peak: over-optimisation; raise beta or stop earlier.",
    "reward-falls": "The optimised reward falls: a sign is wrong, in the loss, in the advantage or in the reward.",
    "entropy-collapse": "The entropy collapsed: a few phrases take all; raise beta, or lower the learning rate and the epochs.",
    "ends-forgotten": "Responses no longer end: the end token is masked out of the loss, or length is rewarded.",
    "never-ends": "No response ever ends: the end id is wrong, or the policy never learnt to write the end token.",
    "pad-is-end": "Responses stop, but no end token is counted: pad and end are one token, and the mask removes it.",
    "grows": "Responses grow longer: the reward likes length; check its correlation with length.",
    "length-collapse": "Replies of one or two tokens: ending at once earns most; reward what is said, not how short it is.",
    "shrinks": "Responses shrink: ending early earns more, for example because each further token pays a penalty.",
    "clipped": "Over half of the ratios are clipped: the step is too large; fewer epochs or a lower rate.",
    "poor-critic": "The critic is worse than a constant: check that the returns are taken before whitening.",
    "hardly-moves": "The policy has hardly moved: raise the learning rate, lower beta, or give a reward that is earned more often.",
    "loss-rises": "The loss rises: lower the learning rate, or look for a wrong sign.",
    "still-loss": "The loss never moves: nothing is learnt from, because all tokens are masked, or all pairs equal.",
    "negative-margin": "The margin is negative: chosen and rejected are swapped, or the loss has the wrong sign.",
}
"""Every finding by its name, most serious first; of two that one mistake causes, the one that says more of its place."""

SWAMPED = 3.0  # the critic's pull on the shared net, in units of the policy's: see ppo.update
ENOUGH = 8  # rows from which on a difference from the first one counts: before that it may be luck


def diagnose(metrics: Sequence[Mapping[str, float]], *, judge: str = "gold", reward: str = "proxy") -> list[str]:
    """Names the likely causes of what a run's metrics show, most serious first; empty when nothing stands out.

    Args:
      metrics: one mapping per iteration, as any loop yields them; of a run that goes on, those so far.
      judge: the scorer that was not optimised.
      reward: the scorer that was.

    Raises:
      ValueError: no metrics.
    """
    return [SENTENCES[name] for name in findings(metrics, judge=judge, reward=reward)]


def findings(metrics: Sequence[Mapping[str, float]], *, judge: str = "gold", reward: str = "proxy") -> list[str]:
    """The same as the names of `SENTENCES`.

    Args:
      metrics: one mapping per iteration.
      judge: the scorer that was not optimised.
      reward: the scorer that was.

    Raises:
      ValueError: no metrics.
    """
    if not metrics:
        raise ValueError("no metrics: pass the rows that the run logged")
    if not all(np.isfinite(v) for row in metrics for v in row.values() if isinstance(v, float)):
        return ["not-finite", *_from_curves([_only_finite(row) for row in metrics], judge, reward)]
    return _from_curves(metrics, judge, reward)


def due(rows: int) -> bool:
    """Whether to look at a run that goes on: at each of its first 20 rows, then whenever there are a tenth more.

    So looking costs little, however long the run: 85 looks at 10,000 rows.

    Args:
      rows: how many there are so far, from 1 up.
    """
    tenths = np.floor(np.log([max(1, rows - 1), rows]) / np.log(1.1))
    return rows <= 20 or bool(tenths[1] > tenths[0])


def _only_finite(row: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in row.items() if not isinstance(value, float) or np.isfinite(value)}


def _from_curves(metrics: Sequence[Mapping[str, float]], judge: str, reward: str) -> list[str]:
    first, last = metrics[0], metrics[-1]
    tail = metrics[-max(1, len(metrics) // 4) :]
    several, enough = len(metrics) > 3, len(metrics) >= ENOUGH

    def column(name: str) -> np.ndarray:  # what is compared with a column that a loop does not have is false
        return np.array([row[name] for row in metrics if name in row] or [np.nan])

    def start(name: str, other: float = 0.0) -> float:
        return first.get(name, other)

    def late(name: str) -> float:
        return float(np.mean([row[name] for row in tail if name in row])) if name in last else float("nan")

    def luck(name: str) -> float:  # four standard deviations of one row, from the differences of neighbours
        steps = np.diff(column(name))
        return 4.0 * 1.48 / np.sqrt(2.0) * float(np.median(np.abs(steps - np.median(steps)))) if len(steps) > 1 else 0.0

    optimised = f"score/{reward}" if f"score/{reward}" in first else "score"
    judged = f"score/{judge}"
    peak = np.convolve(
        column(judged), np.full(len(tail), 1.0 / len(tail)), "valid"
    ).max()  # of means as long as the tail
    gain = late(optimised) - start(optimised)
    kl, length, unended = late("kl"), late("length"), late("missing_end")
    extra = column("score") - column(optimised)
    paid_more = extra[-len(tail) :].mean() - extra[0] > 0.3  # for something besides the reward model's score
    longer = 0.05 * start("length") if paid_more else max(0.3 * start("length"), luck("length"))
    without_end = start("missing_end") > 0.9 and unended > 0.9
    all_without = (column("missing_end") == 1.0).all()
    stop_early = all_without and (np.ptp(column("length")) > 0.0 or start("length") % 1.0 > 0.0)
    collapsed = length <= 2.0 and unended < 0.5
    rounding = 1e-3 * precision.room()  # as the checks that stop a run allow it
    shown = {
        "sampler-disagrees": start("sampler_gap") > rounding,
        "kl-starts": abs(start("kl")) > rounding,
        "first-ratio": (column("first_ratio_gap") > rounding).any(),
        "same-key": late("repeats") > 0.05,
        "negative-kl": kl < -0.5,
        "still-kl": several and np.ptp(column("kl")) == 0.0,
        "no-returns": several and np.abs(column("return")).max() < 1e-3 < np.abs(column("score")).max(),
        "constant-reward": several and (column("score_spread") <= 1e-6 * (1.0 + abs(start("score")))).all(),
        "equal-groups": several and late("silent_groups") > 0.9,
        "value-swamps": late("value_pull") > SWAMPED,
        "kl-ran-away": kl > 50.0  # nats per response
        or kl > 2.0 * length  # nats per token
        or (kl > 10.0 and gain < 0.1),  # less far, but for nothing
        "over-optimised": enough and gain > 0.2 and peak - late(judged) > max(0.3, luck(judged)),
        "reward-falls": enough and gain < -max(0.2, luck(optimised)),
        "entropy-collapse": late("entropy") < 0.35 * start("entropy"),
        "ends-forgotten": unended > 0.5 and start("missing_end") < 0.3,
        "never-ends": without_end and not stop_early,
        "pad-is-end": without_end and stop_early,
        "grows": enough and length - start("length") > longer,
        "length-collapse": collapsed,
        "shrinks": enough and not collapsed and length < 0.5 * start("length", 1.0),
        "clipped": late("clip_fraction") > 0.5,
        "poor-critic": enough and late("explained_variance") < -1.0,
        "hardly-moves": len(metrics) >= 20 and np.abs(column("kl")).max() < 0.02 and gain <= luck(optimised),
        "loss-rises": enough and late("loss") - start("loss") > max(0.05 * abs(start("loss")), luck("loss")),
        "still-loss": several and np.ptp(column("loss")) == 0.0,
        "negative-margin": enough and late("margin") < -luck("margin"),
    }
    if shown["still-kl"]:  # says more
        shown["hardly-moves"] = False
    return [name for name in SENTENCES if shown.get(name)]
