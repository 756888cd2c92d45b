"""The gated activation: silu of the gate times the other half of the hidden layer.

Gates are large in one case, where exponentials overflow, and a slope is compared as well as the values.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.mistakes import changed
from rlhf_lesson.transformer import swiglu


def two_halves(
    rng: np.random.Generator, *, far: float = 0.0, gradient: int | None = None, shape: tuple[int, ...] = (3, 4)
) -> Case:
    """Gate and up; `far` moves every gate that much further from 0."""
    gate, up = 2.0 * rng.normal(size=(2, *shape))
    gate = gate + far * np.sign(gate)
    return Case((gate.astype(np.float32), up.astype(np.float32)), gradient=gradient)


def closed(rng: np.random.Generator) -> Case:
    """Gates of 0."""
    gate, up = two_halves(rng).args
    return Case((0 * gate, up))


# ---- slips ---------------------------------------------------------------------------------------


def gated(activation):
    """activation(gate) up."""
    return lambda gate, up: activation(gate) * up


# ---- right answers in other words ----------------------------------------------------------------


def swiglu_by_sigmoid(gate, up):
    return gate * jax.nn.sigmoid(gate) * up


def swiglu_by_the_letter(gate, up):
    return gate / (1.0 + jnp.exp(-gate)) * up


def swiglu_by_tanh(gate, up):
    return up * gate * (0.5 + 0.5 * jnp.tanh(gate / 2))


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="swiglu",
    minutes=5,
    difficulty=1,
    points=3,
    reference=swiglu,
    cases={
        "plain numbers": two_halves,
        "there may be any number of axes": lambda rng: two_halves(rng, shape=(2, 3, 4)),
        "a gate of 0 lets nothing through": closed,
        "a gate far from 0 is open or closed, and never NaN": lambda rng: two_halves(rng, far=120.0),
        "the slope by the gate": lambda rng: two_halves(rng, gradient=0),
        "the slope by the other half": lambda rng: two_halves(rng, gradient=1),
    },
    slips=(
        Slip("the halves are swapped", "silu belongs to the gate.", lambda gate, up: jax.nn.silu(up) * gate),
        Slip("sigmoid in place of silu", "silu(z) = z sigmoid(z): that is GLU.", gated(jax.nn.sigmoid)),
        Slip("gelu in place of silu", "That is GEGLU: silu(z) = z / (1 + exp(-z)).", gated(jax.nn.gelu)),
        Slip(
            "relu in place of silu", "That is ReGLU: silu is smooth, and a little negative below 0.", gated(jax.nn.relu)
        ),
        Slip("tanh in place of silu", "silu(z) = z / (1 + exp(-z)).", gated(jnp.tanh)),
        Slip("no activation", "The gate goes through silu first.", lambda gate, up: gate * up),
        Slip("the other half is forgotten", "Multiply by up.", lambda gate, up: jax.nn.silu(gate)),
        Slip("added", "A gate multiplies.", lambda gate, up: jax.nn.silu(gate) + up),
        Slip("silu of the product", "silu of the gate alone, then times up.", lambda gate, up: jax.nn.silu(gate * up)),
        Slip(
            "silu of both",
            "The other half goes in as it is.",
            lambda gate, up: jax.nn.silu(gate) * jax.nn.silu(up),
        ),
        Slip(
            "the sign in the exponent",
            "exp(-z): a large gate is open.",
            lambda gate, up: gate * jax.nn.sigmoid(-gate) * up,
        ),
        Slip("summed", "One number per entry of the hidden layer.", changed(swiglu, lambda y: y.sum(-1))),
        Slip(
            "exponentials overflow",
            "exp(120) is infinite: z / (1 + exp(-z)), or jax.nn.silu.",
            lambda gate, up: gate * jnp.exp(gate) / (1.0 + jnp.exp(gate)) * up,
        ),
        Slip(
            "no gradient through the gate",
            "The gate is learnt as well.",
            lambda gate, up: swiglu(jax.lax.stop_gradient(gate), up),
        ),
    ),
    hints=(
        "The gate says how much of the other half passes: multiply them, entry by entry.",
        "silu(z) = z times the sigmoid of z; jax.nn.silu has it.",
        "jax.nn.silu(gate) * up",
    ),
    right_answers=(swiglu_by_sigmoid, swiglu_by_the_letter, swiglu_by_tanh),
)
