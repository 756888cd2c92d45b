"""Exercises of chapter 03, human feedback: pairs from ratings and rankings, agreement of raters, one strength an item.

Leaves out where the ratings come from (data/feedback.py, data/formats.py).
"""

from functools import partial
from itertools import pairwise
from operator import index

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson import agreement
from rlhf_lesson.bradley_terry import bradley_terry_strengths, win_probability
from rlhf_lesson.course.exercise import Case, Exercise, NotAnAnswer, Slip, show
from rlhf_lesson.data.comparisons import pairs_from_ranking, pairs_from_ratings

# ---- pairs ---------------------------------------------------------------------------------------


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


PAIRS_FROM_RATINGS = Exercise(
    name="pairs_from_ratings",
    chapter=3,
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
)


def a_ranking(rng, *, count: int | None = None) -> Case:
    """The order of some responses; from 3 on never its own inverse, so that an index is no rank."""
    count = int(rng.integers(4, 6)) if count is None else count
    order = rng.permutation(count)
    while count > 2 and (order[order] == np.arange(count)).all():
        order = rng.permutation(count)
    return Case((order.tolist(),))


PAIRS_FROM_RANKING = Exercise(
    name="pairs_from_ranking",
    chapter=3,
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
)

# ---- agreement -----------------------------------------------------------------------------------


def two_raters(rng, *, same: float = 0.6, shift: int = 0, categories: int | None = None, named: bool = True) -> Case:
    """Two raters' categories 0, 1 and 2, in other shares each; `same` of the second's copy the first's, plus `shift`."""
    items = int(rng.integers(16, 25))
    a = rng.choice(3, items, p=[0.5, 0.3, 0.2])
    a[:3] = 0, 1, 2
    b = np.where(rng.random(items) < same, (a + shift) % 3, rng.choice(3, items, p=[0.2, 0.2, 0.6]))
    pair = a.astype(np.int32), b.astype(np.int32)
    return Case(pair, {"categories": categories or 3} if named else {})


PERCENT_AGREEMENT = Exercise(
    name="percent_agreement",
    chapter=3,
    minutes=5,
    difficulty=1,
    points=2,
    reference=agreement.percent_agreement,
    cases={
        "plain numbers": lambda rng: two_raters(rng, named=False),
        "raters who always agree": lambda rng: two_raters(rng, same=1.0, named=False),
        "raters who never agree": lambda rng: two_raters(rng, same=1.0, shift=1, named=False),
    },
    slips=(
        Slip(
            "a count in place of a share",
            "Divide by the number of items.",
            lambda a, b: jnp.sum(a == b).astype(jnp.float32),
        ),
        Slip("the share of disagreement", "Equal categories count.", lambda a, b: jnp.mean(a != b)),
        Slip("from 0 to 100", "p_o lies between 0 and 1.", lambda a, b: 100.0 * jnp.mean(a == b)),
        Slip(
            "category 0 does not count", "Both saying 0 is agreement, too.", lambda a, b: jnp.mean((a == b) & (a > 0))
        ),
        Slip(
            "nearly equal counts",
            "The same category, not one nearby: categories have no order.",
            lambda a, b: jnp.mean(jnp.abs(a - b) <= 1),
        ),
        Slip(
            "corrected for chance",
            "That is Cohen's kappa, the next exercise.",
            lambda a, b: agreement.cohen_kappa(a, b, categories=3),
        ),
        Slip(
            "the shares of the categories are compared",
            "Item by item: two raters may use all categories equally often and never agree.",
            lambda a, b: jnp.sum(jnp.minimum(jnp.mean(jax.nn.one_hot(a, 3), 0), jnp.mean(jax.nn.one_hot(b, 3), 0))),
        ),
        Slip("one answer an item", "One number: the mean over items.", lambda a, b: (a == b).astype(jnp.float32)),
    ),
    hints=(
        "On which items do they say the same?",
        "a == b is True or False for each item; the mean of it is a share.",
        "jnp.mean(a == b)",
    ),
)


def kappa(a, b, *, categories, by_chance=None, scale=None):
    """Kappa with another chance or another denominator; right at the defaults."""
    shares = [jnp.mean(jax.nn.one_hot(x, categories), 0) for x in (a, b)]
    p_o, p_e = jnp.mean(a == b), jnp.sum(shares[0] * shares[1]) if by_chance is None else by_chance(*shares)
    return (p_o - p_e) / (1.0 - p_e) if scale is None else scale(p_o, p_e)


