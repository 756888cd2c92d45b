"""Every exercise of the course through the judge: right answers of any author are full, each slip costs what it breaks.

Leaves out single rules (test_marking.py) and attacks (test_hostile.py). By default one right answer of each exercise and
one slip of every sixth are run; `EVERY=1 pytest tests/grading/test_answers.py` takes all, which is half an hour.
"""

import pytest
from project import EVERY, script

from grading import answer_cells
from rlhf_lesson.course.examine import call, failure
from rlhf_lesson.course.specs import CHAPTERS, EXERCISES
from rlhf_lesson.grading import library
from rlhf_lesson.grading.drawing import class_forms, hidden_cases
from rlhf_lesson.grading.intake import Submission
from rlhf_lesson.grading.marking import Judge

KEY = b"a key that nobody knows"
every_chapter = pytest.mark.parametrize("chapter", range(len(CHAPTERS)))
SLIPPED = list(EXERCISES.values())[:: 1 if EVERY else 6]


@pytest.fixture(scope="module")
def judge():
    return Judge(EXERCISES, KEY)


@pytest.fixture(scope="module")
def build():
    """The tool that writes the solutions."""
    return script("tools/build.py")


def full(judge, zygote, cells, names):
    for mark in judge.mark(zygote, Submission("ann", cells), names):
        assert (mark.points, mark.kind) == (mark.out_of, ""), f"{mark.exercise} {mark.kind} {mark.message} {mark.shown}"


@every_chapter
def test_the_solutions_handed_in_get_full_marks(chapter, judge, zygote, build):
    names = CHAPTERS[chapter]
    imports = [f"from {library.home(EXERCISES[name])} import {name}" for name in names]
    full(judge, zygote, [build.exercise_cells(build.function(i), "solutions")[0] for i in imports], names)


@every_chapter
def test_right_answers_in_other_words_get_full_marks(chapter, judge, zygote):
    """One submission per answer: each is handed in as a student would, with its helpers in the same cell."""
    for name in CHAPTERS[chapter]:
        for number in range(3) if EVERY else [len(name) % 3]:
            helpers, answer = answer_cells.cells(name, number)
            marked, _, rest = answer.partition("\n")
            full(judge, zygote, [f"{marked}\n{helpers}\n{rest}"], [name])


# ---- slips ---------------------------------------------------------------------------------------


class Open(Judge):
    """A judge whose workers may read the specs too, so that a submission can be one of their slips."""

    def materials(self, name):
        files = [p for p in library.ROOT.rglob("*.py") if "grading" not in p.parts]
        modules = [".".join(p.relative_to(library.ROOT.parent).with_suffix("").parts) for p in files]
        texts = {
            m.removesuffix(".__init__"): p.read_text(encoding="utf-8") for m, p in zip(modules, files, strict=True)
        }
        return {"library": texts, "earlier": {}, "signatures": {}}


@pytest.fixture(scope="module")
def open_judge():
    return Open(EXERCISES, KEY)


def properties_held(exercise, wrong, student):
    """Which properties a wrong answer has, found without the judge: in this process, as `check` would."""
    held = dict.fromkeys(exercise.cases, True)
    for sentence, case in hidden_cases(exercise, KEY, student, class_forms(exercise, KEY)):
        right = call(exercise, exercise.reference, case)
        held[sentence] &= failure(exercise, wrong, case, right)[0] is None
    return held


@pytest.mark.parametrize("exercise", SLIPPED, ids=lambda e: e.name)
def test_a_slip_costs_the_points_of_the_properties_it_breaks(exercise, open_judge, zygote):
    slips = list(enumerate(exercise.slips))
    for number, slip in slips if EVERY else slips[len(exercise.name) % len(slips) :][:1]:
        name = exercise.name
        cell = f"# exercise: {name}\nfrom rlhf_lesson.course.specs import EXERCISES\n"
        cell += f"{name} = EXERCISES['{name}'].slips[{number}].wrong"
        (mark,) = open_judge.mark(zygote, Submission("ann", [cell]), [name])
        held = properties_held(exercise, slip.wrong, "ann")
        found = {p["must_hold"]: not p["hidden"] for p in mark.parts}
        assert found == held, f"{slip.name}: {mark.message} {mark.shown}"
        share = sum(held.values()) / len(held)
        assert mark.points in (0, pytest.approx(exercise.points * share, abs=0.01)), (slip.name, mark)
        assert mark.points < mark.out_of and mark.kind and mark.message, (slip.name, mark)
