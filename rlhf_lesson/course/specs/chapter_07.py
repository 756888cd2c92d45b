"""Exercises of chapter 07: over-optimisation in numbers.

Leaves out JAX: these are fits of a few points and counts of words, after the runs, in NumPy and Python.
"""

from collections import Counter
from functools import partial

import numpy as np

from rlhf_lesson import overoptimisation as over
from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.measures import distinct

# ---- diversity -----------------------------------------------------------------------------------

WORDS = "the film is a good bad great dull plot and an actor".split()


def reviews(rng, *, n: int | None = None, texts: int = 6, words: tuple[int, int] = (5, 10), same: bool = False) -> Case:
    """Texts over few words, so that n-grams repeat."""
    drawn = [" ".join(rng.choice(WORDS[:5], rng.integers(*words))) for _ in range(texts)]
    drawn = [drawn[0]] * texts if same else [*drawn, drawn[0]]
    return Case((drawn,), {} if n is None else {"n": n})


def grams(text, n: int) -> list[tuple]:
    return [tuple(text[i : i + n]) for i in range(len(text) - n + 1)]


def share(found: list) -> float:
    return len(set(found)) / max(1, len(found))


DISTINCT = Exercise(
    name="distinct",
    chapter=7,
    minutes=10,
    difficulty=1,
    points=4,
    reference=distinct,
    traceable=False,
    cases={
        "pairs of words": partial(reviews, n=2),
        "triples of words": partial(reviews, n=3),
        "single words": partial(reviews, n=1),
        "pairs are the default": reviews,
        "texts may be shorter than n": lambda rng: reviews(rng, n=3, words=(1, 6)),
        "a text that repeats counts once": lambda rng: reviews(rng, n=2, same=True),
        "no n-gram at all gives 0": lambda rng: reviews(rng, n=3, words=(1, 3)),
    },
    slips=(
        Slip(
            "letters in place of words",
            "Split each text at its spaces first.",
            lambda texts, n=2: share([g for t in texts for g in grams(t, n)]),
        ),
        Slip(
            "n-grams across texts",
            "The last word of one text and the first of the next are no pair.",
            lambda texts, n=2: share(grams(" ".join(texts).split(), n)),
        ),
        Slip(
            "a mean over texts",
            "One count over all texts: else two equal texts look as diverse as two different ones.",
            lambda texts, n=2: float(np.mean([share(grams(t.split(), n)) for t in texts])),
        ),
        Slip("n is ignored", "Use the argument.", lambda texts, n=2: distinct(texts, 2)),
        Slip("one word too many", "An n-gram has n words.", lambda texts, n=2: distinct(texts, n + 1)),
        Slip(
            "the last n-gram is missing",
            "A text of w words has w - n + 1 of them.",
            lambda texts, n=2: share([g for t in texts for g in grams(t.split(), n)[:-1]]),
        ),
        Slip(
            "the share of repeats",
            "Distinct over all: high means diverse.",
            lambda texts, n=2: 1.0 - distinct(texts, n),
        ),
        Slip(
            "a count in place of a share",
            "Divide by the number of all n-grams.",
            lambda texts, n=2: float(len({g for t in texts for g in grams(t.split(), n)})),
        ),
        Slip(
            "divided by the words",
            "Divide by the number of n-grams, repeats included.",
            lambda texts, n=2: (
                len({g for t in texts for g in grams(t.split(), n)}) / max(1, sum(len(t.split()) for t in texts))
            ),
        ),
        Slip(
            "n-grams that occur once",
            "One that occurs twice still counts once.",
            lambda texts, n=2: (
                sum(c == 1 for c in Counter(g for t in texts for g in grams(t.split(), n)).values())
                / max(1, sum(len(grams(t.split(), n)) for t in texts))
            ),
        ),
        Slip(
            "without order",
            "`good film` and `film good` are two pairs.",
            lambda texts, n=2: share([tuple(sorted(g)) for t in texts for g in grams(t.split(), n)]),
        ),
        Slip(
            "0 divided by 0",
            "Where no text is long enough there is nothing to divide by: max(1, count).",
            lambda texts, n=2: distinct(texts, n) if any(len(t.split()) >= n for t in texts) else float("nan"),
        ),
    ),
    hints=(
        "Two counts over all texts together: how many n-grams, and how many different ones.",
        "words[i : i + n] for each place i; a set keeps what differs. Count within each text, not across.",
        "grams = [tuple(w[i:i+n]) for w in map(str.split, texts) for i in range(len(w) - n + 1)];"
        " len(set(grams)) / max(1, len(grams))",
    ),
)

