"""What the loops take, as token ids: examples to imitate, comparisons, ratings, labels, and DPO's choices.

They are made of records by data/examples.py.
"""

from collections.abc import Sequence
from typing import NamedTuple


class Example(NamedTuple):
    """Token ids of prompt + completion, and how many of them are prompt; the end token is part of the completion."""

    tokens: Sequence[int]
    prompt: int


class Comparison(NamedTuple):
    """k responses of one prompt as token ids (prompt included), best first; a pair is k = 2, chosen first."""

    responses: tuple[Sequence[int], ...]

    @property
    def target(self) -> float:
        """Always 0: an order of responses has no number to learn."""
        return 0.0


class Rated(NamedTuple):
    """One response as token ids (prompt included) and its rating, or the mean of its ratings."""

    response: Sequence[int]
    target: float

    @property
    def responses(self) -> tuple[Sequence[int], ...]:
        """The one response, so that ratings and comparisons are batched alike."""
        return (self.response,)


class Labelled(NamedTuple):
    """One response as token ids (prompt included), and 1 where it was called good, 0 where it was called bad."""

    response: Sequence[int]
    target: float

    @property
    def responses(self) -> tuple[Sequence[int], ...]:
        """The one response, so that labels and comparisons are batched alike."""
        return (self.response,)


class Choice(NamedTuple):
    """A prompt and two responses as token ids; the end token is part of a response, the begin token of the prompt."""

    prompt: Sequence[int]
    chosen: Sequence[int]
    rejected: Sequence[int]
