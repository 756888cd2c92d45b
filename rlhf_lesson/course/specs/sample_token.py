"""DOC."""

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, NotAnAnswer, Slip, describe
from rlhf_lesson.course.specs.draws import five_tokens
from rlhf_lesson.course.specs.keep_top_k import top_k_by_sort
from rlhf_lesson.course.specs.keep_top_p import top_p_by_table
from rlhf_lesson.models.generate import keep_top_k, keep_top_p, sample_token

DRAWS = 20_000  # a row; two histograms of it differ by more than 0.035 about once in 10^11 comparisons


def shares_drawn(answer):
    """How often each of the five tokens was drawn in the first half of the rows, and in the second."""
    tokens = np.asarray(answer)
    if tokens.shape != (2 * DRAWS,) or tokens.dtype.kind not in "iu":
        kind = f" of {answer.dtype}" if hasattr(answer, "dtype") else ""
        raise NotAnAnswer(
            f"one whole number for each of {2 * DRAWS} rows is asked for, and it returns {describe(answer)}{kind}"
        )
    return np.stack([np.bincount(np.clip(half, 0, 5), minlength=6) for half in tokens.reshape(2, -1)]) / DRAWS


def many_draws(rng, **coefficients) -> Case:
    """Two rows of logits, each many times, and a fresh key."""
    logits = np.repeat(five_tokens(rng, 2), DRAWS, axis=0)
    return Case((logits, jax.random.key(int(rng.integers(2**31)))), coefficients)


def drawn(logits, key, *, temperature=1.0, top_k=0, top_p=1.0, gumbel=None):
    scaled = keep_top_p(keep_top_k(logits / temperature, top_k), top_p)
    return jnp.argmax(scaled + (jax.random.gumbel(key, logits.shape) if gumbel is None else gumbel(key)), axis=-1)


def sample_by_gumbel(logits, key, *, temperature=1.0, top_k=0, top_p=1.0):
    kept = top_p_by_table(top_k_by_sort(logits / temperature, top_k), top_p)
    return jnp.argmax(kept + jax.random.gumbel(key, kept.shape), axis=-1)


def sample_by_cumulated_chances(logits, key, *, temperature=1.0, top_k=0, top_p=1.0):
    share = jax.nn.softmax(top_p_by_table(top_k_by_sort(logits / temperature, top_k), top_p))
    upto = jnp.cumsum(share, -1)
    drawn = jax.random.uniform(key, (len(logits), 1)) * upto[:, -1:]
    return jnp.sum(upto <= drawn, axis=-1)


def sample_by_a_key_for_each_row(logits, key, *, temperature=1.0, top_k=0, top_p=1.0):
    kept = top_p_by_table(top_k_by_sort(logits / temperature, top_k), top_p)
    return jax.vmap(jax.random.categorical)(jax.random.split(key, len(kept)), kept)


EXERCISE = Exercise(
    name="sample_token",
    minutes=15,
    difficulty=2,
    points=6,
    reference=sample_token,
    rtol=0.0,
    atol=0.035,
    seen=shares_drawn,
    cases={
        "a low temperature sharpens": lambda rng: many_draws(rng, temperature=float(rng.uniform(0.45, 0.6))),
        "a high temperature flattens": lambda rng: many_draws(rng, temperature=3.0),
        "the top k": lambda rng: many_draws(rng, top_k=int(rng.integers(2, 4))),
        "the top p": lambda rng: many_draws(rng, top_p=0.55),
        "temperature first, then the top p": lambda rng: many_draws(rng, temperature=0.4, top_p=0.6),
        "the top k first, then the top p of what is left": lambda rng: many_draws(rng, top_k=2, top_p=0.55),
        "the defaults are the model's own distribution": many_draws,
    },
    slips=(
        Slip(
            "the temperature is ignored",
            "Divide the logits by it.",
            lambda z, key, *, temperature=1.0, **k: drawn(z, key, **k),
        ),
        Slip(
            "multiplied by the temperature",
            "Divide the logits by it: below 1 the likely tokens become likelier.",
            lambda z, key, *, temperature=1.0, **k: drawn(z, key, temperature=1 / temperature, **k),
        ),
        Slip(
            "the likeliest token",
            "Draw, don't take the argmax.",
            lambda z, key, *, temperature=1.0, **k: jnp.argmax(z, -1),
        ),
        Slip(
            "probabilities in place of logits",
            "jax.random.categorical wants logits.",
            lambda z, key, *, temperature=1.0, top_k=0, top_p=1.0: jax.random.categorical(
                key, jax.nn.softmax(keep_top_p(keep_top_k(z / temperature, top_k), top_p))
            ),
        ),
        Slip(
            "the same noise in every row",
            "One call with the whole batch gives every row noise of its own.",
            lambda z, key, **k: drawn(z, key, gumbel=lambda key: jax.random.gumbel(key, z.shape[1:])[None], **k),
        ),
        Slip(
            "all kept tokens equally often",
            "The logits decide how often each is drawn.",
            lambda z, key, *, temperature=1.0, top_k=0, top_p=1.0: jax.random.categorical(
                key, jnp.where(jnp.isneginf(keep_top_p(keep_top_k(z / temperature, top_k), top_p)), -jnp.inf, 0.0)
            ),
        ),
        Slip("over the wrong axis", "The vocabulary is the last axis.", lambda z, key, **k: jnp.argmax(z, axis=0)),
        Slip("the top k is ignored", "keep_top_k(logits, top_k).", lambda z, key, *, top_k=0, **k: drawn(z, key, **k)),
        Slip(
            "the top p is ignored", "keep_top_p(logits, top_p).", lambda z, key, *, top_p=1.0, **k: drawn(z, key, **k)
        ),
        Slip(
            "what is cut gets logit 0",
            "exp(0) = 1 may be likely: a token that is out needs -inf.",
            lambda z, key, *, temperature=1.0, top_k=0, top_p=1.0: jax.random.categorical(
                key, jnp.nan_to_num(keep_top_p(keep_top_k(z / temperature, top_k), top_p), neginf=0.0)
            ),
        ),
        Slip(
            "the temperature comes last",
            "top_p looks at the tempered probabilities.",
            lambda z, key, *, temperature=1.0, top_k=0, top_p=1.0: drawn(
                keep_top_p(keep_top_k(z, top_k), top_p), key, temperature=temperature
            ),
        ),
        Slip(
            "top p before top k",
            "First the k likeliest; p is a share of what they hold together.",
            lambda z, key, *, temperature=1.0, top_k=0, top_p=1.0: drawn(
                keep_top_k(keep_top_p(z / temperature, top_p), top_k), key
            ),
        ),
    ),
    hints=(
        "Three steps change the logits; the fourth draws.",
        "Divide by the temperature, then keep_top_k, then keep_top_p; jax.random.categorical draws one token a row.",
        "jax.random.categorical(key, keep_top_p(keep_top_k(logits / temperature, top_k), top_p), axis=-1)",
    ),
    right_answers=(sample_by_gumbel, sample_by_cumulated_chances, sample_by_a_key_for_each_row),
)
