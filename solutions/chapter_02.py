"""Solutions of chapter 02: the library's own functions."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Array, Bool, Float, Int

from rlhf_lesson.data.chats import INPUT, INSTRUCTION, REPLY, RESPONSE
from rlhf_lesson.data.fields import field
from rlhf_lesson.data.messages import SPEAKERS
from rlhf_lesson.data.records import Demonstration
from rlhf_lesson.logprobs import token_logprobs


# exercise: parse_instruction
# 10 minutes, difficulty 1 of 3, 3 points
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


# exercise: response_mask
# 10 minutes, difficulty 2 of 3, 5 points
def response_mask(
    mask: Bool[np.ndarray, "rows time"], prompt: Int[np.ndarray, " rows"]
) -> Bool[np.ndarray, "rows time"]:
    """Which tokens are to be learnt: the response, its end token included, and neither prompt nor padding.

        learn_t = mask_t and t >= prompt

    A row of padding alone has nothing to learn, whatever its `prompt` says.

    Args:
      mask: True on real tokens, prompt and response: a run of True, then a run of False.
      prompt: how many tokens at the beginning of each row are prompt, from 0 up.

    Returns:
      True on the tokens that the loss counts: predicting them is trained, reading the others is not.

    Source: supervised fine-tuning on demonstrations, Ouyang et al. 2022, arXiv:2203.02155, section 3.1.
    """
    return mask & (np.arange(mask.shape[1]) >= prompt[:, None])


# exercise: cross_entropy_loss
# 5 minutes, difficulty 1 of 3, 4 points
def cross_entropy_loss(
    logits: Float[Array, "*batch time vocab"], targets: Int[Array, "*batch time"]
) -> Float[Array, "*batch time"]:
    """Surprise of each target token: the loss of pretraining and supervised fine-tuning.

        L_t = -log p(target_t)

    Nothing is shifted or masked: logits at t predict targets at t.

    Args:
      logits: any float type.
      targets: ids in [0, vocab).

    Returns:
      float32, at least 0, in nats per token; log(vocab) for a uniform guess.

    Source: Shannon 1948, "A mathematical theory of communication", section 6; the SFT loss of
      Ouyang et al. 2022, arXiv:2203.02155, section 3.1.
    """
    return -token_logprobs(logits, targets)


# exercise: render
# 10 minutes, difficulty 1 of 3, 4 points
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


# exercise: messages_of
# 20 minutes, difficulty 3 of 3, 5 points
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
