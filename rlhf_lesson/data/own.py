"""Your own feedback, from a file to the rows of a loop, with a report of every row that does not train as it stands.

    prepared = own.prepare("prefs.jsonl", uses.REWARD, own.Handling(), tokenizer, context=96)
    print(prepared.report)

Prompts for the loops that sample are at the end of the file.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from rlhf_lesson.data import feedback
from rlhf_lesson.data.batches import next_width, widths_up_to
from rlhf_lesson.data.formats import listed
from rlhf_lesson.data.own_report import Report, only_lower_case
from rlhf_lesson.data.prompts import Prompts, make_prompts
from rlhf_lesson.data.recognise import Format, Reading, read_any
from rlhf_lesson.data.records import Pair, Rating, is_held_out
from rlhf_lesson.data.rows import identical, incomparable, longest
from rlhf_lesson.data.uses import Use
from rlhf_lesson.models.tokenizer import encode

ANY = 2**31  # tokens of a context that everything fits
Placed = list[tuple[str, Any]]  # ("file:line", record)


@dataclass(frozen=True)
class Handling:
    """How a file is read, and what becomes of rows that do not train as they stand; all of them are counted."""

    format: Format = "auto"  # of the rows; auto finds it by the names of their fields
    scale: tuple[float, float] = (1, 5)  # lowest and highest rating
    normalise: bool = False  # to lower case and plain quotes: the built-in base model has read nothing else
    ties: Literal["drop", "both"] = "drop"  # both: train a tie once in each direction
    contradictions: Literal["both", "drop"] = "both"  # pairs that were decided in both directions
    duplicates: Literal["keep", "drop"] = "keep"  # a record that was there already
    too_long: Literal["drop", "cut", "stop"] = (
        "drop"  # rows beyond the model's context; cut: the prompt's beginning first
    )
    bad_rows: Literal["drop", "stop"] = "drop"  # rows that can't be read, or must not be trained on
    held_out: float = 0.1  # share of the prompts that is held out to measure on
    split_seed: int = 0  # of which prompts these are


class Prepared(NamedTuple):
    """Rows to train on and to measure on, and what became of the file."""

    training: list[Any]
    held_out: list[Any]
    report: Report


def prepare(source: Path | str | Iterable, use: Use, handling: Handling, tokenizer, *, context: int) -> Prepared:
    """The rows of a loop from a file of feedback.

    Args:
      source: as `formats.read` takes it.
      use: what the loop learns from a record: `uses.REWARD`, `uses.DPO` or `uses.SFT`.
      handling: how to read, and what to leave out.
      tokenizer: of the model; where it has a chat template, that writes messages.
      context: the longest row that the model reads, in tokens.

    Raises:
      ValueError: nothing is left to train on, the loop can't learn from such records, or a row that `handling` stops at.
    """
    reading, report = _read(source, handling, tokenizer)
    made = [(where, use.convert(record)) for where, record in reading.records]
    if nothing := [where for where, some in made if not some]:
        report.add("without anything to imitate (ties, responses labelled bad), left out", nothing)
    records = [(where, record) for where, some in made for record in some]
    if use.needs_prompt:
        report.add("without a prompt, left out", [where for where, record in records if not record.prompt.strip()])
        records = [(where, record) for where, record in records if record.prompt.strip()]
    records = _judged(records, handling, report)
    sides: list[Placed] = [[], []]
    for where, record in records:
        side = is_held_out(record, handling.held_out, seed=handling.split_seed)
        if not (isinstance(record, Pair) and record.tie):
            sides[side].append((where, record))
        elif not side:  # a tie has no right answer to be measured by
            a, b = record.chosen, record.rejected
            sides[0] += [(where, Pair(record.prompt, a, b)), (where, Pair(record.prompt, b, a))]
    training, held_out = (_rows(side, use, handling, tokenizer, context, report) for side in sides)
    if not training:
        training, held_out = held_out, []
    if handling.held_out and not held_out:
        report.notes.append("there are too few prompts to hold one out: nothing is measured")
    report.training, report.held_out = len(training), len(held_out)
    if not training:
        raise ValueError(f"nothing is left to train on\n{report}")
    if why := incomparable(training, held_out):
        raise ValueError(f"{why}\n{report}")
    report.sha256 = hashlib.sha256(repr((training, held_out)).encode()).hexdigest()
    return Prepared(training, held_out, report)


def _read(
    source: Path | str | Iterable, handling: Handling, tokenizer, *, prompts: bool = False
) -> tuple[Reading, Report]:
    """The records of a source, and a report that knows its bad rows."""
    if not 0 <= handling.held_out < 1:  # so written, NaN fails too
        raise ValueError(f"held_out is {handling.held_out}: it is a share of the prompts, from 0 to below 1")
    template = tokenizer if getattr(tokenizer, "chat_template", None) else None
    reading = read_any(source, handling.format, tokenizer=template, scale=handling.scale, prompts=prompts)
    rows = len(reading.records) + len(reading.problems)
    if reading.problems and handling.bad_rows == "stop":
        raise ValueError(f"{len(reading.problems)} bad rows of {rows}: mend them{listed(reading.problems, 10)}")
    name = str(source) if isinstance(source, str | Path) else "these rows"
    report = Report(name, rows, reading.found)
    report.add("bad, left out", [f"{where}: {what}" for where, what in reading.problems])
    texts = (part for _, record in reading.records for part in record if isinstance(part, str))
    if not handling.normalise and only_lower_case(tokenizer) and any(text != text.lower() for text in texts):
        report.notes.append(
            "the model's tokenizer knows lower case only: --normalise would write these texts like that"
        )
    return reading, report


def _judged(records: Placed, handling: Handling, report: Report) -> Placed:
    """Records after ties, contradictions and copies were counted, and left out where `handling` says so."""
    directions: dict[Any, set[str]] = {}
    sums: dict[Any, list[float]] = {}
    for _, record in records:
        if isinstance(record, Pair) and not record.tie:
            directions.setdefault(_question(record), set()).add(record.chosen)
        if isinstance(record, Rating):
            sums.setdefault((record.prompt, record.response), []).append(record.rating)
    ties, contradictions, copies, kept = [], [], [], []
    seen = set()
    for where, record in records:
        tie = isinstance(record, Pair) and record.tie
        both = isinstance(record, Pair) and not tie and len(directions[_question(record)]) == 2
        copy = record in seen
        seen.add(record)
        for places, applies in ((ties, tie), (contradictions, both), (copies, copy)):
            places += [where] * applies
        drops = (tie and handling.ties, both and handling.contradictions, copy and handling.duplicates)
        if "drop" not in drops:
            kept.append((where, record))
    left_out = {"drop": "left out", "both": "trained in both directions", "keep": "kept"}
    report.add(f"tied, {left_out[handling.ties]}", ties)
    report.add(f"contradicting, {left_out[handling.contradictions]}", contradictions)
    report.add(f"duplicated, {left_out[handling.duplicates]}", copies)
    means = {key: sum(ratings) / len(ratings) for key, ratings in sums.items()}
    first: dict[Any, str] = {}
    rated = [r for where, r in kept if isinstance(r, Rating) and first.setdefault(r[:2], where) == where]
    if not rated:
        return kept
    return [(first[r[:2]], r._replace(rating=means[r[:2]])) for r in rated]  # one row per response


def _question(pair: Pair) -> tuple[str, frozenset[str]]:
    return pair.prompt, frozenset((pair.chosen, pair.rejected))


def _rows(side: Placed, use: Use, handling: Handling, tokenizer, context: int, report: Report) -> list[Any]:
    """Token rows of one side of the split, of which those that are too long or teach nothing are counted and handled."""
    records = [record for _, record in side]
    normalise = feedback.normalise if handling.normalise else None
    rows = use.to_rows(records, tokenizer, normalise=normalise, context=ANY)
    long = [longest(row) > context for row in rows]
    places = [
        f"{where}: {longest(row)} tokens" for (where, _), row, is_long in zip(side, rows, long, strict=True) if is_long
    ]
    if places and handling.too_long == "stop":
        raise ValueError(
            f"{len(places)} rows are longer than the model's context of {context} tokens, the first {places[0]}"
        )
    if handling.too_long == "cut" and places:
        rows = use.to_rows(records, tokenizer, normalise=normalise, context=context, cut=True)
    done = "cut" if handling.too_long == "cut" else "left out (--too-long cut keeps them)"
    report.add(f"longer than the context of {context} tokens, {done}", places)
    keep = [handling.too_long == "cut" or not is_long for is_long in long]
    same = [identical(row) and kept for row, kept in zip(rows, keep, strict=True)]
    report.add("identical after tokenising, left out", [where for (where, _), s in zip(side, same, strict=True) if s])
    return [row for row, kept, s in zip(rows, keep, same, strict=True) if kept and not s]


# ---- prompts for the loops that sample ---------------------------------------------------------


class PreparedPrompts(NamedTuple):
    """Prompts to train on and to measure on, of one width, and what became of the file."""

    training: Prompts
    held_out: Prompts
    report: Report


def prepare_prompts(source: Path | str | Iterable, handling: Handling, tokenizer, *, room: int) -> PreparedPrompts:
    """The prompts of a file of any format, each once.

    Args:
      source: as `formats.read` takes it.
      handling: how to read, and what to leave out.
      tokenizer: of the policy; where it has a chat template, that writes messages.
      room: tokens that a prompt may have: the policy's context less the response.

    Raises:
      ValueError: no prompt is left, or one that `handling` stops at.
    """
    if room < 2:
        raise ValueError(
            f"the response leaves prompts {room} tokens of the context, begin token included: lower --response"
        )
    reading, report = _read(source, handling, tokenizer, prompts=True)
    texts = set(reading.found) == {"text"}
    prompts = [(where, record.response if texts else record.prompt) for where, record in reading.records]
    report.add("without a prompt, left out", [where for where, text in prompts if not text.strip()])
    first: dict[str, str] = {}
    again = [where for where, text in prompts if first.setdefault(text, where) != where and text.strip()]
    report.add("the same prompt again, left out", again)
    asked = [text for text in first if text.strip()]
    ids = encode(tokenizer, [feedback.normalise(text) if handling.normalise else text for text in asked])
    long = [f"{first[text]}: {len(row) + 1} tokens" for text, row in zip(asked, ids, strict=True) if len(row) >= room]
    if long and handling.too_long == "stop":
        raise ValueError(f"{len(long)} prompts are longer than {room} tokens, the first {long[0]}")
    done = "cut at the beginning" if handling.too_long == "cut" else "left out (--too-long cut keeps them)"
    report.add(f"longer than {room} tokens, {done}", long)
    rows = {
        text: [tokenizer.bos_token_id, *row[max(0, len(row) + 1 - room) :]]
        for text, row in zip(asked, ids, strict=True)
    }
    kept = [text for text, row in zip(asked, ids, strict=True) if len(row) < room or handling.too_long == "cut"]
    if not kept:
        raise ValueError(f"no prompt is left\n{report}")
    sides: list[list[Sequence[int]]] = [[], []]
    for text in kept:
        sides[is_held_out(Pair(text, "", ""), handling.held_out, seed=handling.split_seed)].append(rows[text])
    sides = sides if sides[0] else sides[::-1]
    width = next_width(max(len(rows[text]) for text in kept), widths_up_to(room))
    report.training, report.held_out = map(len, sides)
    report.sha256 = hashlib.sha256(repr(sides).encode()).hexdigest()
    training, held_out = (make_prompts(side, width, pad_id=tokenizer.pad_token_id) for side in sides)
    return PreparedPrompts(training, held_out, report)
