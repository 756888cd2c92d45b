"""The loss of a ranking: each place is a choice among the responses that are still to be placed.

No drawn ranking is its own inverse, and scores of several hundred must neither overflow nor vanish.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.draws import ranking
from rlhf_lesson.losses import plackett_luce_loss


def scored_ranking(
    rng: np.random.Generator, *, count: int | None = None, shift: float = 0.0, equal: bool = False
) -> Case:
    """Scores of some responses, with `shift` added, and their ranking; the scores are all the same if `equal`."""
    order = np.array(ranking(rng, count=count), np.int32)
    scores = np.full(order.size, 0.7) if equal else rng.normal(size=order.size) + shift
    return Case((scores.astype(np.float32), order))


# ---- slips ---------------------------------------------------------------------------------------


def left_to_place(ordered):
    """log-sum-exp of each score and those behind it."""
    later = jnp.triu(jnp.ones((ordered.size, ordered.size), bool))
    return jax.nn.logsumexp(jnp.where(later, ordered[None], -jnp.inf), axis=1)


def choices(ordered):
    """The loss of each choice, as it should be."""
    return left_to_place(ordered) - ordered


def in_order(loss):
    """An answer that puts the scores in order, as it should, and returns `loss(ordered)`."""
    return lambda scores, ranking: loss(scores[ranking])


def loss_of(ordered):
    """The right loss of scores in this order."""
    return jnp.sum(choices(ordered))


def of_all_pairs(ordered):
    """A sum over every two responses."""
    lead = ordered[:, None] - ordered[None]
    return jnp.sum(jnp.triu(-jax.nn.log_sigmoid(lead), 1))


def of_those_behind(ordered):
    """Each choice is among those behind it; the last place is left out."""
    return jnp.sum((jnp.roll(left_to_place(ordered), -1) - ordered)[:-1])


def by_exponentials(ordered):
    """Sums of exponentials that leave the range of float32."""
    left = jnp.cumsum(jnp.exp(ordered)[::-1])[::-1]
    return jnp.sum(jnp.log(left) - ordered)


# ---- right answers in other words ----------------------------------------------------------------


def plackett_luce_by_loop(scores, ranking):
    ordered, total = scores[ranking], 0.0
    for j in range(len(scores)):
        total += jax.nn.logsumexp(ordered[j:]) - ordered[j]
    return total


def plackett_luce_by_table(scores, ranking):
    ordered = jnp.take(scores, ranking)
    left = jnp.tril(jnp.ones((scores.size, scores.size), bool)).T
    return -jnp.sum(ordered - jax.nn.logsumexp(jnp.broadcast_to(ordered, left.shape), axis=1, where=left))


def plackett_luce_by_scan(scores, ranking):
    def step(left, score):
        left = jnp.logaddexp(left, score)
        return left, left - score

    return jax.lax.scan(step, -jnp.inf, scores[ranking], reverse=True)[1].sum()


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="plackett_luce_loss",
    minutes=20,
    difficulty=3,
    points=6,
    reference=plackett_luce_loss,
    cases={
        "plain numbers": scored_ranking,
        "three responses": lambda rng: scored_ranking(rng, count=3),
        "two responses are a pair": lambda rng: scored_ranking(rng, count=2),
        "equal scores cost the log of the number of orders": lambda rng: scored_ranking(rng, equal=True),
        "large scores do not overflow": lambda rng: scored_ranking(rng, shift=300.0),
        "very negative ones do not vanish": lambda rng: scored_ranking(rng, shift=-300.0),
    },
    slips=(
        Slip(
            "the ranking is ignored",
            "Put the scores in order first: scores[ranking].",
            lambda scores, ranking: loss_of(scores),
        ),
        Slip(
            "an index is taken as a rank",
            "ranking[j] is the response at place j: scores[ranking], without argsort.",
            lambda scores, ranking: loss_of(scores[jnp.argsort(ranking)]),
        ),
        Slip(
            "the worst first",
            "The first of the ranking is the best.",
            lambda scores, ranking: loss_of(scores[ranking][::-1]),
        ),
        Slip(
            "the scores are sorted",
            "The people's order, not the model's.",
            lambda scores, ranking: loss_of(jnp.sort(scores, descending=True)),
        ),
        Slip(
            "only the first choice",
            "After the best, the second is the best of the rest.",
            in_order(lambda ordered: choices(ordered)[0]),
        ),
        Slip(
            "what is placed stays in the sum",
            "Each choice is among those still to be placed: i >= j.",
            in_order(lambda ordered: jnp.sum(jax.nn.logsumexp(ordered) - ordered)),
        ),
        Slip(
            "the chosen one is missing from the sum",
            "i >= j, not i > j: it was one of the choices.",
            in_order(of_those_behind),
        ),
        Slip("all pairs", "A sum over pairs counts each response several times.", in_order(of_all_pairs)),
        Slip(
            "neighbours only",
            "Each place is a choice among all that are left, not between two.",
            in_order(lambda ordered: jnp.sum(-jax.nn.log_sigmoid(ordered[:-1] - ordered[1:]))),
        ),
        Slip("the sign is wrong", "A loss is minimised.", in_order(lambda ordered: -loss_of(ordered))),
        Slip(
            "a mean in place of a sum",
            "Chances of one choice after another multiply: their logs add up.",
            in_order(lambda ordered: jnp.mean(choices(ordered))),
        ),
        Slip(
            "the probability in place of its surprise",
            "Minus the log of it.",
            in_order(lambda ordered: jnp.exp(-loss_of(ordered))),
        ),
        Slip("one number per place", "One number per ranking: the sum.", in_order(choices)),
        Slip(
            "exponentials overflow or vanish",
            "exp(300) is infinite in float32: jax.lax.cumlogsumexp stays in logs.",
            in_order(by_exponentials),
        ),
    ),
    hints=(
        "Picking the best of k, then the best of the k - 1 that are left, and so on: each pick is a softmax.",
        "ordered = scores[ranking]; jax.lax.cumlogsumexp(ordered, reverse=True) is the log-sum of what is still to be placed.",
        "jnp.sum(jax.lax.cumlogsumexp(ordered, reverse=True) - ordered)",
    ),
    right_answers=(plackett_luce_by_loop, plackett_luce_by_table, plackett_luce_by_scan),
)
