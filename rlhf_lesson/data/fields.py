"""What the fields of a row must hold, whatever its format: text that can be encoded, a whole prompt, two different responses.

The formats themselves are in data/formats.py, data/chats.py and data/recognise.py.
"""

import re
from collections.abc import Mapping
from typing import Any

from rlhf_lesson.data.records import Pair
from rlhf_lesson.data.sources import BadRow

ASKS = "\n\nHuman:"  # begins a human's turn in a dialogue that is one text
WRITTEN = re.compile(r"""\s*\[\s*\{\s*['"](role|content|from|value)['"]\s*:""")  # what tables make of messages
ASKED = ("prompt", "instruction", "input", "context", "question", "query", "history", "system", "system_prompt")


def nothing_lost(row: Mapping, prompt: str) -> None:
    """Refuses a row of which a part of the question would be thrown away.

    Args:
      row: of the data set.
      prompt: of the record that was made of it.

    Raises:
      BadRow: a field in which questions usually stand is not part of the prompt: join it to the prompt, or remove it.
    """
    for key in ASKED:
        value = row.get(key)
        if isinstance(value, str) and value.strip() and value.strip() not in prompt:
            raise BadRow(
                f"{key!r} would be lost, since the prompt does not hold it: join it to the prompt, or remove it"
            )


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
    if isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise BadRow(f"{key!r} holds half of a character (a lone surrogate): it can't be encoded")
    if isinstance(value, str) and WRITTEN.match(value):
        raise BadRow(f"{key!r} is a list of messages written as text: write it as a list, in JSON lines")
    return value


def number(row: Mapping, key: str) -> float:
    """The value of a field as a number; tables hold numbers as text.

    Args:
      row: of the data set.
      key: name of the field.

    Raises:
      BadRow: the field is missing, or is no number.
    """
    value = field(row, key, int, float, str)
    try:
        return float(value)
    except ValueError as error:
        raise BadRow(f"{key!r} is str, not int or float: {value!r:.60}") from error
    except OverflowError as error:
        raise BadRow(f"{key!r} is a number of {len(str(value))} digits, which no float can hold") from error


def yes_or_no(row: Mapping, key: str) -> bool:
    """The value of a field as a truth value: true or false, 1 or 0, or these as text.

    Args:
      row: of the data set.
      key: name of the field.

    Raises:
      BadRow: the field is missing, or is neither.
    """
    value = field(row, key, bool, int, float, str)
    known = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
    if str(value).strip().lower() not in known:
        raise BadRow(f"{key!r} is {value!r:.60}: true or false (1 or 0) is expected")
    return known[str(value).strip().lower()]


SCORES = (
    ("score_chosen", "score_rejected"),
    ("chosen_score", "rejected_score"),
    ("chosen-rating", "rejected-rating"),
    ("chosen_rating", "rejected_rating"),
)


def tied(row: Mapping) -> bool:
    """Whether a pair's rater saw no difference: by its field "tie", or by the scores of both responses.

    Raises:
      BadRow: the rejected response has the higher score: swap the two, or leave the row out.
    """
    for better, worse in SCORES:
        if all(row.get(key) not in (None, "") for key in (better, worse)):
            high, low = number(row, better), number(row, worse)
            if not high >= low:  # NaN fails too
                raise BadRow(f"{better!r} is {high:g} and {worse!r} is {low:g}: the scores contradict the choice")
            if high == low:
                return True
    return row.get("tie") not in (None, "") and yes_or_no(row, "tie")


def checked_pair(prompt: str, chosen: str, rejected: str, tie: bool = False) -> Pair:
    """A pair whose two responses are there and differ.

    Args:
      prompt: may be empty.
      chosen: the preferred response.
      rejected: the other one.
      tie: the rater saw no difference.

    Raises:
      BadRow: a response is blank or goes on with a human's turn, or the two are identical.
    """
    if not chosen.strip() or not rejected.strip():
        raise BadRow(f"empty {'rejected' if chosen.strip() else 'chosen'!r} after the prompt")
    replies_only(chosen, rejected)
    if chosen.strip() == rejected.strip():
        raise BadRow(f"'chosen' and 'rejected' are identical: {chosen.strip()!r:.60}")
    return Pair(prompt, chosen, rejected, tie)


def not_repeated(prompt: str, *responses: str) -> None:
    """Refuses responses that begin with their prompt: all of them, or one with a prompt of several words.

    Args:
      prompt: of the record.
      responses: to it.

    Raises:
      BadRow: the model would read the prompt twice: cut it off the responses, or leave the field "prompt" out.
    """
    begins = [bool(prompt.strip()) and text.lstrip().startswith(prompt.strip()) for text in responses]
    if all(begins) or (any(begins) and len(prompt.split()) > 2):
        raise BadRow(
            "a response repeats the prompt at its beginning: cut it off there, or leave the field 'prompt' out"
        )


def replies_only(*responses: str) -> None:
    """Refuses responses in which a human speaks too: "\\n\\nHuman:" begins the next turn.

    Args:
      responses: texts after the prompt.

    Raises:
      BadRow: one of them does: leave the row out, or cut the response before that turn.
    """
    if any(ASKS in response for response in responses):
        raise BadRow("a response goes on with a human's turn, and human words must not be trained on as a reply")
