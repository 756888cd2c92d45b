"""Pairs, rankings, ratings and votes in their usual file formats: one reader, one writer, one small function per format.

Every bad row is reported with its file and line; none is dropped or trained on silently. Dialogues and templates are in
data/chats.py; data/recognise.py finds out which format a file has. A format of your own is a function from a row (a dict) to
a record with a `prompt`.

    pairs, _ = read("pairs.jsonl.gz", parse_pair)
    ratings, problems = read("scores.jsonl", partial(parse_rating, scale=(-4, 4)), skip_bad=True)
    pairs, _ = read(hub("Anthropic/hh-rlhf"), parse_implicit)  # from data/chats.py
"""

import gzip
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rlhf_lesson.data.fields import checked_pair, field, not_repeated, nothing_lost, number, tied
from rlhf_lesson.data.records import Pair, Ranking, Rating, Vote
from rlhf_lesson.data.sources import BadRow, local


class Problem(NamedTuple):
    """What is wrong, and where: "file:line"."""

    where: str
    what: str


def read(
    source: Path | str | Iterable,
    parse: Callable[[Mapping], Any],
    *,
    skip_bad: bool = False,
    max_prompt: int | None = None,
    count_tokens: Callable[[str], int] | None = None,
) -> tuple[list, list[Problem]]:
    """Every good row of a source as a record, and what is wrong with the others.

    Args:
      source: a file or a folder, or pairs of (where, row) as `hub` gives them, or rows alone (a list of dicts, a data set).
      parse: one of the `parse_...` functions below, or yours; raises BadRow.
      skip_bad: return the good rows and the list of problems, instead of raising.
      max_prompt: the longest prompt that the model's context has room for, in tokens.
      count_tokens: number of tokens of a text, for instance `lambda text: len(tokenizer.encode(text))`.

    Returns:
      The records in their order, and the problems, which are none unless `skip_bad`.

    Raises:
      ValueError: there are bad rows (the first ten are reported with file and line, and all are counted) or no rows.
    """
    if (max_prompt is None) != (count_tokens is None):
        raise ValueError("max_prompt and count_tokens go together: give both or neither")
    rows = []
    problems = []
    for where, record in placed(source, parse):
        try:
            if isinstance(record, BadRow):
                raise record
            if count_tokens and max_prompt is not None and (length := count_tokens(record.prompt)) > max_prompt:
                raise BadRow(f"the prompt has {length} tokens, more than {max_prompt}: shorten it")
            rows.append(record)
        except BadRow as problem:
            problems.append(Problem(where, str(problem)))
    if problems and not skip_bad:
        total = f"{len(problems)} bad rows of {len(rows) + len(problems)}"
        raise ValueError(f"{total}: mend them, or leave them out with skip_bad=True{listed(problems, 10)}")
    if not rows and not problems:
        raise ValueError(f"no rows in {source}: the file or folder is empty")
    return rows, problems


def placed(source: Path | str | Iterable, parse: Callable[[Mapping], Any]) -> Iterator[tuple[str, Any]]:
    """Every row of a source as ("file:line", record), with a BadRow in place of a record that must not be trained on.

    Args:
      source: as `read` takes it.
      parse: row -> record; raises BadRow.

    Raises:
      ValueError: there is no such file or folder.
    """
    first_place: dict[str, str] = {}  # of each id
    for place, item in enumerate(local(source) if isinstance(source, str | Path) else source, 1):
        where, row = item if isinstance(item, tuple) else (f"row {place}", item)
        try:
            if isinstance(row, BadRow):
                raise row
            if not isinstance(row, Mapping):
                raise BadRow(f"the row is a {type(row).__name__}, not an object with named fields")
            record = parse(row)
            nothing_lost(row, record.prompt)
            named = row.get("id") not in (None, "") and row["id"] == row["id"]  # NaN is what tables write for "none"
            if named and first_place.setdefault(str(row["id"]), where) != where:
                raise BadRow(f"id {row['id']!r} is already the id of {first_place[str(row['id'])]}")
            yield where, record
        except BadRow as problem:
            yield where, problem


def listed(problems: Sequence[Problem], most: int) -> str:
    """The first `most` of the `problems`, a line each with file and line, and how many more there are."""
    shown = "".join(f"\n  {where}: {what}" for where, what in problems[:most])
    return shown + (f"\n  ... and {len(problems) - most} more" if len(problems) > most else "")


def write(path: Path | str, records: Iterable, as_row: Callable = lambda record: record._asdict()) -> None:
    """Writes records as JSON lines; `parse_...` reads them back.

    Args:
      path: of the file, which is gzipped where its name ends in .gz.
      records: of one kind.
      as_row: record -> dict; by default its fields (`chats.chat_row` and its like write other formats).
    """
    with (gzip.open if Path(path).suffix == ".gz" else open)(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(as_row(record), ensure_ascii=False) + "\n" for record in records)


def parse_pair(row: Mapping) -> Pair:
    """{"prompt", "chosen", "rejected"} as texts; a tie has "tie": true, or equal scores ("score_chosen", "score_rejected").

    Raises:
      BadRow: a field is missing or blank, or a response repeats the prompt, which would then be read twice.
    """
    prompt, chosen, rejected = (field(row, key) for key in ("prompt", "chosen", "rejected"))
    not_repeated(prompt, chosen, rejected)
    return checked_pair(prompt, chosen, rejected, tied(row))


def parse_ranking(row: Mapping) -> Ranking:
    """{"prompt", "responses": [...], "ranking": [1, 0, 2]}: ranking[k] is the index of the k-th best response.

    Raises:
      BadRow: there are fewer than two different responses, or the ranking does not name each of them once.
    """
    prompt = field(row, "prompt")
    responses = field(row, "responses", list)
    ranking = field(row, "ranking", list)
    for k, response in enumerate(responses):
        field({f"responses[{k}]": response}, f"responses[{k}]")
    if len({text.strip() for text in responses}) < max(2, len(responses)):
        raise BadRow("fewer than two responses, or two of them identical")
    if not all(type(i) is int for i in ranking) or sorted(ranking) != list(range(len(responses))):
        raise BadRow(f"'ranking' {ranking} is no permutation of 0 to {len(responses) - 1}")
    return Ranking(prompt, tuple(responses), tuple(ranking))


def parse_rating(row: Mapping, *, scale: tuple[float, float] = (1, 5)) -> Rating:
    """{"prompt", "response", "rating", "annotator"}: one person's number for one response.

    Args:
      row: of the data set.
      scale: lowest and highest rating, both included.

    Raises:
      BadRow: the rating is off the scale, or a field is missing.
    """
    prompt = field(row, "prompt")
    response = field(row, "response")
    rating = number(row, "rating")
    if not scale[0] <= rating <= scale[1]:  # NaN fails too
        raise BadRow(f"rating {rating:g} is off the scale {scale[0]} to {scale[1]}")
    return Rating(prompt, response, float(rating), str(field(row, "annotator", str, int)))


def parse_vote(row: Mapping) -> Vote:
    """{"prompt", "response_a", "response_b", "vote", "annotator"}: the vote is "A", "B" or "tie".

    Raises:
      BadRow: another vote, a response that is blank or twice the same, or a missing field.
    """
    if field(row, "vote") not in ("A", "B", "tie"):
        raise BadRow(f"unknown vote {row['vote']!r}: it must be A, B or tie")
    checked_pair(*(field(row, key) for key in ("prompt", "response_a", "response_b")))
    annotator = str(field(row, "annotator", str, int))
    return Vote(row["prompt"], row["response_a"], row["response_b"], row["vote"], annotator)
