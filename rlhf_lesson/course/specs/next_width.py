"""The narrowest of the given widths that a row of tokens fits into, so that few shapes are compiled.

It is plain Python: the widths stand in any order, and a row that fills a width exactly fits.
"""

import bisect
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.data.batches import WIDTHS, next_width


def a_length(rng: np.random.Generator, *, part: float, shuffled: bool = False) -> Case:
    """A length that lies `part` of the way from one width down to the next narrower one; never a power of two."""
    while True:
        widths = sorted(rng.choice(np.arange(10, 90), 5, replace=False).tolist())
        length = between_widths(rng, widths, part)
        power_of_two = length & (length - 1) == 0
        if not power_of_two and all(wide - narrow > 3 for narrow, wide in pairwise(widths)):
            return Case((length, rng.permutation(widths).tolist() if shuffled else widths))


def between_widths(rng: np.random.Generator, widths: Sequence[int], part: float) -> int:
    """A length that lies `part` of the way from some width down to the next narrower one."""
    i = int(rng.integers(1, 4))
    return widths[i + 1] - round(part * (widths[i + 1] - widths[i]))


# ---- right answers in other words ----------------------------------------------------------------


def next_width_by_loop(length, widths=(16, 24, 32, 48, 96)):
    best = None
    for width in widths:
        if width >= length and (best is None or width < best):
            best = width
    if best is None:
        raise ValueError("too long")
    return best


def next_width_by_search(length, widths=(16, 24, 32, 48, 96)):
    return sorted(widths)[bisect.bisect_left(sorted(widths), length)]


def next_width_by_numpy(length, widths=(16, 24, 32, 48, 96)):
    widths = np.array(widths)
    return widths[widths >= length].min()


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="next_width",
    minutes=5,
    difficulty=1,
    points=3,
    reference=next_width,
    traceable=False,
    cases={
        "the narrowest width that is wide enough": lambda rng: a_length(rng, part=0.3),
        "a little longer than a width is already too long for it": lambda rng: a_length(rng, part=0.8),
        "a row that fills a width exactly needs no wider one": lambda rng: a_length(rng, part=0.0),
        "the widths stand in any order": lambda rng: a_length(rng, part=0.5, shuffled=True),
        "the shortest row goes to the narrowest": lambda rng: Case((int(rng.integers(1, 9)), [48, 12, 24])),
        "the default widths are the library's": lambda rng: Case((between_widths(rng, WIDTHS, part=0.5),)),
    },
    slips=(
        Slip("the length itself", "Every length would compile a program of its own.", lambda n, widths=WIDTHS: n),
        Slip("the widest", "It fits, but most of the work would be padding.", lambda n, widths=WIDTHS: max(widths)),
        Slip(
            "the nearest width",
            "A row must fit: a narrower width would cut it.",
            lambda n, widths=WIDTHS: min(widths, key=lambda w: abs(w - n)),
        ),
        Slip(
            "the widest that is too narrow",
            "The row must fit into the width: w >= length.",
            lambda n, widths=WIDTHS: max((w for w in widths if w <= n), default=min(widths)),
        ),
        Slip(
            "the index in place of the width",
            "Return the width, not its place among them.",
            lambda n, widths=WIDTHS: int(np.searchsorted(widths, n)),
        ),
        Slip(
            "the padding in place of the width",
            "The width, not what is missing to it.",
            lambda n, widths=WIDTHS: next_width(n, widths) - n,
        ),
        Slip(
            "the next power of two",
            "Only the given widths have a program.",
            lambda n, widths=WIDTHS: 1 << (n - 1).bit_length(),
        ),
        Slip(
            "a full row goes to the next",
            "A row as long as the width fits: >=, not >.",
            lambda n, widths=WIDTHS: min(w for w in widths if w > n),
        ),
        Slip(
            "the first that fits",
            "They are not in order: of all that fit, the smallest.",
            lambda n, widths=WIDTHS: next(w for w in widths if w >= n),
        ),
        Slip(
            "the widths are taken as sorted",
            "np.searchsorted wants them in order.",
            lambda n, widths=WIDTHS: widths[int(np.searchsorted(widths, n))],
        ),
    ),
    hints=(
        "Two conditions: it fits, and it is the narrowest that does.",
        "Keep the widths w with w >= length; take the smallest.",
        "min(w for w in widths if w >= length)",
    ),
    right_answers=(next_width_by_loop, next_width_by_search, next_width_by_numpy),
)
