"""The log-probability of each token under the logits at the same place.

A softmax in float32 overflows at a logit of 300 and rounds small probabilities to 0, and bfloat16 is too coarse: each has a case.
"""

import jax
import jax.numpy as jnp

from rlhf_lesson.course.exercise import Exercise, Slip
from rlhf_lesson.course.specs.draws import logits_and_tokens
from rlhf_lesson.course.specs.mistakes import changed, ignoring
from rlhf_lesson.logprobs import token_logprobs


def chosen(table, tokens):
    """The table's entry at each token."""
    return jnp.take_along_axis(table, tokens[..., None], axis=-1)[..., 0]


# ---- slips ---------------------------------------------------------------------------------------


def at_temperature(answer):
    """An answer that divides the logits by the temperature, as it should, and goes on with `answer(scaled, ...)`."""

    def whole(logits, *others, temperature=1.0):
        return answer(logits / temperature, *others)

    return whole


def probabilities(logits):
    """In float32, as they should be."""
    return jax.nn.softmax(logits.astype(jnp.float32))


# ---- right answers in other words ----------------------------------------------------------------


def logprobs_by_one_hot(logits, tokens, *, temperature=1.0):
    logp = jax.nn.log_softmax(jnp.float32(logits) / temperature)
    return jnp.sum(jnp.where(jax.nn.one_hot(tokens, logits.shape[-1], dtype=bool), logp, 0.0), axis=-1)


def logprobs_by_hand(logits, tokens, *, temperature=1.0):
    scaled = logits.astype("float32") / temperature
    scaled = scaled - scaled.max(-1, keepdims=True)
    picked = jnp.take_along_axis(scaled, tokens[..., None], -1).squeeze(-1)
    return picked - jnp.log(jnp.exp(scaled).sum(-1))


def logprobs_by_vmap(logits, tokens, *, temperature=1.0):
    def one(row, token):
        return (row / temperature)[token] - jax.nn.logsumexp(row / temperature)

    flat = jax.vmap(one)(logits.astype(jnp.float32).reshape(-1, logits.shape[-1]), tokens.ravel())
    return flat.reshape(tokens.shape)


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="token_logprobs",
    minutes=15,
    difficulty=2,
    points=6,
    reference=token_logprobs,
    cases={
        "plain numbers at some temperature": lambda rng: logits_and_tokens(
            rng, temperature=float(rng.uniform(0.5, 0.8))
        ),
        "a temperature above 1": lambda rng: logits_and_tokens(rng, temperature=1.7),
        "the default temperature is 1": logits_and_tokens,
        "a constant added to a row changes nothing": lambda rng: logits_and_tokens(rng, shift=300.0),
        "a very unlikely token has a finite log-probability": lambda rng: logits_and_tokens(rng, scale=150.0),
        "bfloat16 is cast to float32 first": lambda rng: logits_and_tokens(rng, half=True, scale=4.0),
    },
    slips=(
        Slip(
            "the temperature is ignored",
            "Divide the logits by it before the softmax.",
            ignoring(token_logprobs, "temperature"),
        ),
        Slip(
            "multiplied by the temperature",
            "A high temperature flattens: divide by it.",
            lambda logits, tokens, *, temperature=1.0: token_logprobs(logits, tokens, temperature=1 / temperature),
        ),
        Slip(
            "the temperature comes after the softmax",
            "Then the probabilities no longer sum to 1: divide the logits, not their log-softmax.",
            lambda logits, tokens, *, temperature=1.0: token_logprobs(logits, tokens) / temperature,
        ),
        Slip("the log is missing", "These are probabilities.", changed(token_logprobs, jnp.exp)),
        Slip(
            "the sign is wrong",
            "This is the surprise: a log-probability is at most 0.",
            changed(token_logprobs, jnp.negative),
        ),
        Slip(
            "not normalised",
            "A logit is no log-probability yet: take away the logsumexp of its row.",
            at_temperature(chosen),
        ),
        Slip(
            "normalised over time",
            "The probabilities of one place sum to 1 over the vocabulary, the last axis.",
            at_temperature(lambda scaled, tokens: chosen(jax.nn.log_softmax(scaled, axis=-2), tokens)),
        ),
        Slip(
            "the likeliest token's",
            "The log-probability of the given token is asked for, not the largest one.",
            at_temperature(lambda scaled, tokens: jnp.max(jax.nn.log_softmax(scaled), -1)),
        ),
        Slip(
            "shifted by one token",
            "Nothing is shifted here: the logits at t are those of the token at t.",
            at_temperature(lambda scaled, tokens: token_logprobs(scaled, jnp.roll(tokens, -1, -1))),
        ),
        Slip(
            "summed over time", "One number per token is asked for.", changed(token_logprobs, lambda logp: logp.sum(-1))
        ),
        Slip(
            "the log of a softmax",
            "A tiny probability rounds to 0, and its log to -infinity: stay in logs (logsumexp, log_softmax).",
            at_temperature(lambda scaled, tokens: jnp.log(chosen(probabilities(scaled), tokens))),
        ),
        Slip(
            "exponentials overflow",
            "exp(300) is infinite in float32: jax.nn.logsumexp takes the largest logit out first.",
            at_temperature(lambda scaled, tokens: chosen(scaled, tokens) - jnp.log(jnp.exp(scaled).sum(-1))),
        ),
        Slip(
            "computed in bfloat16",
            "Its third digit is wrong: logits.astype(jnp.float32) comes first.",
            at_temperature(lambda scaled, tokens: chosen(jax.nn.log_softmax(scaled), tokens).astype(jnp.float32)),
        ),
    ),
    hints=(
        "The logit of the token, less the log of the summed exponentials of its row.",
        "jnp.take_along_axis(scaled, tokens[..., None], axis=-1)[..., 0] picks; jax.nn.logsumexp(scaled, axis=-1) normalises.",
        "scaled = logits.astype(jnp.float32) / temperature; picked as in hint 2, minus the logsumexp",
    ),
    right_answers=(logprobs_by_one_hot, logprobs_by_hand, logprobs_by_vmap),
)
