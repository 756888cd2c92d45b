"""Pairs, rankings, ratings and votes in their usual file formats: one reader, one writer, one small function per format.

Every bad row is reported with its file and line; none is dropped or trained on silently. Dialogues and templates are in
data/chats.py. A format of your own is a function from a row (a dict) to a record with a `prompt`.

    pairs, _ = read("pairs.jsonl.gz", parse_pair)
    ratings, problems = read("scores.jsonl", partial(parse_rating, scale=(-4, 4)), skip_bad=True)
    pairs, _ = read(hub("Anthropic/hh-rlhf"), parse_implicit)  # from data/chats.py
"""

import gzip
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rlhf_lesson.data.records import Pair, Ranking, Rating, Vote
from rlhf_lesson.data.sources import BadRow, local


class Problem(NamedTuple):
    """What is wrong, and where: "file:line"."""

    where: str
    what: str


def read(
    source: Path | str | Iterable[tuple[str, object]],
    parse: Callable[[Mapping], Any],
    *,
    skip_bad: bool = False,
    max_prompt: int | None = None,
    count_tokens: Callable[[str], int] | None = None,
) -> tuple[list, list[Problem]]:
    """Every good row of a source as a record, and what is wrong with the others.

    Args:
      source: a file or a folder, or pairs of (where, row) as `hub` gives them.
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
    first_place: dict[str, str] = {}  # of each id
    for where, row in local(source) if isinstance(source, str | Path) else source:
        try:
            if isinstance(row, BadRow):
                raise row
            if not isinstance(row, Mapping):
                raise BadRow(f"the row is a {type(row).__name__}, not an object with named fields")
            record = parse(row)
            if "id" in row and first_place.setdefault(str(row["id"]), where) != where:
                raise BadRow(f"id {row['id']!r} is already the id of {first_place[str(row['id'])]}")
            if count_tokens and max_prompt is not None and (length := count_tokens(record.prompt)) > max_prompt:
                raise BadRow(f"the prompt has {length} tokens, more than {max_prompt}: shorten it")
            rows.append(record)
        except BadRow as problem:
            problems.append(Problem(where, str(problem)))
    if problems and not skip_bad:
        shown = "".join(f"\n  {where}: {what}" for where, what in problems[:10])
        more = f"\n  ... and {len(problems) - 10} more" if len(problems) > 10 else ""
        total = f"{len(problems)} bad rows of {len(rows) + len(problems)}"
        raise ValueError(f"{total}: mend them, or leave them out with skip_bad=True{shown}{more}")
    if not rows and not problems:
        raise ValueError(f"no rows in {source}: the file or folder is empty")
    return rows, problems


def write(path: Path | str, records: Iterable, as_row: Callable = lambda record: record._asdict()) -> None:
    """Writes records as JSON lines; `parse_...` reads them back.

    Args:
      path: of the file, which is gzipped where its name ends in .gz.
      records: of one kind.
      as_row: record -> dict; by default its fields (`chats.chat_row` and its like write other formats).
    """
    with (gzip.open if Path(path).suffix == ".gz" else open)(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(as_row(record), ensure_ascii=False) + "\n" for record in records)


def field(row: Mapping, key: str, *kinds: type) -> Any:
    """The value of a row's field, after its type was checked; only a prompt may be blank text.

    Args:
      row: of the data set.
      key: name of the field.
      kinds: types that the value may have; text alone, if none is named.

    Raises:
      BadRow: the field is missing, has another type, or is blank.
    """
    if key not in row:
        raise BadRow(f"no {key!r}: the row has {', '.join(map(repr, row)) or 'nothing'}")
    value = row[key]
    if type(value) not in (kinds or (str,)):
        wanted = " or ".join(kind.__name__ for kind in kinds or (str,))
        raise BadRow(f"{key!r} is {type(value).__name__}, not {wanted}: {value!r:.60}")
    if isinstance(value, str) and key != "prompt" and not value.strip():
        raise BadRow(f"empty {key!r}")
    return value


def checked_pair(prompt: str, chosen: str, rejected: str, tie: bool = False) -> Pair:
    """A pair whose two responses are there and differ.

    Args:
      prompt: may be empty.
      chosen: the preferred response.
      rejected: the other one.
      tie: the rater saw no difference.

    Raises:
      BadRow: a response is blank, or the two are identical.
    """
    if not chosen.strip() or not rejected.strip():
        raise BadRow(f"empty {'rejected' if chosen.strip() else 'chosen'!r} after the prompt")
    if chosen.strip() == rejected.strip():
        raise BadRow(f"'chosen' and 'rejected' are identical: {chosen.strip()!r:.60}")
    return Pair(prompt, chosen, rejected, tie)


def parse_pair(row: Mapping) -> Pair:
    """{"prompt", "chosen", "rejected"}, "tie": true where the rater saw no difference; data/chats.py reads other pairs."""
    prompt, chosen, rejected = (field(row, key) for key in ("prompt", "chosen", "rejected"))
    return checked_pair(prompt, chosen, rejected, tie=row.get("tie") is True)


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
    rating = field(row, "rating", int, float)
    if not scale[0] <= rating <= scale[1]:  # NaN fails too
        raise BadRow(f"rating {rating} is off the scale {scale[0]} to {scale[1]}")
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
