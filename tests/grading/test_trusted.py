"""The compiled references give what the references give, and no more is compiled than is kept."""

import numpy as np

from rlhf_lesson.course.examine import answered
from rlhf_lesson.course.specs import EXERCISES
from rlhf_lesson.grading.trusted import Trusted, form, plain


def test_a_compiled_reference_gives_what_the_reference_gives():
    trusted = Trusted()
    for name in ("masked_mean", "gae", "next_width", "render", "pairs_from_ranking"):
        exercise = EXERCISES[name]
        for make in exercise.cases.values():
            case = make(np.random.default_rng(1))
            ours, theirs = plain(trusted(exercise, case)), plain(answered(exercise, exercise.reference, case))
            if isinstance(theirs, np.ndarray):
                np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
            else:
                assert ours == theirs


def test_few_programs_are_kept_whatever_the_shapes():
    trusted, exercise = Trusted(), EXERCISES["masked_mean"]
    make = next(iter(exercise.cases.values()))
    for seed in range(30):
        trusted(exercise, make(np.random.default_rng(seed)))
    assert all(len(programs) <= trusted.most for programs in trusted.compiled.values())


def test_the_form_of_a_case_is_its_shapes_and_not_its_values():
    make = next(iter(EXERCISES["gae"].cases.values()))
    case = make(np.random.default_rng(0))
    other = case._replace(args=tuple(np.zeros_like(x) for x in case.args))
    assert form(case) == form(other) != form(case._replace(gradient=0))