# ---- the two curves ------------------------------------------------------------------------------


def coefficients(rng) -> tuple[float, float]:
    return float(rng.uniform(1.2, 2.5)), float(rng.uniform(0.3, 0.8))


def distances(rng, count: int = 8) -> np.ndarray:
    return np.sort(rng.uniform(0.2, 4.0, count))


def on_curve(rng) -> Case:
    return Case((distances(rng), *coefficients(rng)))


def from_the_start(rng) -> Case:
    return Case((np.append(0.0, distances(rng)), *coefficients(rng)))


def one_point(rng) -> Case:
    return Case((float(rng.uniform(1.5, 3.0)), *coefficients(rng)))


def log(d):
    return np.log(np.where(d > 0, d, 1.0))


BEST_OF_N_FORM = Exercise(
    name="best_of_n_form",
    chapter=7,
    minutes=5,
    difficulty=1,
    points=3,
    reference=over.best_of_n_form,
    traceable=False,
    cases={"plain numbers": on_curve, "it starts at 0": from_the_start, "one distance gives one number": one_point},
    slips=(
        Slip("d outside is missing", "d times the bracket: R(0) = 0.", lambda d, a, b: a - b * d),
        Slip("b is added", "Over-optimisation takes away: a - b d.", lambda d, a, b: d * (a + b * d)),
        Slip("a and b are swapped", "a is the slope at the start.", lambda d, a, b: d * (b - a * d)),
        Slip("the square is missing", "d (a - b d) has a square in it.", lambda d, a, b: a * d - b * d),
        Slip("the other form", "No logarithm here: that is `rl_form`.", over.rl_form),
        Slip("d is a KL", "d is the root of the KL already.", lambda d, a, b: np.sqrt(d) * (a - b * np.sqrt(d))),
        Slip("d is squared once more", "d is the root of the KL already.", lambda d, a, b: d**2 * (a - b * d**2)),
        Slip("b outside the square", "b d^2, not (b d)^2.", lambda d, a, b: a * d - (b * d) ** 2),
        Slip("averaged", "One reward a distance.", lambda d, a, b: np.mean(d * (a - b * d))),
    ),
    hints=("A parabola through 0.", "d times a bracket in which d stands once more.", "d * (a - b * d)"),
)

RL_FORM = Exercise(
    name="rl_form",
    chapter=7,
    minutes=5,
    difficulty=1,
    points=4,
    reference=over.rl_form,
    traceable=False,
    cases={
        "plain numbers": on_curve,
        "it starts at 0, though log 0 is infinite": from_the_start,
        "one distance gives one number": one_point,
    },
    slips=(
        Slip("the log is missing", "That is `best_of_n_form`: here log d stands in the bracket.", over.best_of_n_form),
        Slip("d outside is missing", "d times the bracket.", lambda d, a, b: a - b * log(d)),
        Slip("b is added", "Over-optimisation takes away.", lambda d, a, b: d * (a + b * log(d))),
        Slip("a and b are swapped", "a is the reward at d = 1.", lambda d, a, b: d * (b - a * log(d))),
        Slip(
            "the log of 1 + d",
            "log d itself, which is below 0 before d = 1.",
            lambda d, a, b: d * (a - b * np.log1p(d)),
        ),
        Slip("another base", "The natural logarithm.", lambda d, a, b: d * (a - b * log(d) / np.log(10.0))),
        Slip("the log of the whole", "log d alone: b stands before it.", lambda d, a, b: d * (a - log(b * d))),
        Slip("the log of the KL", "log d, and not 2 log d: d is a root.", lambda d, a, b: d * (a - b * log(d**2))),
        Slip(
            "clipped at d = 1",
            "Below d = 1 the logarithm is negative, and adds.",
            lambda d, a, b: d * (a - b * np.maximum(log(d), 0.0)),
        ),
        Slip(
            "0 times infinity",
            "d log d goes to 0, but 0 * -inf is NaN: take the log of np.where(d > 0, d, 1).",
            lambda d, a, b: np.where(d == 0, np.nan, d * (a - b * log(d))),
        ),
    ),
    hints=(
        "Like the other form, with a slower brake.",
        "d times (a - b log d); where d is 0 take the log of 1 instead, since the d outside makes it 0 anyway.",
        "d * (a - b * np.log(np.where(d > 0.0, d, 1.0)))",
    ),
)

