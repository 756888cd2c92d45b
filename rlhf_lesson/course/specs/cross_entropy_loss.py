"""DOC."""

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson import losses
from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.draws import logits_and_tokens
from rlhf_lesson.course.specs.token_logprobs import chosen, logprobs_by_one_hot, logprobs_by_vmap


def cross_entropy_by_one_hot(logits, targets):
    return -logprobs_by_one_hot(logits, targets)


def cross_entropy_by_difference(logits, targets):
    z = logits.astype(jnp.float32)
    return jax.nn.logsumexp(z, axis=-1) - jnp.take_along_axis(z, targets[..., None], -1)[..., 0]


def cross_entropy_by_vmap(logits, targets):
    return -logprobs_by_vmap(logits, targets)


EXERCISE = Exercise(
    name="cross_entropy_loss",
    minutes=5,
    difficulty=1,
    points=4,
    reference=losses.cross_entropy_loss,
    cases={
        "plain numbers": logits_and_tokens,
        "a uniform guess costs the log of the vocabulary": lambda rng: Case(
            (np.full((2, 3, 7), 1.5, np.float32), rng.integers(0, 7, (2, 3)).astype(np.int32))
        ),
        "large logits do no harm": lambda rng: logits_and_tokens(rng, shift=300.0),
        "a very unlikely target costs much, but not infinitely": lambda rng: logits_and_tokens(rng, scale=150.0),
        "bfloat16 is cast to float32 first": lambda rng: logits_and_tokens(rng, half=True, scale=4.0),
    },
    slips=(
        Slip(
            "the sign is wrong",
            "A loss is minimised: it is minus the log-probability.",
            lambda z, y: -losses.cross_entropy_loss(z, y),
        ),
        Slip(
            "reduced to one number",
            "One loss a token: the caller chooses mask and mean.",
            lambda z, y: jnp.mean(losses.cross_entropy_loss(z, y)),
        ),
        Slip(
            "shifted by one token",
            "Nothing is shifted here: the logits at t predict the target at t.",
            lambda z, y: losses.cross_entropy_loss(z, jnp.roll(y, -1, -1)),
        ),
        Slip(
            "cut to time - 1",
            "The caller has shifted already: every place has its target.",
            lambda z, y: losses.cross_entropy_loss(z[..., :-1, :], y[..., 1:]),
        ),
        Slip("not normalised", "A logit is no log-probability yet.", lambda z, y: -chosen(z, y)),
        Slip(
            "the log is missing",
            "This is 1 - p: a loss in nats is -log p.",
            lambda z, y: 1.0 - jnp.exp(-losses.cross_entropy_loss(z, y)),
        ),
        Slip(
            "the softmax comes twice",
            "Logits go into log_softmax as they are, not as probabilities.",
            lambda z, y: losses.cross_entropy_loss(jax.nn.softmax(z), y),
        ),
        Slip(
            "normalised over time",
            "The probabilities of one place sum to 1 over the vocabulary, the last axis.",
            lambda z, y: -chosen(jax.nn.log_softmax(z, axis=-2), y),
        ),
        Slip(
            "bits in place of nats",
            "Use the natural logarithm.",
            lambda z, y: losses.cross_entropy_loss(z, y) / jnp.log(2.0),
        ),
        Slip(
            "the entropy of the guess",
            "Only the target's log-probability counts, whatever else was likely.",
            lambda z, y: -jnp.sum(jax.nn.softmax(z) * jax.nn.log_softmax(z), -1),
        ),
        Slip(
            "summed over the vocabulary",
            "A target is one token: pick its log-probability.",
            lambda z, y: -jnp.sum(jax.nn.log_softmax(z), -1),
        ),
        Slip(
            "exponentials overflow",
            "exp(300) is infinite in float32: token_logprobs takes care of it.",
            lambda z, y: jnp.log(jnp.exp(z).sum(-1)) - chosen(z, y),
        ),
        Slip(
            "the log of a softmax",
            "A tiny probability rounds to 0, and its log to -infinity: stay in logs.",
            lambda z, y: -jnp.log(chosen(jax.nn.softmax(z.astype(jnp.float32)), y)),
        ),
        Slip(
            "computed in bfloat16",
            "Its third digit is wrong: cast to float32 first.",
            lambda z, y: -chosen(jax.nn.log_softmax(z), y).astype(jnp.float32),
        ),
    ),
    hints=(
        "You have written nearly all of it in chapter 01.",
        "The surprise of a token is minus its log-probability.",
        "-token_logprobs(logits, targets)",
    ),
    right_answers=(cross_entropy_by_one_hot, cross_entropy_by_difference, cross_entropy_by_vmap),
)
