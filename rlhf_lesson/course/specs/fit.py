"""A curve's coefficients by least squares, for any form that is linear in its coefficients.

The forms have two coefficients, or three; the answer may be a tuple, a list or an array of numbers.
"""

from inspect import signature

import numpy as np

from rlhf_lesson import overoptimisation as over
from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.draws_rl import coefficients, distances


def noisy(rng: np.random.Generator, *, form=over.rl_form, noise: float = 0.2) -> Case:
    """Points around a curve; three coefficients for the parabola with a constant."""
    a, b = coefficients(rng)
    d = distances(rng, 10)
    weights = (0.4, a, -b) if form is over.plain_quadratic else (a, b)
    return Case((d, form(d, *weights) + noise * rng.normal(size=d.size), form))


def as_array(answer):
    """The coefficients as an array, whatever holds them."""
    return np.asarray(answer, float) if isinstance(answer, tuple | list) else answer


# ---- slips ---------------------------------------------------------------------------------------


def columns(d, form) -> np.ndarray:
    """One row per point, one column per coefficient."""
    units = np.eye(3 if form is over.plain_quadratic else 2)
    return np.stack([form(d, *unit) for unit in units], 1)


def solve(table: np.ndarray, reward) -> np.ndarray:
    """Least squares."""
    return np.linalg.lstsq(table, reward, rcond=None)[0]


def of_reward_over_distance(d, reward, form):
    """R / d is fitted in place of R."""
    return solve(columns(d, form) / d[:, None], reward / d)


def with_constant(d, reward, form):
    """A constant beside the form, not returned."""
    return solve(np.column_stack([columns(d, form), np.ones_like(d)]), reward)[:-1]


def first_points(d, reward, form):
    """Only as many points as there are coefficients."""
    table = columns(d, form)
    count = table.shape[1]
    return solve(table[:count], reward[:count])


def one_by_one(d, reward, form):
    """Each coefficient as if it were alone."""
    table = columns(d, form)
    return table.T @ reward / np.sum(table**2, 0)


# ---- right answers in other words ----------------------------------------------------------------


def fit_by_normal_equations(d, reward, form):
    count = len(signature(form).parameters) - 1
    x = np.array([form(d, *(float(i == j) for j in range(count))) for i in range(count)])
    return np.linalg.solve(x @ x.T, x @ reward)


def fit_by_pinv(d, reward, form):
    x = np.column_stack([form(d, *row) for row in np.identity(len(signature(form).parameters) - 1)])
    return np.linalg.pinv(x) @ reward


def fit_by_qr(d, reward, form):
    count = len(signature(form).parameters) - 1
    q, r = np.linalg.qr(np.stack([form(d, *unit) for unit in np.eye(count)], axis=-1))
    return tuple(float(w) for w in np.linalg.solve(r, q.T @ reward))


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="fit",
    minutes=15,
    difficulty=2,
    points=6,
    reference=over.fit,
    traceable=False,
    seen=as_array,
    cases={
        "noisy points of the RL form": noisy,
        "noisy points of the best-of-n form": lambda rng: noisy(rng, form=over.best_of_n_form),
        "a form with three coefficients": lambda rng: noisy(rng, form=over.plain_quadratic),
        "points on the curve give its coefficients back": lambda rng: noisy(rng, noise=0.0),
    },
    slips=(
        Slip(
            "the coefficients in another order",
            "In the form's own order: a first.",
            lambda d, reward, form: over.fit(d, reward, form)[::-1],
        ),
        Slip(
            "R / d is fitted",
            "That gives points near the start too much weight: least squares of R itself.",
            of_reward_over_distance,
        ),
        Slip("a constant is fitted too", "Fit the form as it is: nothing beside it.", with_constant),
        Slip(
            "always the best-of-n form",
            "Use the form that is given.",
            lambda d, reward, form: over.fit(d, reward, over.best_of_n_form),
        ),
        Slip("only as many points as coefficients", "All points count.", first_points),
        Slip("d is squared once more", "d is a root already.", lambda d, reward, form: over.fit(d**2, reward, form)),
        Slip(
            "the other axis",
            "One row a point, one column a coefficient.",
            lambda d, reward, form: columns(d, form).T @ reward,
        ),
        Slip(
            "the reward is centred",
            "R is measured from the reference policy: its zero means something.",
            lambda d, reward, form: over.fit(d, reward - np.mean(reward), form),
        ),
        Slip("each coefficient by itself", "Fit them together: their columns overlap.", one_by_one),
        Slip(
            "the squared error in place of the coefficients",
            "np.linalg.lstsq gives several things: the first is asked for.",
            lambda d, reward, form: np.linalg.lstsq(columns(d, form), reward, rcond=None)[1],
        ),
    ),
    hints=(
        "Each form is a sum of coefficient times something known: that is a linear least-squares problem.",
        "A coefficient's column is the form with that one at 1 and the others at 0. np.linalg.lstsq does the rest.",
        "columns = np.stack([form(d, *unit) for unit in np.eye(count)], axis=1); np.linalg.lstsq(columns, reward)[0]",
    ),
    right_answers=(fit_by_normal_equations, fit_by_pinv, fit_by_qr),
)
