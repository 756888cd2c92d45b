"""What a learner meets: check, yours, hint, solution, and a file of progress that survives."""

import ast
import inspect
import threading

import jax
import pytest
from masked_means import forgets_the_mask, masked_mean, not_written

from rlhf_lesson import arrays
from rlhf_lesson.course import progress
from rlhf_lesson.course.checks import check, hint, solution, yours
from rlhf_lesson.course.specs import EXERCISES
from rlhf_lesson.train import background
from rlhf_lesson.train.background import Background

pytestmark = pytest.mark.usefixtures("fresh")


def test_a_function_is_checked_under_its_own_name_or_the_one_that_is_said():
    assert check(masked_mean).passed
    assert check("masked_mean")(forgets_the_mask).slip == "the mask is ignored"
    with pytest.raises(ValueError, match="no exercise 'not_written'"):
        check(not_written)


def test_the_answer_reads_well_in_a_notebook():
    right, wrong = check(masked_mean), check("masked_mean")(forgets_the_mask)
    assert str(right).startswith("✓ masked_mean: right.") and len(str(right).splitlines()) == 1
    lines = str(wrong).splitlines()
    assert lines[0].startswith("✗ masked_mean: wrong. The values differ. It looks like this slip: the mask is ignored.")
    assert [line.split()[0] for line in lines[1:]] == ["input", "got", "expected"]
    assert all(len(line) < 250 for line in lines) and repr(wrong) == str(wrong)
    assert str(check("masked_mean")(not_written)).startswith("· masked_mean: not attempted.")


def test_the_learners_function_is_used_only_after_it_passed(capsys):
    assert yours("masked_mean") is arrays.masked_mean
    assert "the library" in capsys.readouterr().out
    check("masked_mean")(forgets_the_mask)
    assert yours("masked_mean") is arrays.masked_mean
    check(masked_mean)
    capsys.readouterr()
    assert yours("masked_mean") is masked_mean
    assert capsys.readouterr().out == "masked_mean: your function\n"


def test_a_function_that_was_changed_and_is_wrong_now_is_no_longer_used():
    check(masked_mean)
    check("masked_mean")(forgets_the_mask)
    assert yours("masked_mean") is arrays.masked_mean


def test_the_librarys_own_function_is_no_answer(fresh):
    verdict = check(yours("masked_mean"))
    assert verdict.state == "not attempted" and "the library's own function" in verdict.message
    assert progress.read() == {}


def test_hints_have_three_steps_and_say_so():
    assert len({hint("gae", step) for step in (1, 2, 3)}) == 3 and hint("gae") == hint("gae", 1)
    with pytest.raises(ValueError, match="three steps"):
        hint("gae", 4)
    with pytest.raises(ValueError, match="take one of"):
        hint("gea")


@pytest.mark.parametrize("name", EXERCISES)
def test_a_solution_is_the_librarys_code_without_its_docstring(name):
    *helpers, function = ast.parse(solution(name)).body
    assert (
        all(helper.name.startswith("_") for helper in helpers)
        and function.name == name
        and ast.get_docstring(function) is None
    )
    (whole,) = ast.parse(inspect.getsource(EXERCISES[name].reference)).body
    assert [ast.dump(s) for s in function.body] == [ast.dump(s) for s in whole.body[1:]]


# ---- the compiler's switch -----------------------------------------------------------------------


def switch():
    return jax.config.read("jax_disable_most_optimizations")


@pytest.fixture
def optimising():
    """JAX as in a notebook: the tests' own setting is put aside."""
    before = switch()
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


def seen_by(check_it):
    """What the switch was while a learner's function ran inside its check."""
    states = []

    def masked_mean(values, mask):
        states.append(switch())
        raise ValueError("enough")

    check_it(masked_mean)
    return set(states)


def test_a_check_compiles_quickly_and_puts_the_switch_back(optimising):
    assert seen_by(check) == {True} and switch() is False


def test_while_a_loop_runs_in_the_background_a_check_leaves_the_switch_alone(optimising):
    checked = threading.Event()

    def steps():
        checked.wait()
        yield 1, {"step": 1, "steps": 1}

    loop = Background(steps())
    loop.start()
    assert background.running() and seen_by(check) == {False}
    checked.set()
    loop.result()
    assert not background.running() and seen_by(check) == {True}
