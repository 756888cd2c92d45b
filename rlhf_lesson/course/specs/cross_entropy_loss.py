"""The loss of each token: minus the log-probability of the target under the logits at the same place.

Its cases are those of `token_logprobs` at temperature 1, whose trouble with large numbers and bfloat16 it shares.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.draws import logits_and_tokens
from rlhf_lesson.course.specs.mistakes import changed
from rlhf_lesson.course.specs.token_logprobs import chosen, logprobs_by_one_hot, logprobs_by_vmap, probabilities
from rlhf_lesson.losses import cross_entropy_loss


def uniform_guess(rng: np.random.Generator) -> Case:
    """Logits that are all equal, and some targets."""
    logits = np.full((2, 3, 7), 1.5, np.float32)
    return Case((logits, rng.integers(0, 7, (2, 3)).astype(np.int32)))


# ---- slips ---------------------------------------------------------------------------------------


def entropy_of_the_guess(logits, targets):
    """-sum p log p: the target is not read."""
    return -jnp.sum(jax.nn.softmax(logits) * jax.nn.log_softmax(logits), -1)


# ---- right answers in other words ----------------------------------------------------------------


def cross_entropy_by_one_hot(logits, targets):
    return -logprobs_by_one_hot(logits, targets)


def cross_entropy_by_difference(logits, targets):
    z = logits.astype(jnp.float32)
    return jax.nn.logsumexp(z, axis=-1) - jnp.take_along_axis(z, targets[..., None], -1)[..., 0]


def cross_entropy_by_vmap(logits, targets):
    return -logprobs_by_vmap(logits, targets)


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="cross_entropy_loss",
    minutes=5,
    difficulty=1,
    points=4,
    reference=cross_entropy_loss,
    cases={
        "plain numbers": logits_and_tokens,
        "a uniform guess costs the log of the vocabulary": uniform_guess,
        "large logits do no harm": lambda rng: logits_and_tokens(rng, shift=300.0),
        "a very unlikely target costs much, but not infinitely": lambda rng: logits_and_tokens(rng, scale=150.0),
        "bfloat16 is cast to float32 first": lambda rng: logits_and_tokens(rng, half=True, scale=4.0),
    },
    slips=(
        Slip(
            "the sign is wrong",
            "A loss is minimised: it is minus the log-probability.",
            changed(cross_entropy_loss, jnp.negative),
        ),
        Slip(
            "reduced to one number",
            "One loss a token: the caller chooses mask and mean.",
            changed(cross_entropy_loss, jnp.mean),
        ),
        Slip(
            "shifted by one token",
            "Nothing is shifted here: the logits at t predict the target at t.",
            lambda logits, targets: cross_entropy_loss(logits, jnp.roll(targets, -1, -1)),
        ),
        Slip(
            "cut to time - 1",
            "The caller has shifted already: every place has its target.",
            lambda logits, targets: cross_entropy_loss(logits[..., :-1, :], targets[..., 1:]),
        ),
        Slip("not normalised", "A logit is no log-probability yet.", lambda logits, targets: -chosen(logits, targets)),
        Slip(
            "the log is missing",
            "This is 1 - p: a loss in nats is -log p.",
            changed(cross_entropy_loss, lambda loss: 1.0 - jnp.exp(-loss)),
        ),
        Slip(
            "the softmax comes twice",
            "Logits go into log_softmax as they are, not as probabilities.",
            lambda logits, targets: cross_entropy_loss(jax.nn.softmax(logits), targets),
        ),
        Slip(
            "normalised over time",
            "The probabilities of one place sum to 1 over the vocabulary, the last axis.",
            lambda logits, targets: -chosen(jax.nn.log_softmax(logits, axis=-2), targets),
        ),
        Slip(
            "bits in place of nats",
            "Use the natural logarithm.",
            changed(cross_entropy_loss, lambda loss: loss / jnp.log(2.0)),
        ),
        Slip(
            "the entropy of the guess",
            "Only the target's log-probability counts, whatever else was likely.",
            entropy_of_the_guess,
        ),
        Slip(
            "summed over the vocabulary",
            "A target is one token: pick its log-probability.",
            lambda logits, targets: -jnp.sum(jax.nn.log_softmax(logits), -1),
        ),
        Slip(
            "exponentials overflow",
            "exp(300) is infinite in float32: token_logprobs takes care of it.",
            lambda logits, targets: jnp.log(jnp.exp(logits).sum(-1)) - chosen(logits, targets),
        ),
        Slip(
            "the log of a softmax",
            "A tiny probability rounds to 0, and its log to -infinity: stay in logs.",
            lambda logits, targets: -jnp.log(chosen(probabilities(logits), targets)),
        ),
        Slip(
            "computed in bfloat16",
            "Its third digit is wrong: cast to float32 first.",
            lambda logits, targets: -chosen(jax.nn.log_softmax(logits), targets).astype(jnp.float32),
        ),
    ),
    hints=(
        "You have written nearly all of it in chapter 01.",
        "The surprise of a token is minus its log-probability.",
        "-token_logprobs(logits, targets)",
    ),
    right_answers=(cross_entropy_by_one_hot, cross_entropy_by_difference, cross_entropy_by_vmap),
)
