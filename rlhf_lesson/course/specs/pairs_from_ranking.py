"""DOC."""

import itertools
from itertools import pairwise

import numpy as np

from rlhf_lesson.course.exercise import Exercise, Slip
from rlhf_lesson.course.specs.draws import a_ranking
from rlhf_lesson.course.specs.pairs_from_ratings import as_pairs
from rlhf_lesson.data.comparisons import pairs_from_ranking


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
        Slip(
            "the worse one comes first",
            "The better response stands earlier.",
            lambda r: [p[::-1] for p in pairs_from_ranking(r)],
        ),
        Slip(
            "an index is taken as a rank",
            "ranking[a] is the response at place a, not the place of response a.",
            lambda r: [(i, j) for i in range(len(r)) for j in range(len(r)) if r[i] < r[j]],
        ),
        Slip(
            "an index is taken as a score",
            "A large index is not a good response: its place in the list counts.",
            lambda r: [(i, j) for i in range(len(r)) for j in range(len(r)) if r[i] > r[j]],
        ),
        Slip(
            "only neighbours",
            "The first also beats the third: k (k - 1) / 2 pairs.",
            lambda r: list(pairwise(r)),
        ),
        Slip(
            "only the best against the others", "The second beats the third, too.", lambda r: [(r[0], x) for x in r[1:]]
        ),
        Slip(
            "only the best against the worst",
            "Every two responses are a pair.",
            lambda r: [(r[0], r[-1])] if len(r) > 1 else [],
        ),
        Slip(
            "both orders",
            "Each pair once, the better one first.",
            lambda r: [(x, y) for x in r for y in r if x != y],
        ),
        Slip(
            "places in place of responses",
            "Not (0, 1), but (ranking[0], ranking[1]).",
            lambda r: [(a, b) for a in range(len(r)) for b in range(a + 1, len(r))],
        ),
        Slip(
            "the last is left out", "The last response is beaten by all others.", lambda r: pairs_from_ranking(r[:-1])
        ),
        Slip("counted from 1", "Indices count from 0.", lambda r: [(x + 1, y + 1) for x, y in pairs_from_ranking(r)]),
        Slip(
            "a response against itself",
            "Begin behind the better one.",
            lambda r: [(x, y) for a, x in enumerate(r) for y in r[a:]],
        ),
    ),
    hints=(
        "The first beats all others, the second all but the first, and so on.",
        "A loop over places a, and within it one over the places behind a.",
        "[(better, worse) for a, better in enumerate(ranking) for worse in ranking[a + 1 :]]",
    ),
    right_answers=(ranked_by_combinations, ranked_by_popping, ranked_by_numpy),
)
