"""The entropy, in nats, of the next token's distribution at each place.

A token that cannot occur has log-probability minus infinity and must add 0, not NaN.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.token_logprobs import at_temperature
from rlhf_lesson.logprobs import entropy


def some_logits(
    rng: np.random.Generator, *, certain: bool = False, never: bool = False, temperature: float | None = None
) -> Case:
    """Logits of some places; one token may be certain, or never occur. Without `temperature` the default is asked for."""
    shape = [(4, 6), (2, 3, 5)][rng.integers(2)]
    logits = (1.5 * rng.normal(size=shape)).astype(np.float32)
    if certain:
        logits[..., rng.integers(shape[-1])] += 400.0
    if never:
        logits[..., 1] = -np.inf
    return Case((logits,), {} if temperature is None else {"temperature": temperature})


# ---- slips ---------------------------------------------------------------------------------------


def plain_entropy(logits, axis=-1):
    """-sum p log p, which is NaN where a token cannot occur; else right."""
    logp = jax.nn.log_softmax(logits, axis=axis)
    return -jnp.sum(jnp.exp(logp) * logp, axis=axis)


def by_the_log_of_a_softmax(logits):
    """-sum p log p, with probabilities that may have rounded to 0."""
    p = jax.nn.softmax(logits)
    return -jnp.sum(p * jnp.log(p), -1)


# ---- right answers in other words ----------------------------------------------------------------


def entropy_by_entr(logits, *, temperature=1.0):
    return jax.scipy.special.entr(jax.nn.softmax(logits / temperature, axis=-1)).sum(-1)


def entropy_by_logsumexp(logits, *, temperature=1.0):
    z = logits / temperature
    mean = jnp.sum(jax.nn.softmax(z) * jnp.where(jnp.isfinite(z), z, 0.0), -1)
    return jax.scipy.special.logsumexp(z, axis=-1) - mean


def entropy_by_vmap(logits, *, temperature=1.0):
    def one(row):
        p = jax.nn.softmax(row / temperature)
        return -jnp.sum(p * jnp.log(jnp.where(p > 0, p, 1.0)))

    return jax.vmap(one)(logits.reshape(-1, logits.shape[-1])).reshape(logits.shape[:-1])


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="entropy",
    minutes=10,
    difficulty=2,
    points=5,
    reference=entropy,
    cases={
        "plain numbers at some temperature": lambda rng: some_logits(rng, temperature=float(rng.uniform(0.5, 0.8))),
        "the default temperature is 1": some_logits,
        "equal logits give the log of their number": lambda rng: Case(
            (np.full((2, int(rng.integers(3, 9))), 2.5, "f"),)
        ),
        "a certain token gives 0": lambda rng: some_logits(rng, certain=True),
        "a token that cannot occur adds 0": lambda rng: some_logits(rng, never=True),
    },
    slips=(
        Slip(
            "the sign is wrong", "An entropy is never negative.", at_temperature(lambda scaled: -plain_entropy(scaled))
        ),
        Slip(
            "the temperature is ignored",
            "softmax(logits / temperature).",
            lambda logits, *, temperature=1.0: plain_entropy(logits),
        ),
        Slip(
            "multiplied by the temperature",
            "Divide the logits by it.",
            lambda logits, *, temperature=1.0: plain_entropy(logits / (1 / temperature)),
        ),
        Slip(
            "a mean in place of a sum",
            "The probabilities are the weights already: sum over the vocabulary.",
            at_temperature(lambda scaled: plain_entropy(scaled) / scaled.shape[-1]),
        ),
        Slip(
            "not weighted",
            "Each token's surprise counts as often as the token comes: times p.",
            at_temperature(lambda scaled: -jnp.mean(jax.nn.log_softmax(scaled), -1)),
        ),
        Slip(
            "bits in place of nats",
            "Use the natural logarithm.",
            at_temperature(lambda scaled: plain_entropy(scaled) / jnp.log(2.0)),
        ),
        Slip(
            "a share of the largest entropy",
            "It is not divided by log(vocab).",
            at_temperature(lambda scaled: plain_entropy(scaled) / jnp.log(scaled.shape[-1])),
        ),
        Slip(
            "logits in place of log-probabilities",
            "log p is the log-softmax of the logits, not the logits.",
            at_temperature(lambda scaled: -jnp.sum(jax.nn.softmax(scaled) * scaled, -1)),
        ),
        Slip(
            "over the wrong axis",
            "The vocabulary is the last axis.",
            at_temperature(lambda scaled: plain_entropy(scaled, axis=0)),
        ),
        Slip(
            "the surprise of the likeliest token",
            "The expectation is over all tokens.",
            at_temperature(lambda scaled: -jnp.max(jax.nn.log_softmax(scaled), -1)),
        ),
        Slip(
            "the log of a softmax",
            "A tiny probability rounds to 0, and 0 times log 0 is NaN: use log_softmax.",
            at_temperature(by_the_log_of_a_softmax),
        ),
        Slip(
            "0 times infinity", "Where log p is -inf, set it to 0 before you multiply.", at_temperature(plain_entropy)
        ),
    ),
    hints=(
        "The expected surprise: each token's -log p, weighted with its p.",
        "jax.nn.log_softmax(logits / temperature) gives log p. Where it is -inf, 0 * -inf must become 0.",
        "-jnp.sum(jnp.exp(logp) * jnp.where(jnp.isneginf(logp), 0.0, logp), axis=-1)",
    ),
    right_answers=(entropy_by_entr, entropy_by_logsumexp, entropy_by_vmap),
)
