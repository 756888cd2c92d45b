"""DPO: log 2 at the start, sums over ragged responses, the optimum it should find, and planted bugs that are caught."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from rlhf_lesson import losses
from rlhf_lesson.bradley_terry import win_probability
from rlhf_lesson.data.examples import Choice
from rlhf_lesson.kl import exact_kl, tilted_policy
from rlhf_lesson.train import dpo
from rlhf_lesson.train.checks import check_first_margin, same_tree
from rlhf_lesson.train.dpo import Config, all_logprobs, implicit_margins, train

SMALL = Config(epochs=2, batch_tokens=512, learning_rate=3e-3, temperature=0.7)


def choices(count=64, seed=0):
    """Ragged prompts and responses; the chosen one is rich in sevens, the rejected one in eights."""
    rng = np.random.default_rng(seed)

    def ids(low, high):
        return rng.integers(3, 48, rng.integers(low, high)).tolist()

    def response(favourite):
        return [favourite if rng.random() < 0.6 else i for i in ids(2, 8)] + [tiny.END]

    return [Choice([2, *ids(0, 6)], response(7), response(8)) for _ in range(count)]


def policy(seed=0):
    return tiny.model(seed, layers=1)


def run(config=SMALL, pairs=None, **changes):
    return list(train(config, policy(), choices() if pairs is None else pairs, pad_id=tiny.PAD, **changes))


def test_the_first_loss_is_log_2_and_no_pair_has_a_margin_yet():
    for config in (SMALL, replace(SMALL, kl_coef=2.0, temperature=1.0)):
        _, first = next(train(config, policy(), choices(), pad_id=tiny.PAD))
        assert first["loss"] == pytest.approx(np.log(2.0), abs=1e-5)
        assert first["margin"] == pytest.approx(0.0, abs=1e-5)


def test_it_learns_the_choices_and_says_so_on_pairs_it_has_not_seen():
    results = run(replace(SMALL, epochs=6))
    rows, last = [m for _, m in results], results[-1][0].policy
    assert rows[-1]["loss"] < 0.5 * np.log(2.0) and rows[-1]["accuracy"] > 0.9 and rows[-1]["margin"] > 0.5
    unseen = choices(seed=1)
    margins = implicit_margins(last, policy(), unseen, kl_coef=0.1, pad_id=tiny.PAD, temperature=0.7)
    assert np.mean(margins > 0) > 0.8
    np.testing.assert_allclose(implicit_margins(policy(), policy(), unseen, kl_coef=0.1, pad_id=tiny.PAD), 0.0)


def test_log_probs_are_sums_over_the_response_alone_whatever_it_is_batched_with():
    some = choices(9)
    together = all_logprobs(policy(), some, pad_id=tiny.PAD, temperature=0.7)
    other_pad = all_logprobs(policy(), some, pad_id=9, temperature=0.7, batch_tokens=64)
    np.testing.assert_allclose(together, other_pad, atol=1e-4)
    assert len({len(c.prompt) for c in some}) > 2
    alone = jax.jit(lambda ids, mask: jax.nn.log_softmax(policy()(ids, mask)[0] / 0.7))
    for choice, row in zip(some, together, strict=True):
        for response, got in zip((choice.chosen, choice.rejected), row, strict=True):
            ids = np.array([*choice.prompt, *response])
            logp = np.asarray(alone(jnp.asarray(np.resize(ids, (1, 16))), jnp.arange(16)[None] < len(ids)))
            places = range(len(choice.prompt), len(ids))
            assert got == pytest.approx(sum(logp[i - 1, ids[i]] for i in places), abs=1e-4)


def test_pairs_that_only_fill_the_shape_teach_nothing():
    some = choices(3)
    ref = all_logprobs(policy(), some, pad_id=tiny.PAD)
    moved = jax.tree.map(lambda x, other: x + 0.3 * other, policy(), policy(9))
    loss = jax.jit(lambda batch: dpo.loss_fn(moved, batch, replace(SMALL, temperature=1.0), losses.dpo_loss))
    full, padded = (loss(dpo.make_batch(some, ref, rows, 16, tiny.PAD)) for rows in (3, 8))
    for a, b in zip(jax.tree.leaves(full), jax.tree.leaves(padded), strict=True):
        assert float(a) == pytest.approx(float(b), abs=1e-5)


def test_the_callers_policy_stays_bitwise_the_same_and_the_copy_moves():
    start = policy()
    for state, _ in train(SMALL, start, choices(), pad_id=tiny.PAD):
        pass
    assert same_tree(start, policy()) and not same_tree(start, state.policy)


def test_a_resumed_run_ends_in_the_same_weights():
    whole = run()
    steps = train(SMALL, policy(), choices(), pad_id=tiny.PAD)
    for _ in range(3):
        state, _ = next(steps)
    middle = jax.tree.map(jnp.copy, state)
    rest = run(state=middle)
    assert len(rest) == len(whole) - 3 and same_tree(whole[-1][0], rest[-1][0])


def toy(dpo_loss=losses.dpo_loss, kl_coef=0.5):
    """Responses of one token, chosen by Bradley-Terry raters of a known score: reference, policy found, scores."""
    score = np.sin(np.arange(48.0)).astype(np.float32)
    ref = jax.nn.log_softmax(policy()(jnp.full((1, 2), 5), jnp.ones((1, 2), bool))[0, -1])
    rng, p = np.random.default_rng(0), np.exp(np.asarray(ref, float))
    pairs = rng.choice(48, (6000, 2), p=0.5 * p / p.sum() + 0.5 / 48)
    first = rng.random(6000) < np.asarray(win_probability(*jnp.asarray(score[pairs]).T))
    ordered = np.where(first[:, None], pairs, pairs[:, ::-1])
    data = [Choice([5, 5], [int(a)], [int(b)]) for a, b in ordered if a != b]
    config = Config(epochs=3, batch_tokens=4096, learning_rate=5e-3, kl_coef=kl_coef)
    for state, _ in train(config, policy(), data, pad_id=tiny.PAD, dpo_loss=dpo_loss):
        pass
    got = jax.nn.log_softmax(state.policy(jnp.full((1, 2), 5), jnp.ones((1, 2), bool))[0, -1])
    return ref, got, jnp.asarray(score)


def test_dpo_finds_the_closed_form_optimum_of_one_token_driven_by_a_students_function():
    calls = []

    def my_dpo_loss(*args, **named):
        calls.append(named)
        return losses.dpo_loss(*args, **named)

    ref, got, score = toy(my_dpo_loss)
    optimum = tilted_policy(ref, score, kl_coef=0.5)
    assert calls and float(exact_kl(optimum, ref)) > 0.3, "the optimum must be somewhere else than the start"
    assert float(exact_kl(got, optimum)) < 0.05


# ---- planted bugs: row 42 --------------------------------------------------------------------------


def first_step(config=SMALL, **changes):
    return next(train(config, policy(), choices(), pad_id=tiny.PAD, **changes))


PLANTED = {
    "a reference that is another model": lambda right, net, *a, **k: right(policy(9), *a, **k),
    "a reference at another temperature": lambda right, net, *a, **k: right(net, *a, **{**k, "temperature": 1.0}),
    "chosen and rejected of the reference swapped": lambda right, net, *a, **k: right(net, *a, **k)[:, ::-1],
    "reference log-probs in another order": lambda right, net, *a, **k: np.roll(right(net, *a, **k), 1, axis=0),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_wrong_reference_stops_the_run(monkeypatch, name):
    right = dpo.all_logprobs
    monkeypatch.setattr(dpo, "all_logprobs", lambda *a, **k: PLANTED[name](right, *a, **k))
    with pytest.raises(ValueError, match="margin at step 0"):
        first_step()


def test_means_instead_of_sums_in_one_place_only_stop_the_run(monkeypatch):
    right = dpo.all_logprobs
    per_token = np.array([[len(c.chosen), len(c.rejected)] for c in choices()], np.float32)
    monkeypatch.setattr(dpo, "all_logprobs", lambda *a, **k: right(*a, **k) / per_token)
    with pytest.raises(ValueError, match="margin at step 0"):
        first_step()


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda c, r, rc, rr, *, kl_coef: losses.dpo_loss(r, c, rr, rc, kl_coef=kl_coef), id="swapped"),
        pytest.param(
            lambda c, r, rc, rr, *, kl_coef: losses.dpo_loss(c, r, 0 * rc, 0 * rr, kl_coef=kl_coef), id="no ref"
        ),
        pytest.param(lambda c, r, rc, rr, *, kl_coef: losses.dpo_loss(c, r, rc, rr, kl_coef=1.0), id="beta unused"),
    ],
)
def test_a_wrong_loss_misses_the_closed_form_optimum(wrong):
    ref, got, score = toy(wrong)
    assert float(exact_kl(got, tilted_policy(ref, score, kl_coef=0.5))) > 0.08


def test_the_check_is_silent_on_rounding_and_loud_on_what_is_no_number():
    check_first_margin(1e-4)
    with pytest.raises(ValueError, match="nan"):
        check_first_margin(float("nan"))


def test_an_empty_prompt_is_refused():
    with pytest.raises(ValueError, match="empty prompt"):
        next(train(SMALL, policy(), [Choice([], [5, 1], [6, 1])], pad_id=tiny.PAD))
