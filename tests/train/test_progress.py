"""The bar passes a loop on unchanged, however many values it yields and wherever it is left."""

from rlhf_lesson.train.progress import bar


def steps(*more):
    for step in range(1, 4):
        yield 10 * step, {"step": step, "steps": 3, "loss": 0.5}, *more


def test_what_the_loop_yields_comes_through_unchanged(capsys):
    assert list(bar("two", steps())) == list(steps())
    assert list(bar("three", steps("rollout"))) == list(steps("rollout"))
    assert "3/3" in capsys.readouterr().err


def test_a_loop_that_is_left_early_closes_its_bar(capsys):
    for state, _ in bar("short", steps()):
        break
    assert state == 10 and "short" in capsys.readouterr().err


def test_no_steps_need_no_bar(capsys):
    assert list(bar("none", iter(()))) == [] and capsys.readouterr().err == ""
