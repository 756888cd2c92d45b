"""Labels of one's own: questions from real snippets, a file that loses none, and how far one agrees with other people.

Leaves out keys and buttons (widgets/label.py), and the reward model that learns from the labels (train_reward.py).

The file is only ever appended to, one line a decision, in the format of `formats.parse_vote`, with two more votes: "skip" makes
no label, "undo" takes back the last decision on its question. Whoever reads the file plays the lines in order.
"""

import json
import os
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from rlhf_lesson import feedback, formats
from rlhf_lesson.agreement import cohen_kappa, krippendorff_alpha, nominal_distance, percent_agreement
from rlhf_lesson.feedback import Pair, Sentence
from rlhf_lesson.formats import Vote

VOTES = ("A", "B", "tie")
TURNED = {"A": "B", "B": "A"}


class Question(NamedTuple):
    """Two texts, in the order in which they are shown."""

    prompt: str
    response_a: str
    response_b: str

    @property
    def either_way(self) -> "Question":
        """The same question with its texts in alphabetical order: two people may have seen it in two orders."""
        return Question(self.prompt, *sorted(self[1:]))


def path() -> Path:
    """RLHF_LESSON_LABELS (a mounted drive, say), else `my_labels.jsonl` beside the notebook."""
    return Path(os.environ.get("RLHF_LESSON_LABELS") or "my_labels.jsonl")


def questions(
    count: int = 50,
    *,
    seed: int = 0,
    annotator: str = "me",
    sentences: Sequence[Sentence] | None = None,
    one_person: bool = False,
) -> list[Question]:
    """Random pairs of real film snippets; the first of them are the same however many are asked for.

    Everyone with the same seed gets the same pairs, but each annotator has sides of their own, so that a habit of
    choosing the left one does not look like agreement.

    Args:
      count: how many.
      seed: of the pairs.
      annotator: whose sides.
      sentences: None takes the movie snippets that the proxy may learn from, never held-out ones.
      one_person: both texts stood on one page of 15, which the same people read: closer, and harder.
    """
    if sentences is None:
        sentences = [s for s in feedback.load(feedback.MOVIES) if feedback.split(s.id) == "proxy"]
    drawn = feedback.pairs(sentences, 2 * count, seed=seed, keep_ties=True, one_person=one_person)
    once = list({Question(*pair[:3]).either_way: None for pair in drawn})[:count]
    turns = np.random.default_rng([seed, zlib.crc32(annotator.encode())]).random(len(once)) < 0.5
    return [Question(q.prompt, *(q[:0:-1] if turn else q[1:])) for q, turn in zip(once, turns, strict=True)]


# ---- the file ------------------------------------------------------------------------------------


