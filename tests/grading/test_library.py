"""What an answer may import: the package's text, without the answers that are still asked for."""

import importlib
import inspect
import re

import pytest

from grading.class_of_two import TWO
from rlhf_lesson.course.examine import asked, failure
from rlhf_lesson.course.specs import EXERCISES
from rlhf_lesson.grading import library
from rlhf_lesson.wings import wing


def test_what_is_still_asked_for_is_cut_out_of_the_library():
    texts = library.for_exercise(TWO, "gae")["library"]
    assert "def masked_mean(values" in texts["rlhf_lesson.arrays"].replace("\n    ", "")
    assert "is what this exercise asks for" in texts["rlhf_lesson.advantages"]
    assert not re.search(r"delta.*lam", texts["rlhf_lesson.advantages"])
    assert "is what this exercise asks for" in library.for_exercise(TWO, "masked_mean")["library"]["rlhf_lesson.arrays"]


@pytest.mark.slow
def test_no_function_of_the_library_under_another_name_is_an_answer():
    """`pairwise_accuracy` once had a twin elsewhere that gave its points by import; here each is asked a case of each exercise."""
    modules = [m for m in library.for_exercise(EXERCISES, next(iter(EXERCISES)))["library"]]
    found = [f for m in modules for f in vars(importlib.import_module(m)).values() if inspect.isfunction(f)]
    functions = {f for f in found if f.__module__.startswith("rlhf_lesson.") and f.__name__ not in EXERCISES}
    twins = []
    for exercise in EXERCISES.values():
        questions = asked(exercise, 3)
        for function in functions:
            if fits(function, questions[0][1]) and all(answers(exercise, function, *q) for q in questions):
                twins.append((exercise.name, function.__qualname__))
    assert twins == []


def fits(function, case):
    """Whether it can be called with a case's arguments."""
    try:
        inspect.signature(function).bind(*case.args, **case.kwargs)
    except TypeError:
        return False
    return wing(function.__module__) in ("", "data")  # the loops of later wings take no plain arrays


def answers(exercise, function, _, case, right):
    try:
        return failure(exercise, function, case, right)[0] is None
    except BaseException:
        return False
