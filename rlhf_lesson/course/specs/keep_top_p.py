"""The likeliest tokens of each row that together reach probability p, and minus infinity for all others; p = 1 keeps every logit.

Every p lies far from the sums of the drawn probabilities, so rounding decides nothing.
"""

import jax
import jax.numpy as jnp

from rlhf_lesson.course.exercise import Exercise, Slip
from rlhf_lesson.course.specs.draws import logits_and_limit
from rlhf_lesson.course.specs.keep_top_k import only, rank
from rlhf_lesson.models.generate import keep_top_p

# ---- slips ---------------------------------------------------------------------------------------


def before(share, axis=-1):
    """How much probability lies before each token, if the likeliest come first."""
    order = jnp.argsort(-share, axis=axis)
    falling = jnp.take_along_axis(share, order, axis=axis)
    return jnp.take_along_axis(jnp.cumsum(falling, axis=axis) - falling, jnp.argsort(order, axis=axis), axis=axis)


def stays(logits, p):
    """Which tokens belong to the set, as it should be."""
    return before(jax.nn.softmax(logits)) < p


def below_1(wrong):
    """An answer that is wrong for p below 1 alone: p = 1 keeps every logit, as it should."""
    return lambda logits, p: wrong(logits, p) if p < 1.0 else logits


def by_share(keep):
    """An answer, wrong for p below 1, that keeps the tokens with `keep(share, p)`."""
    return below_1(lambda logits, p: only(logits, keep(jax.nn.softmax(logits), p)))


def one_too_many(logits, p):
    """One more token than the set has."""
    return only(logits, rank(logits) <= jnp.sum(stays(logits, p), -1, keepdims=True))


def over_the_rows(logits, p):
    """Probabilities that sum to 1 over the rows."""
    return only(logits, before(jax.nn.softmax(logits, axis=0), axis=0) < p)


def left_sorted(logits, p):
    """The right logits in falling order."""
    falling = jnp.sort(logits, descending=True)
    return only(falling, stays(falling, p))


# ---- right answers in other words ----------------------------------------------------------------


def top_p_by_places(logits, p):
    if p >= 1:
        return logits
    order = jnp.argsort(-logits, axis=-1)
    share = jnp.take_along_axis(jax.nn.softmax(logits), order, -1)
    keep = jnp.concatenate([jnp.ones_like(share[:, :1], bool), jnp.cumsum(share, -1)[:, :-1] < p], -1)
    rows = jnp.arange(len(logits))[:, None]
    return jnp.where(jnp.zeros(logits.shape, bool).at[rows, order].set(keep), logits, -jnp.inf)


def top_p_by_table(logits, p):
    share = jax.nn.softmax(logits)
    before = jnp.sum(jnp.where(logits[:, None, :] > logits[:, :, None], share[:, None, :], 0.0), -1)
    return jnp.where((before < p) | (p >= 1.0), logits, -jnp.inf)


def top_p_by_vmap(logits, p):
    def one(row):
        ordered = jnp.sort(row)[::-1]
        size = 1 + jnp.sum(jnp.cumsum(jax.nn.softmax(ordered))[:-1] < p)
        return jnp.where(row < ordered[size - 1], -jnp.inf, row)

    return logits if p == 1.0 else jax.vmap(one)(logits)


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="keep_top_p",
    minutes=20,
    difficulty=3,
    points=6,
    reference=keep_top_p,
    cases={
        "the smallest set that reaches p": lambda rng: logits_and_limit(rng, float(rng.choice([0.55, 0.75]))),
        "a small p leaves the likeliest": lambda rng: logits_and_limit(rng, 0.05),
        "a large p cuts the last only": lambda rng: logits_and_limit(rng, 0.88),
        "tokens that cannot occur stay out": lambda rng: logits_and_limit(rng, 0.6, never=True),
        "p = 1 keeps all": lambda rng: logits_and_limit(rng, 1.0),
    },
    slips=(
        Slip(
            "the set stops short of p",
            "The token that carries the sum over p belongs to it: look at what lies before each token.",
            by_share(lambda share, p: before(share) + share <= p),
        ),
        Slip("one too many", "Once p is reached, no further token stays.", below_1(one_too_many)),
        Slip(
            "the others become 0",
            "exp(0) = 1: a token that is out needs -inf.",
            below_1(lambda logits, p: only(logits, stays(logits, p), 0.0)),
        ),
        Slip(
            "the least probable stay",
            "Sort from the most probable down.",
            by_share(lambda share, p: 1.0 - share - before(share) < p),
        ),
        Slip(
            "every token likelier than p stays",
            "p is about a sum of probabilities, not about single ones.",
            by_share(lambda share, p: share >= p),
        ),
        Slip(
            "a share of the likeliest as threshold",
            "That is min-p; top-p adds up.",
            by_share(lambda share, p: share >= p * share.max(-1, keepdims=True)),
        ),
        Slip(
            "not sorted",
            "The most probable first, not the lowest id.",
            by_share(lambda share, p: jnp.cumsum(share, -1) - share < p),
        ),
        Slip("over the wrong axis", "The vocabulary is the last axis.", below_1(over_the_rows)),
        Slip(
            "not normalised",
            "exp(logits) does not sum to 1: use softmax.",
            below_1(lambda logits, p: only(logits, before(jnp.exp(logits)) < p)),
        ),
        Slip("left in sorted order", "Every logit keeps its place.", below_1(left_sorted)),
        Slip(
            "a share of the tokens",
            "p is a probability, not a share of the vocabulary.",
            below_1(lambda logits, p: only(logits, rank(logits) < p * logits.shape[1])),
        ),
    ),
    hints=(
        "Sort a row from its most probable token down. How much probability lies before each?",
        "before = cumsum(softmax(sorted)) - softmax(sorted); a token stays if before < p. Which is the smallest logit that stays?",
        "least = jnp.min(jnp.where(before < p, order, jnp.inf), -1, keepdims=True); jnp.where(logits < least, -jnp.inf, logits)",
    ),
    right_answers=(top_p_by_places, top_p_by_table, top_p_by_vmap),
)
