"""A list of messages as one text, with a name before each turn as in hh-rlhf.

Contents hold blank lines and spaces at their ends, which must stay.
"""

from functools import partial

from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.draws import dialogue
from rlhf_lesson.course.specs.mistakes import changed, ignoring
from rlhf_lesson.data.chats import render

# ---- slips ---------------------------------------------------------------------------------------


NAMES = {"user": "Human", "assistant": "Assistant", "system": "System"}


def in_template(messages, *, reply=False, before="\n\n", colon=": ", opening="\n\nAssistant:", names=NAMES):
    """The dialogue in a template; right at the defaults."""
    turns = [f"{before}{names.get(m['role'], m['role'])}{colon}{m['content']}" for m in messages]
    return "".join(turns) + opening * reply


def with_contents(messages, change):
    """The messages with `change` applied to each content."""
    return [{**message, "content": change(message["content"])} for message in messages]


def stripped(messages, *, reply=False):
    return in_template(with_contents(messages, str.strip), reply=reply)


def without_blank_lines(messages, *, reply=False):
    return in_template(with_contents(messages, lambda content: content.replace("\n\n", "\n")), reply=reply)


def without_system(messages, *, reply=False):
    return in_template([message for message in messages if message["role"] != "system"], reply=reply)


# ---- right answers in other words ----------------------------------------------------------------


def render_by_loop(messages, *, reply=False, tokenizer=None):
    text = ""
    for message in messages:
        name = message["role"].capitalize() if message["role"] != "user" else "Human"
        text += "\n\n" + name + ": " + message["content"]
    if reply:
        text += "\n\nAssistant:"
    return text


def render_by_join(messages, *, reply=False, tokenizer=None):
    names = dict(user="Human", assistant="Assistant", system="System")
    turns = [f"{names[m['role']]}: {m['content']}" for m in messages] + ["Assistant:"] * reply
    return "".join("\n\n" + turn for turn in turns)


def render_by_recursion(messages, *, reply=False, tokenizer=None):
    if not messages:
        return "\n\nAssistant:" if reply else ""
    name = {"user": "Human", "assistant": "Assistant"}.get(messages[0]["role"], "System")
    return f"\n\n{name}: {messages[0]['content']}{render_by_recursion(messages[1:], reply=reply)}"


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="render",
    minutes=10,
    difficulty=1,
    points=4,
    reference=render,
    traceable=False,
    cases={
        "a dialogue, turn after turn": lambda rng: Case((dialogue(rng, turns=int(rng.integers(2, 5))),)),
        "`reply` opens the assistant's turn": lambda rng: Case((dialogue(rng),), {"reply": True}),
        "a system message is a turn too": lambda rng: Case((dialogue(rng, system=True),), {"reply": True}),
        "contents stay as they are": lambda rng: Case((dialogue(rng, inside="\n\n", edges=" "),)),
        "no messages, no text": lambda rng: Case(([],)),
    },
    slips=(
        Slip(
            "the reply is not opened",
            "reply=True ends the text with the assistant's name and a colon.",
            ignoring(in_template, "reply"),
        ),
        Slip(
            "the reply is always opened",
            "Only with reply=True.",
            lambda messages, *, reply=False: in_template(messages, reply=True),
        ),
        Slip(
            "a space after the opened turn",
            "The reply brings its own space; two would be another token.",
            partial(in_template, opening="\n\nAssistant: "),
        ),
        Slip(
            "roles in place of names",
            "user is Human, assistant is Assistant, system is System.",
            partial(in_template, names={}),
        ),
        Slip(
            "the names of another format",
            "In hh-rlhf the user is called Human.",
            partial(in_template, names={**NAMES, "user": "User"}),
        ),
        Slip(
            "one newline in place of two",
            "A blank line stands before each turn.",
            partial(in_template, before="\n", opening="\nAssistant:"),
        ),
        Slip("no space after the colon", 'A turn is "Human: Hi".', partial(in_template, colon=":")),
        Slip(
            "no blank line at the beginning",
            "The first turn begins like all others.",
            changed(in_template, lambda text: text.removeprefix("\n\n")),
        ),
        Slip(
            "a blank line at the end",
            "It belongs before a turn, not behind it.",
            changed(in_template, lambda text: text + "\n\n"),
        ),
        Slip(
            "the last message only",
            "All turns make the prompt.",
            lambda messages, *, reply=False: in_template(messages[-1:], reply=reply),
        ),
        Slip("the system message is dropped", "It is a turn too, with the name System.", without_system),
        Slip("contents are stripped", "What was written stays as it is.", stripped),
        Slip("blank lines are taken out of the contents", "What was written stays as it is.", without_blank_lines),
    ),
    hints=(
        "One turn is a blank line, a name, a colon, a space and the content. Which name has each role?",
        "Join the turns without anything between them; with reply=True add the beginning of one more turn.",
        '"".join(f"\\n\\n{names[m[\'role\']]}: {m[\'content\']}" for m in messages) + "\\n\\nAssistant:" * reply',
    ),
    right_answers=(render_by_loop, render_by_join, render_by_recursion),
)
