"""Right answers in the forms in which people hand them in: none loses a point. What is handed in as a file is in test_intake.py.

By default each form is tried with one answer; `EVERY=1 pytest tests/grading/test_forms.py` tries it with all of them.
"""

import pytest
from project import EVERY

from grading.handed_forms import ANSWERS, FORMS
from grading.single_forms import SINGLE
from grading.worker_side import handed_in
from rlhf_lesson.course.specs import EXERCISES
from rlhf_lesson.grading.marking import Judge

TRIED = [
    (form, answer) for i, form in enumerate(FORMS) for j, answer in enumerate(ANSWERS) if EVERY or j == i % len(ANSWERS)
]


@pytest.fixture(scope="module")
def judge():
    return Judge(EXERCISES, b"a key that nobody knows")


@pytest.mark.parametrize("form, answer", TRIED, ids=[f"{form}: {answer.name}" for form, answer in TRIED])
def test_a_right_answer_is_right_in_every_form(form, answer, judge, zygote):
    (mark,) = judge.mark(zygote, handed_in(FORMS[form](answer)), [answer.name])
    assert (mark.points, mark.kind) == (mark.out_of, ""), (mark.kind, mark.message, mark.shown)


@pytest.mark.parametrize("form", SINGLE)
def test_a_right_answer_with_things_of_its_own_is_right(form, judge, zygote):
    name, files = SINGLE[form]
    (mark,) = judge.mark(zygote, handed_in(files), [name])
    assert (mark.points, mark.kind) == (mark.out_of, ""), (mark.kind, mark.message, mark.shown)


def test_the_note_and_what_is_missing_reach_the_student(judge, zygote):
    files = {
        "a.ipynb": ["import jax.numpy as jnp", "def masked_mean(values, mask):\n    return jnp.sum(values) / count"]
    }
    (mark,) = judge.mark(zygote, handed_in(files), ["masked_mean"])
    assert mark.points == 0 and "Nothing that was handed in defines count." in mark.message
    assert "Found by its name in code cell 2 of a.ipynb" in mark.message
