"""DOC."""

from functools import partial

from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.draws import ANSWERED, ASKED, ORDERED
from rlhf_lesson.data import chats


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


def instruction_by_format(row):
    return f"### Instruction:\n{row['instruction']}\n\n### Response:\n", row["response"]


def instruction_by_lines(row):
    return "\n".join(["### Instruction:", row["instruction"], "", "### Response:", ""]), row["response"]


def instruction_by_replacing(row):
    template = "### Instruction:\n{}\n\n### Response:\n"
    return template.format(row["instruction"]), str(row["response"])


EXERCISE = Exercise(
    name="parse_instruction",
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
    right_answers=(instruction_by_format, instruction_by_lines, instruction_by_replacing),
)
