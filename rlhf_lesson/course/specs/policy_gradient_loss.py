"""REINFORCE's loss, one number per token. Two cases compare its gradients, since the advantages must be constants."""

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.draws_rl import SHAPES, numbers
from rlhf_lesson.losses import policy_gradient_loss


def tokens_and_advantages(rng: np.random.Generator, *, gradient: int | None = None) -> Case:
    """Log-probabilities of sampled tokens and their advantages; `gradient` is the argument to differentiate by."""
    shape = SHAPES[rng.integers(2)]
    return Case((-rng.gamma(2.0, 1.0, shape).astype(np.float32), numbers(rng, *shape)), gradient=gradient)


# ---- right answers in other words ----------------------------------------------------------------


def gradient_loss_by_product(logp, advantages):
    return -(logp * jax.lax.stop_gradient(advantages))


def gradient_loss_by_vmap(logp, advantages):
    fixed = jax.lax.stop_gradient(advantages)
    return jax.vmap(lambda p, a: -a * p)(logp.ravel(), fixed.ravel()).reshape(logp.shape)


@jax.custom_jvp
def constant(x):
    """x itself, with the gradient 0."""
    return x


constant.defjvp(lambda primals, tangents: (primals[0], jnp.zeros_like(primals[0])))


def gradient_loss_by_constant(logp, advantages):
    return jnp.negative(jnp.multiply(constant(advantages), logp))


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="policy_gradient_loss",
    minutes=10,
    difficulty=1,
    points=4,
    reference=policy_gradient_loss,
    cases={
        "plain numbers": tokens_and_advantages,
        "its gradient by logp is -A": lambda rng: tokens_and_advantages(rng, gradient=0),
        "no gradient flows into the advantages": lambda rng: tokens_and_advantages(rng, gradient=1),
    },
    slips=(
        Slip(
            "the sign is wrong",
            "A loss is minimised: a good token must have a low one.",
            lambda logp, advantages: logp * advantages,
        ),
        Slip(
            "a gradient through the advantages",
            "They are a constant: jax.lax.stop_gradient(advantages), or the critic learns to flatter.",
            lambda logp, advantages: -logp * advantages,
        ),
        Slip(
            "the gradient is stopped at the policy",
            "stop_gradient stands around the advantages alone: logp is what learns.",
            lambda logp, advantages: -jax.lax.stop_gradient(logp) * advantages,
        ),
        Slip(
            "the probability in place of its log",
            "log pi(y_t), as it is.",
            lambda logp, advantages: -jnp.exp(logp) * advantages,
        ),
        Slip(
            "reduced to one number",
            "One number per token: the caller masks and averages.",
            lambda logp, advantages: jnp.mean(-logp * advantages),
        ),
        Slip(
            "the advantages are whitened inside",
            "Whitening is the caller's choice (`masked_whiten`).",
            lambda logp, advantages: (
                -logp * jax.lax.stop_gradient((advantages - jnp.mean(advantages)) / (jnp.std(advantages) + 1e-8))
            ),
        ),
        Slip(
            "the advantages are left out",
            "This makes every sampled token likelier, good or bad: weigh with A_t.",
            lambda logp, advantages: -logp,
        ),
        Slip(
            "bad tokens are left out",
            "Negative advantages count too: they make tokens rarer.",
            lambda logp, advantages: -logp * jax.lax.stop_gradient(jnp.maximum(advantages, 0.0)),
        ),
    ),
    hints=(
        "Which number has the gradient -A_t grad log pi(y_t)?",
        "A product of two, with a minus. The advantages must not be differentiated.",
        "-logp * jax.lax.stop_gradient(advantages)",
    ),
    right_answers=(gradient_loss_by_product, gradient_loss_by_vmap, gradient_loss_by_constant),
)
