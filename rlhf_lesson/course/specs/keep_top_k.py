"""The k largest logits of each row as they are, and minus infinity for all others; k = 0 keeps every logit."""

import jax
import jax.numpy as jnp

from rlhf_lesson.course.exercise import Exercise, Slip
from rlhf_lesson.course.specs.draws import logits_and_limit
from rlhf_lesson.models.generate import keep_top_k

# ---- slips ---------------------------------------------------------------------------------------


def only(logits, keep, rest=-jnp.inf):
    """The logits that are kept, and `rest` for the others."""
    return jnp.where(keep, logits, rest)


def rank(logits):
    """0 for the likeliest of a row, and so on."""
    return jnp.argsort(jnp.argsort(-logits, axis=-1), axis=-1)


def unless_0(wrong):
    """An answer that is wrong for k above 0 alone: k = 0 keeps every logit, as it should."""
    return lambda logits, k: wrong(logits, k) if k else logits


# ---- right answers in other words ----------------------------------------------------------------


def top_k_by_sort(logits, k):
    return logits if k == 0 else jnp.where(logits >= jnp.sort(logits)[:, -k, None], logits, -jnp.inf)


def top_k_by_rank(logits, k):
    larger = jnp.sum(logits[:, None, :] > logits[:, :, None], -1)
    return jnp.where((larger < k) | (k == 0), logits, -jnp.inf)


def top_k_by_scatter(logits, k):
    if not k:
        return logits
    values, where = jax.lax.top_k(logits, k)
    rows = jnp.arange(len(logits))[:, None]
    return jnp.full_like(logits, -jnp.inf).at[rows, where].set(values)


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="keep_top_k",
    minutes=10,
    difficulty=1,
    points=4,
    reference=keep_top_k,
    cases={
        "the k largest of each row stay as they are": lambda rng: logits_and_limit(rng, int(rng.integers(2, 4))),
        "k = 1 leaves the likeliest": lambda rng: logits_and_limit(rng, 1),
        "k = vocabulary keeps all": lambda rng: logits_and_limit(rng, 5),
        "k = 0 keeps all": lambda rng: logits_and_limit(rng, 0),
    },
    slips=(
        Slip(
            "the others become 0",
            "exp(0) = 1: a token that is out needs -inf.",
            unless_0(lambda logits, k: only(logits, rank(logits) < k, 0.0)),
        ),
        Slip(
            "the k smallest stay",
            "Large logits are probable tokens.",
            unless_0(lambda logits, k: only(logits, rank(-logits) < k)),
        ),
        Slip(
            "one too many",
            "The k-th largest is the last to stay.",
            unless_0(lambda logits, k: only(logits, rank(logits) <= k)),
        ),
        Slip(
            "one too few",
            "The k-th largest stays too: <, not <=.",
            unless_0(lambda logits, k: only(logits, rank(logits) < k - 1)),
        ),
        Slip(
            "one threshold for all rows",
            "Each row has its own k-th largest.",
            unless_0(lambda logits, k: only(logits, logits >= jnp.sort(logits, axis=None)[-k])),
        ),
        Slip(
            "the first k tokens",
            "The largest logits, not the first ids.",
            unless_0(lambda logits, k: only(logits, jnp.arange(logits.shape[1]) < k)),
        ),
        Slip(
            "over the wrong axis",
            "The vocabulary is the last axis.",
            unless_0(lambda logits, k: only(logits, rank(logits.T).T < k)),
        ),
        Slip(
            "sorted",
            "Every logit keeps its place: it belongs to one token.",
            unless_0(lambda logits, k: only(jnp.sort(logits, descending=True), jnp.arange(logits.shape[1]) < k)),
        ),
        Slip("only the k values", "The row keeps its length.", unless_0(lambda logits, k: jax.lax.top_k(logits, k)[0])),
        Slip(
            "probabilities in place of logits",
            "What is kept stays as it was.",
            unless_0(lambda logits, k: jax.nn.softmax(only(logits, rank(logits) < k))),
        ),
        Slip("k = 0 keeps none", "0 switches the cut off.", lambda logits, k: only(logits, rank(logits) < k)),
    ),
    hints=(
        "Which number must a logit reach to stay? It is another one in each row.",
        "jax.lax.top_k(logits, k)[0] holds the k largest of each row, in falling order.",
        "threshold = jax.lax.top_k(logits, k)[0][:, -1:]; jnp.where(logits < threshold, -jnp.inf, logits); k = 0 first",
    ),
    right_answers=(top_k_by_sort, top_k_by_rank, top_k_by_scatter),
)
