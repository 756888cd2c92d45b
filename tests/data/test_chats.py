"""Dialogues and instructions: where the prompt ends and the response begins."""

import pytest

from rlhf_lesson.data import chats
from rlhf_lesson.data.fields import BadRow
from rlhf_lesson.data.records import Pair

DIALOGUE = "\n\nHuman: Hi\n\nAssistant: Hello.\n\nHuman: Tell me more\n\nAssistant:"
TALK = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]


def test_instructions_are_put_into_the_template():
    example = chats.parse_instruction({"instruction": "Add 1 and 1.", "response": "2"})
    assert example == ("### Instruction:\nAdd 1 and 1.\n\n### Response:\n", "2")


def test_a_prompt_without_turns_ends_with_the_last_shared_word():
    pair = chats.parse_implicit({"chosen": "The film is great.", "rejected": "The film is gross."})
    assert pair == Pair("The film is ", "great.", "gross.")


def test_a_dialogue_splits_at_the_last_shared_assistant_turn():
    row = {"chosen": DIALOGUE + " A film.", "rejected": DIALOGUE + " A fish."}
    assert chats.parse_implicit(row) == Pair(DIALOGUE, " A film.", " A fish.")


def test_a_conversation_without_a_prompt_shares_its_first_messages():
    reply = lambda text: [{"role": "assistant", "content": text}]  # noqa: E731
    given = chats.parse_conversation({"prompt": TALK[:1], "chosen": reply("yes"), "rejected": reply("no")})
    shared = chats.parse_conversation({"chosen": TALK[:1] + reply("yes"), "rejected": TALK[:1] + reply("no")})
    assert given == shared == Pair("\n\nHuman: Hi\n\nAssistant:", " yes", " no")


def test_messages_and_text_are_two_ways_to_write_one_dialogue():
    assert chats.messages_of(chats.render(TALK)) == TALK


class Templated:
    """A tokenizer with a chat template; `opening` is what it writes to open a reply."""

    def __init__(self, opening="<assistant>"):
        self.opening = opening

    def apply_chat_template(self, messages, *, tokenize, add_generation_prompt):
        assert not tokenize
        if messages[0]["role"] == "system":
            raise RuntimeError("system role not supported")
        return "".join(f"<{m['role']}>{m['content']}" for m in messages) + self.opening * add_generation_prompt


def test_a_tokenizers_chat_template_cuts_prompt_from_response():
    example = chats.parse_chat({"messages": TALK}, tokenizer=Templated())
    assert example == ("<user>Hi<assistant>", "Hello.")


def test_a_pair_that_is_no_dialogue_cannot_be_written_as_messages():
    with pytest.raises(ValueError, match="does not end with"):
        chats.conversation_row(Pair("Say it.", "a", "b"))
    with pytest.raises(ValueError, match="no dialogue"):
        chats.messages_of("Say it.")


# ---- what must not be trained on -----------------------------------------------------------------

ASK = [{"role": "user", "content": "q"}]


def say(*texts):
    return [{"role": "assistant" if i % 2 == 0 else "user", "content": text} for i, text in enumerate(texts)]


HUMAN_WORDS = {
    "dialogues that part in a human turn": (
        chats.parse_implicit,
        {
            "chosen": "\n\nHuman: q\n\nAssistant: a\n\nHuman: more\n\nAssistant: x",
            "rejected": "\n\nHuman: q\n\nAssistant: a\n\nHuman: less\n\nAssistant: y",
        },
        "part in a human's turn",
    ),
    "dialogues that part in the first human turn": (
        chats.parse_implicit,
        {"chosen": "\n\nHuman: a\n\nAssistant: x", "rejected": "\n\nHuman: b\n\nAssistant: y"},
        "part in a human's turn",
    ),
    "a reply that goes on with a human turn": (
        chats.parse_implicit,
        {"chosen": DIALOGUE + " A film.\n\nHuman: Thanks", "rejected": DIALOGUE + " A fish."},
        "human words",
    ),
    "messages that end with the user": (
        chats.parse_conversation,
        {"chosen": ASK + say("x", "thanks"), "rejected": ASK + say("y")},
        "human words",
    ),
    "messages that part in a user's message": (
        chats.parse_conversation,
        {"chosen": ASK + say("x", "and?", "z"), "rejected": ASK + say("x", "or?", "y")},
        "human words",
    ),
    "a prompt beside other messages": (
        chats.parse_conversation,
        {"prompt": "another question", "chosen": ASK + say("x"), "rejected": ASK + say("y")},
        "human words",
    ),
    "an implicit pair with a prompt": (
        chats.parse_implicit,
        {"prompt": "p", "chosen": "a x", "rejected": "a y"},
        "the row has a 'prompt'",
    ),
}


@pytest.mark.parametrize(("parse", "row", "why"), HUMAN_WORDS.values(), ids=HUMAN_WORDS)
def test_human_words_are_never_taken_for_a_reply(parse, row, why):
    with pytest.raises(BadRow, match=why):
        parse(row)


def test_an_input_or_a_context_stands_between_instruction_and_response():
    for key in ("input", "context"):
        example = chats.parse_instruction({"instruction": "Translate.", key: "the cat", "output": "le chat"})
        assert example.prompt == "### Instruction:\nTranslate.\n\n### Input:\nthe cat\n\n### Response:\n"
        assert chats.parse_instruction(chats.instruction_row(example)) == example
    assert "Input" not in chats.parse_instruction({"instruction": "Say hi.", "input": "", "output": "Hi"}).prompt


def test_equal_scores_are_a_tie_and_scores_against_the_choice_are_told():
    row = {"prompt": "q", "chosen": ASK + say("x"), "rejected": ASK + say("y"), "score_chosen": 2, "score_rejected": 2}
    assert chats.parse_conversation(row).tie
    with pytest.raises(BadRow, match="contradict the choice"):
        chats.parse_conversation({**row, "score_chosen": 1})
