"""DOC."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson import losses
from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.draws import two_scores


def with_margins(rng) -> Case:
    chosen, rejected = two_scores(rng).args
    return Case((chosen, rejected), {"margin": rng.uniform(0.2, 1.5, chosen.shape).astype(np.float32)})


def surprise(chosen, rejected, *, margin=0.0, log=jax.nn.log_sigmoid):
    return -log(chosen - rejected - margin)


def bradley_terry_by_softplus(chosen, rejected, *, margin=0.0):
    return jax.nn.softplus(rejected + margin - chosen)


def bradley_terry_by_logaddexp(chosen, rejected, *, margin=0.0):
    return jnp.logaddexp(0.0, margin - (chosen - rejected))


def bradley_terry_by_stack(chosen, rejected, *, margin=0.0):
    return -jax.nn.log_softmax(jnp.stack([chosen, rejected + margin]), axis=0)[0]


EXERCISE = Exercise(
    name="bradley_terry_loss",
    minutes=10,
    difficulty=1,
    points=5,
    reference=losses.bradley_terry_loss,
    cases={
        "plain numbers, with a margin": lambda rng: two_scores(rng)._replace(
            kwargs={"margin": float(rng.uniform(0.4, 0.9))}
        ),
        "a margin for each pair": with_margins,
        "the default margin is 0": two_scores,
        "equal scores cost log 2": lambda rng: Case((two_scores(rng).args[0],) * 2),
        "a score that is far off never overflows": lambda rng: two_scores(rng, far=300.0),
        "the slope pulls the chosen score up": lambda rng: two_scores(rng)._replace(gradient=0),
    },
    slips=(
        Slip(
            "chosen and rejected are swapped",
            "The chosen one should score higher.",
            lambda c, r, *, margin=0.0: surprise(r, c, margin=margin),
        ),
        Slip(
            "the sign is wrong",
            "A loss is minimised: minus the log.",
            lambda c, r, *, margin=0.0: -surprise(c, r, margin=margin),
        ),
        Slip(
            "the log is missing",
            "This is the chance of being wrong, not its surprise.",
            partial(surprise, log=lambda x: jax.nn.sigmoid(x) - 1.0),
        ),
        Slip("the sigmoid is missing", "Only the difference, without log sigmoid.", partial(surprise, log=lambda x: x)),
        Slip("the margin is ignored", "Take it from the difference.", lambda c, r, *, margin=0.0: surprise(c, r)),
        Slip(
            "the margin is added",
            "A margin asks for a larger lead: it makes the loss larger, so take it away.",
            lambda c, r, *, margin=0.0: surprise(c, r, margin=-margin),
        ),
        Slip(
            "the margin is added to the loss",
            "It belongs inside the sigmoid.",
            lambda c, r, *, margin=0.0: surprise(c, r) + margin,
        ),
        Slip(
            "a hinge",
            "max(0, margin - lead) gives sure pairs no slope at all.",
            partial(surprise, log=lambda x: jnp.minimum(x, 0.0)),
        ),
        Slip(
            "the sum of the scores",
            "Only their difference matters.",
            lambda c, r, *, margin=0.0: surprise(c, -r, margin=margin),
        ),
        Slip(
            "a squared error",
            "Nobody gave a number: there is only a choice.",
            partial(surprise, log=lambda x: -((1.0 - jax.nn.sigmoid(x)) ** 2)),
        ),
        Slip(
            "bits in place of nats",
            "Use the natural logarithm.",
            lambda c, r, *, margin=0.0: surprise(c, r, margin=margin) / jnp.log(2.0),
        ),
        Slip(
            "reduced to one number",
            "One loss a pair: the caller takes the mean.",
            lambda c, r, *, margin=0.0: jnp.mean(surprise(c, r, margin=margin)),
        ),
        Slip(
            "the log of a sigmoid that rounded to 0",
            "jax.nn.log_sigmoid stays finite where log(sigmoid(x)) is -infinity.",
            partial(surprise, log=lambda x: jnp.log(1.0 / (1.0 + jnp.exp(-x)))),
        ),
    ),
    hints=(
        "The surprise of the rater's choice: minus the log of its probability.",
        "P(chosen wins) = sigmoid(s_chosen - s_rejected - margin). Take its log in one step: jax.nn.log_sigmoid.",
        "-jax.nn.log_sigmoid(chosen_score - rejected_score - margin)",
    ),
    right_answers=(bradley_terry_by_softplus, bradley_terry_by_logaddexp, bradley_terry_by_stack),
)
