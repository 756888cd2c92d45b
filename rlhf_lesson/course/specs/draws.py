"""Inputs that several exercises draw: masks, logits, dialogues, rankings, ratings, scores.

Each generator takes `rng` first and returns an array or a whole `Case`. What only one exercise draws is in that exercise's file.
"""

import jax.numpy as jnp
import numpy as np

from rlhf_lesson.course.exercise import Case

# ---- masks and logits ----------------------------------------------------------------------------

SHARES = np.array([0.42, 0.25, 0.15, 0.11, 0.07])  # of five tokens; every top-p asked for lies far from their sums


def ragged(rng: np.random.Generator, rows: int = 4, time: int = 7) -> np.ndarray:
    """A mask of rows with 1 to time-1 real tokens, then padding."""
    return np.arange(time) < rng.integers(1, time, (rows, 1))


def logits_and_tokens(
    rng: np.random.Generator,
    *,
    scale: float = 1.5,
    shift: float = 0.0,
    half: bool = False,
    temperature: float | None = None,
) -> Case:
    """Logits of some texts and the ids at the same places.

    Args:
      rng: source of randomness.
      scale: standard deviation of the logits.
      shift: a constant added to all of them.
      half: whether they are bfloat16.
      temperature: None asks for the default.
    """
    shape = [(4, 6), (2, 3, 5)][rng.integers(2)]
    logits = (scale * rng.normal(size=shape) + shift).astype(np.float32)
    tokens = rng.integers(0, shape[-1], shape[:-1]).astype(np.int32)
    coefficients = {} if temperature is None else {"temperature": temperature}
    return Case((jnp.asarray(logits, jnp.bfloat16) if half else logits, tokens), coefficients)


def five_tokens(rng: np.random.Generator, rows: int = 3) -> np.ndarray:
    """Logits of five tokens in random order, each row with a constant of its own."""
    noise = rng.uniform(-0.02, 0.02, (rows, 5)) + rng.normal(size=(rows, 1))
    return rng.permuted(np.log(SHARES) + noise, axis=1).astype(np.float32)


def logits_and_limit(rng: np.random.Generator, limit: float, *, never: bool = False) -> Case:
    """Logits of five tokens, and k or p; with `never` one token of each row cannot occur."""
    logits = five_tokens(rng, int(rng.choice([3, 4])))
    if never:
        logits = np.where(logits == logits.min(1, keepdims=True), -np.inf, logits).astype(np.float32)
    return Case((logits, limit))


# ---- texts ---------------------------------------------------------------------------------------

QUESTIONS = "name a good film|is it worth seeing?|say it in one word|what did you think of the end?|why?".split("|")
ANSWERS = "a slow start, but what an end|no|i would see it again|it is all right|ask me tomorrow".split("|")
ORDERS = "answer kindly|be brief|never lie".split("|")


def dialogue(
    rng: np.random.Generator, *, turns: int = 3, system: bool = False, inside: str = " ", edges: str = ""
) -> list[dict[str, str]]:
    """Messages of user and assistant in turn, the user first.

    Args:
      rng: source of randomness.
      turns: how many messages.
      system: whether a message of the system stands before them.
      inside: what takes the place of each content's first space.
      edges: what stands before and behind each content.
    """
    messages = [{"role": "system", "content": str(rng.choice(ORDERS))}] if system else []
    for i in range(turns):
        role, texts = (("user", QUESTIONS), ("assistant", ANSWERS))[i % 2]
        content = " ".join(rng.choice(texts, 2, replace=False))
        messages.append({"role": role, "content": edges + content.replace(" ", inside, 1) + edges})
    return messages


# ---- rankings, ratings and scores ----------------------------------------------------------------


def ranking(rng: np.random.Generator, *, count: int | None = None) -> list[int]:
    """The order of some responses; from 3 on never its own inverse, so that an index is no rank."""
    count = int(rng.integers(4, 6)) if count is None else count
    order = rng.permutation(count)
    while count > 2 and (order[order] == np.arange(count)).all():
        order = rng.permutation(count)
    return order.tolist()


def two_raters(rng: np.random.Generator, *, same: float = 0.6, shift: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two raters' categories 0, 1 and 2, in other shares each; `same` of the second's copy the first's, plus `shift`."""
    items = int(rng.integers(16, 25))
    a = rng.choice(3, items, p=[0.5, 0.3, 0.2])
    a[:3] = 0, 1, 2
    b = np.where(rng.random(items) < same, (a + shift) % 3, rng.choice(3, items, p=[0.2, 0.2, 0.6]))
    return a.astype(np.int32), b.astype(np.int32)


def two_ratings(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two rows of ratings from 1 to 5: some are equal and some are not."""
    a, b = rng.integers(1, 6, (2, 8)).astype(np.float32)
    b[:3] = a[:3]
    b[3:5] = (a[3:5] + 2) % 6
    return a, b


def ratings_in_pairs(rng: np.random.Generator) -> Case:
    """Two rows of ratings."""
    return Case(two_ratings(rng))


def one_rating_and_many(rng: np.random.Generator) -> Case:
    """One rating and a row of them."""
    a, b = two_ratings(rng)
    return Case((a[0], b))


def column_and_row(rng: np.random.Generator) -> Case:
    """A column of ratings and a row of them, which make a table."""
    a, b = two_ratings(rng)
    return Case((a[:, None], b[None, :]))


DISTANCES = {
    "plain numbers": ratings_in_pairs,
    "one rating against many": one_rating_and_many,
    "a column against a row gives a table": column_and_row,
}


def two_scores(rng: np.random.Generator, *, shift: float = 0.0, far: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Two scores each for a row or a table of pairs: normal with mean `shift` and standard deviation `far`."""
    shape = [(6,), (2, 3)][rng.integers(2)]
    a, b = rng.normal(size=(2, *shape)) * far + shift
    return a.astype(np.float32), b.astype(np.float32)


def pairs_of_scores(
    rng: np.random.Generator,
    *,
    right: float = 0.7,
    ties: int = 0,
    count: int | None = None,
    bins: int | None = None,
) -> Case:
    """Scores of chosen and rejected responses.

    Args:
      rng: source of randomness.
      right: the share of pairs, about, whose chosen response scores higher.
      ties: how many pairs, from the first on, have equal scores.
      count: how many pairs; about 20 by default.
      bins: handed on to the answer; None asks for the default.
    """
    count = int(rng.integers(17, 24)) if count is None else count
    rejected = rng.normal(1.0, 2.0, count)
    lead = np.where(rng.random(count) < right, 1.0, -1.0) * rng.gamma(2.0, 0.7, count)
    lead[:ties] = 0.0
    rejected = rejected.astype(np.float32)
    return Case((rejected + lead.astype(np.float32), rejected), {} if bins is None else {"bins": bins})
