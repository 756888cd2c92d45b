"""One rule: what check() calls right is full under the judge, and what it does not is not, in whatever form it was written.

`EVERY=1 pytest -m slow tests/grading/test_asking.py` asks twenty forms of twenty exercises; without it four exercises.
"""

# ruff: noqa: E501
import random
from collections import Counter

import jax
import pytest
from project import some

from grading.class_of_two import HEAD, KEY, PRELUDE, TWO
from grading.hostile_more import MORE
from grading.right_forms import forms
from rlhf_lesson.course.examine import examine
from rlhf_lesson.course.specs import EXERCISES
from rlhf_lesson.grading import asking
from rlhf_lesson.grading.asking import at_a_glance
from rlhf_lesson.grading.intake import Submission
from rlhf_lesson.grading.marking import Judge

TWENTY = """masked_mean discounted_returns next_width token_logprobs sequence_logprob keep_top_k response_mask cross_entropy_loss
pairs_from_ratings percent_agreement win_probability bradley_terry_loss pairwise_accuracy exact_kl k3 kl_shaped_rewards gae
ppo_clip_loss dpo_loss leave_one_out""".split()


@pytest.fixture(scope="module")
def judge():
    return Judge(EXERCISES, KEY)


def checked(exercise, cells):
    """Whether check() calls what these cells define right."""
    space = {"__name__": "submission"}
    for cell in cells:
        exec(cell, space)
    with jax.numpy_rank_promotion("allow"):  # as in a learner's notebook
        return examine(exercise, space[exercise.name])


def agree(judge, zygote, exercise, cells):
    """The mark, after check() and the judge were found to agree."""
    (mark,) = judge.mark(zygote, Submission("ann", cells), [exercise.name])
    verdict = checked(exercise, cells)
    assert verdict.passed == (mark.points == mark.out_of), (verdict, mark)
    return mark


@pytest.mark.slow
@pytest.mark.parametrize("name", some(TWENTY, 4))
def test_twenty_right_forms_are_right_for_both(name, judge, zygote):
    found = forms(EXERCISES[name])
    assert len(found) >= 20
    for form, cells in found.items():
        mark = agree(judge, zygote, EXERCISES[name], cells)
        assert mark.points == mark.out_of, (form, mark)


