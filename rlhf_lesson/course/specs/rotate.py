"""Rotary positions: each pair of entries is turned by an angle that grows with the token's position.

Positions are given and need not be 0, 1, 2: left padding repeats 0. In one case they are large and the states float16.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.mistakes import changed, ignoring
from rlhf_lesson.transformer import rotate


def states_at(
    rng: np.random.Generator,
    positions: list[int] | None = None,
    *,
    head_dim: int | None = None,
    far: int = 12,
    half: bool = False,
    base: float | None = None,
) -> Case:
    """Queries of four tokens and two heads, and their positions: some below `far`, in rising order, by default."""
    head_dim = int(rng.choice([6, 8])) if head_dim is None else head_dim
    x = rng.normal(size=(4, 2, head_dim)).astype(np.float16 if half else np.float32)
    places = np.sort(rng.choice(np.arange(2, far), 4, replace=False)) if positions is None else np.array(positions)
    return Case((x, places.astype(np.int32)), {} if base is None else {"base": base})


# ---- slips ---------------------------------------------------------------------------------------


def frequencies(half, base):
    """How far each pair turns from one token to the next, as it should."""
    return base ** (-jnp.arange(half, dtype=jnp.float32) / half)


def turned(x, angles, minus=-1.0):
    """Halves turned by these angles, (T, head_dim / 2)."""
    cos, sin = jnp.cos(angles)[:, None].astype(x.dtype), jnp.sin(angles)[:, None].astype(x.dtype)
    first, second = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([first * cos + minus * second * sin, second * cos + first * sin], axis=-1)


def by_angles(angles):
    """An answer that turns by `angles(positions as a column, head_dim / 2, base)`; all else in it is right."""

    def answer(x, positions, base=10_000.0):
        return turned(x, angles(positions[:, None].astype(jnp.float32), x.shape[-1] // 2, base))

    return answer


def by_frequencies(wrong):
    """An answer in which pair i turns by `wrong(i, head_dim / 2, base)` from token to token."""
    return by_angles(lambda place, half, base: place * wrong(jnp.arange(half, dtype=jnp.float32), half, base)[None])


def neighbours(x, positions, base=10_000.0):
    """Entries 2i and 2i + 1 are a pair."""
    angles = positions[:, None, None] * frequencies(x.shape[-1] // 2, base)[None, None]
    even, odd = x[..., ::2], x[..., 1::2]
    cos, sin = jnp.cos(angles), jnp.sin(angles)
    return jnp.stack([even * cos - odd * sin, odd * cos + even * sin], axis=-1).reshape(x.shape)


def no_minus(x, positions, base=10_000.0):
    """Both halves add."""
    return turned(x, positions[:, None] * frequencies(x.shape[-1] // 2, base)[None], minus=1.0)


def first_half_alone(x, positions, base=10_000.0):
    """The second half stays as it was."""
    half = x.shape[-1] // 2
    return jnp.concatenate([rotate(x, positions, base=base)[..., :half], x[..., half:]], axis=-1)


def in_half_precision(x, positions, base=10_000.0):
    """Angles in the type of the states."""
    steps = frequencies(x.shape[-1] // 2, base).astype(x.dtype)
    return turned(x, positions[:, None].astype(x.dtype) * steps[None])


# ---- right answers in other words ----------------------------------------------------------------


def rotate_by_complex(x, positions, *, base=10_000.0):
    half = x.shape[-1] // 2
    pairs = x[..., :half].astype(jnp.float32) + 1j * x[..., half:].astype(jnp.float32)
    out = pairs * jnp.exp(1j * jnp.outer(positions, base ** (-2 * jnp.arange(half) / x.shape[-1])))[:, None, :]
    return jnp.concatenate([out.real, out.imag], axis=-1).astype(x.dtype)


def rotate_by_half(x, positions, *, base=10_000.0):
    steps = 1.0 / base ** (jnp.arange(0, x.shape[-1], 2) / x.shape[-1])
    angles = jnp.tile(positions[:, None] * steps, (1, 2))[:, None]
    first, second = jnp.split(x, 2, axis=-1)
    return (x * jnp.cos(angles) + jnp.concatenate([-second, first], axis=-1) * jnp.sin(angles)).astype(x.dtype)


def rotate_by_matrices(x, positions, *, base=10_000.0):
    half = x.shape[-1] // 2
    steps = jnp.exp(-jnp.log(base) * jnp.arange(half) / half)

    def one(vector, place):
        cos, sin = jnp.cos(place * steps), jnp.sin(place * steps)
        turns = jnp.stack([jnp.stack([cos, -sin]), jnp.stack([sin, cos])])
        return jnp.einsum("abi,bi->ai", turns, vector.reshape(2, half)).ravel()

    return jax.vmap(jax.vmap(one, in_axes=(0, None)))(x, positions).astype(x.dtype)


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="rotate",
    minutes=20,
    difficulty=3,
    points=8,
    reference=rotate,
    cases={
        "plain numbers": lambda rng: states_at(rng, base=float(rng.uniform(20.0, 60.0))),
        "the default base is 10,000": lambda rng: states_at(rng, far=300),
        "left padding has position 0": lambda rng: states_at(rng, [0, 0, 1, 2]),
        "position 0 turns nothing": lambda rng: states_at(rng, [0, 0, 0, 0]),
        "with one pair of entries the angle is the position": lambda rng: states_at(rng, head_dim=2),
        "in float16 large positions stay exact": lambda rng: states_at(rng, [2049, 2051, 3001, 4003], half=True),
    },
    slips=(
        Slip(
            "neighbours are paired",
            "Entry i belongs to entry i + head_dim / 2 here; only the paper and GGUF files pair 2i with 2i + 1.",
            neighbours,
        ),
        Slip(
            "turned the other way",
            "The first half takes minus sin, the second plus.",
            by_angles(lambda place, half, base: -place * frequencies(half, base)[None]),
        ),
        Slip("no minus", "Without it nothing is turned: the first half is x cos - other sin.", no_minus),
        Slip(
            "angles in degrees",
            "The angle is in radians, as jnp.cos takes it.",
            by_angles(lambda place, half, base: jnp.radians(place * frequencies(half, base)[None])),
        ),
        Slip(
            "the column is the position",
            "Use `positions`: with padding on the left the column is another number.",
            lambda x, positions, base=10_000.0: rotate(x, jnp.arange(len(x)), base=base),
        ),
        Slip(
            "positions from 1",
            "The first real token has position 0: it is not turned.",
            lambda x, positions, base=10_000.0: rotate(x, positions + 1, base=base),
        ),
        Slip(
            "the exponent has no minus",
            "Later pairs turn slower: base^(-2 i / head_dim).",
            by_frequencies(lambda i, half, base: base ** (i / half)),
        ),
        Slip(
            "the exponent is divided by head_dim without the 2",
            "i / (head_dim / 2): the exponents go from 0 nearly to -1.",
            by_frequencies(lambda i, half, base: base ** (-i / (2 * half))),
        ),
        Slip(
            "the exponent is twice too large",
            "2 i / head_dim is i / half.",
            by_frequencies(lambda i, half, base: base ** (-2 * i / half)),
        ),
        Slip(
            "pairs are counted from 1",
            "The first pair turns by one radian per token: i begins at 0.",
            by_frequencies(lambda i, half, base: base ** (-(i + 1) / half)),
        ),
        Slip(
            "all pairs turn alike",
            "Pair i turns by base^(-2 i / head_dim) from token to token.",
            by_frequencies(lambda i, half, base: jnp.ones(half)),
        ),
        Slip(
            "the pair's number times the position",
            "The frequencies fall by a constant factor: powers of the base.",
            by_frequencies(lambda i, half, base: i / half),
        ),
        Slip("the base is ignored", "It is an argument.", ignoring(rotate, "base")),
        Slip(
            "the halves come out in the wrong order",
            "First what began as the first half.",
            changed(rotate, lambda y: jnp.roll(y, y.shape[-1] // 2, axis=-1)),
        ),
        Slip("only the first half is turned", "Both entries of a pair change.", first_half_alone),
        Slip(
            "angles in a short float",
            "float16 has no odd numbers above 2048: compute angles in float32, then cast cos and sin.",
            in_half_precision,
        ),
    ),
    hints=(
        "Entries i and i + head_dim / 2 are a point in the plane; turn it by its angle, as a 2 x 2 rotation matrix does.",
        "frequencies = base ** (-jnp.arange(half, dtype=jnp.float32) / half), one per pair; the angles need an axis for heads.",
        "angles = positions[:, None, None] * frequencies; join first * cos - second * sin and second * cos + first * sin",
    ),
    rtol=5e-3,  # the answer to float16 is float16
    atol=5e-3,
    right_answers=(rotate_by_complex, rotate_by_half, rotate_by_matrices),
)
