"""Hidden cases: each student has values of their own, in a few forms that the class shares.

A form is what decides how a function is compiled (see `trusted.form`). To compile one costs more than a hundred calls, so the forms
are drawn once from the course's key, and a student's cases are drawn until they have one of them.
"""

import hashlib
import hmac
from collections import Counter

import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise
from rlhf_lesson.grading.marks import HIDDEN
from rlhf_lesson.grading.trusted import form

SUITE = 4  # version of the hidden cases: part of every seed
SEEN = 40  # cases of a property from which the class's forms are chosen
DRAWS = 300  # of one hidden case; if none has a form of the class, the first is taken
CLASS = "\0the class"  # no student has this name


def seed(key: bytes, student: str, exercise: str) -> int:
    """The hidden cases' seed: HMAC-SHA256 of the course's key over student, exercise and suite version."""
    message = "\0".join((student, exercise, str(SUITE)))
    return int.from_bytes(hmac.new(key, message.encode("utf-8", "replace"), hashlib.sha256).digest()[:16], "big")


def class_forms(exercise: Exercise, key: bytes) -> set[str]:
    """The forms of an exercise's hidden cases in a class: few, and of each property at least one.

    Where there are several there are two at least, so that an answer for arrays of one size only is found out.
    """
    rng = np.random.default_rng(seed(key, CLASS, exercise.name))
    seen = {
        text: Counter(form(make(rng), whole=exercise.traceable) for _ in range(SEEN))
        for text, make in exercise.cases.items()
    }
    chosen, left = [], list(seen.values())
    while left:
        common = Counter()
        for counts in left:  # the root: one that many properties have comes before one that a single one always has
            common.update({f: count**0.5 for f, count in counts.items()})
        chosen.append(common.most_common(1)[0][0])
        left = [counts for counts in left if chosen[-1] not in counts]
    if len(chosen) == 1:
        chosen += [f for f, _ in sum(seen.values(), Counter()).most_common(2) if f not in chosen][:1]
    return set(chosen)


def hidden_cases(exercise: Exercise, key: bytes, student: str, forms: set[str]) -> list[tuple[str, Case]]:
    """A student's own cases, each with its property: always the same ones."""
    rng, cases = np.random.default_rng(seed(key, student, exercise.name)), []
    for text in [text for text in exercise.cases for _ in range(HIDDEN)]:
        first = case = exercise.cases[text](rng)
        for _ in range(DRAWS):
            if form(case, whole=exercise.traceable) in forms:
                break
            case = exercise.cases[text](rng)
        else:
            case = first
        cases.append((text, case))
    return cases