@pytest.mark.parametrize("name", TWENTY[:: len(TWENTY) // 5])
def test_two_right_forms_of_some_exercises_are_right_for_both(name, judge, zygote):
    for form, cells in random.Random(name).sample(sorted(forms(EXERCISES[name]).items()), 2):
        mark = agree(judge, zygote, EXERCISES[name], cells)
        assert mark.points == mark.out_of, (form, mark)


RIGHT = "return jnp.sum(jnp.where(mask, values, 0.0)) / jnp.maximum(jnp.sum(mask), 1)"
PAIRS = (
    "# exercise: pairs_from_ratings\ndef pairs_from_ratings(ratings, *, least=0.0):\n    n = range(len(ratings))\n    "
)
PAIR = "(i, j) for i in n for j in n if ratings[i] - ratings[j] > least"
GAE = """# exercise: gae
def gae(rewards, values, mask, *, discount=1.0, lam=0.95):
    n = len(rewards); v = jnp.append(jnp.where(mask, values, 0.0), 0.0); r = jnp.where(mask, rewards, 0.0)
    def b(i, c):
        out, a = c; t = n - 1 - i
        a = jnp.where(mask[t], r[t] + discount * v[t + 1] - v[t] + discount * lam * a, 0.0)
        return out.at[t].set(a), a
    return jax.lax.fori_loop(0, n, b, (jnp.zeros(n), 0.0))[0]
"""  # reads its inputs at traced places
BOTH = {  # (exercise, cell, the share of its points)
    "NumPy's arrays alone": ("masked_mean", HEAD + "m = np.asarray(mask)\n    return np.float32(np.asarray(values)[m].sum() / max(m.sum(), 1))", 0),
    "an `if` on values": ("masked_mean", HEAD + f"if not mask.any():\n        return 0.0\n    {RIGHT}", 0),
    "times the mask": ("masked_mean", HEAD + "return (values * mask).sum() / jnp.maximum(mask.sum(), 1)", 1),
    "times the mask as numbers": ("masked_mean", HEAD + "return (values * mask.astype(float)).sum() / jnp.maximum(mask.sum(), 1)", 3 / 4),
    "right only when traced": ("masked_mean", HEAD + f"if not isinstance(values, jax.core.Tracer):\n        return 123.0\n    {RIGHT}", 0),
    "right only when not traced": ("masked_mean", HEAD + f"if isinstance(values, jax.core.Tracer):\n        return 123.0\n    {RIGHT}", 0),
    "complex numbers": ("masked_mean", HEAD + RIGHT + " + 0j", 0),
    "bfloat16": ("masked_mean", HEAD + RIGHT.replace("return", "x =") + "\n    return x.astype(jnp.bfloat16)", 0),
    "padding of its own": ("masked_mean", HEAD + "v = jax.lax.pad(jnp.where(mask, values, 0.0).ravel(), 0.0, [(-1, 1, 0)])\n    "
        "return (jnp.sum(v) + jnp.where(mask.ravel()[0], values.ravel()[0], 0.0)) / jnp.maximum(mask.sum(), 1)", 1),
    "pairs from a generator": ("pairs_from_ratings", PAIRS + f"return ({PAIR})", 1),
    "pairs yielded": ("pairs_from_ratings", PAIRS + f"yield from ({PAIR})", 1),
    "pairs in a set": ("pairs_from_ratings", PAIRS + "return {" + PAIR + "}", 1),
    "pairs as an array": ("pairs_from_ratings", PAIRS + f"return np.array([{PAIR}]).reshape(-1, 2)", 1),
    "places that are traced": ("gae", GAE, 1),
    "places that are traced, and a slip": ("gae", GAE.replace("0.95", "0.9"), 6 / 7),
    "right only where numbers are traced": ("gae", GAE.replace("0.0))[0]", "0.0))[0] * jnp.where(lam + 1e-12 == lam, 1.0, 0.5)"), 0),
    "wrong only where arrays alone are traced": ("gae", GAE.replace("lam=0.95", "lam=None").replace("    n = len", "    alone = isinstance(rewards, jax.core.Tracer) and isinstance(lam, float) and lam not in (0.0, 1.0)\n    lam = 0.95 if lam is None else lam\n    n = len").replace("0.0))[0]", "0.0))[0] * (0.5 if alone else 1.0)"), 4 / 7),
    "written into an input": ("gae", GAE.replace("    def b", "    r = r.at[0].set(r[0])\n    def b").replace("0.95", "0.9"), 6 / 7),
}  # fmt: skip


@pytest.mark.parametrize("form", BOTH)
def test_check_and_the_judge_agree(form, judge, zygote):
    name, cell, share = BOTH[form]
    mark = agree(judge, zygote, EXERCISES[name], [PRELUDE, cell])
    assert mark.points == pytest.approx(share * mark.out_of, abs=0.01), mark


def test_bfloat16_inputs_reach_an_answer_as_they_are(judge, zygote):
    """A worker once got float32 in their place, so an answer that forgets the cast was right for the judge alone."""
    cell = "# exercise: token_logprobs\ndef token_logprobs(logits, tokens, *, temperature=1.0):\n"
    cell += "    logp = jax.nn.log_softmax(logits / temperature)\n    return jnp.take_along_axis(logp, tokens[..., None], -1)[..., 0]\n"
    mark = agree(judge, zygote, EXERCISES["token_logprobs"], [PRELUDE, cell])
    assert [p["must_hold"] for p in mark.parts if p["hidden"]] == ["bfloat16 is cast to float32 first"]


def test_what_one_answer_does_to_jax_does_not_reach_a_pure_one(judge, zygote):
    """They are looked at in two workers, or reading an answer would prove nothing about what it does."""
    wheres = "if True:\n    import jax.numpy as theirs\n    theirs.where = lambda *a: 123.0\n    done = 1\n"
    first = f"# exercise: masked_mean\n{wheres}def masked_mean(values, mask, done=done):\n    return 0.0"
    calls = []

    class Counting(Judge):
        def alone(self, *given):
            calls.append(given[1].name)
            return super().alone(*given)

    marks = Counting(TWO, KEY).mark(zygote, Submission("ann", [PRELUDE, first, GAE]))
    assert [mark.points for mark in marks] == [0, 8] and calls == ["masked_mean"]


def test_what_is_not_all_right_at_a_glance_is_looked_at_alone(judge, zygote):
    exercise, cell = TWO["masked_mean"], HEAD + RIGHT.replace("jnp.maximum(jnp.sum(mask), 1)", "jnp.sum(mask)")
    worker, hidden = zygote.fork(quick=True), judge.hidden(TWO["masked_mean"], "ann")
    submission, materials = Submission("ann", [PRELUDE, cell]), judge.materials("masked_mean")
    assert not at_a_glance(worker, exercise, submission, materials, hidden, seconds=20.0)
    right = Submission("ann", [PRELUDE, HEAD + RIGHT])
    assert at_a_glance(worker, exercise, right, materials, hidden, seconds=20.0)
    worker.close()


@pytest.mark.parametrize("attack", ["right for four calls", "right for eight calls"])
def test_on_a_slow_machine_an_answer_is_asked_as_often(attack, judge, zygote, monkeypatch):
    """The calls once ended with the time for them: where one call took all of it, an answer that is right for eight was full."""
    monkeypatch.setattr(asking, "WARM", 0.0)
    (mark,) = judge.mark(zygote, Submission("ann", [PRELUDE, MORE[attack][0]]), ["masked_mean"])
    assert mark.points == 0, mark


def glance(zygote, judge, name, cell):
    """(whether an answer is right at a glance, how often each thing was asked of the worker)."""
    worker, asked = zygote.fork(quick=True), Counter()
    ask = worker.ask

    def counted(request, *args, **kwargs):
        asked[request.get("mode", request["op"])] += 1
        return ask(request, *args, **kwargs)

    worker.ask = counted
    given = (
        EXERCISES[name],
        Submission("ann", [PRELUDE, cell]),
        judge.materials(name),
        judge.hidden(EXERCISES[name], "ann"),
    )
    try:
        return at_a_glance(worker, *given, seconds=60.0), asked
    finally:
        worker.close()


def test_at_a_glance_all_forms_go_into_one_program(judge, zygote):
    right, asked = glance(zygote, judge, "gae", GAE)
    assert right and asked["quick"] == 0 and 0 < asked["together"] < len(judge.hidden(EXERCISES["gae"], "ann"))
    right, asked = glance(zygote, judge, "gae", GAE.replace("0.95", "0.9"))  # wrong in the cases that say no lam
    assert right is False and asked["together"] and not asked["quick"] and not asked["plain"]


def test_an_answer_that_needs_real_numbers_is_asked_case_by_case(judge, zygote):
    needs = GAE.replace("    def b", "    lam = float(lam)\n    def b")
    right, asked = glance(zygote, judge, "gae", needs)
    assert right and asked["together"] == 1 and asked["compiled"]
    assert asked["quick"] + asked["compiled"] == len(judge.hidden(EXERCISES["gae"], "ann"))
