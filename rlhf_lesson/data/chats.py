"""Dialogues and instructions as text: where the prompt ends and the response begins, in every format that the field uses.

Without a tokenizer the turns are written as in Anthropic's hh-rlhf ("Human:", "Assistant:"); with one, its own chat template
writes them. Tool calls and pictures are not supported: such rows are refused by name.
"""

import re
from collections.abc import Mapping, Sequence

from rlhf_lesson.data.fields import ASKS, BadRow, checked_pair, field, tied
from rlhf_lesson.data.messages import SPEAKERS, messages_in
from rlhf_lesson.data.records import Demonstration, Pair

INSTRUCTION, INPUT, RESPONSE = "### Instruction:\n", "\n\n### Input:\n", "\n\n### Response:\n"
REPLY = "\n\nAssistant:"


def parse_instruction(row: Mapping) -> Demonstration:
    """{"instruction", "response"}, put into the template of instruction data.

    The prompt is the line "### Instruction:", the instruction, a blank line and the line "### Response:", its newline
    included; the response follows as it is. So prompt + response is what the model reads, and only the response is learnt.
    What a row's "input" or "context" holds stands between the two, after a blank line and the line "### Input:".

    Raises:
      BadRow: a field is missing, or is blank: fill it in, or leave the row out.

    Source: the template of Alpaca (Taori et al. 2023), without its opening sentence.
    """
    prompt = INSTRUCTION + field(row, "instruction")
    for key in ("input", "context"):
        if str(row.get(key) or "").strip():
            prompt += INPUT + field(row, key)
    answer = "output" if "response" not in row and "output" in row else "response"  # Alpaca's own name for it
    return Demonstration(prompt + RESPONSE, field(row, answer))


def instruction_row(demonstration: Demonstration) -> dict:
    """The inverse of `parse_instruction`: the row that `formats.write` writes for a demonstration."""
    instruction, *inputs = demonstration.prompt.removeprefix(INSTRUCTION).removesuffix(RESPONSE).split(INPUT)
    row = {"instruction": instruction, "response": demonstration.response}
    return row | ({"input": INPUT.join(inputs)} if inputs else {})


def render(messages: Sequence[Mapping], *, reply: bool = False, tokenizer=None) -> str:
    """Messages {"role", "content"} as one text, one turn after another as in hh-rlhf.

    Each turn is a blank line, its speaker ("Human", "Assistant" or "System" for the roles user, assistant and system), a
    colon, a space and the content as it is: "\\n\\nHuman: Hi\\n\\nAssistant: Hello."

    Args:
      messages: in their order.
      reply: end with "\\n\\nAssistant:", for a model to continue; without a space, since the reply begins with one.
      tokenizer: where there is one, its own chat template writes the text instead.

    Returns:
      The text of the dialogue.

    Source: Bai et al. 2022, arXiv:2204.05862 (the data set).
    """
    if tokenizer is not None:
        return tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=reply)
    return "".join(f"\n\n{SPEAKERS[m['role']]}: {m['content']}" for m in messages) + REPLY * reply


def messages_of(text: str) -> list[dict]:
    """The inverse of `render` without a tokenizer: a text of turns as messages {"role", "content"}.

    A turn begins at each "\\n\\nHuman:", "\\n\\nAssistant:" or "\\n\\nSystem:", and one space after the colon is not part
    of its content; blank lines and colons elsewhere are. The roles are user, assistant and system.

    Raises:
      ValueError: the text does not begin with a turn: begin it with a blank line and "Human:".
    """
    before, *turns = re.split(r"\n\n(Human|Assistant|System):", text)
    if before or not turns:
        raise ValueError(f"no dialogue of '\\n\\nHuman:' and '\\n\\nAssistant:' turns: {text[:60]!r}")
    roles = {speaker: role for role, speaker in SPEAKERS.items()}
    return [
        {"role": roles[speaker], "content": content.removeprefix(" ")}
        for speaker, content in zip(turns[::2], turns[1::2], strict=True)
    ]


def prompt_of(messages: Sequence[Mapping], tokenizer) -> str:
    """Messages as the text that a model continues with its reply.

    Args:
      messages: in their order, the last by the user.
      tokenizer: its chat template writes the text; without one it is written as in hh-rlhf.

    Raises:
      BadRow: the template refuses the messages.
    """
    return _text_of(messages, tokenizer, reply=True)


def _text_of(messages: Sequence[Mapping], tokenizer, *, reply: bool) -> str:
    try:
        return render(messages, reply=reply, tokenizer=tokenizer)
    except Exception as error:  # each template has its own rules, and jinja its own exceptions
        raise BadRow(f"the chat template refuses these messages: {error}") from error


def cut(before: Sequence[Mapping], after: Sequence[Mapping], tokenizer) -> Demonstration:
    """The text that a model reads, and the text that it should continue with.

    Args:
      before: the messages of the prompt.
      after: the messages of the response.
      tokenizer: its chat template writes the text; without one it is written as in hh-rlhf.

    Raises:
      BadRow: the template refuses the messages, or can't be cut between the two.
    """
    prompt = prompt_of(before, tokenizer)
    whole = _text_of([*before, *after], tokenizer, reply=False)
    if not whole.startswith(prompt):
        raise BadRow("the chat template writes a finished reply unlike an opened one, so no prompt can be cut off")
    return Demonstration(prompt, whole[len(prompt) :])