COHEN_KAPPA = Exercise(
    name="cohen_kappa",
    chapter=3,
    minutes=15,
    difficulty=2,
    points=5,
    reference=agreement.cohen_kappa,
    cases={
        "plain numbers": two_raters,
        "categories that nobody uses change nothing": lambda rng: two_raters(rng, categories=6),
        "worse than chance is below 0": lambda rng: two_raters(rng, shift=1, same=0.8),
        "raters who always agree have 1": lambda rng: two_raters(rng, same=1.0),
    },
    slips=(
        Slip(
            "not corrected for chance",
            "Take away what their habits alone would give.",
            partial(kappa, scale=lambda o, e: o),
        ),
        Slip(
            "not scaled", "Divide by 1 - p_e, so that perfect agreement is 1.", partial(kappa, scale=lambda o, e: o - e)
        ),
        Slip(
            "divided by p_o in place of 1 - p_e",
            "What could be gained over chance is 1 - p_e.",
            partial(kappa, scale=lambda o, e: (o - e) / o),
        ),
        Slip(
            "disagreement over disagreement",
            "kappa = 1 - (1 - p_o) / (1 - p_e).",
            partial(kappa, scale=lambda o, e: (1 - o) / (1 - e)),
        ),
        Slip("the chance alone", "This is p_e.", partial(kappa, scale=lambda o, e: e)),
        Slip("the sign is wrong", "More agreement gives more.", partial(kappa, scale=lambda o, e: (e - o) / (1 - e))),
        Slip(
            "one habit for both raters",
            "With pooled shares it is Scott's pi: Cohen lets each rater have habits of their own.",
            partial(kappa, by_chance=lambda a, b: jnp.sum(((a + b) / 2) ** 2)),
        ),
        Slip(
            "the first rater's habit twice",
            "P(a = c) P(b = c): one share of each.",
            partial(kappa, by_chance=lambda a, b: jnp.sum(a**2)),
        ),
        Slip(
            "all categories equally likely",
            "Chance depends on how often each is used.",
            partial(kappa, by_chance=lambda a, b: 1.0 / a.size),
        ),
        Slip(
            "a mean in place of a sum",
            "Any category will do: add the chances.",
            partial(kappa, by_chance=lambda a, b: jnp.mean(a * b)),
        ),
        Slip(
            "cut off at 0",
            "Worse than chance is below 0.",
            lambda a, b, *, categories: jnp.maximum(kappa(a, b, categories=categories), 0.0),
        ),
    ),
    hints=(
        "How often would two people agree who use the categories as these two do, but never read an item?",
        "jnp.mean(jax.nn.one_hot(a, categories), axis=0) is how often rater a uses each; p_e is the sum of the products.",
        "p_e = jnp.sum(share_a * share_b); (percent_agreement(a, b) - p_e) / (1 - p_e)",
    ),
)


def numbers(rng, *, way: str = "pairs") -> Case:
    """Ratings from 1 to 5, some of them equal: two rows, one number and a row, or a column and a row."""
    a, b = rng.integers(1, 6, (2, 8)).astype(np.float32)
    b[:3] = a[:3]
    b[3:5] = (a[3:5] + 2) % 6  # and some are not
    return {"pairs": Case((a, b)), "one": Case((a[0], b)), "table": Case((a[:, None], b[None, :]))}[way]


WAYS = {
    "plain numbers": numbers,
    "one rating against many": lambda rng: numbers(rng, way="one"),
    "a column against a row gives a table": lambda rng: numbers(rng, way="table"),
}

NOMINAL_DISTANCE = Exercise(
    name="nominal_distance",
    chapter=3,
    minutes=3,
    difficulty=1,
    points=1,
    reference=agreement.nominal_distance,
    cases=WAYS,
    slips=(
        Slip("1 for equal ones", "Equal categories have distance 0.", lambda a, b: (a == b).astype(jnp.float32)),
        Slip(
            "the difference", "Categories have no order: all that differ are equally far.", lambda a, b: jnp.abs(a - b)
        ),
        Slip("the squared difference", "That is the interval distance.", lambda a, b: (a - b) ** 2),
        Slip("True and False", "A number is asked for: .astype(jnp.float32).", lambda a, b: a != b),
        Slip("the sign of the difference", "A distance has no sign.", lambda a, b: jnp.sign(a - b)),
        Slip("1 for the larger", "Different either way.", lambda a, b: (a > b).astype(jnp.float32)),
        Slip(
            "nearby counts as equal",
            "Only the same category has distance 0.",
            lambda a, b: (jnp.abs(a - b) > 1).astype(jnp.float32),
        ),
        Slip("one number for all", "One distance for each pair of values.", lambda a, b: jnp.mean(a != b)),
    ),
    hints=(
        "There are two answers only.",
        "a != b is True where they differ; a distance is a number.",
        "(a != b).astype(jnp.float32)",
    ),
)

