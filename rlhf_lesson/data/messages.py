"""Lists of messages as the field writes them: roles and contents, ShareGPT's names for them, text in parts.

What becomes of the messages, one text with a prompt and a response, is in data/chats.py.
"""

from collections.abc import Mapping

from rlhf_lesson.data.fields import field
from rlhf_lesson.data.sources import BadRow

SPEAKERS = {"user": "Human", "assistant": "Assistant", "system": "System"}  # how hh-rlhf calls each role
SHAREGPT = {"human": "user", "gpt": "assistant", "chatgpt": "assistant"}


def messages_in(row: Mapping, key: str) -> list[dict]:
    """The messages of a row's field as {"role", "content"}, also those of ShareGPT ("from", "value") and of text in parts.

    Args:
      row: of the data set.
      key: name of the field, a list.

    Raises:
      BadRow: a message is malformed, or holds something else than text.
    """
    messages = [_message(message, key) for message in field(row, key, list)]
    return [m for m in messages if m["content"] or m["role"] != "system"]  # an empty system message says nothing


def _message(message: object, key: str) -> dict:
    if not isinstance(message, Mapping):
        raise BadRow(f"{key!r} holds a {type(message).__name__}, not messages with a role and a content")
    if message.get("tool_calls") or message.get("function_call"):
        raise BadRow(f"{key!r} holds a tool call, and only text can be read: leave the row out")
    who, what = ("from", "value") if "from" in message and "role" not in message else ("role", "content")
    role = SHAREGPT.get(field(message, who), message[who])
    if role not in SPEAKERS:
        raise BadRow(f"unknown role {role!r} in {key!r}: {', '.join(SPEAKERS)} are known")
    content = message.get(what)
    if isinstance(content, list):
        parts = [part if isinstance(part, Mapping) else {"type": "text", "text": part} for part in content]
        if any(part.get("type", "text") != "text" for part in parts):
            raise BadRow(f"{key!r} holds a picture, a sound or another part that is no text: leave the row out")
        content = "".join(field(part, "text") for part in parts)
    if role == "system" and content == "":
        return {"role": role, "content": ""}
    return {"role": role, "content": field({what: content} if what in message else message, what)}
