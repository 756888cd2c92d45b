"""DOC."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson import losses
from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.draws import a_ranking


def scored_ranking(rng, *, count: int | None = None, shift: float = 0.0, equal: bool = False) -> Case:
    ranking = np.array(a_ranking(rng, count=count).args[0], np.int32)
    scores = np.full(ranking.size, 0.7) if equal else rng.normal(size=ranking.size) + shift
    return Case((scores.astype(np.float32), ranking))


def left_to_place(ordered):
    """log-sum-exp of each score and those behind it."""
    later = jnp.triu(jnp.ones((ordered.size, ordered.size), bool))
    return jax.nn.logsumexp(jnp.where(later, ordered[None], -jnp.inf), axis=1)


def ranked(scores, ranking, *, order=lambda s, r: s[r], terms=lambda o: left_to_place(o) - o, end=jnp.sum):
    """The loss with a switch for each slip; right at the defaults."""
    return end(terms(order(scores, ranking)))


def all_pairs(ordered):
    lead = ordered[:, None] - ordered[None]
    return jnp.triu(-jax.nn.log_sigmoid(lead), 1)


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


EXERCISE = Exercise(
    name="plackett_luce_loss",
    minutes=20,
    difficulty=3,
    points=6,
    reference=losses.plackett_luce_loss,
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
            partial(ranked, order=lambda s, r: s),
        ),
        Slip(
            "an index is taken as a rank",
            "ranking[j] is the response at place j: scores[ranking], without argsort.",
            partial(ranked, order=lambda s, r: s[jnp.argsort(r)]),
        ),
        Slip(
            "the worst first", "The first of the ranking is the best.", partial(ranked, order=lambda s, r: s[r][::-1])
        ),
        Slip(
            "the scores are sorted",
            "The people's order, not the model's.",
            partial(ranked, order=lambda s, r: jnp.sort(s, descending=True)),
        ),
        Slip(
            "only the first choice",
            "After the best, the second is the best of the rest.",
            partial(ranked, end=lambda t: t[0]),
        ),
        Slip(
            "what is placed stays in the sum",
            "Each choice is among those still to be placed: i >= j.",
            partial(ranked, terms=lambda o: jax.nn.logsumexp(o) - o),
        ),
        Slip(
            "the chosen one is missing from the sum",
            "i >= j, not i > j: it was one of the choices.",
            partial(ranked, terms=lambda o: (jnp.roll(left_to_place(o), -1) - o)[:-1]),
        ),
        Slip("all pairs", "A sum over pairs counts each response several times.", partial(ranked, terms=all_pairs)),
        Slip(
            "neighbours only",
            "Each place is a choice among all that are left, not between two.",
            partial(ranked, terms=lambda o: -jax.nn.log_sigmoid(o[:-1] - o[1:])),
        ),
        Slip("the sign is wrong", "A loss is minimised.", partial(ranked, end=lambda t: -jnp.sum(t))),
        Slip(
            "a mean in place of a sum",
            "Chances of one choice after another multiply: their logs add up.",
            partial(ranked, end=jnp.mean),
        ),
        Slip(
            "the probability in place of its surprise",
            "Minus the log of it.",
            partial(ranked, end=lambda t: jnp.exp(-jnp.sum(t))),
        ),
        Slip("one number a place", "One number a ranking: the sum.", partial(ranked, end=lambda t: t)),
        Slip(
            "exponentials overflow or vanish",
            "exp(300) is infinite in float32: jax.lax.cumlogsumexp stays in logs.",
            partial(ranked, terms=lambda o: jnp.log(jnp.cumsum(jnp.exp(o)[::-1])[::-1]) - o),
        ),
    ),
    hints=(
        "Picking the best of k, then the best of the k - 1 that are left, and so on: each pick is a softmax.",
        "ordered = scores[ranking]; jax.lax.cumlogsumexp(ordered, reverse=True) is the log-sum of what is still to be placed.",
        "jnp.sum(jax.lax.cumlogsumexp(ordered, reverse=True) - ordered)",
    ),
    right_answers=(plackett_luce_by_loop, plackett_luce_by_table, plackett_luce_by_scan),
)
