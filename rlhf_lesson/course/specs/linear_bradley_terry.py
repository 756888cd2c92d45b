"""The weights of a linear score from pairs, by Newton's method; with a penalty there is one answer, so any method may find it.

The tolerance leaves room for where each method stops.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.bradley_terry import linear_bradley_terry
from rlhf_lesson.course.exercise import Case, Exercise, Slip


def choices(
    rng: np.random.Generator, *, pairs: int = 30, dim: int = 3, parted: bool = False, ridge: float | None = None
) -> Case:
    """Differences of features, chosen less rejected.

    Args:
      rng: source of randomness.
      pairs: how many.
      dim: features of each text.
      parted: whether the first feature alone is right about every pair.
      ridge: None asks for the default.
    """
    features = rng.normal(size=(pairs, dim)) * 1.5
    lead = features[:, 0] - 0.5 * features[:, -1] + 1.5 * rng.logistic(size=pairs)
    differences = np.where(lead[:, None] > 0, features, -features)
    if parted:
        differences[:, 0] = np.abs(differences[:, 0]) + 0.3
    return Case((differences.astype(np.float32),), {} if ridge is None else {"ridge": ridge})


# ---- slips ---------------------------------------------------------------------------------------


def newton(differences, *, ridge=1.0, steps=12):
    """The right answer."""

    def step(_, w):
        q = jax.nn.sigmoid(-differences @ w)
        curvature = differences.T @ (differences * (q * (1 - q))[:, None]) + ridge * jnp.eye(len(w))
        return w + jnp.linalg.solve(curvature, differences.T @ q - ridge * w)

    return jax.lax.fori_loop(0, steps, step, jnp.zeros(differences.shape[1]))


def at_end(change):
    """An answer that finds the right weights and changes them."""
    return lambda differences, *, ridge=1.0, steps=12: change(newton(differences, ridge=ridge, steps=steps))


def with_ridge(change):
    """An answer under another penalty, `change(ridge, pairs)`."""
    return lambda differences, *, ridge=1.0, steps=12: newton(
        differences, ridge=change(ridge, len(differences)), steps=steps
    )


def swapped(differences, *, ridge=1.0, steps=12):
    return newton(-differences, ridge=ridge, steps=steps)


def one_step(differences, *, ridge=1.0, steps=12):
    return newton(differences, ridge=ridge, steps=1)


def least_squares(differences, *, ridge=1.0, steps=12):
    """Fits a lead of 1 in every pair."""
    return jnp.linalg.solve(differences.T @ differences + ridge * jnp.eye(differences.shape[1]), differences.sum(0))


def mean_difference(differences, *, ridge=1.0, steps=12):
    return differences.mean(0)


def curvature_of_a_square(differences, *, ridge=1.0, steps=12):
    """Newton's steps with d d' in place of q (1 - q) d d': far too short, so that 12 do not arrive."""

    def step(_, w):
        q = jax.nn.sigmoid(-differences @ w)
        curvature = differences.T @ differences + ridge * jnp.eye(len(w))
        return w + jnp.linalg.solve(curvature, differences.T @ q - ridge * w)

    return jax.lax.fori_loop(0, steps, step, jnp.zeros(differences.shape[1]))


def few_steps_of_descent(differences, *, ridge=1.0, steps=12):
    def step(_, w):
        return w + 0.01 * (differences.T @ jax.nn.sigmoid(-differences @ w) - ridge * w)

    return jax.lax.fori_loop(0, steps, step, jnp.zeros(differences.shape[1]))


# ---- right answers in other words ----------------------------------------------------------------


def weights_by_derivatives(differences, *, ridge=1.0, steps=12):
    def loss(w):
        return -jnp.sum(jax.nn.log_sigmoid(jnp.dot(differences, w))) + 0.5 * ridge * jnp.sum(w**2)

    w = jnp.zeros(differences.shape[-1])
    for _ in range(steps):
        w = w - jnp.linalg.inv(jax.hessian(loss)(w)) @ jax.grad(loss)(w)
    return w


