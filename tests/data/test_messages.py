"""Messages are read in every spelling that the field uses, and what is no text is named."""

import pytest
from forms import assistant, parts, user

from rlhf_lesson.data.fields import BadRow
from rlhf_lesson.data.messages import messages_in

TALK = [user("hi"), assistant("yo")]


def test_text_in_parts_and_sharegpts_names_are_the_same_messages():
    sharegpt = [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "yo"}]
    for messages in (TALK, [parts(message) for message in TALK], sharegpt):
        assert messages_in({"messages": messages}, "messages") == TALK


def test_an_empty_system_message_says_nothing():
    assert messages_in({"m": [{"role": "system", "content": ""}, *TALK]}, "m") == TALK


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ({"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "add"}}]}, "tool call"),
        ({"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "what?"}]}, "no text"),
        ({"role": "user", "content": None}, "'content' is NoneType"),
        ({"role": "user"}, "no 'content'"),
        ({"role": "user", "content": []}, "empty 'content'"),
        ({"role": "tool", "content": "4"}, "unknown role 'tool'"),
    ],
)
def test_a_message_that_is_no_text_is_named(message, why):
    with pytest.raises(BadRow, match=why):
        messages_in({"m": [message]}, "m")
