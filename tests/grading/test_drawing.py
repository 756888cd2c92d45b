"""Hidden cases: every student has other values, the class has few forms, and all of it is the same at every regrade."""

import numpy as np
import pytest

from grading.class_of_two import KEY
from rlhf_lesson.course.specs import EXERCISES
from rlhf_lesson.grading.drawing import class_forms, hidden_cases, seed
from rlhf_lesson.grading.marking import Judge
from rlhf_lesson.grading.marks import HIDDEN
from rlhf_lesson.grading.trusted import form

STUDENTS = [f"student {n}" for n in range(12)]


def test_each_student_has_other_hidden_cases_and_always_the_same():
    assert seed(KEY, "ann", "gae") == seed(KEY, "ann", "gae")
    assert len({seed(k, s, e) for k in (KEY, b"other") for s in ("ann", "bob") for e in ("gae", "k1")}) == 8
    one, other, again = (Judge(EXERCISES, KEY).hidden(EXERCISES["gae"], s)[0][1] for s in ("ann", "bob", "ann"))
    assert not np.array_equal(one.args[0], other.args[0]) and np.array_equal(one.args[0], again.args[0])


@pytest.mark.parametrize("name", ["masked_mean", "gae", "dpo_loss", "adaptive_kl_coef", "length_bias"])
def test_a_class_has_few_forms_and_a_student_hardly_ever_another_one(name):
    exercise = EXERCISES[name]
    forms = class_forms(exercise, KEY)
    assert len(forms) <= len(exercise.cases) and forms == class_forms(exercise, KEY)
    cases = [hidden_cases(exercise, KEY, student, forms) for student in STUDENTS]
    assert all([text for text, _ in own] == [t for t in exercise.cases for _ in range(HIDDEN)] for own in cases)
    others = sum(form(case, whole=exercise.traceable) not in forms for own in cases for _, case in own)
    assert others <= 0.1 * sum(map(len, cases))


def test_where_sizes_differ_a_class_has_two_at_least():
    """Or an answer for arrays of one size only would be right for a whole class."""
    assert len(class_forms(EXERCISES["exact_kl"], KEY)) == 2


def test_another_key_has_other_forms():
    chosen = [class_forms(EXERCISES["masked_mean"], bytes([n])) for n in range(4)]
    assert any(forms != chosen[0] for forms in chosen)
