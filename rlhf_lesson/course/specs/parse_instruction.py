"""A row of instruction data as a prompt with its two headings, and the response as it is.

The row's texts may hold blank lines, spaces at their ends and a heading of their own: all of it is text.
"""

from functools import partial

import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.draws import ANSWERS, ORDERS, QUESTIONS
from rlhf_lesson.course.specs.mistakes import changed
from rlhf_lesson.data.chats import parse_instruction


def a_row(
    rng: np.random.Generator, *, before: str = "", inside: str = "", after: str = "", more: str | None = None
) -> Case:
    """A row of instruction data, with `inside` and `after` in both texts, `before` in the response, and a field `more`."""
    question = str(rng.choice(QUESTIONS))
    answer = str(rng.choice(ANSWERS))
    order = str(rng.choice(ORDERS))
    row = {"instruction": question + inside + order + after, "response": before + answer + inside + "." + after}
    return Case((row | ({more: str(rng.choice(ANSWERS)) + inside} if more else {}),))


def as_pair(answer):
    """Prompt and response as a plain pair: a Demonstration is as good as a tuple."""
    return tuple(answer) if isinstance(answer, tuple) else answer


# ---- slips ---------------------------------------------------------------------------------------


def question(row):
    """The instruction, and the input or the context where there is one."""
    more = row.get("input") or row.get("context")
    return row["instruction"] + (f"\n\n### Input:\n{more}" if more else "")


def demonstration(row, *, head="### Instruction:\n", middle="\n\n### Response:\n"):
    """Prompt and response with these headings; right at the defaults."""
    return head + question(row) + middle, row["response"]


def input_dropped(row):
    """The prompt without what the instruction is about."""
    return demonstration({"instruction": row["instruction"], "response": row["response"]})


def input_in_the_instruction(row):
    """The input without a heading of its own."""
    more = row.get("input") or row.get("context") or ""
    return demonstration({"instruction": f"{row['instruction']}\n\n{more}".rstrip("\n"), "response": row["response"]})


def heading_in_the_response(row):
    """The second heading is learnt."""
    return "### Instruction:\n" + question(row), "\n\n### Response:\n" + row["response"]


def stripped(row):
    """The right answer of texts without spaces at their ends."""
    return demonstration({field: text.strip() for field, text in row.items()})


def cut_at_heading(row):
    """One text, cut at the first heading in it."""
    prompt, heading, response = "".join(demonstration(row)).partition("\n\n### Response:\n")
    return prompt + heading, response


# ---- right answers in other words ----------------------------------------------------------------


def instruction_by_format(row):
    about = "".join(f"\n\n### Input:\n{row[key]}" for key in ("input", "context") if row.get(key))
    return f"### Instruction:\n{row['instruction']}{about}\n\n### Response:\n", row["response"]


def instruction_by_lines(row):
    lines = ["### Instruction:", row["instruction"], ""]
    for key in ("input", "context"):
        if row.get(key, "").strip():
            lines += ["### Input:", row[key], ""]
    return "\n".join([*lines, "### Response:", ""]), row["response"]


def instruction_by_replacing(row):
    template = "### Instruction:\n{}\n\n### Response:\n"
    if more := row.get("input", row.get("context")):
        template = template.replace("\n\n", "\n\n### Input:\n{}\n\n")
    return template.format(row["instruction"], more), str(row["response"])


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="parse_instruction",
    minutes=10,
    difficulty=1,
    points=3,
    reference=parse_instruction,
    traceable=False,
    seen=as_pair,
    cases={
        "instruction and response stand in the template": a_row,
        "several lines stay as they are": lambda rng: a_row(rng, inside="\n\n"),
        "spaces at the ends stay as they are": lambda rng: a_row(rng, before=" ", after="  \n"),
        "a heading inside a text is text": lambda rng: a_row(rng, inside="\n\n### Response:\n"),
        "an input stands between the two": lambda rng: a_row(rng, more="input"),
        "a context is an input": lambda rng: a_row(rng, inside="\n\n", more="context"),
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
            heading_in_the_response,
        ),
        Slip(
            "prompt and response are swapped",
            "The prompt comes first.",
            changed(demonstration, lambda pair: pair[::-1]),
        ),
        Slip("one text", "Two texts: only the second is learnt.", changed(demonstration, "".join)),
        Slip(
            "an end of its own",
            "The end token comes with the tokens.",
            changed(demonstration, lambda pair: (pair[0], pair[1] + "\n")),
        ),
        Slip(
            "the input is thrown away",
            "What the instruction is about belongs to the prompt: without it the model learns to guess.",
            input_dropped,
        ),
        Slip(
            "the input has no heading",
            'A blank line and the line "### Input:" stand before it.',
            input_in_the_instruction,
        ),
        Slip("texts are stripped", "What people wrote stays as it is.", stripped),
        Slip("cut at a heading", "Take the fields as they are: a text may hold a heading of its own.", cut_at_heading),
    ),
    hints=(
        "Write one example down by hand and mark each newline in it.",
        '"### Instruction:\\n", the instruction, then "\\n\\n### Input:\\n" and the input if there is one, then'
        ' "\\n\\n### Response:\\n": that is the prompt. The response follows as it is.',
        'more = row.get("input") or row.get("context")\n'
        'about = "\\n\\n### Input:\\n" + more if more else ""\n'
        'Demonstration("### Instruction:\\n" + row["instruction"] + about + "\\n\\n### Response:\\n", row["response"])',
    ),
    right_answers=(instruction_by_format, instruction_by_lines, instruction_by_replacing),
)
