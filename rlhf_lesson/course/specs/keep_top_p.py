"""DOC."""

from functools import partial

import jax
import jax.numpy as jnp

from rlhf_lesson.course.exercise import Exercise, Slip
from rlhf_lesson.course.specs.draws import to_cut
from rlhf_lesson.course.specs.keep_top_k import only, rank
from rlhf_lesson.models.generate import keep_top_p


def nucleus(logits, p, *, rest=-jnp.inf, more=False, less=False, rising=False, axis=-1, share=jax.nn.softmax):
    """The nucleus by ranks, with a switch for each slip; right at the defaults."""
    share = share(logits, axis=axis)
    order = jnp.argsort(share if rising else -share, axis=axis)
    falling = jnp.take_along_axis(share, order, axis=axis)
    upto = jnp.cumsum(falling, axis=axis)
    stays = upto <= p if less else upto - falling < p
    stays = stays | jnp.roll(stays, 1, axis) if more else stays
    return jnp.where(jnp.take_along_axis(stays, jnp.argsort(order, axis=axis), axis=axis), logits, rest)


def below_one(wrong):
    """A slip at p below 1; at p = 1 it keeps all."""
    return lambda z, p: wrong(z, p) if p < 1.0 else z


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


EXERCISE = Exercise(
    name="keep_top_p",
    minutes=20,
    difficulty=3,
    points=6,
    reference=keep_top_p,
    cases={
        "the smallest set that reaches p": lambda rng: to_cut(rng, limit=float(rng.choice([0.55, 0.75]))),
        "a small p leaves the likeliest": lambda rng: to_cut(rng, limit=0.05),
        "a large p cuts the last only": lambda rng: to_cut(rng, limit=0.88),
        "tokens that cannot occur stay out": lambda rng: to_cut(rng, limit=0.6, never=True),
        "p = 1 keeps all": lambda rng: to_cut(rng, limit=1.0),
    },
    slips=(
        Slip(
            "the set stops short of p",
            "The token that carries the sum over p belongs to it: look at what lies before each token.",
            below_one(partial(nucleus, less=True)),
        ),
        Slip("one too many", "Once p is reached, no further token stays.", below_one(partial(nucleus, more=True))),
        Slip(
            "the others become 0", "exp(0) = 1: a token that is out needs -inf.", below_one(partial(nucleus, rest=0.0))
        ),
        Slip("the least probable stay", "Sort from the most probable down.", below_one(partial(nucleus, rising=True))),
        Slip(
            "every token likelier than p stays",
            "p is about a sum of probabilities, not about single ones.",
            below_one(lambda z, p: only(z, jax.nn.softmax(z) >= p)),
        ),
        Slip(
            "a share of the likeliest as threshold",
            "That is min-p; top-p adds up.",
            below_one(lambda z, p: only(z, jax.nn.softmax(z) >= p * jax.nn.softmax(z).max(-1, keepdims=True))),
        ),
        Slip(
            "not sorted",
            "The most probable first, not the lowest id.",
            below_one(lambda z, p: only(z, jnp.cumsum(jax.nn.softmax(z), -1) - jax.nn.softmax(z) < p)),
        ),
        Slip("over the wrong axis", "The vocabulary is the last axis.", below_one(partial(nucleus, axis=0))),
        Slip(
            "not normalised",
            "exp(logits) does not sum to 1: use softmax.",
            below_one(partial(nucleus, share=lambda z, axis: jnp.exp(z))),
        ),
        Slip(
            "left in sorted order",
            "Every logit keeps its place.",
            below_one(lambda z, p: nucleus(jnp.sort(z, descending=True), p)),
        ),
        Slip(
            "a share of the tokens",
            "p is a probability, not a share of the vocabulary.",
            below_one(lambda z, p: only(z, rank(z) < p * z.shape[1])),
        ),
    ),
    hints=(
        "Sort a row from its most probable token down. How much probability lies before each?",
        "before = cumsum(softmax(sorted)) - softmax(sorted); a token stays if before < p. Which is the smallest logit that stays?",
        "least = jnp.min(jnp.where(before < p, order, jnp.inf), -1, keepdims=True); jnp.where(logits < least, -jnp.inf, logits)",
    ),
    right_answers=(top_p_by_places, top_p_by_table, top_p_by_vmap),
)