INTERVAL_DISTANCE = Exercise(
    name="interval_distance",
    chapter=3,
    minutes=3,
    difficulty=1,
    points=1,
    reference=agreement.interval_distance,
    cases=WAYS,
    slips=(
        Slip("the absolute difference", "Large disagreements weigh more: square it.", lambda a, b: jnp.abs(a - b)),
        Slip("the plain difference", "A distance has no sign.", lambda a, b: a - b),
        Slip("half the square", "Nothing is halved.", lambda a, b: 0.5 * (a - b) ** 2),
        Slip("the difference of the squares", "Subtract first, then square.", lambda a, b: a**2 - b**2),
        Slip("the square of the sum", "The difference.", lambda a, b: (a + b) ** 2),
        Slip("the product", "The square of the difference.", lambda a, b: a * b),
        Slip("0 or 1", "That is the nominal distance.", lambda a, b: (a != b).astype(jnp.float32)),
        Slip("one number for all", "One distance for each pair of values.", lambda a, b: jnp.mean((a - b) ** 2)),
    ),
    hints=(
        "Two points apart is four times as bad as one.",
        "The square of the difference.",
        "(a - b) ** 2",
    ),
)


def some_raters(rng, *, missing: float = 0.3, lonely: bool = False, distance=agreement.interval_distance) -> Case:
    """Ratings from 1 to 5 by three or four raters; some are missing, and `lonely` leaves one item with one rating."""
    raters, items = int(rng.integers(3, 5)), int(rng.integers(7, 10))
    truth = rng.integers(1, 6, items)
    ratings = np.clip(truth + rng.integers(-1, 2, (raters, items)), 1, 5).astype(np.float32)
    ratings[2:][rng.random((raters - 2, items)) < missing] = np.nan  # two raters saw all items
    if lonely:
        ratings[1:, 0], ratings[0, 0] = np.nan, 5.0
    return Case((ratings,), {"distance": distance})


def alpha(
    ratings, *, distance, singles=False, zeros=False, m=lambda m: m - 1, n=lambda n: n - 1, by_item=False, end=None
):
    """Alpha by one table of all distances, with a switch for each slip; right at the defaults."""
    present = ~jnp.isnan(ratings) | zeros
    count = jnp.sum(present, 0)
    present = present & ((count >= 2)[None] | singles)
    values = jnp.where(jnp.isnan(ratings) | ~present, 0.0, ratings)

    def table(v, real):
        pairs = real[:, None] & real[None] & ~jnp.eye(len(v), dtype=bool).reshape(len(v), len(v), *[1] * (v.ndim - 1))
        return jnp.where(pairs, distance(v[:, None], v[None]), 0.0)

    within = jnp.sum(table(values, present), (0, 1))
    total = jnp.sum(present)
    observed = jnp.sum(within / jnp.maximum(m(count), 1)) / total
    if by_item:
        observed = jnp.sum(within / jnp.maximum(count * (count - 1), 1)) / jnp.sum(count >= 2)
    expected = jnp.sum(table(values.ravel(), present.ravel())) / (total * n(total))
    return 1.0 - observed / expected if end is None else end(observed, expected)


