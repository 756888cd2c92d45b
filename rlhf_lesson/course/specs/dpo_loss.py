"""DPO's loss, one number per pair, from the log-probabilities of whole responses.

One case would overflow a plain sigmoid, and two compare gradients: both responses must learn.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.losses import dpo_loss


def pairs(rng: np.random.Generator, *, far: float = 0.0, spread: float = 3.0, gradient: int | None = None) -> Case:
    """Sums of log-probabilities of chosen and rejected responses; `far` nats are lost on the chosen ones."""
    shape = [(6,), (2, 3)][rng.integers(2)]
    references = rng.normal(-30.0, 6.0, (2, *shape))
    chosen, rejected = references + spread * rng.normal(size=(2, *shape))
    arrays = tuple(x.astype(np.float32) for x in (chosen - far, rejected + far, *references))
    return Case(arrays, {"kl_coef": float(rng.uniform(0.1, 0.6))}, gradient)


# ---- slips ---------------------------------------------------------------------------------------


def surprise(margin):
    """-log sigmoid of a margin."""
    return -jax.nn.log_sigmoid(margin)


def of_margin(loss):
    """An answer whose margin is right, and whose loss is `loss(margin)`."""

    def answer(chosen, rejected, ref_chosen, ref_rejected, kl_coef):
        return loss(kl_coef * (chosen - ref_chosen - (rejected - ref_rejected)))

    return answer


def chosen_alone_learns(chosen, rejected, ref_chosen, ref_rejected, kl_coef):
    """The right loss, without a gradient into the rejected response."""
    return dpo_loss(chosen, jax.lax.stop_gradient(rejected), ref_chosen, ref_rejected, kl_coef=kl_coef)


def each_by_itself(chosen, rejected, ref_chosen, ref_rejected, kl_coef):
    """Two sigmoids."""
    return surprise(kl_coef * (chosen - ref_chosen)) + surprise(-kl_coef * (rejected - ref_rejected))


# ---- right answers in other words ----------------------------------------------------------------


def dpo_by_softplus(chosen_logp, rejected_logp, ref_chosen_logp, ref_rejected_logp, *, kl_coef):
    policy = chosen_logp - rejected_logp
    reference = ref_chosen_logp - ref_rejected_logp
    return jax.nn.softplus(-kl_coef * (policy - reference))


def dpo_by_logaddexp(chosen_logp, rejected_logp, ref_chosen_logp, ref_rejected_logp, *, kl_coef):
    chosen = kl_coef * (chosen_logp - jax.lax.stop_gradient(ref_chosen_logp))
    rejected = kl_coef * (rejected_logp - jax.lax.stop_gradient(ref_rejected_logp))
    return jnp.logaddexp(chosen, rejected) - chosen


def dpo_by_softmax(chosen_logp, rejected_logp, ref_chosen_logp, ref_rejected_logp, *, kl_coef):
    scores = kl_coef * jnp.stack([chosen_logp - ref_chosen_logp, rejected_logp - ref_rejected_logp])
    return -jax.nn.log_softmax(scores, axis=0)[0]


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="dpo_loss",
    minutes=15,
    difficulty=2,
    points=7,
    reference=dpo_loss,
    cases={
        "plain numbers": pairs,
        "at the reference it is log 2": lambda rng: pairs(rng, spread=0.0),
        "it does not overflow": lambda rng: pairs(rng, far=900.0),
        "its gradient makes the chosen response likelier": lambda rng: pairs(rng, gradient=0),
        "its gradient makes the rejected response rarer": lambda rng: pairs(rng, gradient=1),
    },
    slips=(
        Slip(
            "chosen and rejected are swapped",
            "The chosen response should win: its score comes first.",
            of_margin(lambda margin: surprise(-margin)),
        ),
        Slip(
            "the reference is ignored",
            "A score is beta times the log-ratio to the reference.",
            lambda chosen, rejected, ref_chosen, ref_rejected, kl_coef: surprise(kl_coef * (chosen - rejected)),
        ),
        Slip(
            "the reference is added",
            "log pi - log ref, for each response.",
            lambda chosen, rejected, ref_chosen, ref_rejected, kl_coef: surprise(
                kl_coef * (chosen + ref_chosen - rejected - ref_rejected)
            ),
        ),
        Slip(
            "the references are swapped",
            "The chosen response is compared with the reference's view of the chosen one.",
            lambda chosen, rejected, ref_chosen, ref_rejected, kl_coef: dpo_loss(
                chosen, rejected, ref_rejected, ref_chosen, kl_coef=kl_coef
            ),
        ),
        Slip(
            "beta is ignored",
            "Scores are beta times the log-ratios.",
            lambda chosen, rejected, ref_chosen, ref_rejected, kl_coef: dpo_loss(
                chosen, rejected, ref_chosen, ref_rejected, kl_coef=1.0
            ),
        ),
        Slip(
            "divided by beta",
            "Here beta multiplies: the score is beta (log pi - log ref).",
            lambda chosen, rejected, ref_chosen, ref_rejected, kl_coef: dpo_loss(
                chosen, rejected, ref_chosen, ref_rejected, kl_coef=1.0 / kl_coef
            ),
        ),
        Slip(
            "beta outside",
            "beta stands inside the sigmoid.",
            lambda chosen, rejected, ref_chosen, ref_rejected, kl_coef: (
                kl_coef * dpo_loss(chosen, rejected, ref_chosen, ref_rejected, kl_coef=1.0)
            ),
        ),
        Slip(
            "the log is missing",
            "-log of the sigmoid: `jax.nn.log_sigmoid`.",
            of_margin(lambda margin: -jax.nn.sigmoid(margin)),
        ),
        Slip("the minus is missing", "A loss is minimised: -log sigmoid.", of_margin(jax.nn.log_sigmoid)),
        Slip(
            "the sigmoid is missing", "-log sigmoid(margin): a large lead is enough.", of_margin(lambda margin: -margin)
        ),
        Slip(
            "reduced to one number",
            "One loss a pair: the caller averages.",
            of_margin(lambda margin: jnp.mean(surprise(margin))),
        ),
        Slip("each response by itself", "One sigmoid of the difference, not two of the scores.", each_by_itself),
        Slip(
            "the sigmoid underflows",
            "sigmoid(-200) is 0 in float32, and its log -inf: use jax.nn.log_sigmoid.",
            of_margin(lambda margin: -jnp.log(jax.nn.sigmoid(margin))),
        ),
        Slip(
            "no gradient into the rejected response",
            "Only the two references are constants: pushing the rejected response down is half of the lesson.",
            chosen_alone_learns,
        ),
    ),
    hints=(
        "It is `bradley_terry_loss`, with a score that the policy gives itself.",
        "The score of a response is beta times (log pi - log ref). The references get no gradient.",
        "bradley_terry_loss(kl_coef * (chosen_logp - ref_chosen_logp), kl_coef * (rejected_logp - ref_rejected_logp))",
    ),
    right_answers=(dpo_by_softplus, dpo_by_logaddexp, dpo_by_softmax),
)
