"""DOC."""

import re
from functools import partial

from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.draws import a_dialogue
from rlhf_lesson.course.specs.render import rendered
from rlhf_lesson.data import chats


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


ROLE = {"Human": "user", "Assistant": "assistant", "System": "system"}


def messages_by_finditer(text):
    turns = list(re.finditer(r"\n\n(Human|Assistant|System):( ?)", text))
    ends = [turn.start() for turn in turns[1:]] + [len(text)]
    return [{"role": ROLE[turn[1]], "content": text[turn.end() : end]} for turn, end in zip(turns, ends, strict=True)]


def messages_by_blank_lines(text):
    out = []
    for piece in text.split("\n\n")[1:]:
        name = piece.split(":")[0]
        if name in ROLE and ":" in piece:
            content = piece[len(name) + 1 :]
            out.append({"role": ROLE[name], "content": content[1:] if content.startswith(" ") else content})
        else:
            out[-1]["content"] += "\n\n" + piece
    return out


def messages_by_lookahead(text):
    out = []
    for turn in re.split(r"\n\n(?=(?:Human|Assistant|System):)", text)[1:]:
        name, _, content = turn.partition(":")
        out += [dict(content=re.sub("^ ", "", content), role=ROLE[name])]
    return out


EXERCISE = Exercise(
    name="messages_of",
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
    right_answers=(messages_by_finditer, messages_by_blank_lines, messages_by_lookahead),
)
