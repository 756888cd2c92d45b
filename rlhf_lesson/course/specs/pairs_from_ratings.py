"""Pairs (chosen, rejected) of indices from one person's ratings, for every two that differ by more than `least`.

Any order of the pairs is right, so they are sorted before they are compared.
"""

import itertools
from operator import index

import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, NotAnAnswer, Slip, show
from rlhf_lesson.course.specs.mistakes import changed, ignoring
from rlhf_lesson.data.comparisons import pairs_from_ratings


def ratings_of_one(
    rng: np.random.Generator, *, count: int | None = None, ties: bool = False, least: float | None = None
) -> Case:
    """One person's ratings of some responses; several are equal if `ties`. None leaves `least` to its default."""
    count = int(rng.integers(4, 7)) if count is None else count
    ratings = rng.permutation(np.arange(1, count + 1) // (2 if ties else 1)) + int(rng.integers(2, 5))
    return Case((ratings.tolist(),), {} if least is None else {"least": least})


def half_points(rng: np.random.Generator) -> Case:
    """Ratings that differ by half points."""
    (ratings,) = ratings_of_one(rng).args
    return Case(([rating / 2 for rating in ratings],), {"least": 0.25})


def as_pairs(answer):
    """Pairs in a fixed order, since any order is right, one row a pair."""
    try:
        pairs = sorted((index(chosen), index(rejected)) for chosen, rejected in answer)
    except (TypeError, ValueError):
        raise NotAnAnswer(f"a list of pairs of indices is asked for, and it returns {show(answer)}") from None
    return np.array(pairs, int).reshape(-1, 2)


# ---- slips ---------------------------------------------------------------------------------------


def turned(pairs):
    """Each pair the other way round."""
    return [(rejected, chosen) for chosen, rejected in pairs]


def wherever(better):
    """An answer of all (i, j) with `better(rating_i, rating_j, least)`."""

    def whole(ratings, *, least=0.0):
        places = range(len(ratings))
        return [(i, j) for i in places for j in places if i != j and better(ratings[i], ratings[j], least)]

    return whole


def best_against_others(ratings, *, least=0.0):
    return [(i, j) for i, j in pairs_from_ratings(ratings, least=least) if ratings[i] == max(ratings)]


def best_against_worst(ratings, *, least=0.0):
    return [(int(np.argmax(ratings)), int(np.argmin(ratings)))]


def ratings_in_place_of_indices(ratings, *, least=0.0):
    return [(ratings[i], ratings[j]) for i, j in pairs_from_ratings(ratings, least=least)]


def ties_to_the_first(ratings, *, least=0.0):
    """Of two equal ratings the first one is the better one."""
    return [
        (i, j) if ratings[i] >= ratings[j] else (j, i)
        for i, j in itertools.combinations(range(len(ratings)), 2)
        if abs(ratings[i] - ratings[j]) >= least
    ]


def whole_points(ratings, *, least=0.0):
    return pairs_from_ratings([int(rating) for rating in ratings], least=least)


# ---- right answers in other words ----------------------------------------------------------------


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


# ---- the exercise --------------------------------------------------------------------------------

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
        "half points count too": half_points,
        "if all are equal there is no pair": lambda rng: Case(([int(rng.integers(1, 6))] * 4,)),
    },
    slips=(
        Slip(
            "the worse one comes first",
            "(chosen, rejected): the higher rating is the better one.",
            changed(pairs_from_ratings, turned),
        ),
        Slip(
            "both orders",
            "Each pair once, the better one first.",
            changed(pairs_from_ratings, lambda pairs: pairs + turned(pairs)),
        ),
        Slip(
            "only neighbours",
            "Every two responses can be compared.",
            changed(pairs_from_ratings, lambda pairs: [(i, j) for i, j in pairs if abs(i - j) == 1]),
        ),
        Slip(
            "only the pairs in order of place",
            "The better one may stand later: look at both orders.",
            changed(pairs_from_ratings, lambda pairs: [(i, j) for i, j in pairs if i < j]),
        ),
        Slip("only the best against the others", "The others differ among themselves as well.", best_against_others),
        Slip("only the best against the worst", "Every difference is a comparison.", best_against_worst),
        Slip(
            "ratings in place of indices", "Say which responses, not how they were rated.", ratings_in_place_of_indices
        ),
        Slip(
            "counted from 1",
            "Indices count from 0.",
            changed(pairs_from_ratings, lambda pairs: [(i + 1, j + 1) for i, j in pairs]),
        ),
        Slip("ties go to the first", "Who rates two responses alike has not said which is better.", ties_to_the_first),
        Slip("ties in both orders", "A tie makes no pair: >, not >=.", wherever(lambda a, b, least: a - b >= least)),
        Slip("`least` is ignored", "Small differences may be noise.", ignoring(pairs_from_ratings, "least")),
        Slip(
            "a difference of exactly `least` counts",
            "It must be larger.",
            wherever(lambda a, b, least: a > b and a - b >= least),
        ),
        Slip("half points are cut off", "Ratings need not be whole.", whole_points),
    ),
    hints=(
        "Two loops over the places; which condition makes (i, j) a pair?",
        "rating_i - rating_j > least. It says nothing for a tie, and never both (i, j) and (j, i).",
        "[(i, j) for i in places for j in places if ratings[i] - ratings[j] > least]",
    ),
    right_answers=(rated_by_combinations, rated_by_numpy, rated_by_sorting),
)
