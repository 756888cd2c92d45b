"""A linear layer with a low-rank change of strength alpha / rank.

In the first case all sizes are equal, so that a product in the wrong order gives numbers and no error; in others none are.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.mistakes import changed
from rlhf_lesson.transformer import lora


def layer(
    rng: np.random.Generator,
    *,
    sizes: tuple[int, int, int] = (4, 2, 3),
    batch: tuple[int, ...] = (5,),
    start: bool = False,
    gradient: int | None = None,
) -> Case:
    """States, a kernel, and the two thin matrices; `sizes` are those of in, rank and out; at the `start` up is 0."""
    size, rank, out = sizes
    x, kernel, down, up = (rng.normal(size=shape) for shape in ((*batch, size), (size, out), (size, rank), (rank, out)))
    up = 0.0 * up if start else up
    arrays = tuple(a.astype(np.float32) for a in (x, kernel, down, up))
    return Case(arrays, {"alpha": float(rng.uniform(4.0, 9.0))}, gradient)


# ---- slips ---------------------------------------------------------------------------------------


def by_strength(strength):
    """An answer whose change is `strength(alpha, down, up)` times the product; all else in it is right."""
    return lambda x, kernel, down, up, *, alpha: x @ kernel + strength(alpha, down, up) * (x @ down) @ up


def by_change(change):
    """An answer that adds `change(x, down, up)` times alpha / rank; all else in it is right."""
    return lambda x, kernel, down, up, *, alpha: x @ kernel + alpha / down.shape[-1] * change(x, down, up)


def held(x):
    return jax.lax.stop_gradient(x)


# ---- right answers in other words ----------------------------------------------------------------


def lora_merged(x, kernel, down, up, *, alpha):
    return x @ (kernel + alpha / len(up) * down @ up)


def lora_by_einsum(x, kernel, down, up, *, alpha):
    thin = jnp.einsum("...i,ir->...r", x, down) * (alpha / down.shape[1])
    return jnp.einsum("...i,io->...o", x, kernel) + jnp.einsum("...r,ro->...o", thin, up)


def lora_by_one_product(x, kernel, down, up, *, alpha):
    wide = jnp.concatenate([x, alpha * (x @ down) / up.shape[0]], axis=-1)
    return wide @ jnp.concatenate([kernel, up], axis=0)


def lora_by_outer_products(x, kernel, down, up, *, alpha):
    out = x @ kernel
    for r in range(down.shape[-1]):
        out = out + alpha / down.shape[-1] * (x @ down[:, r])[..., None] * up[r].reshape((1,) * (x.ndim - 1) + (-1,))
    return out


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="lora",
    minutes=10,
    difficulty=2,
    points=5,
    reference=lora,
    cases={
        "plain numbers, all sizes equal": lambda rng: layer(rng, sizes=(3, 3, 3)),
        "the strength is alpha / rank": lambda rng: layer(rng, sizes=(6, 4, 5)),
        "a rank of 1": lambda rng: layer(rng, sizes=(4, 1, 3)),
        "there may be any number of axes before the last": lambda rng: layer(rng, batch=(2, 3)),
        "with up at 0 it is the old layer": lambda rng: layer(rng, start=True),
        "the slope by down": lambda rng: layer(rng, gradient=2),
        "the slope by up": lambda rng: layer(rng, gradient=3),
        "the slope by the states": lambda rng: layer(rng, gradient=0),
    },
    slips=(
        Slip("not divided by the rank", "The strength is alpha / rank.", by_strength(lambda alpha, down, up: alpha)),
        Slip(
            "divided by the root of the rank",
            "That is rank-stabilised LoRA: here alpha / rank is asked for.",
            by_strength(lambda alpha, down, up: alpha / down.shape[-1] ** 0.5),
        ),
        Slip("multiplied by the rank", "Divide by it.", by_strength(lambda alpha, down, up: alpha * down.shape[-1])),
        Slip(
            "rank / alpha",
            "The larger alpha, the stronger the change.",
            by_strength(lambda alpha, down, up: down.shape[-1] / alpha),
        ),
        Slip(
            "divided by the size of the input",
            "The rank is the last axis of down.",
            by_strength(lambda alpha, down, up: alpha / down.shape[0]),
        ),
        Slip("alpha is forgotten", "The strength is alpha / rank.", by_strength(lambda alpha, down, up: 1.0)),
        Slip("1 / rank", "The strength is alpha / rank.", by_strength(lambda alpha, down, up: 1.0 / down.shape[-1])),
        Slip(
            "the frozen kernel is left out",
            "The change is added to what the layer gave before: x @ kernel.",
            lambda x, kernel, down, up, *, alpha: alpha / down.shape[-1] * (x @ down) @ up,
        ),
        Slip(
            "the kernel is scaled too",
            "Only the change is multiplied by alpha / rank.",
            lambda x, kernel, down, up, *, alpha: alpha / down.shape[-1] * (x @ kernel + (x @ down) @ up),
        ),
        Slip(
            "up comes first", "x goes down to the rank first, then up.", by_change(lambda x, down, up: (x @ up) @ down)
        ),
        Slip(
            "the thin matrices are transposed",
            "down is (in, rank), up is (rank, out): x @ down @ up.",
            by_change(lambda x, down, up: (x @ down.T) @ up.T),
        ),
        Slip(
            "up is left out",
            "After x @ down the change has the size of the rank.",
            by_change(lambda x, down, up: x @ down),
        ),
        Slip("down is left out", "x goes down to the rank first.", by_change(lambda x, down, up: x @ up)),
        Slip("the change is taken away", "It is added.", by_strength(lambda alpha, down, up: -alpha / down.shape[-1])),
        Slip(
            "the change is applied to the old output",
            "The thin matrices read x, not x @ kernel.",
            lambda x, kernel, down, up, *, alpha: x @ kernel + alpha / down.shape[-1] * (x @ kernel @ down) @ up,
        ),
        Slip(
            "added to the states",
            "It is added to x @ kernel; only an adapter is added to x.",
            lambda x, kernel, down, up, *, alpha: x + alpha / down.shape[-1] * (x @ down) @ up,
        ),
        Slip(
            "down learns nothing",
            "Both thin matrices are trained.",
            lambda x, kernel, down, up, *, alpha: lora(x, kernel, held(down), up, alpha=alpha),
        ),
        Slip(
            "up learns nothing",
            "Both thin matrices are trained: with up held at 0 nothing would ever change.",
            lambda x, kernel, down, up, *, alpha: lora(x, kernel, down, held(up), alpha=alpha),
        ),
        Slip(
            "no gradient to the layers below",
            "The kernel is frozen because no step changes it; the gradient must still flow through it.",
            lambda x, kernel, down, up, *, alpha: lora(held(x), kernel, down, up, alpha=alpha),
        ),
        Slip("a mean over the batch", "One output per state.", changed(lora, lambda y: y.mean(0))),
    ),
    hints=(
        "Two products side by side: the old layer's, and a thin one through `rank` numbers; add them.",
        "(x @ down) has `rank` entries, (x @ down) @ up as many as the old output; the rank is down.shape[-1].",
        "x @ kernel + (alpha / down.shape[-1]) * (x @ down) @ up",
    ),
    right_answers=(lora_merged, lora_by_einsum, lora_by_one_product, lora_by_outer_products),
)
