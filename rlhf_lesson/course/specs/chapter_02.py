"""Exercises of chapter 02, supervised fine-tuning: which tokens are learnt, their loss, and texts with a template.

Leaves out tokenizers: the formats here are plain text, before any token is cut.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson import losses
from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.chapter_01 import chosen, logits_and_tokens
from rlhf_lesson.data import chats
from rlhf_lesson.data.batches import response_mask

# ---- what is learnt ------------------------------------------------------------------------------


def prompts_and_responses(rng, *, no_prompt: bool = False, all_prompt: bool = False, filler: bool = False) -> Case:
    """The mask of some rows of prompt, response and padding, and how long each prompt is."""
    rows, time = int(rng.choice([3, 4])), int(rng.choice([9, 11]))
    prompt, response = rng.integers(2, 4, rows), rng.integers(2, 5, rows)
    if no_prompt:
        prompt[0] = 0
    if all_prompt:
        response[1] = 0
    mask = np.arange(time) < (prompt + response)[:, None]
    if filler:
        mask[-1], prompt[-1] = False, 0
    return Case((mask, prompt))


def learnt(mask, prompt, *, of=lambda t, prompt: t >= prompt, real=True):
    """Which tokens are learnt, with a switch for each slip; right at the defaults."""
    inside = of(np.arange(mask.shape[1]), np.asarray(prompt)[:, None])
    return inside & mask if real else inside & np.ones_like(mask)


RESPONSE_MASK = Exercise(
    name="response_mask",
    chapter=2,
    minutes=10,
    difficulty=2,
    points=5,
    reference=response_mask,
    traceable=False,
    cases={
        "the response alone is learnt": prompts_and_responses,
        "without a prompt all real tokens are learnt": lambda rng: prompts_and_responses(rng, no_prompt=True),
        "a prompt without a response teaches nothing": lambda rng: prompts_and_responses(rng, all_prompt=True),
        "a row of padding teaches nothing": lambda rng: prompts_and_responses(rng, filler=True),
    },
    slips=(
        Slip("the prompt is learnt too", "Reading is not predicting: t >= prompt.", lambda m, p: m),
        Slip("padding is learnt too", "Only real tokens: combine with the mask.", partial(learnt, real=False)),
        Slip(
            "the prompt in place of the response",
            "The response begins where the prompt ends.",
            partial(learnt, of=lambda t, p: t < p),
        ),
        Slip(
            "the first token of the response is left out",
            "Places count from 0: the first response token stands at t = prompt.",
            partial(learnt, of=lambda t, p: t > p),
        ),
        Slip(
            "the last token of the prompt is learnt",
            "The prompt's places are 0 to prompt - 1.",
            partial(learnt, of=lambda t, p: t >= p - 1),
        ),
        Slip(
            "the end token is left out",
            "A model that is never taught to end never does.",
            lambda m, p: learnt(m & np.pad(m[:, 1:], ((0, 0), (0, 1))), p),
        ),
        Slip(
            "every row has the first one's prompt",
            "prompt[:, None] compares each row with its own.",
            lambda m, p: learnt(m, np.full_like(p, p[0])),
        ),
        Slip(
            "the length of the response in place of the prompt's",
            "`prompt` counts the tokens before the response.",
            lambda m, p: learnt(m, m.sum(1) - p),
        ),
        Slip(
            "the prompt's length is counted from the end",
            "The prompt stands at the beginning, the padding at the end.",
            lambda m, p: learnt(m, m.shape[1] - p),
        ),
        Slip("True on what is not learnt", "True marks the tokens that count.", lambda m, p: ~learnt(m, p)),
        Slip(
            "cut to the response",
            "The mask keeps the width of the tokens: one True or False for each.",
            lambda m, p: learnt(m, p)[:, int(p.min()) :],
        ),
    ),
    hints=(
        "Two conditions for each place: a real token stands there, and it comes after the prompt.",
        "np.arange(mask.shape[1]) numbers the places; prompt[:, None] compares each row with its own prompt.",
        "mask & (np.arange(mask.shape[1]) >= prompt[:, None])",
    ),
)

CROSS_ENTROPY_LOSS = Exercise(
    name="cross_entropy_loss",
    chapter=2,
    minutes=5,
    difficulty=1,
    points=4,
    reference=losses.cross_entropy_loss,
    cases={
        "plain numbers": logits_and_tokens,
        "a uniform guess costs the log of the vocabulary": lambda rng: Case(
            (np.full((2, 3, 7), 1.5, np.float32), rng.integers(0, 7, (2, 3)).astype(np.int32))
        ),
        "large logits do no harm": lambda rng: logits_and_tokens(rng, shift=300.0),
        "a very unlikely target costs much, but not infinitely": lambda rng: logits_and_tokens(rng, scale=150.0),
        "bfloat16 is cast to float32 first": lambda rng: logits_and_tokens(rng, half=True, scale=4.0),
    },
    slips=(
        Slip(
            "the sign is wrong",
            "A loss is minimised: it is minus the log-probability.",
            lambda z, y: -losses.cross_entropy_loss(z, y),
        ),
        Slip(
            "reduced to one number",
            "One loss a token: the caller chooses mask and mean.",
            lambda z, y: jnp.mean(losses.cross_entropy_loss(z, y)),
        ),
        Slip(
            "shifted by one token",
            "Nothing is shifted here: the logits at t predict the target at t.",
            lambda z, y: losses.cross_entropy_loss(z, jnp.roll(y, -1, -1)),
        ),
        Slip(
            "cut to time - 1",
            "The caller has shifted already: every place has its target.",
            lambda z, y: losses.cross_entropy_loss(z[..., :-1, :], y[..., 1:]),
        ),
        Slip("not normalised", "A logit is no log-probability yet.", lambda z, y: -chosen(z, y)),
        Slip(
            "the log is missing",
            "This is 1 - p: a loss in nats is -log p.",
            lambda z, y: 1.0 - jnp.exp(-losses.cross_entropy_loss(z, y)),
        ),
        Slip(
            "the softmax comes twice",
            "Logits go into log_softmax as they are, not as probabilities.",
            lambda z, y: losses.cross_entropy_loss(jax.nn.softmax(z), y),
        ),
        Slip(
            "normalised over time",
            "The probabilities of one place sum to 1 over the vocabulary, the last axis.",
            lambda z, y: -chosen(jax.nn.log_softmax(z, axis=-2), y),
        ),
        Slip(
            "bits in place of nats",
            "Use the natural logarithm.",
            lambda z, y: losses.cross_entropy_loss(z, y) / jnp.log(2.0),
        ),
        Slip(
            "the entropy of the guess",
            "Only the target's log-probability counts, whatever else was likely.",
            lambda z, y: -jnp.sum(jax.nn.softmax(z) * jax.nn.log_softmax(z), -1),
        ),
        Slip(
            "summed over the vocabulary",
            "A target is one token: pick its log-probability.",
            lambda z, y: -jnp.sum(jax.nn.log_softmax(z), -1),
        ),
        Slip(
            "exponentials overflow",
            "exp(300) is infinite in float32: token_logprobs takes care of it.",
            lambda z, y: jnp.log(jnp.exp(z).sum(-1)) - chosen(z, y),
        ),
        Slip(
            "the log of a softmax",
            "A tiny probability rounds to 0, and its log to -infinity: stay in logs.",
            lambda z, y: -jnp.log(chosen(jax.nn.softmax(z.astype(jnp.float32)), y)),
        ),
        Slip(
            "computed in bfloat16",
            "Its third digit is wrong: cast to float32 first.",
            lambda z, y: -chosen(jax.nn.log_softmax(z), y).astype(jnp.float32),
        ),
    ),
    hints=(
        "You have written nearly all of it in chapter 01.",
        "The surprise of a token is minus its log-probability.",
        "-token_logprobs(logits, targets)",
    ),
)

# ---- texts with a template -----------------------------------------------------------------------

ASKED = "name a good film|is it worth seeing?|say it in one word|what did you think of the end?|why?".split("|")
ANSWERED = "a slow start, but what an end|no|i would see it again|it is all right|ask me tomorrow".split("|")
ORDERED = "answer kindly|be brief|never lie".split("|")


def a_row(rng, *, before: str = "", inside: str = "", after: str = "") -> Case:
    """A row of instruction data; what is given is put around and into both texts."""
    asked, answered = str(rng.choice(ASKED)), str(rng.choice(ANSWERED))
    fields = {
        "instruction": asked + inside + str(rng.choice(ORDERED)) + after,
        "response": before + answered + inside + "." + after,
    }
    return Case((fields,))


def as_pair(answer):
    """Prompt and response as a plain pair: a Demonstration is as good as a tuple."""
    return tuple(answer) if isinstance(answer, tuple) else answer


def demonstration(row, *, head="### Instruction:\n", middle="\n\n### Response:\n", end="", text=lambda t: t):
    """The template with a switch for each slip; right at the defaults."""
    return head + text(row["instruction"]) + middle, text(row["response"]) + end


def cut_at_heading(text):
    prompt, heading, response = text.partition("\n\n### Response:\n")
    return prompt + heading, response


PARSE_INSTRUCTION = Exercise(
    name="parse_instruction",
    chapter=2,
    minutes=10,
    difficulty=1,
    points=3,
    reference=chats.parse_instruction,
    traceable=False,
    seen=as_pair,
    cases={
        "instruction and response stand in the template": a_row,
        "several lines stay as they are": lambda rng: a_row(rng, inside="\n\n"),
        "spaces at the ends stay as they are": lambda rng: a_row(rng, before=" ", after="  \n"),
        "a heading inside a text is text": lambda rng: a_row(rng, inside="\n\n### Response:\n"),
    },
    slips=(
        Slip(
            "the first heading is missing",
            'The prompt begins with "### Instruction:".',
            partial(demonstration, head=""),
        ),
        Slip(
            "the second heading is missing",
            'The prompt ends with "### Response:" and its newline.',
            partial(demonstration, middle=""),
        ),
        Slip(
            "no blank line between",
            'A blank line stands before "### Response:".',
            partial(demonstration, middle="\n### Response:\n"),
        ),
        Slip(
            "the prompt ends at the colon",
            "The newline after the colon belongs to the prompt: the response begins with its first letter.",
            partial(demonstration, middle="\n\n### Response:"),
        ),
        Slip(
            "a space in place of the newline",
            "Each heading is a line of its own.",
            partial(demonstration, head="### Instruction: ", middle="\n\n### Response: "),
        ),
        Slip(
            "two signs in place of three",
            "Three signs: ###.",
            partial(demonstration, head="## Instruction:\n", middle="\n\n## Response:\n"),
        ),
        Slip(
            "the response's heading is part of the response",
            "Then the model would learn to write the heading: it belongs to the prompt.",
            lambda row: ("### Instruction:\n" + row["instruction"], "\n\n### Response:\n" + row["response"]),
        ),
        Slip("prompt and response are swapped", "The prompt comes first.", lambda row: demonstration(row)[::-1]),
        Slip("one text", "Two texts: only the second is learnt.", lambda row: "".join(demonstration(row))),
        Slip("an end of its own", "The end token comes with the tokens.", partial(demonstration, end="\n")),
        Slip("texts are stripped", "What people wrote stays as it is.", partial(demonstration, text=str.strip)),
        Slip(
            "cut at a heading",
            "Take the fields as they are: a text may hold a heading of its own.",
            lambda row: cut_at_heading("".join(demonstration(row))),
        ),
    ),
    hints=(
        "Write one example down by hand and mark each newline in it.",
        '"### Instruction:\\n", the instruction, "\\n\\n### Response:\\n": that is the prompt. The response follows as it is.',
        'Demonstration("### Instruction:\\n" + row["instruction"] + "\\n\\n### Response:\\n", row["response"])',
    ),
)


def a_dialogue(rng, *, turns: int = 3, system: bool = False, inside: str = "", edges: str = "") -> list[dict]:
    """Turns of user and assistant, the user first; what is given is put into and around each content."""
    messages = [{"role": "system", "content": str(rng.choice(ORDERED))}] if system else []
    for i in range(turns):
        role, words = (("user", ASKED), ("assistant", ANSWERED))[i % 2]
        content = " ".join(rng.choice(words, 2, replace=False))
        messages.append({"role": role, "content": edges + content.replace(" ", inside or " ", 1) + edges})
    return messages


def rendered(
    messages, *, reply=False, before="\n\n", colon=": ", end="", opening="\n\nAssistant:", names=None, text=lambda t: t
):
    """The dialogue with a switch for each slip; right at the defaults."""
    names = {"user": "Human", "assistant": "Assistant", "system": "System"} if names is None else names
    turns = [f"{before}{names.get(m['role'], m['role'])}{colon}{text(m['content'])}{end}" for m in messages]
    return "".join(turns) + opening * reply


RENDER = Exercise(
    name="render",
    chapter=2,
    minutes=10,
    difficulty=1,
    points=4,
    reference=chats.render,
    traceable=False,
    cases={
        "a dialogue, turn after turn": lambda rng: Case((a_dialogue(rng, turns=int(rng.integers(2, 5))),)),
        "`reply` opens the assistant's turn": lambda rng: Case((a_dialogue(rng),), {"reply": True}),
        "a system message is a turn too": lambda rng: Case((a_dialogue(rng, system=True),), {"reply": True}),
        "contents stay as they are": lambda rng: Case((a_dialogue(rng, inside="\n\n", edges=" "),)),
        "no messages, no text": lambda rng: Case(([],)),
    },
    slips=(
        Slip(
            "the reply is not opened",
            "reply=True ends the text with the assistant's name and a colon.",
            lambda messages, *, reply=False: rendered(messages),
        ),
        Slip(
            "the reply is always opened",
            "Only with reply=True.",
            lambda messages, *, reply=False: rendered(messages, reply=True),
        ),
        Slip(
            "a space after the opened turn",
            "The reply brings its own space; two would be another token.",
            partial(rendered, opening="\n\nAssistant: "),
        ),
        Slip(
            "roles in place of names",
            "user is Human, assistant is Assistant, system is System.",
            partial(rendered, names={}),
        ),
        Slip(
            "the names of another format",
            "In hh-rlhf the user is called Human.",
            partial(rendered, names={"user": "User", "assistant": "Assistant", "system": "System"}),
        ),
        Slip(
            "one newline in place of two",
            "A blank line stands before each turn.",
            partial(rendered, before="\n", opening="\nAssistant:"),
        ),
        Slip("no space after the colon", 'A turn is "Human: Hi".', partial(rendered, colon=":")),
        Slip(
            "no blank line at the beginning",
            "The first turn begins like all others.",
            lambda messages, *, reply=False: rendered(messages, reply=reply).removeprefix("\n\n"),
        ),
        Slip(
            "a blank line at the end",
            "It belongs before a turn, not behind it.",
            lambda messages, *, reply=False: rendered(messages, reply=reply) + "\n\n",
        ),
        Slip(
            "the last message only",
            "All turns make the prompt.",
            lambda messages, *, reply=False: rendered(messages[-1:], reply=reply),
        ),
        Slip(
            "the system message is dropped",
            "It is a turn too, with the name System.",
            lambda messages, *, reply=False: rendered([m for m in messages if m["role"] != "system"], reply=reply),
        ),
        Slip("contents are stripped", "What was written stays as it is.", partial(rendered, text=str.strip)),
        Slip(
            "blank lines are taken out of the contents",
            "What was written stays as it is.",
            partial(rendered, text=lambda t: t.replace("\n\n", "\n")),
        ),
    ),
    hints=(
        "One turn is a blank line, a name, a colon, a space and the content. Which name has each role?",
        "Join the turns without anything between them; with reply=True add the beginning of one more turn.",
        '"".join(f"\\n\\n{names[m[\'role\']]}: {m[\'content\']}" for m in messages) + "\\n\\nAssistant:" * reply',
    ),
)


def as_text(rng, **kind) -> Case:
    return Case((rendered(a_dialogue(rng, **kind)),))


ROLES = {"Human": "user", "Assistant": "assistant", "System": "system"}


def messages(text, *, roles=None, at="\n\n", drop=1, strip=False, only=None, known=tuple(ROLES)):
    """The dialogue's messages by going through its blank lines, with a switch for each slip; right at the defaults."""
    out = []
    for piece in text.split(at):
        name, colon, content = piece.partition(":")
        if colon and name in known:
            out.append(
                {
                    "role": (ROLES if roles is None else roles)[name],
                    "content": content[drop:] if content[:1] == " " else content,
                }
            )
        elif out:
            out[-1]["content"] += at + piece
    out = [{**m, "content": m["content"].strip()} for m in out] if strip else out
    return out if only is None else [m for m in out if m["role"] == only]


