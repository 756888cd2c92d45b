"""DOC."""

import itertools
from functools import partial
from operator import index

import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, NotAnAnswer, Slip, show
from rlhf_lesson.data.comparisons import pairs_from_ratings


def as_pairs(answer):
    """Pairs in a fixed order, since any order is right, one row a pair."""
    try:
        pairs = sorted((index(chosen), index(rejected)) for chosen, rejected in answer)
    except (TypeError, ValueError):
        raise NotAnAnswer(f"a list of pairs of indices is asked for, and it returns {show(answer)}") from None
    return np.array(pairs, int).reshape(-1, 2)


def ratings_of_one(rng, *, count: int | None = None, ties: bool = False, **coefficients) -> Case:
    """One person's ratings of some responses; several are equal if `ties`."""
    count = int(rng.integers(4, 7)) if count is None else count
    ratings = rng.permutation(np.arange(1, count + 1) // (2 if ties else 1)) + int(rng.integers(2, 5))
    return Case((ratings.tolist(),), coefficients)


def rated_pairs(ratings, *, least=0.0, better=lambda a, b, least: a - b > least, between=None):
    """Pairs of indices by going through all of them, with a switch for each slip; right at the defaults."""
    places = range(len(ratings))
    chosen = [(i, j) for i in places for j in places if i != j and better(ratings[i], ratings[j], least)]
    return chosen if between is None else [p for p in chosen if between(*p)]


def rated_by_combinations(ratings, *, least=0.0):
    out = []
    for i, j in itertools.combinations(range(len(ratings)), 2):
        if abs(ratings[i] - ratings[j]) > least:
            out.append((i, j) if ratings[i] > ratings[j] else (j, i))
    return out


def rated_by_numpy(ratings, *, least=0.0):
    lead = np.subtract.outer(np.array(ratings, float), np.array(ratings, float))
    return np.argwhere(lead > least)


def rated_by_sorting(ratings, *, least=0.0):
    order = sorted(range(len(ratings)), key=lambda i: -ratings[i])
    return [[i, j] for k, i in enumerate(order) for j in order[k + 1 :] if ratings[i] > ratings[j] + least]


EXERCISE = Exercise(
    name="pairs_from_ratings",
    minutes=10,
    difficulty=1,
    points=4,
    reference=pairs_from_ratings,
    traceable=False,
    seen=as_pairs,
    cases={
        "every two responses make a pair, the better one first": ratings_of_one,
        "equal ratings make no pair": lambda rng: ratings_of_one(rng, ties=True),
        "a difference must be larger than `least`": lambda rng: ratings_of_one(rng, least=float(rng.integers(1, 3))),
        "half points count too": lambda rng: Case(([x / 2 for x in ratings_of_one(rng).args[0]],), {"least": 0.25}),
        "if all are equal there is no pair": lambda rng: Case(([int(rng.integers(1, 6))] * 4,)),
    },
    slips=(
        Slip(
            "the worse one comes first",
            "(chosen, rejected): the higher rating is the better one.",
            lambda r, **k: [p[::-1] for p in rated_pairs(r, **k)],
        ),
        Slip(
            "both orders",
            "Each pair once, the better one first.",
            lambda r, **k: rated_pairs(r, **k) + [p[::-1] for p in rated_pairs(r, **k)],
        ),
        Slip(
            "only neighbours",
            "Every two responses can be compared.",
            partial(rated_pairs, between=lambda i, j: abs(i - j) == 1),
        ),
        Slip(
            "only the pairs in order of place",
            "The better one may stand later: look at both orders.",
            partial(rated_pairs, between=lambda i, j: i < j),
        ),
        Slip(
            "only the best against the others",
            "The others differ among themselves as well.",
            lambda r, **k: [(i, j) for i, j in rated_pairs(r, **k) if r[i] == max(r)],
        ),
        Slip(
            "only the best against the worst",
            "Every difference is a comparison.",
            lambda r, **k: [(int(np.argmax(r)), int(np.argmin(r)))],
        ),
        Slip(
            "ratings in place of indices",
            "Say which responses, not how they were rated.",
            lambda r, **k: [(r[i], r[j]) for i, j in rated_pairs(r, **k)],
        ),
        Slip(
            "counted from 1", "Indices count from 0.", lambda r, **k: [(i + 1, j + 1) for i, j in rated_pairs(r, **k)]
        ),
        Slip(
            "ties go to the first",
            "Who rates two responses alike has not said which is better.",
            lambda r, *, least=0.0: [
                (i, j) if r[i] >= r[j] else (j, i)
                for i in range(len(r))
                for j in range(i + 1, len(r))
                if abs(r[i] - r[j]) >= least
            ],
        ),
        Slip(
            "ties in both orders",
            "A tie makes no pair: >, not >=.",
            partial(rated_pairs, better=lambda a, b, least: a - b >= least),
        ),
        Slip("`least` is ignored", "Small differences may be noise.", lambda r, **k: rated_pairs(r)),
        Slip(
            "a difference of exactly `least` counts",
            "It must be larger.",
            partial(rated_pairs, better=lambda a, b, least: a > b and a - b >= least),
        ),
        Slip(
            "half points are cut off",
            "Ratings need not be whole.",
            lambda r, **k: rated_pairs([int(x) for x in r], **k),
        ),
    ),
    hints=(
        "Two loops over the places; which condition makes (i, j) a pair?",
        "rating_i - rating_j > least. It says nothing for a tie, and never both (i, j) and (j, i).",
        "[(i, j) for i in places for j in places if ratings[i] - ratings[j] > least]",
    ),
    right_answers=(rated_by_combinations, rated_by_numpy, rated_by_sorting),
)
