"""DOC."""

import jax
import jax.numpy as jnp

from rlhf_lesson.course.exercise import Exercise, Slip
from rlhf_lesson.course.specs.draws import to_cut
from rlhf_lesson.models.generate import keep_top_k


def only(logits, keep, rest=-jnp.inf):
    return jnp.where(keep, logits, rest)


def rank(logits):
    """0 for the likeliest of a row, and so on."""
    return jnp.argsort(jnp.argsort(-logits, axis=-1), axis=-1)


def by_k(wrong):
    """A slip at k; at k = 0 it keeps all, as everybody does."""
    return lambda z, k: wrong(z, k) if k else z


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


EXERCISE = Exercise(
    name="keep_top_k",
    minutes=10,
    difficulty=1,
    points=4,
    reference=keep_top_k,
    cases={
        "the k largest of each row stay as they are": lambda rng: to_cut(rng, limit=int(rng.integers(2, 4))),
        "k = 1 leaves the likeliest": lambda rng: to_cut(rng, limit=1),
        "k = vocabulary keeps all": lambda rng: to_cut(rng, limit=5),
        "k = 0 keeps all": lambda rng: to_cut(rng, limit=0),
    },
    slips=(
        Slip(
            "the others become 0",
            "exp(0) = 1: a token that is out needs -inf.",
            by_k(lambda z, k: only(z, rank(z) < k, 0.0)),
        ),
        Slip("the k smallest stay", "Large logits are probable tokens.", by_k(lambda z, k: only(z, rank(-z) < k))),
        Slip("one too many", "The k-th largest is the last to stay.", by_k(lambda z, k: only(z, rank(z) <= k))),
        Slip("one too few", "The k-th largest stays too: <, not <=.", by_k(lambda z, k: only(z, rank(z) < k - 1))),
        Slip(
            "one threshold for all rows",
            "Each row has its own k-th largest.",
            by_k(lambda z, k: only(z, z >= jnp.sort(z, axis=None)[-k])),
        ),
        Slip(
            "the first k tokens",
            "The largest logits, not the first ids.",
            by_k(lambda z, k: only(z, jnp.arange(z.shape[1]) < k)),
        ),
        Slip("over the wrong axis", "The vocabulary is the last axis.", by_k(lambda z, k: only(z, rank(z.T).T < k))),
        Slip(
            "sorted",
            "Every logit keeps its place: it belongs to one token.",
            by_k(lambda z, k: only(jnp.sort(z, descending=True), jnp.arange(z.shape[1]) < k)),
        ),
        Slip("only the k values", "The row keeps its length.", by_k(lambda z, k: jax.lax.top_k(z, k)[0])),
        Slip(
            "probabilities in place of logits",
            "What is kept stays as it was.",
            by_k(lambda z, k: jax.nn.softmax(only(z, rank(z) < k))),
        ),
        Slip("k = 0 keeps none", "0 switches the cut off.", lambda z, k: only(z, rank(z) < k)),
    ),
    hints=(
        "Which number must a logit reach to stay? It is another one in each row.",
        "jax.lax.top_k(logits, k)[0] holds the k largest of each row, in falling order.",
        "threshold = jax.lax.top_k(logits, k)[0][:, -1:]; jnp.where(logits < threshold, -jnp.inf, logits); k = 0 first",
    ),
    right_answers=(top_k_by_sort, top_k_by_rank, top_k_by_scatter),
)
