"""Supervised fine-tuning: what is learnt from, what is not, and that a run can stop and go on."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from rlhf_lesson.data.examples import Example
from rlhf_lesson.losses import cross_entropy_loss
from rlhf_lesson.models.generate import generate
from rlhf_lesson.train.checks import same_tree
from rlhf_lesson.train.sft import Config, loss_fn, make_batch, train, validation_loss

CONFIG = Config(epochs=40, batch_tokens=256, learning_rate=2e-2)
COUNTING = [
    Example([s, s + 1, s + 2, s + 3, s + 4, tiny.END], 2) for s in range(4, 36)
]  # counts on from a prompt of two


def model(**changes):
    return tiny.model(layers=1, **changes)


def sft(examples=COUNTING, config=CONFIG, start=None, **changes):
    return train(config, model() if start is None else start, examples, pad_id=tiny.PAD, **changes)


@pytest.fixture(scope="module")
def counter():
    """A model that has learnt to count on, with the metrics of its training."""
    results = list(sft())
    return results[-1][0], [m for _, m in results]


@jax.jit
def loss_and_gradient(net, batch):
    return jax.value_and_grad(loss_fn)(net, batch, None)


def change(batch, column, token):
    tokens = batch.tokens.copy()
    tokens[:, column] = token
    return batch._replace(tokens=tokens)


def test_the_prompt_is_not_learnt_and_the_end_is():
    batch = make_batch([Example([5, 6, 7, 8, tiny.END], 2)], 2, 8, tiny.PAD)
    assert batch.learn[0].tolist() == [False, False, True, True, True, False, False, False]
    assert not batch.learn[1].any() and not batch.mask[1].any()


def test_only_the_completions_logits_get_a_gradient():
    batch = jax.tree.map(jnp.asarray, make_batch(COUNTING[:2], 2, 8, tiny.PAD))

    def loss(shift):  # added to every logit
        moved = lambda logits, targets: cross_entropy_loss(logits + shift, targets)  # noqa: E731
        return loss_fn(model(), batch, None, moved)

    reach = jnp.abs(jax.jit(jax.grad(loss))(jnp.zeros((2, 7, 48)))).sum(axis=(0, 2))
    assert (reach > 0).tolist() == [False, True, True, True, True, False, False], "what predicts tokens 2 to 5"


def test_filler_rows_and_padding_change_neither_loss_nor_gradient():
    exact = make_batch(COUNTING[:3], 3, 6, tiny.PAD)
    roomy = make_batch(COUNTING[:3], 6, 9, tiny.PAD)
    garbage = roomy._replace(tokens=np.where(roomy.mask, roomy.tokens, 17).astype(np.int32))
    (loss, grads), *others = (loss_and_gradient(model(), b) for b in (exact, roomy, garbage))
    for other, other_grads in others:
        assert float(other) == pytest.approx(float(loss), abs=1e-6)
        for a, b in zip(jax.tree.leaves(grads), jax.tree.leaves(other_grads), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)


def test_the_loss_is_a_mean_over_tokens_so_a_row_given_twice_weighs_twice():
    long, short = Example([5, 6, 7, 8, 9, 10], 1), Example([20, 21, tiny.END], 1)

    def loss(*rows):
        return float(loss_and_gradient(model(), make_batch(rows, 4, 8, tiny.PAD))[0])

    expected = (5 * loss(long) + 2 * 2 * loss(short)) / (5 + 2 * 2)  # tokens to learn: 5 and 2
    assert loss(long, short, short) == pytest.approx(expected, abs=1e-5)


def test_a_tiny_corpus_is_learnt(counter):
    state, rows = counter
    assert rows[0]["loss"] > 3.0 and rows[-1]["loss"] < 0.05
    assert validation_loss(state.model, COUNTING, pad_id=tiny.PAD) < 0.05
    assert [r["step"] for r in rows] == list(range(1, rows[0]["steps"] + 1))


def test_the_validation_loss_weighs_tokens_alike_whatever_the_batches():
    examples = [*COUNTING[:5], Example([7, 9, 3, 11], 1)]
    small, large = (validation_loss(model(), examples, pad_id=tiny.PAD, batch_tokens=t) for t in (32, 512))
    assert small == pytest.approx(large, abs=1e-5)


def test_row_18_a_model_ends_its_responses_only_if_the_completions_did(counter):
    prompts = np.array([[s, s + 1] for s in range(4, 36)], np.int32)
    sample = partial(generate, response=8, end_id=tiny.END, pad_id=tiny.PAD, temperature=0.5)
    *_, (endless, _) = sft([Example(e.tokens[:-1], 2) for e in COUNTING])
    ends = []
    for trained in (counter[0].model, endless.model):
        out = sample(trained, prompts, np.ones_like(prompts, bool), jax.random.key(0))
        ends.append(float((out.tokens == tiny.END).any(axis=1).mean()))
    assert ends[0] > 0.9 and ends[1] < 0.5


def test_the_callers_model_stays_as_it_was():
    start = model()
    next(sft(start=start))
    assert same_tree(start, model())


def test_a_run_that_goes_on_from_a_state_ends_in_the_same_weights():
    config = Config(epochs=2, batch_tokens=128, learning_rate=1e-2)
    start = model(dropout=0.2)  # so the dropout keys must go on too
    whole = [s for s, _ in sft(config=config, start=start)][-1]
    half = sft(config=config, start=start)
    for _ in range(3):
        state, metrics = next(half)
    rest = list(sft(config=config, start=start, state=jax.tree.map(jnp.copy, state)))
    assert len(rest) == metrics["steps"] - 3 and same_tree(whole, rest[-1][0])


def test_a_students_loss_drives_the_run():
    def doubled(logits, targets):
        return 2.0 * cross_entropy_loss(logits, targets)

    plain, mine = next(sft())[1]["loss"], next(sft(cross_entropy_loss=doubled))[1]["loss"]
    assert mine == pytest.approx(2 * plain, rel=1e-5)


def test_a_students_response_mask_drives_the_run():
    prompts = []

    def whole(mask, prompt):
        prompts.extend(prompt.tolist())
        return mask

    plain, mine = next(sft())[1]["loss"], next(sft(response_mask=whole))[1]["loss"]
    batch = make_batch(COUNTING[:3], 4, 8, tiny.PAD, whole)
    assert mine != pytest.approx(plain, rel=1e-4) and {0, 2} == set(prompts), "0: the filler row"
    assert (batch.learn == batch.mask).all()