KRIPPENDORFF_ALPHA = Exercise(
    name="krippendorff_alpha",
    chapter=3,
    minutes=30,
    difficulty=3,
    points=8,
    reference=agreement.krippendorff_alpha,
    cases={
        "plain numbers, some ratings missing": some_raters,
        "categories without an order": lambda rng: some_raters(rng, distance=agreement.nominal_distance),
        "everybody rated everything": lambda rng: some_raters(rng, missing=0.0),
        "an item rated once is left out": lambda rng: some_raters(rng, lonely=True),
    },
    slips=(
        Slip(
            "not taken from 1",
            "D_o / D_e is 0 for perfect agreement: alpha is 1 less it.",
            partial(alpha, end=lambda o, e: o / e),
        ),
        Slip("upside down", "The observed disagreement goes on top.", partial(alpha, end=lambda o, e: 1.0 - e / o)),
        Slip(
            "the observed disagreement alone",
            "Compare it with what chance would give.",
            partial(alpha, end=lambda o, e: o),
        ),
        Slip("a difference in place of a ratio", "Divide by D_e.", partial(alpha, end=lambda o, e: e - o)),
        Slip("missing ratings count as 0", "NaN is no rating: leave such pairs out.", partial(alpha, zeros=True)),
        Slip(
            "the mean over items",
            "An item with more ratings weighs more: sum over items, then divide by n.",
            partial(alpha, by_item=True),
        ),
        Slip(
            "divided by m in place of m - 1",
            "Each rating is compared with the m - 1 others.",
            partial(alpha, m=lambda m: m),
        ),
        Slip(
            "divided by n in place of n - 1",
            "Each rating is compared with the n - 1 others.",
            partial(alpha, n=lambda n: n),
        ),
        Slip(
            "always the nominal distance",
            "Call the distance that was given.",
            lambda ratings, *, distance: alpha(ratings, distance=agreement.nominal_distance),
        ),
        Slip(
            "always the interval distance",
            "Call the distance that was given.",
            lambda ratings, *, distance: alpha(ratings, distance=agreement.interval_distance),
        ),
        Slip(
            "raters and items are swapped",
            "Pairs are formed within an item: a column.",
            lambda ratings, *, distance: alpha(ratings.T, distance=distance),
        ),
        Slip(
            "NaN spreads",
            "NaN != NaN, and NaN times 0 is NaN: put a number in its place with jnp.where first, then mask.",
            lambda ratings, *, distance: (
                1.0
                - jnp.mean(distance(ratings[:, None], ratings[None]))
                / jnp.mean(distance(ratings.ravel()[:, None], ratings.ravel()[None]))
            ),
        ),
        Slip(
            "items rated once count too",
            "Such an item can agree with nothing: it is no part of n.",
            partial(alpha, singles=True),
        ),
    ),
    hints=(
        "Two averages of the distance: over pairs of ratings of one item, and over pairs of any two ratings.",
        "Leave out items with fewer than two ratings. For an item with m ratings, divide its sum over i != j by m - 1; then by n.",
        "1 - D_o / D_e; put 0 for NaN with jnp.where, build a table of distances, and keep the pairs where both are present",
    ),
)

# ---- strengths -----------------------------------------------------------------------------------


def two_scores(rng, *, shift: float = 0.0, far: float = 1.0) -> Case:
    shape = [(6,), (2, 3)][rng.integers(2)]
    a, b = rng.normal(size=(2, *shape)) * far + shift
    return Case((a.astype(np.float32), b.astype(np.float32)))


WIN_PROBABILITY = Exercise(
    name="win_probability",
    chapter=3,
    minutes=5,
    difficulty=1,
    points=3,
    reference=win_probability,
    cases={
        "plain numbers": two_scores,
        "only the difference matters": lambda rng: two_scores(rng, shift=-200.0),
        "large scores do not overflow": lambda rng: two_scores(rng, shift=300.0),
        "equal scores are a coin flip": lambda rng: Case((two_scores(rng).args[0],) * 2),
    },
    slips=(
        Slip("the arguments are swapped", "This is the chance of b.", lambda a, b: jax.nn.sigmoid(b - a)),
        Slip("the sum in place of the difference", "Only the difference matters.", lambda a, b: jax.nn.sigmoid(a + b)),
        Slip("the exponential is missing", "Scores are log-strengths: exp first.", lambda a, b: a / (a + b)),
        Slip("the difference itself", "Put it through the sigmoid.", lambda a, b: a - b),
        Slip("the log of it", "A probability is asked for.", lambda a, b: jax.nn.log_sigmoid(a - b)),
        Slip("the odds", "Odds p / (1 - p) are not yet a probability.", lambda a, b: jnp.exp(a - b)),
        Slip("between -1 and 1", "tanh is not the sigmoid.", lambda a, b: jnp.tanh(a - b)),
        Slip("yes or no", "A lead makes it likely, not certain.", lambda a, b: (a > b).astype(jnp.float32)),
        Slip(
            "Elo's scale",
            "Scores are nats: no 400, no power of ten.",
            lambda a, b: 1.0 / (1.0 + 10.0 ** ((b - a) / 400.0)),
        ),
        Slip("a softmax over the batch", "Each pair is a contest of its own.", lambda a, b: jax.nn.softmax(a - b)),
        Slip(
            "exponentials vanish or overflow",
            "exp(300) is infinite and exp(-200) is 0 in float32: use the sigmoid of the difference.",
            lambda a, b: jnp.exp(a) / (jnp.exp(a) + jnp.exp(b)),
        ),
    ),
    hints=(
        "Divide both parts of the fraction by exp(s_a).",
        "1 / (1 + exp(s_b - s_a)): that function has a name.",
        "jax.nn.sigmoid(score_a - score_b)",
    ),
)


def a_tournament(rng, *, loser: bool = False, more: int = 9, **coefficients) -> Case:
    """How often each of some items beat each other; `loser` leaves the last one without a win."""
    items = int(rng.choice([4, 5]))
    wins = rng.integers(1, more, (items, items)).astype(np.float32)
    wins[0] += 2.0
    np.fill_diagonal(wins, 0.0)
    if loser:
        wins[-1] = 0.0
    return Case((wins,), coefficients)