MESSAGES_OF = Exercise(
    name="messages_of",
    chapter=2,
    minutes=20,
    difficulty=3,
    points=5,
    reference=chats.messages_of,
    traceable=False,
    cases={
        "a dialogue comes back as its messages": lambda rng: as_text(rng, turns=int(rng.integers(2, 5))),
        "a system message too": lambda rng: as_text(rng, system=True),
        "a colon inside a turn is text": lambda rng: as_text(rng, inside=": "),
        "a name inside a line is text": lambda rng: as_text(rng, inside=" Human: "),
        "a blank line inside a turn is text": lambda rng: as_text(rng, inside="\n\n"),
        "one space goes, all others stay": lambda rng: as_text(rng, edges="  "),
        "an opened turn is a message without content": lambda rng: Case((rendered(a_dialogue(rng), reply=True),)),
    },
    slips=(
        Slip(
            "names in place of roles",
            "Human is user, Assistant is assistant, System is system.",
            partial(messages, roles={n: n for n in ROLES}),
        ),
        Slip(
            "roles are swapped",
            "Human is the user.",
            partial(messages, roles={"Human": "assistant", "Assistant": "user", "System": "system"}),
        ),
        Slip("the space is kept", "One space after the colon is not part of the content.", partial(messages, drop=0)),
        Slip(
            "the content is cut at a colon",
            "Only the first colon ends the name.",
            lambda text: [{**m, "content": m["content"].split(":")[0]} for m in messages(text)],
        ),
        Slip(
            "a turn begins at every name",
            "Only after a blank line is a name the beginning of a turn.",
            lambda text: messages(text.replace(" Human:", "\n\nHuman:")),
        ),
        Slip(
            "what follows a blank line is lost",
            "A blank line inside a turn belongs to its content.",
            lambda text: [{**m, "content": m["content"].split("\n\n")[0]} for m in messages(text)],
        ),
        Slip(
            "each blank line begins a message",
            "Without a name it goes on with the last turn.",
            lambda text: [
                {"role": ROLES[n], "content": c.removeprefix(" ")}
                if s and n in ROLES
                else {"role": "user", "content": n + s + c}
                for n, s, c in (p.partition(":") for p in text.split("\n\n")[1:])
            ],
        ),
        Slip("contents are stripped", "One space goes; all others stay.", partial(messages, strip=True)),
        Slip(
            "every leading space goes",
            "One space after the colon; the others belong to the content.",
            lambda text: [{**m, "content": m["content"].lstrip(" ")} for m in messages(text)],
        ),
        Slip(
            "the system message is no message", "System is a role too.", partial(messages, known=("Human", "Assistant"))
        ),
        Slip("only what the user said", "All turns, in their order.", partial(messages, only="user")),
        Slip(
            "pairs in place of messages",
            'A message is {"role": ..., "content": ...}.',
            lambda text: [(m["role"], m["content"]) for m in messages(text)],
        ),
        Slip(
            "an opened turn is dropped",
            "It is a message whose content is empty.",
            lambda text: [m for m in messages(text) if m["content"]],
        ),
    ),
    hints=(
        "Where does a turn begin? At a blank line that is followed by one of three names and a colon, and nowhere else.",
        're.split(r"\\n\\n(Human|Assistant|System):", text) gives what stands before, then name and content in turn.',
        'zip(turns[::2], turns[1::2]) pairs them; content.removeprefix(" ") takes one space away.',
    ),
)

EXERCISES = (RESPONSE_MASK, CROSS_ENTROPY_LOSS, PARSE_INSTRUCTION, RENDER, MESSAGES_OF)