def parse_chat(row: Mapping, *, tokenizer=None) -> Demonstration:
    """{"messages": [{"role", "content"}, ...]}, or "conversations" as in ShareGPT: the last, the assistant's, is the response.

    Args:
      row: of the data set.
      tokenizer: its chat template writes the text; without one the text is written as in hh-rlhf.

    Returns:
      The text before the last reply, opened for it, as the prompt; the reply as the response.

    Raises:
      BadRow: a message is malformed, the last one is not the assistant's, or the template refuses the messages.
    """
    key = "conversations" if "conversations" in row and "messages" not in row else "messages"
    messages = messages_in(row, key)
    if len(messages) < 2 or messages[-1]["role"] != "assistant":
        raise BadRow(f"{key!r} must hold at least two, the last by the assistant")
    return cut(messages[:-1], messages[-1:], tokenizer)


def chat_row(demonstration: Demonstration) -> dict:
    """The inverse of `parse_chat` without a tokenizer: the row that `formats.write` writes for a demonstration."""
    return {"messages": messages_of(demonstration.prompt + demonstration.response)}


def _alike(a: Sequence, b: Sequence) -> int:
    """How many characters, or messages, two sequences share at their beginning."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def parse_implicit(row: Mapping) -> Pair:
    """{"chosen", "rejected"} that begin alike, as in hh-rlhf: the prompt is what they share.

    Where they share an assistant's turn, the prompt ends with the last such "\\n\\nAssistant:"; elsewhere it ends with the
    last shared space. Responses keep their leading space, so that prompt + response is the text as it was.

    Raises:
      BadRow: a text is missing or blank, the two are identical, they part in a human's turn, or a response goes on with
        one, so that human words would be trained on: leave the row out. Or the row has a "prompt": use `parse_pair`.

    Source: Bai et al. 2022, arXiv:2204.05862 (the data set).
    """
    chosen, rejected = field(row, "chosen"), field(row, "rejected")
    if row.get("prompt"):
        raise BadRow("the row has a 'prompt', so its responses should not begin alike: read it as a pair with a prompt")
    if chosen == rejected:
        raise BadRow("'chosen' and 'rejected' are identical")
    shared = chosen[: _alike(chosen, rejected)]
    turn = shared.rfind(REPLY)
    if turn >= 0:
        end = turn + len(REPLY)
    elif shared in (chosen, rejected):  # one text is the beginning of the other: its response is empty, and refused
        end = len(shared)
    else:
        end = shared.rfind(" ") + 1
    if shared.rfind(ASKS) > turn:
        raise BadRow("the two dialogues part in a human's turn, so their responses answer different questions")
    return checked_pair(shared[:end], chosen[end:], rejected[end:], tied(row))


def implicit_row(pair: Pair) -> dict:
    """The inverse of `parse_implicit`: both texts in full, the prompt in each."""
    return {"chosen": pair.prompt + pair.chosen, "rejected": pair.prompt + pair.rejected}


def parse_conversation(row: Mapping, *, tokenizer=None) -> Pair:
    """{"prompt", "chosen", "rejected"} as lists of messages; without "prompt" it is the messages that both share.

    The prompt may also be the user's text, and both lists may repeat it, as in the binarized UltraFeedback.

    Args:
      row: of the data set.
      tokenizer: its chat template writes the text; without one the text is written as in hh-rlhf.

    Returns:
      The pair as texts.

    Raises:
      BadRow: a message is malformed, a prompt or a reply is missing, a reply holds a user's message, or the template
        refuses the messages.
    """
    chosen, rejected = messages_in(row, "chosen"), messages_in(row, "rejected")
    shared = _alike(chosen, rejected)
    given = row.get("prompt")
    if isinstance(given, str) and given.strip():
        users = [m for m in chosen[:shared] if m["role"] == "user" and m["content"].strip() == given.strip()]
        prompt = chosen[:shared] if users else [{"role": "user", "content": given}]
    else:
        prompt = messages_in(row, "prompt") if given else chosen[:shared]
    if chosen[: len(prompt)] == prompt == rejected[: len(prompt)]:  # full lists
        chosen, rejected = chosen[len(prompt) :], rejected[len(prompt) :]
    if not (prompt and chosen and rejected):
        raise BadRow("a prompt and two different replies are wanted, each of at least one message")
    if any(message["role"] != "assistant" for message in (*chosen, *rejected)):
        raise BadRow("a reply holds a message that is not the assistant's, and human words must not be trained on")
    better = cut(prompt, chosen, tokenizer)
    worse = cut(prompt, rejected, tokenizer)
    return checked_pair(better.prompt, better.response, worse.response, tied(row))


def conversation_row(pair: Pair) -> dict:
    """The inverse of `parse_conversation` without a tokenizer: the prompt must be a dialogue that awaits a reply.

    Raises:
      ValueError: the prompt does not end with "\\n\\nAssistant:": write this pair with `formats.write` alone.
    """
    if not pair.prompt.endswith(REPLY):
        raise ValueError(f"the prompt does not end with {REPLY!r}: write this pair with `formats.write` alone")
    prompt = messages_of(pair.prompt.removesuffix(REPLY))
    chosen, rejected = (messages_of(REPLY + response) for response in (pair.chosen, pair.rejected))
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}
