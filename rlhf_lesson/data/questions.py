"""Questions about real film snippets, to be answered by a person: the same ones for everybody, on sides of their own.

What becomes of the answers is in data/labels.py.
"""

import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rlhf_lesson.data import feedback
from rlhf_lesson.data.feedback import Sentence


class Question(NamedTuple):
    """Two texts, in the order in which they are shown."""

    prompt: str
    response_a: str
    response_b: str

    @property
    def either_way(self) -> "Question":
        """The same question with its texts in alphabetical order: two people may have seen it in two orders."""
        return Question(self.prompt, *sorted(self[1:]))


def questions(
    count: int = 50,
    *,
    seed: int = 0,
    annotator: str = "me",
    sentences: Sequence[Sentence] | None = None,
    one_person: bool = False,
) -> list[Question]:
    """Random pairs of real film snippets; the first of them are the same however many are asked for.

    Everyone with the same seed gets the same pairs, but which text is on the left differs between annotators, so that a
    habit of choosing the left one does not look like agreement.

    Args:
      count: how many questions.
      seed: of the pairs.
      annotator: name of the person; it decides the sides.
      sentences: None takes the movie snippets that the proxy may learn from, never held-out ones.
      one_person: both texts come from one page of 15, which the same people read: closer, and harder.

    Returns:
      Questions with an empty prompt.
    """
    if sentences is None:
        sentences = feedback.by_split(feedback.load(feedback.MOVIES))["proxy"]
    pairs = feedback.pairs(sentences, 2 * count, seed=seed, keep_ties=True, one_person=one_person)
    once = list({Question(*pair[:3]).either_way: None for pair in pairs})[:count]
    turns = np.random.default_rng([seed, zlib.crc32(annotator.encode())]).random(len(once)) < 0.5
    return [Question(q.prompt, *(q[:0:-1] if turn else q[1:])) for q, turn in zip(once, turns, strict=True)]
