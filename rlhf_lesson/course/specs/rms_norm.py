"""The norm of a Llama: a vector over its root mean square, entry by entry times a weight.

In one case the vectors are float16 and so long that their squares overflow; in another they are so short that epsilon matters.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.mistakes import ignoring
from rlhf_lesson.transformer import rms_norm


def vectors(
    rng: np.random.Generator,
    *,
    shape: tuple[int, ...] = (3, 6),
    length: float = 2.0,
    half: bool = False,
    epsilon: float | None = None,
) -> Case:
    """Vectors whose entries have a mean far from 0, and weights; `half` makes both float16."""
    x = length * (0.7 + rng.normal(size=shape))
    scale = rng.uniform(0.5, 2.0, shape[-1])
    kind = np.float16 if half else np.float32
    return Case((x.astype(kind), scale.astype(kind)), {} if epsilon is None else {"epsilon": epsilon})


def zeros(rng: np.random.Generator) -> Case:
    """Two vectors of zeros, and one that is not."""
    x, scale = vectors(rng).args
    return Case((x * np.array([[0.0], [1.0], [0.0]], np.float32), scale))


# ---- slips ---------------------------------------------------------------------------------------


def over(size):
    """An answer that divides by `size(x in float32, epsilon)`; all else in it is right."""

    def answer(x, scale, epsilon=1e-5):
        wide = x.astype(jnp.float32)
        return (wide / size(wide, epsilon)).astype(x.dtype) * jnp.broadcast_to(scale, x.shape)

    return answer


def mean_square(x, axis=-1):
    return jnp.mean(x**2, axis=axis, keepdims=True)


def layer_norm(x, scale, epsilon=1e-5):
    """The mean is taken away first."""
    wide = x.astype(jnp.float32)
    return rms_norm((wide - wide.mean(-1, keepdims=True)).astype(x.dtype), scale, epsilon=epsilon)


def in_half_precision(x, scale, epsilon=1e-5):
    """The squares are those of the type that came in."""
    return (x / jnp.sqrt(jnp.mean(x * x, axis=-1, keepdims=True) + epsilon)) * jnp.broadcast_to(scale, x.shape)


# ---- right answers in other words ----------------------------------------------------------------


def norm_by_division(x, scale, *, epsilon=1e-5):
    wide = jnp.float32(x)
    root = jnp.sqrt((wide * wide).sum(-1, keepdims=True) / x.shape[-1] + epsilon)
    return (wide / root * scale.astype(jnp.float32)).astype(x.dtype)


def norm_by_vmap(x, scale, *, epsilon=1e-5):
    def one(vector):
        wide = vector.astype("float32")
        return scale * (wide * (wide @ wide / len(wide) + epsilon) ** -0.5)

    return jax.vmap(one)(x.reshape(-1, x.shape[-1])).reshape(x.shape).astype(x.dtype)


def norm_by_einsum(x, scale, *, epsilon=1e-5):
    wide = x.astype(jnp.float32)
    squares = jnp.einsum("...d,...d->...", wide, wide)[..., None]
    return wide * jnp.sqrt(x.shape[-1] / (squares + x.shape[-1] * epsilon)) * scale


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="rms_norm",
    minutes=10,
    difficulty=1,
    points=4,
    reference=rms_norm,
    cases={
        "plain numbers": vectors,
        "the default epsilon is 1e-5": lambda rng: vectors(rng, length=0.002),
        "epsilon is added to the mean square, under the root": lambda rng: vectors(rng, epsilon=0.5),
        "there may be any number of axes before the last": lambda rng: vectors(rng, shape=(2, 3, 4)),
        "one vector alone": lambda rng: vectors(rng, shape=(5,)),
        "a vector of zeros stays 0": zeros,
        "in float16 the squares do not overflow": lambda rng: vectors(rng, length=400.0, half=True),
    },
    slips=(
        Slip("the mean is taken away", "That is layer norm: RMS norm leaves the mean where it is.", layer_norm),
        Slip(
            "divided by the standard deviation",
            "The mean square is about 0, not about the mean.",
            over(lambda x, epsilon: jnp.sqrt(jnp.var(x, axis=-1, keepdims=True) + epsilon)),
        ),
        Slip(
            "epsilon outside the root",
            "sqrt(mean square + epsilon), not sqrt(mean square) + epsilon.",
            over(lambda x, epsilon: jnp.sqrt(mean_square(x)) + epsilon),
        ),
        Slip(
            "the root is missing",
            "Divide by the root of the mean square.",
            over(lambda x, epsilon: mean_square(x) + epsilon),
        ),
        Slip(
            "a sum in place of a mean",
            "The root of the sum is the vector's length; divide by the root of the mean.",
            over(lambda x, epsilon: jnp.sqrt(jnp.sum(x**2, axis=-1, keepdims=True) + epsilon)),
        ),
        Slip(
            "all vectors together",
            "Each vector has a mean square of its own: axis=-1, keepdims=True.",
            over(lambda x, epsilon: jnp.sqrt(mean_square(x, None) + epsilon)),
        ),
        Slip(
            "over the wrong axis",
            "The entries of one vector are the last axis.",
            over(lambda x, epsilon: jnp.sqrt(mean_square(x, 0) + epsilon)),
        ),
        Slip(
            "the scale is forgotten",
            "Entry i is multiplied by scale_i.",
            lambda x, scale, epsilon=1e-5: rms_norm(x, jnp.ones_like(scale), epsilon=epsilon),
        ),
        Slip(
            "1 is added to the scale",
            "Gemma stores its weights less 1, a Llama does not.",
            lambda x, scale, epsilon=1e-5: rms_norm(x, 1 + scale, epsilon=epsilon),
        ),
        Slip(
            "the scale comes first",
            "Divide first, then weigh: else the weights are in the mean square.",
            lambda x, scale, epsilon=1e-5: rms_norm(
                x * jnp.broadcast_to(scale, x.shape), jnp.ones_like(scale), epsilon=epsilon
            ),
        ),
        Slip("0 divided by 0", "Add epsilon under the root.", over(lambda x, epsilon: jnp.sqrt(mean_square(x)))),
        Slip("epsilon is always the default", "It is an argument.", ignoring(rms_norm, "epsilon")),
        Slip(
            "the squares are those of a short float",
            "In float16, 300 squared is infinite: x.astype(jnp.float32) comes first.",
            in_half_precision,
        ),
    ),
    hints=(
        "One number per vector, the mean of its squares; divide the vector by the root of it, then multiply by scale.",
        "wide = x.astype(jnp.float32); jnp.mean(wide**2, axis=-1, keepdims=True) keeps an axis to divide by.",
        "(wide * jax.lax.rsqrt(mean_square + epsilon)).astype(x.dtype), times jnp.broadcast_to(scale, x.shape)",
    ),
    rtol=4e-3,  # the answer to float16 is float16: two roundings
    atol=0.0,
    right_answers=(norm_by_division, norm_by_vmap, norm_by_einsum),
)
