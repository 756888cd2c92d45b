"""Labels of one's own: questions about real snippets, and a file of answers that loses none.

Keys and buttons are in widgets/label.py, agreement with other people in data/label_agreement.py.

The file is only ever appended to, one line per decision, in the format of `formats.parse_vote`, with two more votes: "skip" makes
no label, "undo" takes back the last decision on its question. A reader replays the lines in order.
"""

import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from rlhf_lesson.data import formats
from rlhf_lesson.data.questions import Question
from rlhf_lesson.data.records import Pair, Vote
from rlhf_lesson.data.sources import local

VOTES = ("A", "B", "tie")


def path() -> Path:
    """The file of labels: RLHF_LESSON_LABELS (on a mounted drive, say), else `my_labels.jsonl` beside the notebook."""
    return Path(os.environ.get("RLHF_LESSON_LABELS") or "my_labels.jsonl")


# ---- the file ------------------------------------------------------------------------------------


def append(file: Path | str, vote: Vote, **about) -> None:
    """Adds one decision; when this returns it is on the disk, and a kill or a power cut loses nothing.

    Args:
      file: of labels; made if missing.
      vote: the decision, "skip" and "undo" included.
      about: more fields of the line, such as the seconds it took.
    """
    file = Path(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps({**vote._asdict(), **about}, ensure_ascii=False) + "\n"
    with open(file, "ab+") as out:
        _close_last_line(out)
        out.write(line.encode())
        out.flush()
        os.fsync(out.fileno())


def _close_last_line(out) -> None:
    """Half a line, torn by a kill, was never confirmed to anyone, and is removed. A whole one gets the end that it lacks."""
    out.seek(0)
    torn = out.read().rpartition(b"\n")[2]
    if torn and _whole(torn):
        out.write(b"\n")
    elif torn:
        out.truncate(out.seek(-len(torn), os.SEEK_END))


def _whole(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _decisions(file: Path) -> Iterator[Vote]:
    """Every line in order, "skip" and "undo" too; half a line at the end is left out."""
    content = file.read_bytes() if file.is_file() else b""
    torn = content.rpartition(b"\n")[2]
    last = f":{content.count(10) + 1}"  # 10: a line's end
    for where, row in local(file) if content.strip() else ():
        try:
            if isinstance(row, formats.BadRow):
                raise row
            silent = row.get("vote") in ("skip", "undo")
            vote = formats.parse_vote({**row, "vote": "tie"} if silent else row)
            yield vote._replace(vote=row["vote"])
        except formats.BadRow as problem:
            if not (torn and where.endswith(last)):
                raise ValueError(f"{where}: {problem}: mend this line or delete it") from problem


def read(file: Path | str) -> list[Vote]:
    """The decisions of a file that are left after all undoing, in their order, skips included.

    Of two votes on one question the later counts; a missing file has none.

    Raises:
      ValueError: a line is no vote; the message names it: mend it or delete it.
    """
    standing: dict[tuple, Vote] = {}
    for vote in _decisions(Path(file)):
        key = (vote.annotator, Question(*vote[:3]).either_way)
        standing.pop(key, None)
        if vote.vote != "undo":
            standing[key] = vote
    return list(standing.values())


def labels(file: Path | str | None = None) -> list[Vote]:
    """The labels of a file: what `read` gives, without the skips; None is the file of `path`."""
    return [vote for vote in read(path() if file is None else file) if vote.vote in VOTES]


def export(file: Path | str, out: Path | str) -> int:
    """Writes the labels as plain votes, which `formats.read(out, parse_vote)` reads; returns how many.

    Args:
      file: of labels, with its skips and undos.
      out: the file of votes to write.
    """
    votes = labels(file)
    formats.write(out, votes)
    return len(votes)


def import_votes(source: Path | str, file: Path | str) -> int:
    """Appends the votes of another file, only the last one on each question; returns how many.

    Args:
      source: the other file of labels.
      file: the file that is appended to.
    """
    votes = labels(source)
    for vote in votes:
        append(file, vote, imported=str(Path(source).name))
    return len(votes)


def my_choices(file: Path | str | None = None, *, keep_ties: bool = False) -> list[Pair]:
    """The learner's own choices, for a reward model: `data.comparisons(my_choices())`; none before anything is labelled.

    Args:
      file: of labels; None is the file of `path`.
      keep_ties: return ties too, marked; a reward model refuses them.
    """
    return [vote.pair for vote in labels(file) if keep_ties or vote.vote != "tie"]


class Labelling:
    """One person's work on a list of questions; every decision is on disk when the call returns.

    Args:
      questions: in the order in which they are asked.
      file: of labels; None is the file of `path`. Decisions that it already holds count.
      annotator: name of the person.
    """

    def __init__(self, questions: Sequence[Question], file: Path | str | None = None, annotator: str = "me"):
        self.questions = list(questions)
        self.annotator = annotator
        self.file = path() if file is None else Path(file)
        mine = [vote for vote in read(self.file) if vote.annotator == annotator]
        asked = {question.either_way for question in self.questions}
        self.decided = {q: v for v in mine if (q := Question(*v[:3]).either_way) in asked}

    @property
    def question(self) -> Question | None:
        """The first question without a decision; None when all have one."""
        return next((q for q in self.questions if q.either_way not in self.decided), None)

    def decide(self, vote: str, *, seconds: float | None = None) -> None:
        """Records a decision on the current question.

        Args:
          vote: "A", "B", "tie" or "skip".
          seconds: how long the decision took; None if unknown.

        Raises:
          ValueError: another word, or nothing is left to decide: undo a decision or ask for more questions.
        """
        if vote not in (*VOTES, "skip"):
            raise ValueError(f"unknown vote {vote!r}: it must be A, B, tie or skip")
        if self.question is None:
            raise ValueError("every question has a decision: undo one, or ask for more questions")
        self._write(self.question, vote, seconds)

    def undo(self) -> Question | None:
        """Takes back the last decision and returns its question, which is then the current one again."""
        if not self.decided:
            return None
        last = next(reversed(self.decided))
        self._write(Question(*self.decided[last][:3]), "undo", None)
        return next(q for q in self.questions if q.either_way == last)

    def _write(self, question: Question, vote: str, seconds: float | None) -> None:
        record = Vote(*question, vote, self.annotator)
        append(self.file, record, seconds=seconds, when=round(time.time(), 1))
        self.decided.pop(question.either_way, None)
        if vote != "undo":
            self.decided[question.either_way] = record

    @property
    def counts(self) -> dict[str, int]:
        """How many decisions of each kind, and "total" questions."""
        votes = [vote.vote for vote in self.decided.values()]
        return {vote: votes.count(vote) for vote in (*VOTES, "skip")} | {"total": len(self.questions)}

    def __repr__(self) -> str:
        """The pair to decide, for a terminal."""
        total = self.counts["total"]
        head = f"{len(self.decided)} of {total} pairs decided, in {self.file}"
        if self.question is None:
            return head
        _, a, b = self.question
        return f'{head}\n\nA: {a}\n\nB: {b}\n\ndecide("A"), decide("B"), decide("tie"), decide("skip") or undo()'
