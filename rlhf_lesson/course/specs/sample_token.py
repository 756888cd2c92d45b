"""One token drawn for each row: temperature first, then the top k, then the top p of what is left.

An answer may use its key in any way, so two histograms of many draws are compared, wide enough that chance fails nobody.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, NotAnAnswer, Slip, describe
from rlhf_lesson.course.specs.draws import five_tokens
from rlhf_lesson.course.specs.keep_top_k import top_k_by_sort
from rlhf_lesson.course.specs.keep_top_p import top_p_by_table
from rlhf_lesson.course.specs.mistakes import ignoring
from rlhf_lesson.models.generate import keep_top_k, keep_top_p, sample_token

DRAWS = 20_000  # a row; two histograms of it differ by more than 0.035 about once in 10^11 comparisons


def many_draws(
    rng: np.random.Generator, *, temperature: float | None = None, top_k: int | None = None, top_p: float | None = None
) -> Case:
    """Two rows of logits, each many times, and a fresh key; what is None is left to the answer's defaults."""
    logits = np.repeat(five_tokens(rng, 2), DRAWS, axis=0)
    key = jax.random.key(int(rng.integers(2**31)))
    options = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
    return Case((logits, key), {name: value for name, value in options.items() if value is not None})


def shares_drawn(answer):
    """How often each of the five tokens was drawn in the first half of the rows, and in the second."""
    tokens = np.asarray(answer)
    if tokens.shape != (2 * DRAWS,) or tokens.dtype.kind not in "iu":
        kind = f" of {answer.dtype}" if hasattr(answer, "dtype") else ""
        raise NotAnAnswer(
            f"one whole number for each of {2 * DRAWS} rows is asked for, and it returns {describe(answer)}{kind}"
        )
    return np.stack([np.bincount(np.clip(half, 0, 5), minlength=6) for half in tokens.reshape(2, -1)]) / DRAWS


# ---- slips ---------------------------------------------------------------------------------------


def from_kept(draw):
    """An answer that changes the logits as it should, and draws with `draw(kept, key)`."""

    def whole(logits, key, *, temperature=1.0, top_k=0, top_p=1.0):
        return draw(keep_top_p(keep_top_k(logits / temperature, top_k), top_p), key)

    return whole


def with_noise(logits, key):
    """A draw by Gumbel noise, as it should be."""
    return jnp.argmax(logits + jax.random.gumbel(key, logits.shape), axis=-1)


def with_one_noise(logits, key):
    """The same noise in every row."""
    return jnp.argmax(logits + jax.random.gumbel(key, logits.shape[1:])[None], axis=-1)


def any_kept(logits, key):
    """Every token that is left has the same chance."""
    return jax.random.categorical(key, jnp.where(jnp.isneginf(logits), -jnp.inf, 0.0))


sampled = from_kept(with_noise)


def multiplied(logits, key, *, temperature=1.0, top_k=0, top_p=1.0):
    return sampled(logits, key, temperature=1 / temperature, top_k=top_k, top_p=top_p)


def temperature_last(logits, key, *, temperature=1.0, top_k=0, top_p=1.0):
    return with_noise(keep_top_p(keep_top_k(logits, top_k), top_p) / temperature, key)


def top_p_first(logits, key, *, temperature=1.0, top_k=0, top_p=1.0):
    return with_noise(keep_top_k(keep_top_p(logits / temperature, top_p), top_k), key)


# ---- right answers in other words ----------------------------------------------------------------


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


# ---- the exercise --------------------------------------------------------------------------------

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
        Slip("the temperature is ignored", "Divide the logits by it.", ignoring(sampled, "temperature")),
        Slip(
            "multiplied by the temperature",
            "Divide the logits by it: below 1 the likely tokens become likelier.",
            multiplied,
        ),
        Slip(
            "the likeliest token",
            "Draw, don't take the argmax.",
            from_kept(lambda logits, key: jnp.argmax(logits, axis=-1)),
        ),
        Slip(
            "probabilities in place of logits",
            "jax.random.categorical wants logits.",
            from_kept(lambda logits, key: jax.random.categorical(key, jax.nn.softmax(logits))),
        ),
        Slip(
            "the same noise in every row",
            "One call with the whole batch gives every row noise of its own.",
            from_kept(with_one_noise),
        ),
        Slip("all kept tokens equally often", "The logits decide how often each is drawn.", from_kept(any_kept)),
        Slip(
            "over the wrong axis",
            "The vocabulary is the last axis.",
            from_kept(lambda logits, key: jnp.argmax(logits, axis=0)),
        ),
        Slip("the top k is ignored", "keep_top_k(logits, top_k).", ignoring(sampled, "top_k")),
        Slip("the top p is ignored", "keep_top_p(logits, top_p).", ignoring(sampled, "top_p")),
        Slip(
            "what is cut gets logit 0",
            "exp(0) = 1 may be likely: a token that is out needs -inf.",
            from_kept(lambda logits, key: jax.random.categorical(key, jnp.nan_to_num(logits, neginf=0.0))),
        ),
        Slip("the temperature comes last", "top_p looks at the tempered probabilities.", temperature_last),
        Slip("top p before top k", "First the k likeliest; p is a share of what they hold together.", top_p_first),
    ),
    hints=(
        "Three steps change the logits; the fourth draws.",
        "Divide by the temperature, then keep_top_k, then keep_top_p; jax.random.categorical draws one token a row.",
        "jax.random.categorical(key, keep_top_p(keep_top_k(logits / temperature, top_k), top_p), axis=-1)",
    ),
    right_answers=(sample_by_gumbel, sample_by_cumulated_chances, sample_by_a_key_for_each_row),
)