def append(file: Path | str, vote: Vote, **about) -> None:
    """Adds one decision; when this returns it is on the disk, and a kill or a power cut loses nothing."""
    file = Path(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps({**vote._asdict(), **about}, ensure_ascii=False) + "\n"
    with open(file, "ab+") as out:
        _close_last_line(out)
        out.write(line.encode())
        out.flush()
        os.fsync(out.fileno())


def _close_last_line(out) -> None:
    """Half a line, torn by a kill, was never confirmed to anyone: it goes. A whole one gets the end it lacks."""
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
    torn, last = content.rpartition(b"\n")[2], f":{content.count(10) + 1}"  # 10: a line's end
    for where, row in formats.local(file) if content.strip() else ():
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
    """What stands after all undoing, skips included, in the order of decision; of two votes on a question the later.

    Raises:
      ValueError: a line is no vote; says which.
    """
    standing: dict[tuple, Vote] = {}
    for vote in _decisions(Path(file)):
        key = (vote.annotator, Question(*vote[:3]).either_way)
        standing.pop(key, None)
        if vote.vote != "undo":
            standing[key] = vote
    return list(standing.values())


def labels(file: Path | str | None = None) -> list[Vote]:
    """The labels of a file: what `read` gives, without the skips."""
    return [vote for vote in read(path() if file is None else file) if vote.vote in VOTES]


def export(file: Path | str, out: Path | str) -> int:
    """Writes the labels as plain votes, which `formats.read(out, parse_vote)` reads; returns how many."""
    found = labels(file)
    formats.write(out, found)
    return len(found)


def import_votes(source: Path | str, file: Path | str) -> int:
    """Appends the votes of another file, its last word on each question; returns how many."""
    found = labels(source)
    for vote in found:
        append(file, vote, imported=str(Path(source).name))
    return len(found)


def my_choices(file: Path | str | None = None, *, keep_ties: bool = False) -> list[Pair]:
    """The learner's own choices, for a reward model: `data.comparisons(my_choices())`; none before anything is labelled."""
    return [vote.pair for vote in labels(file) if keep_ties or vote.vote != "tie"]


class Labelling:
    """One person at work on a list of questions; every decision is on disk when the call returns."""

    def __init__(self, questions: Sequence[Question], file: Path | str | None = None, annotator: str = "me"):
        self.questions, self.annotator = list(questions), annotator
        self.file = path() if file is None else Path(file)
        mine = [vote for vote in read(self.file) if vote.annotator == annotator]
        asked = {question.either_way for question in self.questions}
        self.decided = {q: v for v in mine if (q := Question(*v[:3]).either_way) in asked}

    @property
    def question(self) -> Question | None:
        """The first question without a decision; None when all have one."""
        return next((q for q in self.questions if q.either_way not in self.decided), None)

    def decide(self, vote: str, *, seconds: float | None = None) -> None:
        """Puts a decision on the current question: "A", "B", "tie" or "skip".

        Raises:
          ValueError: another word, or nothing is left to decide.
        """
        if vote not in (*VOTES, "skip"):
            raise ValueError(f"unknown vote {vote!r}: A, B, tie or skip is wanted")
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
        given = [vote.vote for vote in self.decided.values()]
        return {vote: given.count(vote) for vote in (*VOTES, "skip")} | {"total": len(self.questions)}

    def __repr__(self) -> str:
        """The pair to decide, for a terminal."""
        total = self.counts["total"]
        head = f"{len(self.decided)} of {total} pairs decided, in {self.file}"
        if self.question is None:
            return head
        _, a, b = self.question
        return f'{head}\n\nA: {a}\n\nB: {b}\n\ndecide("A"), decide("B"), decide("tie"), decide("skip") or undo()'


# ---- agreement -----------------------------------------------------------------------------------


class Agreement(NamedTuple):
    """How far two sides agree on the same questions."""

    who: str
    pairs: int
    percent: float  # share of equal votes, in [0, 1]
    kappa: float  # Cohen's, with three categories: A, B, tie
    low: float  # 95 % interval of kappa
    high: float


@partial(jax.jit, static_argnames="measure")
def _mean_over_raters(ours, theirs, rows, *, measure) -> Float[jax.Array, " resamples"]:
    """The measure on each resample of the questions, averaged over the rows of raters that it is defined for."""
    return jax.lax.map(lambda r: jnp.nanmean(jax.vmap(measure)(ours[:, r], theirs[:, r])), rows)


def kappa_of_votes(ours: Int[jax.Array, " pairs"], theirs: Int[jax.Array, " pairs"]) -> Float[jax.Array, ""]:
    """Cohen's kappa on the three votes; NaN where both sides say one and the same word only, whatever rounding makes of 0/0."""
    one_word = jnp.all((ours == ours[0]) & (theirs == ours[0]))
    return jnp.where(one_word, jnp.nan, jnp.minimum(cohen_kappa(ours, theirs, categories=len(VOTES)), 1.0))


def agreement(
    who: str,
    ours: Int[np.ndarray, "raters pairs"],
    theirs: Int[np.ndarray, "raters pairs"],
    *,
    seed: int = 0,
    resamples: int = 1000,
) -> Agreement:
    """Percent and Cohen's kappa of two sides, averaged over raters, with the bootstrap's interval of kappa.

    The questions are drawn again with replacement, all raters of a question together: what the interval says is how
    much other questions of the same kind could change kappa. Resamples where kappa is 0/0 are left out.

    Args:
      who: a name for the row.
      ours: index in VOTES of each rater's vote on each question; -1 never occurs.
      theirs: the same of the other side; row k is compared with row k.
      seed: of the bootstrap.
      resamples: how often.
    """
    count = ours.shape[1]
    if count == 0:
        return Agreement(who, 0, *[float("nan")] * 4)
    everything = np.arange(count)[None]
    percent, kappa = (
        float(_mean_over_raters(ours, theirs, everything, measure=m)[0]) for m in (percent_agreement, kappa_of_votes)
    )
    rows = np.random.default_rng(seed).integers(count, size=(resamples, count))
    spread = np.asarray(_mean_over_raters(ours, theirs, rows, measure=kappa_of_votes))
    spread = spread[np.isfinite(spread)]
    low, high = np.quantile(spread, [0.025, 0.975]) if len(spread) else (np.nan, np.nan)
    return Agreement(who, count, percent, kappa, float(low), float(high))


def as_numbers(votes: Iterable[str]) -> Int[np.ndarray, " pairs"]:
    """Index of each vote in VOTES."""
    return np.array([VOTES.index(vote) for vote in votes], int)


def _between(a: Float[np.ndarray, "..."], b: Float[np.ndarray, "..."]) -> Int[np.ndarray, "..."]:
    """Who says what by two ratings: A where the first is higher, B where the second is, else a tie."""
    return np.where(a > b, 0, np.where(a < b, 1, 2))


class Others(NamedTuple):
    """What other people said of the same questions."""

    known: list[int]  # which of the questions they rated
    crowd: Int[np.ndarray, "1 pairs"]  # by the means of all ratings
    single: Int[np.ndarray, "raters pairs"]  # by the k-th rating of either text
    rest: Int[np.ndarray, "raters pairs"]  # by the means without the k-th ratings


def others(asked: Sequence[Question], sentences: Sequence[Sentence]) -> Others:
    """The crowd's votes and single raters' votes on questions whose two texts are both among the sentences.

    Where both texts stood on one page the k-th ratings come from one person, else as a rule from two (see feedback.py).
    """
    ratings: Mapping[str, tuple[float, ...]] = {s.text: s.ratings for s in reversed(sentences)}
    known = [i for i, q in enumerate(asked) if q.response_a in ratings and q.response_b in ratings]
    both = [[ratings[text] for text in asked[i][1:]] for i in known]
    raters = min((len(r) for pair in both for r in pair), default=0)
    a, b = (np.array([[pair[side][k] for pair in both] for k in range(raters)], float) for side in (0, 1))
    mean_a, mean_b = (np.array([[np.mean(pair[side]) for pair in both]]) for side in (0, 1))
    n_a, n_b = (np.array([[len(pair[side]) for pair in both]]) for side in (0, 1))
    if not known:
        empty = np.zeros((0, 0), int)
        return Others([], np.zeros((1, 0), int), empty, empty)
    without = [(mean * n - one) / (n - 1) for mean, n, one in ((mean_a, n_a, a), (mean_b, n_b, b))]
    return Others(known, _between(mean_a, mean_b), _between(a, b), _between(*(np.round(x, 9) for x in without)))


def against_raters(votes: Sequence[Vote], sentences: Sequence[Sentence], *, seed: int = 0) -> list[Agreement]:
    """One labeller's agreement with the crowd and with single raters, and a single rater's with the rest of the crowd.

    The last row is what to compare the first with: few people agree with the crowd more than one of it does.
    """
    said = others([Question(*vote[:3]) for vote in votes], sentences)
    mine = as_numbers(votes[i].vote for i in said.known)[None]
    raters = len(said.single)
    return [
        agreement("you and the crowd's mean", mine, said.crowd, seed=seed),
        agreement("you and a single rater", np.repeat(mine, raters, axis=0), said.single, seed=seed),
        agreement("a single rater and the rest of the crowd", said.single, said.rest, seed=seed),
    ]


def merge(files: Iterable[Path | str]) -> dict[str, dict[Question, str]]:
    """Annotator -> question, its texts in alphabetical order -> vote, from any number of files of labels.

    Raises:
      ValueError: two files hold votes of one name that contradict each other: give the labellers different names.
    """
    merged: dict[str, dict[Question, str]] = {}
    for file in files:
        for vote in labels(file):
            shown = Question(*vote[:3])
            turned = shown.either_way != shown
            said, mine = TURNED.get(vote.vote, "tie") if turned else vote.vote, merged.setdefault(vote.annotator, {})
            if mine.setdefault(shown.either_way, said) != said:
                raise ValueError(
                    f"{file}: {vote.annotator!r} voted twice, and differently, on {shown.response_a[:40]!r}: are these"
                    " two people? Give each an annotator name of their own"
                )
    return merged


def between_labellers(merged: Mapping[str, Mapping[Question, str]], *, seed: int = 0) -> list[Agreement]:
    """Agreement of every two labellers on the questions that both answered."""
    rows = []
    for one, other in combinations(merged, 2):
        common = [q for q in merged[one] if q in merged[other]]
        ours, theirs = (as_numbers(merged[name][q] for q in common)[None] for name in (one, other))
        rows.append(agreement(f"{one} and {other}", ours, theirs, seed=seed))
    return rows


def alpha(merged: Mapping[str, Mapping[Question, str]]) -> float:
    """Krippendorff's alpha of all labellers, each of whom may have answered only some of the questions."""
    asked = list(dict.fromkeys(q for votes in merged.values() for q in votes))
    table = [[VOTES.index(votes[q]) if q in votes else np.nan for q in asked] for votes in merged.values()]
    return float(krippendorff_alpha(jnp.asarray(table, jnp.float32), distance=nominal_distance))


def table(rows: Sequence[Agreement]) -> str:
    """Agreements as lines of text."""
    wide = max((len(row.who) for row in rows), default=0)
    head = f"{'':<{wide}}  pairs   agree  kappa  95 % interval"
    lines = [
        f"{r.who:<{wide}}  {r.pairs:5d}  {r.percent:5.0%}  {r.kappa:6.2f}  {r.low:.2f} to {r.high:.2f}" for r in rows
    ]
    return "\n".join([head, *lines])
