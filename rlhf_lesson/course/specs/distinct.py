"""The share of different n-grams among all n-grams of some texts: a count of words, in plain Python.

Texts may be shorter than n, and an n-gram never reaches from one text into the next.
"""

from collections import Counter

import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.measures import distinct

WORDS = "the film is a good".split()


def reviews(
    rng: np.random.Generator, *, n: int | None = None, words: tuple[int, int] = (5, 10), same: bool = False
) -> Case:
    """Texts over few words, so that n-grams repeat; each has at least the first number of `words` and fewer than the second."""
    texts = [" ".join(rng.choice(WORDS, rng.integers(*words))) for _ in range(6)]
    texts = [texts[0]] * 6 if same else [*texts, texts[0]]
    return Case((texts,), {} if n is None else {"n": n})


# ---- slips ---------------------------------------------------------------------------------------


def grams(words, n: int) -> list[tuple]:
    """All n-grams of a list of words, or of the letters of a text."""
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def all_grams(texts, n: int) -> list[tuple]:
    """The n-grams of each text, one text after the other."""
    return [gram for text in texts for gram in grams(text.split(), n)]


def share(items: list) -> float:
    """How many of the items differ, as a share of all."""
    return len(set(items)) / max(1, len(items))


def divided_by_the_words(texts, n=2):
    return len(set(all_grams(texts, n))) / max(1, sum(len(text.split()) for text in texts))


def that_occur_once(texts, n=2):
    counts = Counter(all_grams(texts, n))
    return sum(count == 1 for count in counts.values()) / max(1, counts.total())


def nan_without_grams(texts, n=2):
    return distinct(texts, n) if all_grams(texts, n) else float("nan")


# ---- right answers in other words ----------------------------------------------------------------


def distinct_by_lists(texts, n=2):
    grams = [tuple(w[i : i + n]) for w in (t.split() for t in texts) for i in range(len(w) - n + 1)]
    return len(set(grams)) / max(1, len(grams))


def distinct_by_sets(texts, n=2):
    seen = set()
    total = 0
    for text in texts:
        words = text.split()
        for i in range(n, len(words) + 1):
            seen.add(" ".join(words[i - n : i]))
            total += 1
    return 0.0 if total == 0 else len(seen) / total


def distinct_by_numpy(texts, n=2):
    rows = [" ".join(g) for t in texts for g in zip(*[t.split()[i:] for i in range(n)], strict=False)]
    return float(len(np.unique(rows)) / len(rows)) if rows else 0.0


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="distinct",
    minutes=10,
    difficulty=1,
    points=4,
    reference=distinct,
    traceable=False,
    cases={
        "pairs of words": lambda rng: reviews(rng, n=2),
        "triples of words": lambda rng: reviews(rng, n=3),
        "single words": lambda rng: reviews(rng, n=1),
        "pairs are the default": reviews,
        "texts may be shorter than n": lambda rng: reviews(rng, n=3, words=(1, 6)),
        "a text that repeats counts once": lambda rng: reviews(rng, n=2, same=True),
        "no n-gram at all gives 0": lambda rng: reviews(rng, n=3, words=(1, 3)),
    },
    slips=(
        Slip(
            "letters in place of words",
            "Split each text at its spaces first.",
            lambda texts, n=2: share([gram for text in texts for gram in grams(text, n)]),
        ),
        Slip(
            "n-grams across texts",
            "The last word of one text and the first of the next are no pair.",
            lambda texts, n=2: share(grams(" ".join(texts).split(), n)),
        ),
        Slip(
            "a mean over texts",
            "One count over all texts: else two equal texts look as diverse as two different ones.",
            lambda texts, n=2: float(np.mean([share(grams(text.split(), n)) for text in texts])),
        ),
        Slip("n is ignored", "Use the argument.", lambda texts, n=2: distinct(texts, 2)),
        Slip("one word too many", "An n-gram has n words.", lambda texts, n=2: distinct(texts, n + 1)),
        Slip(
            "the last n-gram is missing",
            "A text of w words has w - n + 1 of them.",
            lambda texts, n=2: share([gram for text in texts for gram in grams(text.split(), n)[:-1]]),
        ),
        Slip(
            "the share of repeats",
            "Distinct over all: high means diverse.",
            lambda texts, n=2: 1.0 - distinct(texts, n),
        ),
        Slip(
            "a count in place of a share",
            "Divide by the number of all n-grams.",
            lambda texts, n=2: float(len(set(all_grams(texts, n)))),
        ),
        Slip("divided by the words", "Divide by the number of n-grams, repeats included.", divided_by_the_words),
        Slip("n-grams that occur once", "One that occurs twice still counts once.", that_occur_once),
        Slip(
            "without order",
            "`good film` and `film good` are two pairs.",
            lambda texts, n=2: share([tuple(sorted(gram)) for gram in all_grams(texts, n)]),
        ),
        Slip(
            "0 divided by 0",
            "Where no text is long enough there is nothing to divide by: max(1, count).",
            nan_without_grams,
        ),
    ),
    hints=(
        "Two counts over all texts together: how many n-grams, and how many different ones.",
        "words[i : i + n] for each place i; a set keeps what differs. Count within each text, not across.",
        "grams = [tuple(w[i:i+n]) for w in map(str.split, texts) for i in range(len(w) - n + 1)];"
        " len(set(grams)) / max(1, len(grams))",
    ),
    right_answers=(distinct_by_lists, distinct_by_sets, distinct_by_numpy),
)
