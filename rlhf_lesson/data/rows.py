"""What the loops take, as token ids: examples to imitate, comparisons, ratings, labels, and DPO's choices.

They are made of records by data/examples.py.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple


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


def longest(row: Any) -> int:
    """Tokens of the longest text that a loop makes of a row.

    Args:
      row: of any kind above.
    """
    if hasattr(row, "responses"):
        return max(map(len, row.responses))
    return len(row.tokens) if hasattr(row, "tokens") else len(row.prompt) + max(len(row.chosen), len(row.rejected))


def identical(row: Any) -> bool:
    """Whether two responses of a row are the same tokens, so that it teaches nothing.

    Args:
      row: of any kind above.
    """
    texts = row.responses if hasattr(row, "responses") else (row.chosen, row.rejected) if hasattr(row, "chosen") else ()
    return len(set(map(tuple, texts))) < len(texts)


def incomparable(training: Sequence[Any], held_out: Sequence[Any]) -> str | None:
    """Why a reward model can learn nothing of rows, or can't be measured on them after it was trained, and what to do.

    Args:
      training: of one kind above, at least one.
      held_out: of the same kind.

    Returns:
      A sentence where all ratings or labels are equal, or rankings have different numbers of responses; None elsewhere.
    """
    if isinstance(training[0], Rated | Labelled) and len({row.target for row in training}) == 1:
        what = "ratings" if isinstance(training[0], Rated) else "labels"
        return f"all {what} to train on are equal, and a reward model learns from differences only: give others beside them"
    counts = {len(row.responses) for row in (*training, *held_out) if isinstance(row, Comparison)}
    if len(counts) > 1:
        return f"the rankings have {', '.join(map(str, sorted(counts)))} responses: give a file of each number, or write pairs"
    return None