# ---- fits and peaks ------------------------------------------------------------------------------


def noisy(rng, *, form=over.rl_form, noise: float = 0.2) -> Case:
    """Points around a curve; three coefficients for the parabola with a constant."""
    a, b = coefficients(rng)
    d = distances(rng, 10)
    weights = (0.4, a, -b) if form is over.plain_quadratic else (a, b)
    return Case((d, form(d, *weights) + noise * rng.normal(size=d.size), form))


def columns(d, form) -> np.ndarray:
    units = np.eye(3 if form is over.plain_quadratic else 2)
    return np.stack([form(d, *unit) for unit in units], 1)


def solve(table: np.ndarray, reward) -> np.ndarray:
    return np.linalg.lstsq(table, reward, rcond=None)[0]


def with_constant(d, reward, form) -> np.ndarray:
    return solve(np.column_stack([columns(d, form), np.ones_like(d)]), reward)[:-1]


FIT = Exercise(
    name="fit",
    chapter=7,
    minutes=15,
    difficulty=2,
    points=6,
    reference=over.fit,
    traceable=False,
    seen=lambda answer: np.asarray(answer, float) if isinstance(answer, tuple | list) else answer,
    cases={
        "noisy points of the RL form": noisy,
        "noisy points of the best-of-n form": partial(noisy, form=over.best_of_n_form),
        "a form with three coefficients": partial(noisy, form=over.plain_quadratic),
        "points on the curve give its coefficients back": partial(noisy, noise=0.0),
    },
    slips=(
        Slip(
            "the coefficients in another order",
            "In the form's own order: a first.",
            lambda d, r, form: over.fit(d, r, form)[::-1],
        ),
        Slip(
            "R / d is fitted",
            "That gives points near the start too much weight: least squares of R itself.",
            lambda d, r, form: solve(columns(d, form) / d[:, None], r / d),
        ),
        Slip("a constant is fitted too", "Fit the form as it is: nothing beside it.", with_constant),
        Slip(
            "always the best-of-n form",
            "Use the form that is given.",
            lambda d, r, form: over.fit(d, r, over.best_of_n_form),
        ),
        Slip(
            "only as many points as coefficients",
            "All points count.",
            lambda d, r, form: solve(columns(d, form)[: columns(d, form).shape[1]], r[: columns(d, form).shape[1]]),
        ),
        Slip("d is squared once more", "d is a root already.", lambda d, r, form: over.fit(d**2, r, form)),
        Slip(
            "the other axis",
            "One row a point, one column a coefficient.",
            lambda d, r, form: columns(d, form).T @ r,
        ),
        Slip(
            "the reward is centred",
            "R is measured from the reference policy: its zero means something.",
            lambda d, r, form: over.fit(d, r - np.mean(r), form),
        ),
        Slip(
            "each coefficient by itself",
            "Fit them together: their columns overlap.",
            lambda d, r, form: columns(d, form).T @ r / np.sum(columns(d, form) ** 2, 0),
        ),
        Slip(
            "the squared error in place of the coefficients",
            "np.linalg.lstsq gives several things: the first is asked for.",
            lambda d, r, form: np.linalg.lstsq(columns(d, form), r, rcond=None)[1],
        ),
    ),
    hints=(
        "Each form is a sum of coefficient times something known: that is a linear least-squares problem.",
        "A coefficient's column is the form with that one at 1 and the others at 0. np.linalg.lstsq does the rest.",
        "columns = np.stack([form(d, *unit) for unit in np.eye(count)], axis=1); np.linalg.lstsq(columns, reward)[0]",
    ),
)


def at(*bounds: float):
    """a and b, each uniform between two bounds."""
    low_a, high_a, low_b, high_b = bounds
    return lambda rng: Case((float(rng.uniform(low_a, high_a)), float(rng.uniform(low_b, high_b))))


def pair(answer):
    """A peak as the plain pair that it is."""
    return tuple(answer) if isinstance(answer, tuple | list) else answer