def strengths(wins, *, steps=500, prior=0.1, draws=True, end=lambda p: jnp.log(p) - jnp.mean(jnp.log(p)), games=None):
    """The iteration with a switch for each slip; right at the defaults."""
    games, won = (wins + wins.T if games is None else games(wins)), jnp.sum(wins, 1)

    def step(_, p):
        met = jnp.sum(games / (p[:, None] + p[None]), 1)
        return (won + prior) / (met + (2.0 if draws else 1.0) * prior / (p + 1.0))

    return end(jax.lax.fori_loop(0, steps, step, jnp.ones(len(wins))))


BRADLEY_TERRY_STRENGTHS = Exercise(
    name="bradley_terry_strengths",
    chapter=3,
    minutes=25,
    difficulty=3,
    points=7,
    reference=bradley_terry_strengths,
    atol=1e-4,
    cases={
        "plain numbers": lambda rng: a_tournament(rng, prior=float(rng.uniform(0.3, 0.8))),
        "a small prior by default": lambda rng: a_tournament(rng, more=4),
        "without a prior it is plain maximum likelihood": lambda rng: a_tournament(rng, prior=0.0),
        "who never won has a low strength, but a finite one": lambda rng: a_tournament(rng, loser=True, prior=0.5),
    },
    slips=(
        Slip(
            "losses in place of wins",
            "Row i holds what i has won: sum over axis 1.",
            lambda wins, **k: strengths(wins.T, **k),
        ),
        Slip("the log is missing", "log-strengths are asked for.", partial(strengths, end=lambda p: p)),
        Slip("not centred", "Take the mean away: only differences mean anything.", partial(strengths, end=jnp.log)),
        Slip("the first item is 0", "The mean is 0.", partial(strengths, end=lambda p: jnp.log(p / p[0]))),
        Slip("shares in place of log-strengths", "Not p / sum(p).", partial(strengths, end=lambda p: p / jnp.sum(p))),
        Slip(
            "the odds of winning",
            "Who met strong opponents deserves more: iterate.",
            lambda wins, *, prior=0.1, **k: (
                jnp.log((wins.sum(1) + prior) / (wins.sum(0) + prior))
                - jnp.mean(jnp.log((wins.sum(1) + prior) / (wins.sum(0) + prior)))
            ),
        ),
        Slip(
            "one step only",
            "The right side depends on p: repeat it.",
            lambda wins, *, steps=1, **k: strengths(wins, steps=1, **k),
        ),
        Slip("only the wins are games", "n_ij = w_ij + w_ji.", partial(strengths, games=lambda w: w)),
        Slip(
            "each game counts twice", "n_ij = w_ij + w_ji, once.", partial(strengths, games=lambda w: 2.0 * (w + w.T))
        ),
        Slip(
            "the prior is ignored",
            "prior imaginary wins and as many losses against strength 0.",
            lambda wins, *, prior=0.1, **k: strengths(wins, prior=0.0, **k),
        ),
        Slip(
            "the prior's losses are forgotten",
            "2 prior / (p_i + 1): a win and a loss are two games.",
            partial(strengths, draws=False),
        ),
        Slip(
            "the prior is added to every pair",
            "The prior's opponent has strength 0: it is none of the items.",
            lambda wins, *, prior=0.1, **k: strengths(wins + prior * (1.0 - jnp.eye(len(wins))), prior=0.0, **k),
        ),
        Slip(
            "another default",
            "prior is 0.1 unless told otherwise.",
            lambda wins, *, prior=1.0, **k: strengths(wins, prior=prior, **k),
        ),
    ),
    hints=(
        "An item's strength is its wins over what it met, and what it met depends on the strengths: go round until it stands.",
        "games = wins + wins.T; strength[:, None] + strength[None, :] is the table of p_i + p_j; jax.lax.fori_loop repeats.",
        "step: (won + prior) / (jnp.sum(games / (p[:, None] + p[None, :]), 1) + 2 * prior / (p + 1)); log, then less the mean",
    ),
)

EXERCISES = (
    PAIRS_FROM_RATINGS,
    PAIRS_FROM_RANKING,
    PERCENT_AGREEMENT,
    COHEN_KAPPA,
    NOMINAL_DISTANCE,
    INTERVAL_DISTANCE,
    KRIPPENDORFF_ALPHA,
    WIN_PROBABILITY,
    BRADLEY_TERRY_STRENGTHS,
)
