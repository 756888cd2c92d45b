"""What people said of texts, one record each: a choice, a ranking, a rating, a vote, a label, a demonstration.

data/formats.py and data/chats.py read records from files, data/feedback.py draws them from real ratings, and data/examples.py
turns them into the token rows that a loop takes.
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple


class Pair(NamedTuple):
    """One rater's choice between two texts; `tie` where that rater saw no difference (then the order means nothing)."""

    prompt: str
    chosen: str
    rejected: str
    tie: bool = False


class Ranking(NamedTuple):
    """One rater's order of several texts: `ranking[k]` is the index in `responses` of the k-th best."""

    prompt: str
    responses: tuple[str, ...]
    ranking: tuple[int, ...]


class Rating(NamedTuple):
    """One person's number for one response."""

    prompt: str
    response: str
    rating: float
    annotator: str


class Vote(NamedTuple):
    """One person's choice between two responses: "A", "B" or "tie"."""

    prompt: str
    response_a: str
    response_b: str
    vote: str
    annotator: str

    @property
    def pair(self) -> Pair:
        """The same as chosen and rejected; a tie keeps its order and its mark."""
        a, b = self.response_a, self.response_b
        return Pair(self.prompt, b, a) if self.vote == "B" else Pair(self.prompt, a, b, self.vote == "tie")


class Label(NamedTuple):
    """One response that was called good or bad by itself, without another to compare it with."""

    prompt: str
    response: str
    good: bool


class Demonstration(NamedTuple):
    """A prompt, template included, and the response to learn from."""

    prompt: str
    response: str


def split_by_prompt(records: Sequence, held_out: float, *, seed: int) -> tuple[list, list]:
    """Records to train on and records to measure on: those of one prompt stay together, so no prompt is on both sides.

    Records without a prompt are kept together by their responses, whichever was preferred. The side depends on the text and
    the seed alone, so a record stays on its side when others are added.

    Args:
      records: of any kind above.
      held_out: share of the prompts to measure on, in [0, 1).
      seed: another seed gives another split.

    Returns:
      The records to train on, and those to measure on, both in their order.

    Raises:
      ValueError: the share is not in [0, 1), or one of the two sides is empty: give more data or another share.
    """
    if not 0.0 <= held_out < 1.0:
        raise ValueError(f"the share that is held out is {held_out}: give a number from 0 up to, but not including, 1")
    sides: tuple[list, list] = ([], [])
    for record in records:
        sides[is_held_out(record, held_out, seed=seed)].append(record)
    if not sides[0] or (held_out > 0.0 and not sides[1]):
        count = len({record.prompt for record in records})
        raise ValueError(f"{count} prompts can't be split with a share of {held_out}: give more data or another share")
    return sides


def is_held_out(record, share: float, *, seed: int) -> bool:
    """The side of a record: a hash of its prompt, or of its responses in any order where it has none.

    Args:
      record: of any kind above.
      share: of the prompts that are held out, in [0, 1).
      seed: another seed gives another split.
    """
    text = record.prompt
    if not text.strip():
        names = ("response", "chosen", "rejected", "response_a", "response_b")
        said = [getattr(record, name) for name in names if hasattr(record, name)]
        text = repr(sorted([*said, *getattr(record, "responses", ())]))
    digest = hashlib.sha256(f"{seed} {text}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < share
