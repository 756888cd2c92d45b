"""One call in the worker: compiled where it can be, as it is where it can't, and the gradient where that is asked for."""

import importlib
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from rlhf_lesson.grading import frames


@pytest.fixture
def answering(monkeypatch):
    """The module as the worker imports it: beside the others, without the package."""
    monkeypatch.syspath_prepend(str(Path(frames.__file__).parent))
    return importlib.import_module("answering")


def call(answering, function, *args, compiled=None, mode="quick", traceable=True):
    mode = "plain" if compiled is None else mode
    answer, body = answering.call(function, (args, {}), mode, traceable=traceable, compiled=compiled)
    return frames.unpack(answer["answer"], memoryview(b"".join(body)))


def test_a_compiled_call_gives_what_the_plain_one_gives(answering):
    x = np.arange(3, dtype=np.float32)
    for compiled in (None, {}):
        np.testing.assert_allclose(call(answering, lambda x: jnp.sum(x) * 2.0, x, compiled=compiled), 6.0)


def test_a_number_that_can_not_be_traced_is_held_fixed_and_an_array_that_can_not_is_an_error(answering):
    x, compiled = np.arange(3, dtype=np.float32), {}
    assert call(answering, lambda x, a: x[0] if a > 1 else x[1], x, 2.0, compiled=compiled) == 0.0
    assert len(compiled["ways"]) == 1, "the other way of tracing is not tried again"
    with pytest.raises(Exception, match="Tracer"):
        call(answering, lambda x: float(np.asarray(x)[0]), x, compiled={}, mode="compiled")


def test_a_plain_call_gets_jaxs_arrays_where_a_loop_would_compile_the_function(answering):
    kinds = {t: call(answering, lambda x: type(x).__name__, np.zeros(2), traceable=t) for t in (True, False)}
    assert kinds == {True: "ArrayImpl", False: "ndarray"}


def test_a_second_call_of_one_form_compiles_nothing_anew(answering):
    traced, compiled = [], {}

    def function(x):
        traced.append(1)
        return x + 1.0

    for start in (0.0, 5.0):
        call(answering, function, np.full(2, start, np.float32), compiled=compiled)
    assert len(traced) == 1


def test_calls_of_several_forms_are_compiled_in_one_program(answering):
    traced, compiled = [], {}

    def function(x, *, scale=1.0):
        traced.append(x.shape)
        return jnp.sum(x**2) * scale

    for start in (2.0, 5.0):
        calls = [((np.full(2, start, np.float32),), {}), ((np.ones(3, np.float32),), {"scale": start})]
        answer, body = answering.together(function, [None, None], calls, compiled)
        assert frames.unpack(answer["answer"], memoryview(b"".join(body))) == [2.0 * start**2, 3.0 * start]
    assert traced == [(2,), (3,)]
    answer, body = answering.together(function, [0, None], calls, {})
    np.testing.assert_allclose(frames.unpack(answer["answer"], memoryview(b"".join(body)))[0], [10.0, 10.0])


def test_calls_that_need_real_numbers_go_into_no_common_program(answering):
    with pytest.raises(Exception, match="Tracer"):
        answering.together(lambda x, a: x if a > 1 else -x, [None], [((np.ones(2, np.float32), 2.0), {})], {})


def test_long_calls_go_into_no_common_program(answering):
    with pytest.raises(ValueError, match="too long"):
        answering.together(lambda x: sum(x * n for n in range(300)), [None], [((np.ones(2, np.float32),), {})], {})


def test_the_gradient_is_that_of_the_sum_by_one_argument(answering):
    gradient = answering.slope(lambda x, y: x * y, 1)
    np.testing.assert_allclose(gradient(jnp.array([2.0, 3.0]), jnp.ones(2)), [2.0, 3.0])
    assert answering.slope(abs, None) is abs


def test_an_input_can_be_written_to_as_a_learners_own_could(answering):
    def overwrites(x):
        x[0] = 9.0
        return x

    frozen = np.zeros(2, np.float32)
    frozen.setflags(write=False)
    assert call(answering, overwrites, frozen, traceable=False)[0] == 9.0