def weights_by_reweighting(differences, *, ridge=1.0, steps=12):
    """Iteratively reweighted least squares: the same steps, each as a regression on a working response."""
    dim = differences.shape[1]

    def step(w, _):
        p = jax.nn.sigmoid(differences @ w)
        weight = jnp.maximum(p * (1 - p), 1e-9)
        working = differences @ w + (1 - p) / weight
        a = jnp.concatenate([differences * jnp.sqrt(weight)[:, None], jnp.sqrt(ridge) * jnp.eye(dim)])
        b = jnp.concatenate([working * jnp.sqrt(weight), jnp.zeros(dim)])
        return jnp.linalg.lstsq(a, b)[0], None

    return jax.lax.scan(step, jnp.zeros(dim), length=steps)[0]


def weights_by_descent(differences, *, ridge=1.0, steps=12):
    """Gradient descent with momentum, as long as it takes; `steps` of another method say nothing here."""
    rate = 1.0 / (0.25 * jnp.sum(differences**2) + ridge)

    def step(_, held):
        w, velocity = held
        slope = ridge * w - differences.T @ jax.nn.sigmoid(-(differences @ w))
        velocity = 0.9 * velocity - rate * slope
        return w + velocity, velocity

    zero = jnp.zeros(differences.shape[1])
    return jax.lax.fori_loop(0, 3000, step, (zero, zero))[0]


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="linear_bradley_terry",
    minutes=20,
    difficulty=3,
    points=6,
    reference=linear_bradley_terry,
    rtol=1e-3,
    atol=1e-3,
    cases={
        "plain numbers": lambda rng: choices(rng, ridge=float(rng.uniform(2.0, 5.0))),
        "the default ridge is 1": choices,
        "fewer pairs than features": lambda rng: choices(rng, pairs=3, dim=5, ridge=0.4),
        "pairs that are all right get finite weights": lambda rng: choices(rng, parted=True, ridge=0.5),
    },
    slips=(
        Slip(
            "chosen and rejected are swapped", "w . d should be positive: it is the lead of the chosen text.", swapped
        ),
        Slip(
            "the penalty is ignored",
            "Add ridge w to the gradient and ridge to the curvature.",
            with_ridge(lambda r, n: 1e-3),
        ),
        Slip(
            "the losses are averaged",
            "The sum over the pairs is asked for, not the mean.",
            with_ridge(lambda r, n: r * n),
        ),
        Slip("the penalty is ridge |w|^2", "ridge / 2 |w|^2: its slope is ridge w.", with_ridge(lambda r, n: 2 * r)),
        Slip(
            "another default",
            "ridge is 1 unless told otherwise.",
            lambda d, *, ridge=0.1, steps=12: newton(d, ridge=ridge),
        ),
        Slip("one step only", "The curvature changes with w: repeat.", one_step),
        Slip("least squares", "Nobody said how large the lead is: there is only a choice.", least_squares),
        Slip(
            "the mean difference",
            "Features that come together share one weight: the curvature sees to that.",
            mean_difference,
        ),
        Slip(
            "weights of length 1", "Their length says how sure the score is.", at_end(lambda w: w / jnp.linalg.norm(w))
        ),
        Slip(
            "the weights are centred", "Only scores have no zero; weights have.", at_end(lambda w: w - w.mean() - 0.1)
        ),
        Slip("the curvature lacks q (1 - q)", "Each pair bends the loss by q (1 - q) d d'.", curvature_of_a_square),
        Slip("a few steps of gradient descent", "Go on until the gradient is 0.", few_steps_of_descent),
    ),
    hints=(
        "Start at w = 0 and repeat one step of Newton's method: w less the inverse curvature times the gradient.",
        "q = jax.nn.sigmoid(-differences @ w); the gradient is -q @ differences + ridge * w; jnp.linalg.solve does the rest.",
        "curvature = (differences * (q * (1 - q))[:, None]).T @ differences + ridge * jnp.eye(dim), in a jax.lax.fori_loop",
    ),
    right_answers=(weights_by_derivatives, weights_by_reweighting, weights_by_descent),
)
