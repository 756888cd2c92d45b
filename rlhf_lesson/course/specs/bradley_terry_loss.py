"""The loss of a pair: minus the log of the probability that the chosen response wins, by a margin if there is one.

A lead of several hundred must not overflow, and one case compares the slope of the loss with respect to the chosen score.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.draws import two_scores
from rlhf_lesson.course.specs.mistakes import changed, ignoring
from rlhf_lesson.losses import bradley_terry_loss


def scores(rng: np.random.Generator, *, far: float = 1.0) -> Case:
    """Scores of chosen and rejected responses, with standard deviation `far`; the margin is left to its default."""
    return Case(two_scores(rng, far=far))


def equal_scores(rng: np.random.Generator) -> Case:
    """Pairs whose two scores are the same."""
    chosen, _ = two_scores(rng)
    return Case((chosen, chosen))


def one_margin(rng: np.random.Generator) -> Case:
    """One margin for all pairs."""
    pairs = two_scores(rng)
    return Case(pairs, {"margin": float(rng.uniform(0.4, 0.9))})


def margin_per_pair(rng: np.random.Generator) -> Case:
    """A margin for each pair."""
    chosen, rejected = two_scores(rng)
    return Case((chosen, rejected), {"margin": rng.uniform(0.2, 1.5, chosen.shape).astype(np.float32)})


def slope_of_chosen(rng: np.random.Generator) -> Case:
    """The gradient with respect to the chosen scores."""
    return Case(two_scores(rng), gradient=0)


# ---- slips ---------------------------------------------------------------------------------------


def of_lead(loss):
    """An answer that takes rejected score and margin from the chosen score, as it should, and returns `loss(lead)`."""
    return lambda chosen, rejected, *, margin=0.0: loss(chosen - rejected - margin)


right = of_lead(lambda lead: -jax.nn.log_sigmoid(lead))


def swapped(chosen, rejected, *, margin=0.0):
    return right(rejected, chosen, margin=margin)


def margin_added(chosen, rejected, *, margin=0.0):
    return right(chosen, rejected, margin=-margin)


def margin_outside(chosen, rejected, *, margin=0.0):
    return right(chosen, rejected) + margin


def of_the_sum(chosen, rejected, *, margin=0.0):
    return right(chosen, -rejected, margin=margin)


# ---- right answers in other words ----------------------------------------------------------------


def bradley_terry_by_softplus(chosen, rejected, *, margin=0.0):
    return jax.nn.softplus(rejected + margin - chosen)


def bradley_terry_by_logaddexp(chosen, rejected, *, margin=0.0):
    return jnp.logaddexp(0.0, margin - (chosen - rejected))


def bradley_terry_by_stack(chosen, rejected, *, margin=0.0):
    return -jax.nn.log_softmax(jnp.stack([chosen, rejected + margin]), axis=0)[0]


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="bradley_terry_loss",
    minutes=10,
    difficulty=1,
    points=5,
    reference=bradley_terry_loss,
    cases={
        "plain numbers, with a margin": one_margin,
        "a margin for each pair": margin_per_pair,
        "the default margin is 0": scores,
        "equal scores cost log 2": equal_scores,
        "a score that is far off never overflows": lambda rng: scores(rng, far=300.0),
        "the slope pulls the chosen score up": slope_of_chosen,
    },
    slips=(
        Slip("chosen and rejected are swapped", "The chosen one should score higher.", swapped),
        Slip("the sign is wrong", "A loss is minimised: minus the log.", changed(right, jnp.negative)),
        Slip(
            "the log is missing",
            "This is the chance of being wrong, not its surprise.",
            of_lead(lambda lead: 1.0 - jax.nn.sigmoid(lead)),
        ),
        Slip("the sigmoid is missing", "Only the difference, without log sigmoid.", of_lead(jnp.negative)),
        Slip("the margin is ignored", "Take it from the difference.", ignoring(right, "margin")),
        Slip(
            "the margin is added",
            "A margin asks for a larger lead: it makes the loss larger, so take it away.",
            margin_added,
        ),
        Slip("the margin is added to the loss", "It belongs inside the sigmoid.", margin_outside),
        Slip(
            "a hinge",
            "max(0, margin - lead) gives sure pairs no slope at all.",
            of_lead(lambda lead: -jnp.minimum(lead, 0.0)),
        ),
        Slip("the sum of the scores", "Only their difference matters.", of_the_sum),
        Slip(
            "a squared error",
            "Nobody gave a number: there is only a choice.",
            of_lead(lambda lead: (1.0 - jax.nn.sigmoid(lead)) ** 2),
        ),
        Slip("bits in place of nats", "Use the natural logarithm.", changed(right, lambda loss: loss / jnp.log(2.0))),
        Slip("reduced to one number", "One loss a pair: the caller takes the mean.", changed(right, jnp.mean)),
        Slip(
            "the log of a sigmoid that rounded to 0",
            "jax.nn.log_sigmoid stays finite where log(sigmoid(x)) is -infinity.",
            of_lead(lambda lead: -jnp.log(1.0 / (1.0 + jnp.exp(-lead)))),
        ),
    ),
    hints=(
        "The surprise of the rater's choice: minus the log of its probability.",
        "P(chosen wins) = sigmoid(s_chosen - s_rejected - margin). Take its log in one step: jax.nn.log_sigmoid.",
        "-jax.nn.log_sigmoid(chosen_score - rejected_score - margin)",
    ),
    right_answers=(bradley_terry_by_softplus, bradley_terry_by_logaddexp, bradley_terry_by_stack),
)
