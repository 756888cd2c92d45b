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


def test_a_resumed_loop_starts_its_bar_in_the_middle(capsys):
    rest = ((step, {"step": step, "steps": 9}) for step in (7, 8, 9))
    assert [state for state, _ in bar("resumed", rest)] == [7, 8, 9]
    shown = capsys.readouterr().err
    assert "7/9" in shown and "9/9" in shown and "1/9" not in shown


def test_a_loop_that_does_not_say_how_long_it_is_has_a_bar_too(capsys):
    assert list(bar("open", iter([("a", {"kl": 1.0}), ("b", {"kl": 2.0})]))) == [("a", {"kl": 1.0}), ("b", {"kl": 2.0})]
    assert "2it" in capsys.readouterr().err


def test_the_metrics_beside_the_bar_can_be_chosen(capsys):
    list(bar("chosen", iter([("a", {"step": 1, "steps": 1, "kl": 1.0, "apples": 2.0})]), shown=("apples", "pears")))
    shown = capsys.readouterr().err
    assert "apples=2.000" in shown and "kl" not in shown
