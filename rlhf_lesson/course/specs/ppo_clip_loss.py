"""PPO's clipped loss, one number per token.

Cases stand on either side of the clip, and exactly on it; two compare gradients, which are what the clip is about.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.draws_rl import SHAPES, clip_width
from rlhf_lesson.losses import ppo_clip_loss


def after_an_update(
    rng: np.random.Generator,
    *,
    clip: float | None = None,
    ratios: tuple[float, ...] = (0.55, 0.7, 0.93, 1.06, 1.4, 1.7),
    side: int = 0,
    gradient: int | None = None,
) -> Case:
    """Tokens whose probability has changed by these ratios; `side` is the sign of all advantages, 0 for both."""
    shape = SHAPES[rng.integers(2)]
    old_logp = -rng.gamma(2.0, 1.0, shape)
    logp = old_logp + np.log(rng.choice(ratios, shape))
    advantages = rng.normal(size=shape)
    advantages = side * np.abs(advantages) if side else advantages
    arrays = tuple(x.astype(np.float32) for x in (logp, old_logp, advantages))
    return Case(arrays, {} if clip is None else {"clip": clip}, gradient)


# ---- slips ---------------------------------------------------------------------------------------


def worse(advantages, ratio, other_ratio):
    """The larger of the losses of two ratios."""
    return jnp.maximum(-advantages * ratio, -advantages * other_ratio)


def of_ratio(loss):
    """An answer whose ratio is right, and whose loss is `loss(ratio, advantages, clip)`."""

    def answer(logp, old_logp, advantages, clip=0.2):
        return loss(jnp.exp(logp - old_logp), advantages, clip)

    return answer


def whitened_inside(logp, old_logp, advantages, clip=0.2):
    """Advantages of mean 0 and variance 1."""
    whitened = (advantages - jnp.mean(advantages)) / (jnp.std(advantages) + 1e-8)
    return ppo_clip_loss(logp, old_logp, whitened, clip=clip)


def constant_ratio(logp, old_logp, advantages, clip=0.2):
    """The right loss, with a gradient of -1 by every log-probability."""
    constant = jax.lax.stop_gradient(logp)
    return ppo_clip_loss(constant, old_logp, advantages, clip=clip) - (logp - constant)


# ---- right answers in other words ----------------------------------------------------------------


def ppo_by_objective(logp, old_logp, advantages, *, clip=0.2):
    ratio = jnp.exp(logp - old_logp)
    return -jnp.minimum(ratio * advantages, jnp.clip(ratio, 1 - clip, 1 + clip) * advantages)


def ppo_by_side(logp, old_logp, advantages, *, clip=0.2):
    ratio = jnp.exp(logp) / jnp.exp(old_logp)
    allowed = jnp.where(advantages > 0, jnp.minimum(ratio, 1 + clip), jnp.maximum(ratio, 1 - clip))
    return -allowed * advantages


def ppo_by_vmap(logp, old_logp, advantages, *, clip=0.2):
    def one(new, old, a):
        ratio = jnp.exp(new - jax.lax.stop_gradient(old))
        beyond = jnp.where(a >= 0, ratio > 1 + clip, ratio < 1 - clip)
        return -a * jnp.where(beyond, 1 + jnp.sign(a) * clip, ratio)

    return jax.vmap(one)(logp.ravel(), old_logp.ravel(), advantages.ravel()).reshape(logp.shape)


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="ppo_clip_loss",
    minutes=20,
    difficulty=3,
    points=8,
    reference=ppo_clip_loss,
    cases={
        "plain numbers": lambda rng: after_an_update(rng, clip=clip_width(rng)),
        "negative advantages": lambda rng: after_an_update(rng, side=-1, clip=clip_width(rng)),
        "positive advantages": lambda rng: after_an_update(rng, side=1, clip=clip_width(rng)),
        "a ratio exactly at the clip": lambda rng: after_an_update(rng, ratios=(0.75, 1.25), clip=0.25),
        "the default clip is 0.2": after_an_update,
        "at ratio 1 its gradient is the policy gradient's": lambda rng: after_an_update(
            rng, ratios=(1.0,), gradient=0, clip=clip_width(rng)
        ),
        "beyond the clip, on the side that A asks for, its gradient is 0": lambda rng: after_an_update(
            rng, gradient=0, clip=clip_width(rng)
        ),
    },
    slips=(
        Slip(
            "not clipped",
            "The second term clips the ratio.",
            of_ratio(lambda ratio, advantages, clip: -advantages * ratio),
        ),
        Slip(
            "always clipped",
            "Take the larger of both terms, or a mistake beyond the clip is never undone.",
            of_ratio(lambda ratio, advantages, clip: -advantages * jnp.clip(ratio, 1.0 - clip, 1.0 + clip)),
        ),
        Slip(
            "min in place of max",
            "The minus is inside already: the larger loss is the pessimistic one.",
            of_ratio(
                lambda ratio, advantages, clip: jnp.minimum(
                    -advantages * ratio, -advantages * jnp.clip(ratio, 1.0 - clip, 1.0 + clip)
                )
            ),
        ),
        Slip(
            "the objective in place of the loss",
            "What PPO maximises is minus its loss.",
            lambda logp, old_logp, advantages, clip=0.2: -ppo_clip_loss(logp, old_logp, advantages, clip=clip),
        ),
        Slip(
            "the ratio is upside down",
            "New over old: exp(logp - old_logp).",
            of_ratio(
                lambda ratio, advantages, clip: worse(
                    advantages, 1.0 / ratio, jnp.clip(1.0 / ratio, 1.0 - clip, 1.0 + clip)
                )
            ),
        ),
        Slip(
            "exp is missing",
            "The ratio is the exponential of the log-probabilities' difference.",
            lambda logp, old_logp, advantages, clip=0.2: worse(
                advantages, logp - old_logp, jnp.clip(logp - old_logp, 1.0 - clip, 1.0 + clip)
            ),
        ),
        Slip(
            "the log-ratio is clipped",
            "Clip the ratio itself to 1 - clip .. 1 + clip.",
            lambda logp, old_logp, advantages, clip=0.2: worse(
                advantages, jnp.exp(logp - old_logp), jnp.exp(jnp.clip(logp - old_logp, -clip, clip))
            ),
        ),
        Slip(
            "clipped around 0",
            "The free range is around 1: 1 - clip to 1 + clip.",
            of_ratio(lambda ratio, advantages, clip: worse(advantages, ratio, jnp.clip(ratio, -clip, clip))),
        ),
        Slip(
            "clipped above only",
            "A ratio below 1 - clip is clipped as well.",
            of_ratio(lambda ratio, advantages, clip: worse(advantages, ratio, jnp.minimum(ratio, 1.0 + clip))),
        ),
        Slip(
            "the advantages are clipped",
            "The ratio is clipped, the advantages never.",
            of_ratio(
                lambda ratio, advantages, clip: jnp.maximum(
                    -advantages * ratio, -jnp.clip(advantages, 1.0 - clip, 1.0 + clip) * ratio
                )
            ),
        ),
        Slip("the advantages are whitened inside", "Whitening is the caller's choice.", whitened_inside),
        Slip(
            "clip is ignored",
            "Use the argument.",
            lambda logp, old_logp, advantages, clip=0.2: ppo_clip_loss(logp, old_logp, advantages),
        ),
        Slip(
            "reduced to one number",
            "One number per token: the caller masks and averages.",
            lambda logp, old_logp, advantages, clip=0.2: jnp.mean(ppo_clip_loss(logp, old_logp, advantages, clip=clip)),
        ),
        Slip(
            "no gradient",
            "Only old_logp and the advantages are constants: logp is what learns.",
            lambda logp, old_logp, advantages, clip=0.2: jax.lax.stop_gradient(
                ppo_clip_loss(logp, old_logp, advantages, clip=clip)
            ),
        ),
        Slip(
            "the ratio is a constant",
            "The gradient comes through the ratio: stop it at old_logp alone.",
            constant_ratio,
        ),
    ),
    hints=(
        "Two losses: with the ratio as it is, and with it clipped. Be pessimistic: take the worse for each token.",
        "ratio = exp(logp - old_logp). A loss is minimised, so the worse one is the larger one.",
        "jnp.maximum(-advantages * ratio, -advantages * jnp.clip(ratio, 1.0 - clip, 1.0 + clip))",
    ),
    right_answers=(ppo_by_objective, ppo_by_side, ppo_by_vmap),
)
