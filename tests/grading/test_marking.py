"""Marks: right answers of every style are full, each mistake costs its own property, and each student has other cases."""

import pytest

from grading.class_of_two import HEAD, KEY, LOOP, PRELUDE, REFERENCE, TWO
from rlhf_lesson.course.examine import ROUNDS, asked
from rlhf_lesson.course.exercise import show_input
from rlhf_lesson.grading import outputs
from rlhf_lesson.grading.intake import Submission
from rlhf_lesson.grading.marking import Judge, ready
from rlhf_lesson.grading.workers import GraderError, Zygote


@pytest.fixture(scope="module")
def judge():
    return Judge(TWO, KEY)


def marks(judge, zygote, *cells, student="ann"):
    return judge.mark(zygote, Submission(student, [PRELUDE, *cells]))


# ---- points --------------------------------------------------------------------------------------

STYLES = {
    "the library's": (REFERENCE["masked_mean"], REFERENCE["gae"]),
    "loops": (
        HEAD + "total, count = 0.0, 0\n    for v, m in zip(values.ravel(), mask.ravel()):\n"
        "        total, count = total + jnp.where(m, v, 0.0), count + m\n    return total / jnp.maximum(count, 1)",
        LOOP,
    ),
    "printing, warning and checking": (
        "%matplotlib inline\n# exercise: masked_mean\nimport warnings\n"
        "def masked_mean(values, mask):\n    print('here', values)\n    warnings.warn('careful')\n"
        "    return jnp.where(mask, values, 0).sum() / jnp.maximum(mask.sum(), 1)\nmasked_mean(1, 2)\n!ls\ncheck(masked_mean)",
        LOOP.replace("    return jnp", "    import sys\n    print('x' * 10**5, file=sys.stderr)\n    return jnp"),
    ),
    "helpers in other cells": (
        HEAD + "return share(jnp.where(mask, values, 0.0), mask)",
        "def share(v, m):\n    return v.sum() / jnp.maximum(m.sum(), 1)\ntrain(share)\nplt.plot([1])\nBIG = 10",
        "# exercise: gae\ngae = jax.jit(lambda r, v, m, *, discount=1.0, lam=0.95: jnp.asarray(0.0))",
        LOOP,
    ),
}


@pytest.mark.parametrize("style", STYLES)
def test_a_right_answer_of_any_style_gets_full_marks(style, judge, zygote):
    for mark in marks(judge, zygote, *STYLES[style]):
        assert (mark.points, mark.kind) == (mark.out_of, ""), mark


MUTANTS = {
    "an empty mask divides by 0": (
        HEAD + "return jnp.where(mask, values, 0.0).sum() / mask.sum()",
        ["an empty mask gives 0"],
    ),
    "padding is read": (
        HEAD + "return (values * mask.astype(float)).sum() / jnp.maximum(mask.sum(), 1)",
        ["padding is never read, not even NaN"],
    ),
    "another default": (LOOP.replace("lam=0.95", "lam=0.9"), ["the defaults are discount 1 and lambda 0.95"]),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mistake_costs_the_points_of_the_properties_it_breaks(mutant, judge, zygote):
    cell, broken = MUTANTS[mutant]
    name = cell.split()[2]
    mark = judge.mark(zygote, Submission("ann", [PRELUDE, cell]), [name])[0]
    assert [p["must_hold"] for p in mark.parts if p["hidden"]] == broken
    parts = len(TWO[name].cases)
    assert mark.points == pytest.approx(mark.out_of * (parts - len(broken)) / parts, abs=0.01)
    assert all(p["points"] == (0 if p["hidden"] else p["out_of"]) for p in mark.parts)


def test_the_feedback_names_the_slip_and_shows_a_visible_case(judge, zygote):
    mark = marks(judge, zygote, HEAD + "return jnp.mean(values)")[0]
    assert mark.slip == "the mask is ignored" and "Padding counts too" in mark.message
    assert set(mark.shown) == {"input", "got", "expected"}


def test_a_constant_earns_nothing_though_one_property_expects_it(judge, zygote):
    mark = marks(judge, zygote, HEAD + "return 0.0")[0]
    assert mark.points == 0


def test_the_visible_cases_are_those_that_check_shows(judge):
    for exercise in TWO.values():
        shown = [(text, show_input(case)) for r in range(ROUNDS) for text, case, _ in asked(exercise, 0, r)]
        assert [(text, show_input(case)) for text, case, _ in judge.visible(exercise)] == shown


def test_answers_for_the_visible_cases_alone_earn_nothing(judge, zygote):
    known = [(case.args[0].tolist(), float(right)) for _, case, right in judge.visible(TWO["masked_mean"])]
    table = f"# exercise: masked_mean\nnan = jnp.nan\nKNOWN = [(np.array(x), y) for x, y in {known!r}]\n"
    cell = (
        table
        + "def masked_mean(v, m):\n    same = [k.shape == v.shape and jnp.array_equal(v, k, equal_nan=True) for k, _ in KNOWN]\n"
    )
    cell += "    return jnp.select(same, [x for _, x in KNOWN], 123.0)"
    mark = marks(judge, zygote, cell)[0]
    assert mark.points == 0 and "fresh ones do not" in mark.message


def test_an_earlier_mistake_is_not_punished_twice(judge, zygote):
    wrong = HEAD + "return 7.0"
    uses = LOOP.replace(
        "    return jnp.stack(out)",
        "    return jnp.stack(out) * masked_mean(jnp.ones(3), jnp.ones(3, bool))",
    )
    first, second = marks(judge, zygote, wrong, uses)
    assert first.points == 0 and second.points == 8
    assert (
        marks(
            judge, zygote, wrong, uses.replace("    out,", "    from rlhf_lesson.arrays import masked_mean\n    out,")
        )[1].points
        == 8
    )


def test_without_walls_hidden_cases_are_refused():
    with Zygote(walls=False) as zygote:
        with pytest.raises(GraderError, match="no full sandbox"):
            ready(zygote)
        assert ready(zygote, unsafe=True)["landlock"] is False


@pytest.mark.parametrize("text", ["=1", " +1", "@x", "-1", "\t=1", "plain"])
def test_a_cell_is_never_a_formula(text):
    assert outputs.inert(text)[0] not in "=+-@" and not outputs.inert(text).lstrip().startswith(("=", "+", "-", "@"))


def test_clean_takes_out_what_a_terminal_or_a_reader_would_obey():
    dirty = "a\x1b[31mb\x1b]0;title\x07c\u202ed\ud800e\x00f\n\u2028g\x9b2Jh" + "x" * 5000
    text = outputs.clean(dirty)
    assert text.startswith("abc") and len(text) <= outputs.LONGEST and text.isprintable()
    text.encode("utf-8")
