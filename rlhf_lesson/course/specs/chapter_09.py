"""Exercises of chapter 09: DPO, and baselines that need no critic.

Leaves out their loops (train/dpo.py, train/grpo.py), which differ from PPO's in these few lines.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.advantages import group_advantages, leave_one_out
from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.losses import dpo_loss

# ---- DPO -----------------------------------------------------------------------------------------


def pairs(rng, *, far: float = 0.0, moved: float = 3.0, gradient: int | None = None) -> Case:
    """Sums of log-probabilities of chosen and rejected responses; `far` nats are lost on the chosen ones."""
    shape = [(6,), (2, 3)][rng.integers(2)]
    references = rng.normal(-30.0, 6.0, (2, *shape))
    chosen, rejected = references + moved * rng.normal(size=(2, *shape))
    arrays = tuple(x.astype(np.float32) for x in (chosen - far, rejected + far, *references))
    return Case(arrays, {"kl_coef": float(rng.uniform(0.1, 0.6))}, gradient)


def margin(chosen, rejected, ref_chosen, ref_rejected, *, kl_coef):
    return kl_coef * (chosen - ref_chosen - (rejected - ref_rejected))


def surprise(margin):
    return -jax.nn.log_sigmoid(margin)


DPO_LOSS = Exercise(
    name="dpo_loss",
    chapter=9,
    minutes=15,
    difficulty=2,
    points=7,
    reference=dpo_loss,
    cases={
        "plain numbers": pairs,
        "at the reference it is log 2": partial(pairs, moved=0.0),
        "it does not overflow": partial(pairs, far=900.0),
        "its gradient makes the chosen response likelier": partial(pairs, gradient=0),
        "its gradient makes the rejected response rarer": partial(pairs, gradient=1),
    },
    slips=(
        Slip(
            "chosen and rejected are swapped",
            "The chosen response should win: its score comes first.",
            lambda *a, **k: surprise(-margin(*a, **k)),
        ),
        Slip(
            "the reference is ignored",
            "A score is beta times the log-ratio to the reference.",
            lambda c, r, rc, rr, *, kl_coef: surprise(kl_coef * (c - r)),
        ),
        Slip(
            "the reference is added",
            "log pi - log ref, for each response.",
            lambda c, r, rc, rr, *, kl_coef: surprise(kl_coef * (c + rc - r - rr)),
        ),
        Slip(
            "the references are swapped",
            "The chosen response is compared with the reference's view of the chosen one.",
            lambda c, r, rc, rr, **k: surprise(margin(c, r, rr, rc, **k)),
        ),
        Slip(
            "beta is ignored",
            "Scores are beta times the log-ratios.",
            lambda *a, kl_coef: surprise(margin(*a, kl_coef=1.0)),
        ),
        Slip(
            "divided by beta",
            "Here beta multiplies: the score is beta (log pi - log ref).",
            lambda *a, kl_coef: surprise(margin(*a, kl_coef=1.0 / kl_coef)),
        ),
        Slip(
            "beta outside",
            "beta stands inside the sigmoid.",
            lambda *a, kl_coef: kl_coef * surprise(margin(*a, kl_coef=1.0)),
        ),
        Slip(
            "the log is missing",
            "-log of the sigmoid: `jax.nn.log_sigmoid`.",
            lambda *a, **k: -jax.nn.sigmoid(margin(*a, **k)),
        ),
        Slip("the minus is missing", "A loss is minimised: -log sigmoid.", lambda *a, **k: -surprise(margin(*a, **k))),
        Slip(
            "the sigmoid is missing", "-log sigmoid(margin): a large lead is enough.", lambda *a, **k: -margin(*a, **k)
        ),
        Slip(
            "reduced to one number",
            "One loss a pair: the caller averages.",
            lambda *a, **k: jnp.mean(surprise(margin(*a, **k))),
        ),
        Slip(
            "each response by itself",
            "One sigmoid of the difference, not two of the scores.",
            lambda c, r, rc, rr, *, kl_coef: surprise(kl_coef * (c - rc)) + surprise(-kl_coef * (r - rr)),
        ),
        Slip(
            "the sigmoid underflows",
            "sigmoid(-200) is 0 in float32, and its log -inf: use jax.nn.log_sigmoid.",
            lambda *a, **k: -jnp.log(jax.nn.sigmoid(margin(*a, **k))),
        ),
        Slip(
            "no gradient into the rejected response",
            "Only the two references are constants: pushing the rejected response down is half of the lesson.",
            lambda c, r, *ref, **k: surprise(margin(c, jax.lax.stop_gradient(r), *ref, **k)),
        ),
    ),
    hints=(
        "It is `bradley_terry_loss`, with a score that the policy gives itself.",
        "The score of a response is beta times (log pi - log ref). The references get no gradient.",
        "bradley_terry_loss(kl_coef * (chosen_logp - ref_chosen_logp), kl_coef * (rejected_logp - ref_rejected_logp))",
    ),
)

# ---- groups --------------------------------------------------------------------------------------


def group(rng, *, size: int | None = None, equal: bool = False, spread: float = 1.5, **options) -> Case:
    size = int(rng.choice([4, 6])) if size is None else size
    scores = rng.normal(2.0, spread, size)
    scores = np.full(size, rng.integers(1, 8) / 2) if equal else scores
    return Case((scores.astype(np.float32),), options)


LEAVE_ONE_OUT = Exercise(
    name="leave_one_out",
    chapter=9,
    minutes=10,
    difficulty=1,
    points=4,
    reference=leave_one_out,
    cases={
        "plain numbers": group,
        "each of two is compared with the other": partial(group, size=2),
        "equal scores teach nothing": partial(group, equal=True),
    },
    slips=(
        Slip("the mean of all", "The baseline must not see response i: leave it out.", lambda s: s - jnp.mean(s)),
        Slip("divided by all", "The others are G - 1.", lambda s: s - (jnp.sum(s) - s) / s.size),
        Slip("the sum of the others", "Their mean: divide by G - 1.", lambda s: s - (jnp.sum(s) - s)),
        Slip("itself is not left out", "Take r_i out of the sum as well.", lambda s: s - jnp.sum(s) / (s.size - 1)),
        Slip("the sign is wrong", "The score less the baseline.", lambda s: (jnp.sum(s) - s) / (s.size - 1) - s),
        Slip("the baseline alone", "The score less the baseline.", lambda s: (jnp.sum(s) - s) / (s.size - 1)),
        Slip(
            "divided by the spread",
            "Not scaled: that is `group_advantages`.",
            lambda s: leave_one_out(s) / (jnp.std(s) + 1e-4),
        ),
        Slip("the median", "The mean of the others.", lambda s: s - jnp.median(s)),
        Slip("the best of all", "The mean of the others.", lambda s: s - jnp.max(s)),
        Slip(
            "only the neighbour",
            "All the others count.",
            lambda s: s - jnp.roll(s, 1),
        ),
    ),
    hints=(
        "What would the others have got on average?",
        "The sum of the others is the sum of all less one's own. How many are they?",
        "scores - (jnp.sum(scores) - scores) / (scores.size - 1)",
    ),
)


def normalised(scores, *, eps=1e-4, ddof=0, power=0.5, centre=None, inside=False):
    """Group advantages with a switch for each slip; the right ones at the defaults."""
    centred = scores - (jnp.mean(scores) if centre is None else centre(scores))
    variance = jnp.var(scores, ddof=ddof)
    return centred / ((variance + eps) ** power if inside else variance**power + eps)


GROUP_ADVANTAGES = Exercise(
    name="group_advantages",
    chapter=9,
    minutes=10,
    difficulty=2,
    points=5,
    reference=group_advantages,
    cases={
        "plain numbers": partial(group, eps=0.3),
        "the default eps is 0.0001": partial(group, spread=0.02),
        "equal scores teach nothing": partial(group, equal=True),
        "a group of one teaches nothing": partial(group, size=1),
    },
    slips=(
        Slip("divided by G - 1", "The population's deviation: divide by G.", partial(normalised, ddof=1)),
        Slip("divided by the variance", "By its root.", partial(normalised, power=1.0)),
        Slip("only centred", "Divide by std + eps.", lambda s, *, eps=1e-4: s - jnp.mean(s)),
        Slip("only scaled", "Take the mean away first.", lambda s, *, eps=1e-4: s / (jnp.std(s) + eps)),
        Slip("eps inside the root", "std + eps, outside.", partial(normalised, inside=True)),
        Slip("eps is ignored", "Use the argument.", lambda s, *, eps=1e-4: normalised(s)),
        Slip("eps is left out", "Equal scores divide by 0: std + eps.", lambda s, *, eps=1e-4: normalised(s, eps=0.0)),
        Slip("the sign is wrong", "r_i - mean.", lambda s, *, eps=1e-4: -normalised(s, eps=eps)),
        Slip(
            "the mean of the others",
            "Here the mean is over the whole group: leaving one out is RLOO.",
            lambda s, *, eps=1e-4: (s - (jnp.sum(s) - s) / max(1, s.size - 1)) / (jnp.std(s) + eps),
        ),
        Slip("the median", "The mean of the group.", partial(normalised, centre=jnp.median)),
        Slip(
            "squeezed between 0 and 1",
            "By the deviation, not by the range.",
            lambda s, *, eps=1e-4: (s - jnp.min(s)) / (jnp.max(s) - jnp.min(s) + eps),
        ),
    ),
    hints=(
        "A score in units of its group's spread, from the group's mean.",
        "jnp.std divides by G, as is asked for here. eps is added to it, so that equal scores give 0 and not NaN.",
        "(scores - jnp.mean(scores)) / (jnp.std(scores) + eps)",
    ),
)

EXERCISES = (DPO_LOSS, LEAVE_ONE_OUT, GROUP_ADVANTAGES)
