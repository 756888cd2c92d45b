"""Pairs (better, worse) of responses from a ranking, the best first.

No drawn ranking is its own inverse, so an index that is taken for a rank shows.
"""

import itertools

import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.draws import ranking
from rlhf_lesson.course.specs.mistakes import changed
from rlhf_lesson.course.specs.pairs_from_ratings import as_pairs, turned
from rlhf_lesson.data.comparisons import pairs_from_ranking


def a_ranking(rng: np.random.Generator, *, count: int | None = None) -> Case:
    """A ranking of `count` responses, or of four or five."""
    return Case((ranking(rng, count=count),))


# ---- slips ---------------------------------------------------------------------------------------


def where(better):
    """An answer of all indices (i, j) with `better(ranking[i], ranking[j])`."""
    return lambda r: [(i, j) for i in range(len(r)) for j in range(len(r)) if better(r[i], r[j])]


# ---- right answers in other words ----------------------------------------------------------------


def ranked_by_combinations(ranking):
    return list(itertools.combinations(ranking, 2))


def ranked_by_popping(ranking):
    rest, out = list(ranking), []
    while rest:
        best = rest.pop(0)
        out += [(best, worse) for worse in rest]
    return out


def ranked_by_numpy(ranking):
    a, b = np.triu_indices(len(ranking), 1)
    return np.stack([np.array(ranking)[a], np.array(ranking)[b]], 1)


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="pairs_from_ranking",
    minutes=10,
    difficulty=1,
    points=4,
    reference=pairs_from_ranking,
    traceable=False,
    seen=as_pairs,
    cases={
        "each response beats all that stand behind it": a_ranking,
        "three responses make three pairs": lambda rng: a_ranking(rng, count=3),
        "a ranking of two is one pair": lambda rng: a_ranking(rng, count=2),
        "one response alone makes none": lambda rng: a_ranking(rng, count=1),
    },
    slips=(
        Slip("the worse one comes first", "The better response stands earlier.", changed(pairs_from_ranking, turned)),
        Slip(
            "an index is taken as a rank",
            "ranking[a] is the response at place a, not the place of response a.",
            where(lambda first, second: first < second),
        ),
        Slip(
            "an index is taken as a score",
            "A large index is not a good response: its place in the list counts.",
            where(lambda first, second: first > second),
        ),
        Slip(
            "only neighbours",
            "The first also beats the third: k (k - 1) / 2 pairs.",
            lambda ranking: list(itertools.pairwise(ranking)),
        ),
        Slip(
            "only the best against the others",
            "The second beats the third, too.",
            lambda ranking: [(ranking[0], worse) for worse in ranking[1:]],
        ),
        Slip(
            "only the best against the worst",
            "Every two responses are a pair.",
            lambda ranking: [(ranking[0], ranking[-1])] if len(ranking) > 1 else [],
        ),
        Slip(
            "both orders",
            "Each pair once, the better one first.",
            lambda ranking: list(itertools.permutations(ranking, 2)),
        ),
        Slip(
            "places in place of responses",
            "Not (0, 1), but (ranking[0], ranking[1]).",
            lambda ranking: list(itertools.combinations(range(len(ranking)), 2)),
        ),
        Slip(
            "the last is left out",
            "The last response is beaten by all others.",
            lambda ranking: pairs_from_ranking(ranking[:-1]),
        ),
        Slip(
            "counted from 1",
            "Indices count from 0.",
            changed(pairs_from_ranking, lambda pairs: [(better + 1, worse + 1) for better, worse in pairs]),
        ),
        Slip(
            "a response against itself",
            "Begin behind the better one.",
            lambda ranking: list(itertools.combinations_with_replacement(ranking, 2)),
        ),
    ),
    hints=(
        "The first beats all others, the second all but the first, and so on.",
        "A loop over places a, and within it one over the places behind a.",
        "[(better, worse) for a, better in enumerate(ranking) for worse in ranking[a + 1 :]]",
    ),
    right_answers=(ranked_by_combinations, ranked_by_popping, ranked_by_numpy),
)
