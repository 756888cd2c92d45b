"""DOC."""

import jax
import jax.numpy as jnp

from rlhf_lesson import logprobs
from rlhf_lesson.course.exercise import Exercise, Slip
from rlhf_lesson.course.specs.draws import logits_and_tokens


def chosen(table, tokens):
    """The table's entry at each token."""
    return jnp.take_along_axis(table, tokens[..., None], axis=-1)[..., 0]


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


EXERCISE = Exercise(
    name="token_logprobs",
    minutes=15,
    difficulty=2,
    points=6,
    reference=logprobs.token_logprobs,
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
            lambda z, y, *, temperature=1.0: logprobs.token_logprobs(z, y),
        ),
        Slip(
            "multiplied by the temperature",
            "A high temperature flattens: divide by it.",
            lambda z, y, *, temperature=1.0: logprobs.token_logprobs(z, y, temperature=1 / temperature),
        ),
        Slip(
            "the temperature comes after the softmax",
            "Then the probabilities no longer sum to 1: divide the logits, not their log-softmax.",
            lambda z, y, *, temperature=1.0: logprobs.token_logprobs(z, y) / temperature,
        ),
        Slip(
            "the log is missing",
            "These are probabilities.",
            lambda z, y, *, temperature=1.0: jnp.exp(logprobs.token_logprobs(z, y, temperature=temperature)),
        ),
        Slip(
            "the sign is wrong",
            "This is the surprise: a log-probability is at most 0.",
            lambda z, y, *, temperature=1.0: -logprobs.token_logprobs(z, y, temperature=temperature),
        ),
        Slip(
            "not normalised",
            "A logit is no log-probability yet: take away the logsumexp of its row.",
            lambda z, y, *, temperature=1.0: chosen(z, y) / temperature,
        ),
        Slip(
            "normalised over time",
            "The probabilities of one place sum to 1 over the vocabulary, the last axis.",
            lambda z, y, *, temperature=1.0: chosen(jax.nn.log_softmax(z / temperature, axis=-2), y),
        ),
        Slip(
            "the likeliest token's",
            "The log-probability of the given token is asked for, not the largest one.",
            lambda z, y, *, temperature=1.0: jnp.max(jax.nn.log_softmax(z / temperature), -1),
        ),
        Slip(
            "shifted by one token",
            "Nothing is shifted here: the logits at t are those of the token at t.",
            lambda z, y, *, temperature=1.0: logprobs.token_logprobs(z, jnp.roll(y, -1, -1), temperature=temperature),
        ),
        Slip(
            "summed over time",
            "One number a token is asked for.",
            lambda z, y, *, temperature=1.0: logprobs.token_logprobs(z, y, temperature=temperature).sum(-1),
        ),
        Slip(
            "the log of a softmax",
            "A tiny probability rounds to 0, and its log to -infinity: stay in logs (logsumexp, log_softmax).",
            lambda z, y, *, temperature=1.0: jnp.log(chosen(jax.nn.softmax(z.astype(jnp.float32) / temperature), y)),
        ),
        Slip(
            "exponentials overflow",
            "exp(300) is infinite in float32: jax.nn.logsumexp takes the largest logit out first.",
            lambda z, y, *, temperature=1.0: chosen(z / temperature, y) - jnp.log(jnp.exp(z / temperature).sum(-1)),
        ),
        Slip(
            "computed in bfloat16",
            "Its third digit is wrong: logits.astype(jnp.float32) comes first.",
            lambda z, y, *, temperature=1.0: chosen(jax.nn.log_softmax(z / temperature), y).astype(jnp.float32),
        ),
    ),
    hints=(
        "The logit of the token, less the log of the summed exponentials of its row.",
        "jnp.take_along_axis(scaled, tokens[..., None], axis=-1)[..., 0] picks; jax.nn.logsumexp(scaled, axis=-1) normalises.",
        "scaled = logits.astype(jnp.float32) / temperature; picked as in hint 2, minus the logsumexp",
    ),
    right_answers=(logprobs_by_one_hot, logprobs_by_hand, logprobs_by_vmap),
)