BEST_OF_N_PEAK = Exercise(
    name="best_of_n_peak",
    chapter=7,
    minutes=10,
    difficulty=2,
    points=4,
    reference=over.best_of_n_peak,
    traceable=False,
    seen=pair,
    cases={
        "plain numbers": at(1.2, 2.5, 0.2, 0.8),
        "a curve that only falls is highest at its start": at(-2.0, -1.0, 0.2, 0.8),
        "a curve that never turns has an infinite peak": at(1.2, 2.5, -0.8, -0.2),
    },
    slips=(
        Slip("the half is missing", "R' = a - 2 b d: d* = a / (2b).", lambda a, b: (a / b, a**2 / (4 * b))),
        Slip("where it is 0 again", "R(a/b) = 0 is the end, not the top.", lambda a, b: (a / b, 0.0)),
        Slip("twice as high", "R* = a^2 / (4b).", lambda a, b: (a / (2 * b), a**2 / (2 * b))),
        Slip("upside down", "d* = a / (2b).", lambda a, b: (2 * b / a, a**2 / (4 * b))),
        Slip("reward first", "The distance first, then the reward.", lambda a, b: (a**2 / (4 * b), a / (2 * b))),
        Slip("the KL in place of d", "d* itself, not its square.", lambda a, b: ((a / (2 * b)) ** 2, a**2 / (4 * b))),
        Slip("the slope in place of the height", "Put d* into the form.", lambda a, b: (a / (2 * b), a)),
        Slip(
            "a bottom or a negative distance",
            "A distance is at least 0, and with b <= 0 there is no top.",
            lambda a, b: (a / (2 * b), a**2 / (4 * b)),
        ),
        Slip(
            "infinity is forgotten",
            "With b <= 0 the curve rises for ever.",
            lambda a, b: (a / (2 * b), a**2 / (4 * b)) if a > 0 and b > 0 else (0.0, 0.0),
        ),
    ),
    hints=(
        "Where is the slope 0?",
        "R'(d) = a - 2 b d. Put that d into R. Then ask what happens with b <= 0, and with a <= 0.",
        "Peak(inf, inf) if b <= 0; Peak(a / (2b), a**2 / (4b)) if a > 0; else Peak(0, 0)",
    ),
)

RL_PEAK = Exercise(
    name="rl_peak",
    chapter=7,
    minutes=10,
    difficulty=2,
    points=4,
    reference=over.rl_peak,
    traceable=False,
    seen=pair,
    cases={
        "plain numbers": at(1.2, 2.5, 0.4, 0.9),
        "a below 0 still has a peak, near the start": at(-1.5, -0.5, 0.4, 0.9),
        "a curve that never turns has an infinite peak": at(1.2, 2.5, -0.8, -0.2),
    },
    slips=(
        Slip(
            "where it is 0 again",
            "R(exp(a/b)) = 0 is the end, not the top.",
            lambda a, b: (float(np.exp(a / b)), 0.0),
        ),
        Slip(
            "the exponential is missing",
            "The slope is 0 at log d = a/b - 1.",
            lambda a, b: (a / b - 1, b * (a / b - 1)),
        ),
        Slip(
            "the height is a",
            "R* = b d*: put d* into the form.",
            lambda a, b: (float(np.exp(a / b - 1)), a),
        ),
        Slip(
            "the height without b",
            "R* = b d*.",
            lambda a, b: (float(np.exp(a / b - 1)), float(np.exp(a / b - 1))),
        ),
        Slip("upside down", "a over b.", lambda a, b: (float(np.exp(b / a - 1)), b * float(np.exp(b / a - 1)))),
        Slip(
            "the sign of the 1",
            "R' = a - b log d - b: log d* = a/b - 1.",
            lambda a, b: (float(np.exp(a / b + 1)), b * float(np.exp(a / b + 1))),
        ),
        Slip(
            "reward first",
            "The distance first, then the reward.",
            lambda a, b: (b * float(np.exp(a / b - 1)), float(np.exp(a / b - 1))),
        ),
        Slip("the other form's peak", "That is the parabola's.", over.best_of_n_peak),
        Slip(
            "never for a below 0",
            "Near 0 the logarithm lifts every curve with b > 0: there is always a peak.",
            lambda a, b: over.rl_peak(a, b) if a > 0 else (0.0, 0.0),
        ),
        Slip(
            "infinity is forgotten",
            "With b <= 0 the curve rises for ever.",
            lambda a, b: (float(np.exp(a / b - 1)), b * float(np.exp(a / b - 1))),
        ),
    ),
    hints=(
        "The derivative of d log d is log d + 1.",
        "R'(d) = a - b log d - b = 0. Solve for d, put it into R and simplify. With b <= 0 there is no top.",
        "d = exp(a / b - 1); Peak(d, b * d), and Peak(inf, inf) if b <= 0",
    ),
)

EXERCISES = (DISTINCT, BEST_OF_N_FORM, RL_FORM, FIT, BEST_OF_N_PEAK, RL_PEAK)
