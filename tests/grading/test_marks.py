"""From the outcomes of hidden cases to points: by hand."""

import numpy as np
import pytest

from grading.class_of_two import TWO
from rlhf_lesson.course.examine import call
from rlhf_lesson.course.exercise import Case
from rlhf_lesson.course.specs import EXERCISES
from rlhf_lesson.grading.marks import (
    FAILURES,
    SENTENCES,
    Outcome,
    failure_of,
    judged,
    no_parts,
    said,
    scored,
    shares,
    thoughtless,
)

EXERCISE = TWO["masked_mean"]


def hidden(values):
    """Two cases of each property, whose right answers are these numbers in turn."""
    texts = list(EXERCISE.cases)
    return [(text, Case(()), values[k % len(values)]) for k, text in enumerate(t for t in texts for _ in range(2))]


def test_every_failure_has_its_sentence():
    assert set(SENTENCES) == set(FAILURES)


def test_all_right_is_full_and_one_wrong_case_costs_its_property():
    cases = hidden([1.0, 2.0])
    right = [Outcome(None)] * len(cases)
    assert scored(EXERCISE, cases, right).points == EXERCISE.points
    mark = scored(EXERCISE, cases, [Outcome("wrong-value"), *right[1:]])
    share = EXERCISE.points / len(EXERCISE.cases)
    assert mark.points == pytest.approx(EXERCISE.points - share, abs=0.01) and mark.kind == "wrong-value"
    assert mark.parts[0]["hidden"] == {"wrong-value": 1} and mark.parts[0]["points"] == 0.0


def test_properties_that_a_constant_satisfies_earn_nothing_alone():
    texts = list(EXERCISE.cases)
    cases = [
        (text, Case(()), 0.0 if text == texts[-1] else float(k))
        for k, text in enumerate(t for t in texts for _ in "ab")
    ]
    outcomes = [Outcome(None if text == texts[-1] else "wrong-value") for text, *_ in cases]
    assert scored(EXERCISE, cases, outcomes).points == 0.0


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
def test_an_input_handed_back_or_a_piece_of_it_earns_nothing(exercise):
    rng = np.random.default_rng(1)
    hidden = [
        (text, case := make(rng), call(exercise, exercise.reference, case)) for text, make in exercise.cases.items()
    ]
    for name in set.union(*(set(thoughtless(case)) for _, case, _ in hidden)):
        outcomes = [judged(exercise, thoughtless(case).get(name), right) for _, case, right in hidden]
        assert scored(exercise, hidden, outcomes).points == 0.0, name


def test_a_workers_word_is_reduced_to_the_list():
    assert failure_of({"failure": "timeout", "text": "slow"}).kind == "timeout"
    for forged in ({"failure": "grader-error"}, {"failure": "unreadable"}, {"failure": "right"}, {}, {"failure": 7}):
        assert failure_of(forged).kind == "crashed"
    assert len(failure_of({"failure": "raised", "text": "x" * 999}).sentence) == 300


def test_an_answer_is_compared_as_check_compares_it():
    assert judged(EXERCISE, np.float32(1.0), np.float32(1.0)).kind is None
    assert judged(EXERCISE, np.float32(1.1), np.float32(1.0)).kind == "wrong-value"
    assert judged(EXERCISE, np.float32(np.nan), np.float32(1.0)).kind == "wrong-not-finite"
    assert judged(EXERCISE, np.ones(2, np.float32), np.float32(1.0)).kind == "wrong-shape"
    assert judged(EXERCISE, {"a": 1}, np.float32(1.0)).kind == "wrong-type"


def test_without_any_outcome_every_property_names_the_failure():
    parts = no_parts(EXERCISE, "timeout")
    assert len(parts) == len(EXERCISE.cases) and all(part["hidden"] == {"timeout": 2} for part in parts)


def test_the_parts_of_an_exercise_add_up_to_it_whatever_was_earned():
    assert shares(5, 6) == [0.83, 0.84, 0.83, 0.83, 0.84, 0.83]
    for exercise in EXERCISES.values():
        assert round(sum(p["out_of"] for p in no_parts(exercise, "missing")), 2) == exercise.points, exercise.name
        texts = [text for text in exercise.cases for _ in range(2)]
        cases = [(text, Case(()), float(k)) for k, text in enumerate(texts)]
        for right in range(len(exercise.cases) + 1):
            outcomes = [Outcome(None if list(exercise.cases).index(t) < right else "wrong-value") for t in texts]
            mark = scored(exercise, cases, outcomes)
            assert mark.points == round(sum(p["points"] for p in mark.parts), 2)
            assert mark.points == round(exercise.points * right / len(exercise.cases), 2)
            assert round(sum(p["out_of"] for p in mark.parts), 2) == exercise.points
            assert all(p["points"] in (0.0, p["out_of"]) for p in mark.parts)


def test_a_stub_and_a_syntax_error_are_said_without_noise():
    assert said(Outcome("missing", "NotImplementedError: ")) == SENTENCES["missing"]
    assert "gae is what" in said(Outcome("missing", "NotImplementedError: gae is what this exercise asks for"))
    assert said(Outcome("does-not-parse", "SyntaxError: '(' was never closed")).endswith("never closed.")
    assert said(Outcome("raised", "ValueError: no")) == "ValueError: no."
