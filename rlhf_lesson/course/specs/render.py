"""DOC."""

from functools import partial

from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.draws import a_dialogue
from rlhf_lesson.data import chats


def rendered(
    messages, *, reply=False, before="\n\n", colon=": ", end="", opening="\n\nAssistant:", names=None, text=lambda t: t
):
    """The dialogue with a switch for each slip; right at the defaults."""
    names = {"user": "Human", "assistant": "Assistant", "system": "System"} if names is None else names
    turns = [f"{before}{names.get(m['role'], m['role'])}{colon}{text(m['content'])}{end}" for m in messages]
    return "".join(turns) + opening * reply


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


EXERCISE = Exercise(
    name="render",
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
    right_answers=(render_by_loop, render_by_join, render_by_recursion),
)
