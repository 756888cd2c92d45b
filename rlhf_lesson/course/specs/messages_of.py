"""The messages of a dialogue that was rendered as one text: `render` backwards.

A turn begins at a blank line with a name and a colon, and nowhere else: contents hold colons, names and blank lines.
"""

import re

import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.draws import dialogue
from rlhf_lesson.course.specs.render import in_template, with_contents
from rlhf_lesson.data.chats import messages_of

ROLES = {"Human": "user", "Assistant": "assistant", "System": "system"}


def as_text(
    rng: np.random.Generator, *, turns: int = 3, system: bool = False, inside: str = " ", edges: str = ""
) -> Case:
    """A dialogue in the template; the arguments are those of `dialogue`."""
    return Case((in_template(dialogue(rng, turns=turns, system=system, inside=inside, edges=edges)),))


def opened(rng: np.random.Generator) -> Case:
    """A dialogue in the template, with the assistant's next turn opened."""
    return Case((in_template(dialogue(rng), reply=True),))


# ---- slips ---------------------------------------------------------------------------------------


def turns_of(text, names=tuple(ROLES)):
    """The name and the content of each turn, right for these names; the space after the colon is still there."""
    turns = []
    for piece in text.split("\n\n"):
        name, colon, content = piece.partition(":")
        if colon and name in names:
            turns.append((name, content))
        elif turns:
            last, before = turns[-1]
            turns[-1] = last, before + "\n\n" + piece
    return turns


def written(turns, roles=ROLES):
    """The message of each turn."""
    return [{"role": roles[name], "content": content.removeprefix(" ")} for name, content in turns]


def read(text):
    """The right messages."""
    return written(turns_of(text))


def with_roles(*roles):
    """An answer with these roles for Human, Assistant and System."""
    return lambda text: written(turns_of(text), dict(zip(ROLES, roles, strict=True)))


def a_message_per_blank_line(text):
    """Text after a blank line that has no name becomes a message of the user."""
    pieces = [piece.partition(":") for piece in text.split("\n\n")[1:]]
    return [
        {"role": ROLES[name], "content": content.removeprefix(" ")}
        if colon and name in ROLES
        else {"role": "user", "content": name + colon + content}
        for name, colon, content in pieces
    ]


# ---- right answers in other words ----------------------------------------------------------------


def messages_by_finditer(text):
    turns = list(re.finditer(r"\n\n(Human|Assistant|System):( ?)", text))
    ends = [turn.start() for turn in turns[1:]] + [len(text)]
    return [{"role": ROLES[turn[1]], "content": text[turn.end() : end]} for turn, end in zip(turns, ends, strict=True)]


def messages_by_blank_lines(text):
    out = []
    for piece in text.split("\n\n")[1:]:
        name = piece.split(":")[0]
        if name in ROLES and ":" in piece:
            content = piece[len(name) + 1 :]
            out.append({"role": ROLES[name], "content": content[1:] if content.startswith(" ") else content})
        else:
            out[-1]["content"] += "\n\n" + piece
    return out


def messages_by_lookahead(text):
    out = []
    for turn in re.split(r"\n\n(?=(?:Human|Assistant|System):)", text)[1:]:
        name, _, content = turn.partition(":")
        out += [dict(content=re.sub("^ ", "", content), role=ROLES[name])]
    return out


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="messages_of",
    minutes=20,
    difficulty=3,
    points=5,
    reference=messages_of,
    traceable=False,
    cases={
        "a dialogue comes back as its messages": lambda rng: as_text(rng, turns=int(rng.integers(2, 5))),
        "a system message too": lambda rng: as_text(rng, system=True),
        "a colon inside a turn is text": lambda rng: as_text(rng, inside=": "),
        "a name inside a line is text": lambda rng: as_text(rng, inside=" Human: "),
        "a blank line inside a turn is text": lambda rng: as_text(rng, inside="\n\n"),
        "one space goes, all others stay": lambda rng: as_text(rng, edges="  "),
        "an opened turn is a message without content": opened,
    },
    slips=(
        Slip("names in place of roles", "Human is user, Assistant is assistant, System is system.", with_roles(*ROLES)),
        Slip("roles are swapped", "Human is the user.", with_roles("assistant", "user", "system")),
        Slip(
            "the space is kept",
            "One space after the colon is not part of the content.",
            lambda text: [{"role": ROLES[name], "content": content} for name, content in turns_of(text)],
        ),
        Slip(
            "the content is cut at a colon",
            "Only the first colon ends the name.",
            lambda text: with_contents(read(text), lambda content: content.split(":")[0]),
        ),
        Slip(
            "a turn begins at every name",
            "Only after a blank line is a name the beginning of a turn.",
            lambda text: read(text.replace(" Human:", "\n\nHuman:")),
        ),
        Slip(
            "what follows a blank line is lost",
            "A blank line inside a turn belongs to its content.",
            lambda text: with_contents(read(text), lambda content: content.split("\n\n")[0]),
        ),
        Slip(
            "each blank line begins a message",
            "Without a name it goes on with the last turn.",
            a_message_per_blank_line,
        ),
        Slip(
            "contents are stripped",
            "One space goes; all others stay.",
            lambda text: with_contents(read(text), str.strip),
        ),
        Slip(
            "every leading space goes",
            "One space after the colon; the others belong to the content.",
            lambda text: with_contents(read(text), lambda content: content.lstrip(" ")),
        ),
        Slip(
            "the system message is no message",
            "System is a role too.",
            lambda text: written(turns_of(text, ("Human", "Assistant"))),
        ),
        Slip(
            "only what the user said",
            "All turns, in their order.",
            lambda text: [message for message in read(text) if message["role"] == "user"],
        ),
        Slip(
            "pairs in place of messages",
            'A message is {"role": ..., "content": ...}.',
            lambda text: [(message["role"], message["content"]) for message in read(text)],
        ),
        Slip(
            "an opened turn is dropped",
            "It is a message whose content is empty.",
            lambda text: [message for message in read(text) if message["content"]],
        ),
    ),
    hints=(
        "Where does a turn begin? At a blank line that is followed by one of three names and a colon, and nowhere else.",
        're.split(r"\\n\\n(Human|Assistant|System):", text) gives what stands before, then name and content in turn.',
        'zip(turns[::2], turns[1::2]) pairs them; content.removeprefix(" ") takes one space away.',
    ),
    right_answers=(messages_by_finditer, messages_by_blank_lines, messages_by_lookahead),
)
