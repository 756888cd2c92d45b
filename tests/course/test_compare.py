"""What counts as the same answer, and the sentence that says what differs."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from rlhf_lesson.course.compare import MANY, compare, kind_of, plain_form


class Two(NamedTuple):
    """A pair with a name."""

    first: int
    second: float


def differs(got, expected):
    failure = compare(plain_form(got), expected, rtol=1e-4, atol=1e-5)
    return failure and failure.kind


def test_sets_generators_and_ranges_are_lists_and_a_named_tuple_is_a_plain_one():
    assert (
        sorted(plain_form({2, 1})) == [1, 2]
        and plain_form(x for x in "ab") == ["a", "b"]
        and plain_form(range(2)) == [0, 1]
    )
    assert type(plain_form(Two(1, 2.0))) is tuple and plain_form({"a": iter([1])}) == {"a": [1]}
    assert len(plain_form(iter(int, 1))) == MANY, "one without end is cut off"


def test_numbers_of_another_sort_are_wrong_and_of_another_length_are_not():
    right = np.ones(2, np.float32)
    assert differs(right + 0j, right) == "dtype", "complex numbers once passed as floats"
    assert differs(jnp.ones(2, jnp.bfloat16), right) == "dtype" and differs(np.ones(2, int), right) == "dtype"
    assert differs(np.ones(2, np.float64), right) is None and differs(np.ones(2, bool), np.ones(2, int)) is None
    assert {kind_of(np.array(x)) for x in ("a", None)} == {"other"}


def test_what_differs_is_told_by_its_kind():
    right = np.ones(2, np.float32)
    assert differs([right], right) == "type" and differs(np.ones(3, np.float32), right) == "shape"
    assert differs(np.array([1.0, np.nan]), right) == "not-finite" and differs(right + 0.1, right) == "value"
