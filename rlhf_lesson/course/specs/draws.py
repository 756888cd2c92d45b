"""Inputs that several exercises draw: masks, logits, dialogues, rankings, ratings, scores."""

import jax.numpy as jnp
import numpy as np

from rlhf_lesson.course.exercise import Case


def ragged(rng: np.random.Generator, rows: int = 4, time: int = 7) -> np.ndarray:
    """A mask of rows with 1 to time-1 real tokens, then padding."""
    return np.arange(time) < rng.integers(1, time, (rows, 1))


def logits_and_tokens(rng, *, scale: float = 1.5, shift: float = 0.0, half: bool = False, **coefficients) -> Case:
    """Logits of some texts and the ids at the same places; `half` gives them as bfloat16."""
    shape = [(4, 6), (2, 3, 5)][rng.integers(2)]
    logits = (scale * rng.normal(size=shape) + shift).astype(np.float32)
    tokens = rng.integers(0, shape[-1], shape[:-1]).astype(np.int32)
    return Case((jnp.asarray(logits, jnp.bfloat16) if half else logits, tokens), coefficients)


SHARES = np.array([0.42, 0.25, 0.15, 0.11, 0.07])  # of five tokens; every top-p below lies far from their sums


def five_tokens(rng, rows: int = 3) -> np.ndarray:
    """Logits of five tokens in random order, each row with a constant of its own."""
    noise = rng.uniform(-0.02, 0.02, (rows, 5)) + rng.normal(size=(rows, 1))
    return rng.permuted(np.log(SHARES) + noise, axis=1).astype(np.float32)


def to_cut(rng, *, limit: float, never: bool = False) -> Case:
    logits = five_tokens(rng, int(rng.choice([3, 4])))
    if never:
        logits = np.where(logits == logits.min(1, keepdims=True), -np.inf, logits).astype(np.float32)
    return Case((logits, limit))


ASKED = "name a good film|is it worth seeing?|say it in one word|what did you think of the end?|why?".split("|")


ANSWERED = "a slow start, but what an end|no|i would see it again|it is all right|ask me tomorrow".split("|")


ORDERED = "answer kindly|be brief|never lie".split("|")


def a_dialogue(rng, *, turns: int = 3, system: bool = False, inside: str = "", edges: str = "") -> list[dict]:
    """Turns of user and assistant, the user first; what is given is put into and around each content."""
    messages = [{"role": "system", "content": str(rng.choice(ORDERED))}] if system else []
    for i in range(turns):
        role, words = (("user", ASKED), ("assistant", ANSWERED))[i % 2]
        content = " ".join(rng.choice(words, 2, replace=False))
        messages.append({"role": role, "content": edges + content.replace(" ", inside or " ", 1) + edges})
    return messages


def a_ranking(rng, *, count: int | None = None) -> Case:
    """The order of some responses; from 3 on never its own inverse, so that an index is no rank."""
    count = int(rng.integers(4, 6)) if count is None else count
    order = rng.permutation(count)
    while count > 2 and (order[order] == np.arange(count)).all():
        order = rng.permutation(count)
    return Case((order.tolist(),))


def two_raters(rng, *, same: float = 0.6, shift: int = 0, categories: int | None = None, named: bool = True) -> Case:
    """Two raters' categories 0, 1 and 2, in other shares each; `same` of the second's copy the first's, plus `shift`."""
    items = int(rng.integers(16, 25))
    a = rng.choice(3, items, p=[0.5, 0.3, 0.2])
    a[:3] = 0, 1, 2
    b = np.where(rng.random(items) < same, (a + shift) % 3, rng.choice(3, items, p=[0.2, 0.2, 0.6]))
    pair = a.astype(np.int32), b.astype(np.int32)
    return Case(pair, {"categories": categories or 3} if named else {})


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


def two_scores(rng, *, shift: float = 0.0, far: float = 1.0) -> Case:
    shape = [(6,), (2, 3)][rng.integers(2)]
    a, b = rng.normal(size=(2, *shape)) * far + shift
    return Case((a.astype(np.float32), b.astype(np.float32)))


def pairs_of_scores(rng, *, right: float = 0.7, ties: int = 0, count: int | None = None, **coefficients) -> Case:
    """Scores of chosen and rejected responses; about `right` of the pairs are in order, the first `ties` are equal."""
    count = int(rng.integers(17, 24)) if count is None else count
    rejected = rng.normal(1.0, 2.0, count)
    lead = np.where(rng.random(count) < right, 1.0, -1.0) * rng.gamma(2.0, 0.7, count)
    lead[:ties] = 0.0
    rejected = rejected.astype(np.float32)
    return Case((rejected + lead.astype(np.float32), rejected), coefficients)
