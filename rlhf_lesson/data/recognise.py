"""Which format a file has: found by the names of its fields, row by row, and read by the parser of that format.

The parsers are in data/formats.py and data/chats.py; those for a prompt with one response are here.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from rlhf_lesson.data import chats, formats
from rlhf_lesson.data.fields import BadRow, checked_pair, field, not_repeated, replies_only, tied, yes_or_no
from rlhf_lesson.data.messages import messages_in
from rlhf_lesson.data.records import Demonstration, Label, Pair
from rlhf_lesson.data.sources import local

Format = Literal[
    "auto", "pair", "implicit", "conversation", "vote", "ranking", "rating", "label", "instruction", "chat", "completion",
    "text", "prompt",
]  # fmt: skip

ALIKE = (("pair", "implicit", "conversation", "vote"), ("instruction", "chat", "completion"))  # may stand in one file


def _prompt_and_response(row: Mapping, key: str, tokenizer) -> Demonstration:
    """Prompt and response, both as text or both as messages; the response is not blank and does not repeat the prompt."""
    if isinstance(row.get("prompt"), list) or isinstance(row.get(key), list):
        pair = chats.cut(messages_in(row, "prompt"), messages_in(row, key), tokenizer)
    else:
        pair = Demonstration(field(row, "prompt"), field(row, key))
        not_repeated(pair.prompt, pair.response)
    replies_only(pair.response)
    return pair


def parse_completion(row: Mapping, *, tokenizer=None) -> Demonstration:
    """{"prompt", "completion"} (or "response") as texts or as lists of messages: what to imitate.

    Args:
      row: of the data set.
      tokenizer: its chat template writes messages; without one they are written as in hh-rlhf.

    Raises:
      BadRow: a field is missing or blank, or the completion repeats the prompt or goes on with a human's turn.
    """
    return _prompt_and_response(row, "completion" if "completion" in row else "response", tokenizer)


def parse_label(row: Mapping, *, tokenizer=None) -> Label:
    """{"prompt", "completion", "label"}, TRL's unpaired preferences and KTO's labels: one response, called good or bad.

    Args:
      row: of the data set.
      tokenizer: its chat template writes messages; without one they are written as in hh-rlhf.

    Raises:
      BadRow: as `parse_completion`, or the label is neither true nor false.
    """
    return Label(*parse_completion(row, tokenizer=tokenizer), yes_or_no(row, "label"))


def parse_text(row: Mapping) -> Demonstration:
    """{"text"}: a whole text to imitate, without a prompt; as a list of prompts, each text is one.

    Raises:
      BadRow: the text is missing or blank.
    """
    return Demonstration("", field(row, "text"))


def parse_prompt(row: Mapping, *, tokenizer=None) -> Demonstration:
    """{"prompt"} alone, as text or as messages: nothing to imitate, and something to answer.

    Args:
      row: of the data set.
      tokenizer: its chat template writes messages; without one they are written as in hh-rlhf.

    Raises:
      BadRow: the prompt is missing or blank.
    """
    if isinstance(row.get("prompt"), list):
        messages = messages_in(row, "prompt")
        if not messages or messages[-1]["role"] != "user":
            raise BadRow("the messages of 'prompt' must end with one of the user, which is to be answered")
        return Demonstration(chats.prompt_of(messages, tokenizer), "")
    if not field(row, "prompt").strip():
        raise BadRow("empty 'prompt'")
    return Demonstration(row["prompt"], "")


def parse_instructed_pair(row: Mapping) -> Pair:
    """{"instruction", "chosen", "rejected"}, and "input" where there is one: the prompt is that of instruction data."""
    asked, chosen = chats.parse_instruction({**row, "response": field(row, "chosen")})
    return checked_pair(asked, chosen, field(row, "rejected"), tied(row))


def parser(name: str, *, tokenizer=None, scale: tuple[float, float] = (1, 5)) -> Callable[[Mapping], Any]:
    """The function that reads the rows of a format.

    Args:
      name: of the format, "auto" excepted.
      tokenizer: its chat template writes messages; without one they are written as in hh-rlhf.
      scale: lowest and highest rating.
    """
    parsers = {
        "pair": lambda row: (formats.parse_pair if "prompt" in row else parse_instructed_pair)(row),
        "implicit": chats.parse_implicit,
        "conversation": partial(chats.parse_conversation, tokenizer=tokenizer),
        "vote": formats.parse_vote,
        "ranking": formats.parse_ranking,
        "rating": partial(formats.parse_rating, scale=scale),
        "label": partial(parse_label, tokenizer=tokenizer),
        "instruction": chats.parse_instruction,
        "chat": partial(chats.parse_chat, tokenizer=tokenizer),
        "completion": partial(parse_completion, tokenizer=tokenizer),
        "text": parse_text,
        "prompt": partial(parse_prompt, tokenizer=tokenizer),
    }
    return parsers[name]


def recognise(row: object) -> str | None:
    """The format of a row by the names of its fields, or None; a field that holds null counts as missing.

    Args:
      row: of a data set.
    """
    if not isinstance(row, Mapping):
        return None
    has = {key for key, value in row.items() if value is not None}
    if {"chosen", "rejected"} <= has:
        if isinstance(row["chosen"], list) or isinstance(row["rejected"], list):
            return "conversation"
        return "pair" if row.keys() & {"prompt", "instruction"} else "implicit"
    found = {
        "vote": "vote" in has,
        "ranking": "ranking" in has,
        "rating": "rating" in has,
        "label": {"completion", "label"} <= has,
        "completion": "prompt" in has and bool(has & {"completion", "response"}),
        "chat": bool(has & {"messages", "conversations"}),
        "instruction": "instruction" in has and bool(has & {"response", "output"}),
        "text": "text" in has and not has & {"role", "parent_id"},  # a message of a tree is no text of its own
        "prompt": has <= {"prompt", "id", "prompt_id"} and "prompt" in has,
    }
    return next((name for name, fits in found.items() if fits), None)


def _bare(row: object, prompts: bool) -> str | None:
    """ "prompt" for a row that has one beside fields of no known format, where only `prompts` are wanted."""
    return "prompt" if prompts and isinstance(row, Mapping) and row.get("prompt") is not None else None


def _why_none(source: object, rows: Sequence[object], objects: Sequence[Mapping]) -> str:
    """The sentence for a source of whose rows no format fits any, and what to do about it."""
    if not rows:
        return f"no rows in {source}: the file or folder is empty"
    fields = [key for key, value in objects[0].items() if value is not None] if objects else []
    if not fields:
        what = "empty" if objects else f"of type {type(rows[0]).__name__}"
        return f"no row of {source} is an object with fields that hold something, the first is {what}: see docs/data.md"
    lists = [
        key for key, value in objects[0].items() if isinstance(value, list) and value and isinstance(value[0], dict)
    ]
    if len(objects) == 1 and lists:
        return f"{source} is one object with its rows inside {lists[0]!r}: save that list alone"
    return (
        f"no known format has the fields of the rows of {source} (the first has {', '.join(map(repr, fields))}): rename"
        " them, name their format with --format, or see docs/data.md"
    )


class Reading(NamedTuple):
    """What a source held: records with the place of each, bad rows, and how many rows of each format were found."""

    records: list[tuple[str, Any]]
    problems: list[formats.Problem]
    found: dict[str, int]


def read_any(
    source: Path | str | Iterable,
    name: Format = "auto",
    *,
    tokenizer=None,
    scale: tuple[float, float] = (1, 5),
    prompts: bool = False,
) -> Reading:
    """Reads a source whose format is given, or found by the fields of its rows.

    A row that fits no format, or one that tells something else than the others, is read as the most frequent one, so that
    the message names the field that is missing.

    Args:
      source: as `formats.read` takes it.
      name: of the format; "auto" finds it, row by row.
      tokenizer: its chat template writes messages; without one they are written as in hh-rlhf.
      scale: lowest and highest rating.
      prompts: only prompts are wanted, so a row of no known format is one if it has a "prompt".

    Raises:
      ValueError: there are no rows, or no format fits any of them; the message says which fields they have.
    """
    rows = list(local(source) if isinstance(source, str | Path) else source)
    only = [row[1] if isinstance(row, tuple) else row for row in rows]
    formats_of = [(recognise(row) or _bare(row, prompts)) if name == "auto" else name for row in only]
    found = Counter(
        fitting for fitting, row in zip(formats_of, only, strict=True) if fitting and isinstance(row, Mapping)
    )
    if not found:
        readable = [row for row in only if isinstance(row, Mapping)]
        problems = [formats.Problem(*row) for row in rows if isinstance(row, tuple) and isinstance(row[1], BadRow)]
        if problems and not readable:
            raise ValueError(
                f"no row of {source} can be read{formats.listed([p._replace(what=str(p.what)) for p in problems], 3)}"
            )
        raise ValueError(_why_none(source, only, readable))
    usual = found.most_common(1)[0][0]
    parsers = {fitting: parser(fitting, tokenizer=tokenizer, scale=scale) for fitting in found}

    alike = next((group for group in ALIKE if usual in group), (usual,))

    def parse(row: Mapping):
        fitting = (recognise(row) or _bare(row, prompts)) if name == "auto" else None
        return parsers[fitting if fitting and fitting in alike else usual](row)

    items = list(formats.placed(rows, parse))
    good = [(where, record) for where, record in items if not isinstance(record, BadRow)]
    problems = [formats.Problem(where, str(what)) for where, what in items if isinstance(what, BadRow)]
    return Reading(good, problems, dict(found.most_common()))
