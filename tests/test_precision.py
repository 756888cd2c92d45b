"""Rounded products, as TPUs and recent GPUs compute them by default: what they did to the course, and that they no longer do."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from flax import nnx
from products import BITS, products_of
from project import some

from rlhf_lesson import precision
from rlhf_lesson.course.examine import asked, examine, fresh_cases, slope
from rlhf_lesson.course.specs import EXERCISES
from rlhf_lesson.data.examples import Choice, Comparison, Example
from rlhf_lesson.train import dpo, grpo, ppo, reinforce, reward_model, sft
from rlhf_lesson.train.checks import check_first_margin, check_first_update, check_rollout

IDS = {"pad_id": tiny.PAD, "end_id": tiny.END}
CHIPS = {"tpu": "bfloat16", "gpu": "tensorfloat32"}


@pytest.fixture(autouse=True)
def nothing_asked_for():
    """JAX as it is before anybody has chosen a precision."""
    before = jax.config.jax_default_matmul_precision
    jax.config.update("jax_default_matmul_precision", None)
    yield
    jax.config.update("jax_default_matmul_precision", before)


@pytest.fixture(params=CHIPS)
def chip(request):
    with products_of(request.param):
        yield request.param


# ---- the emulator ------------------------------------------------------------------------------


def test_the_emulated_chip_rounds_every_kind_of_product_and_none_that_asks_for_more(chip):
    bits = BITS[chip][jax.lax.Precision.DEFAULT]
    x = jnp.full((1, 1), 1.0 + 2.0 ** -(bits + 1))  # one bit too fine
    layer = nnx.Linear(1, 1, use_bias=False, kernel_init=nnx.initializers.ones, rngs=nnx.Rngs(0))
    embedding = nnx.Embed(1, 1, embedding_init=nnx.initializers.ones, rngs=nnx.Rngs(0))
    one = jnp.ones((1, 1))
    of_products = {
        "matmul": lambda: x @ one,
        "compiled": lambda: jax.jit(jnp.matmul)(x, one),
        "einsum": lambda: jnp.einsum("ij,jk->ik", x, one),
        "a layer": lambda: layer(x),
        "tied logits": lambda: embedding.attend(x),
        "a gradient": lambda: jax.grad(lambda w: jnp.sum(x @ w))(one),
        "many at once": lambda: jax.vmap(jnp.dot)(x, one),
    }
    assert {name: float(product().squeeze()) for name, product in of_products.items()} == dict.fromkeys(
        of_products, 1.0
    )
    assert float(jnp.matmul(x, one, precision="float32")[0, 0]) == x[0, 0]
    precision.use_float32()
    exact = {name: float(product().squeeze()) for name, product in of_products.items()}
    assert exact == dict.fromkeys(of_products, float(x[0, 0]))


def test_outside_the_block_products_are_the_cpus_again():
    x = jnp.full((1, 1), 1.0 + 2.0**-12)
    with products_of("tpu"):
        assert float((x @ jnp.ones((1, 1)))[0, 0]) == 1.0
    assert float((x @ jnp.ones((1, 1)))[0, 0]) == x[0, 0] and jax.default_backend() == "cpu"


# ---- what is in force --------------------------------------------------------------------------


@pytest.mark.parametrize("asked_for, name", [
    (None, "the chip's"), ("float32", "float32"), ("highest", "float32"), ("F32_F32_F32", "float32"),
    ("tensorfloat32", "tensorfloat32"), ("high", "tensorfloat32"), ("TF32_TF32_F32", "tensorfloat32"),
    ("bfloat16", "bfloat16"), ("default", "the chip's"), ("BF16_BF16_F32", "bfloat16"),
])  # fmt: skip
def test_the_precision_in_force_is_what_was_asked_for_or_else_the_chips_own(monkeypatch, asked_for, name):
    for chip, own in {"cpu": "float32", **CHIPS}.items():
        monkeypatch.setattr(jax, "default_backend", lambda chip=chip: chip)
        with jax.default_matmul_precision(asked_for):
            assert precision.in_force() == (own if name == "the chip's" else name)


def test_float32_is_asked_for_unless_somebody_chose():
    precision.use_float32()
    assert jax.config.jax_default_matmul_precision == "float32"
    jax.config.update("jax_default_matmul_precision", "bfloat16")
    precision.use_float32()
    assert jax.config.jax_default_matmul_precision == "bfloat16"


def test_a_check_that_fails_by_rounded_products_names_their_precision_and_by_float32_does_not():
    failures = (
        lambda: check_rollout({"sampler_gap": 5.0, "kl": 0.0}, first=True),
        lambda: check_rollout({"sampler_gap": 0.0, "kl": 5.0}, first=True),
        lambda: check_first_update(5.0),
        lambda: check_first_margin(5.0),
    )
    for fail in failures:
        with pytest.raises(ValueError) as plain:
            fail()
        assert "products" not in str(plain.value)
        for name in CHIPS.values():
            with jax.default_matmul_precision(name), pytest.raises(ValueError, match=f"products are {name} here"):
                fail()


# ---- the whole short chain ---------------------------------------------------------------------


def chain() -> Iterator[dict]:
    """Fine-tuning, a reward model and every method that follows, two steps each, on nets with a sharp distribution."""
    rng = np.random.default_rng(0)
    ids = lambda: [int(i) for i in rng.integers(3, tiny.SHAPE.vocab, 6)]  # noqa: E731
    base = jax.tree.map(lambda x: x * 1.5 if x.ndim > 1 else x, tiny.model())
    texts = [Example([*ids(), tiny.END], 2) for _ in range(8)]
    *_, (tuned, metrics) = sft.train(sft.Config(epochs=1, learning_rate=1e-4), base, texts, pad_id=tiny.PAD)
    yield metrics
    pairs = [Comparison((ids(), ids())) for _ in range(8)]
    *_, (proxy, metrics) = reward_model.train(reward_model.Config(epochs=1), base, pairs, pad_id=tiny.PAD)
    yield metrics
    policy, scorers = tuned.model, {"proxy": proxy.model}
    for loop, config in (
        (ppo, ppo.Config(iterations=2, batch=32, response=16, temperature=0.7)),
        (grpo, grpo.Config(iterations=2, prompts=8, response=16, temperature=0.7)),
        (reinforce, reinforce.Config(iterations=2, batch=32, response=16, temperature=0.7)),
    ):
        for _, metrics, _ in loop.train(config, policy, tiny.prompts(), scorers, **IDS):
            yield metrics
    choices = [Choice(ids(), [*ids(), tiny.END], ids()) for _ in range(8)]
    for _, metrics in dpo.train(dpo.Config(), policy, choices, pad_id=tiny.PAD):
        yield metrics


def test_the_chain_runs_by_the_chips_own_products_although_nobody_called_setup(chip):
    assert precision.in_force() == CHIPS[chip]
    rows = list(chain())
    assert all(np.isfinite(value) for row in rows for value in row.values())
    gap = max(row.get("sampler_gap", 0.0) for row in rows)
    assert 1e-5 < gap < 1e-3 * precision.room()  # float32's is 1e-6: the products really were rounded


def test_by_the_limits_of_float32_rounded_products_stop_the_chain_at_its_first_rollout(chip, monkeypatch):
    monkeypatch.setattr(precision, "ROOM", dict.fromkeys(precision.ROOM, 0.1))  # as they were, for larger nets
    with pytest.raises(ValueError, match=r"sampled and re-scored log-probs differ .*\(products are"):
        list(chain())


def test_asked_for_float32_the_chain_gives_the_cpus_own_numbers():
    precision.use_float32()
    plain = list(chain())
    with products_of("tpu"):
        assert list(chain()) == plain


# ---- every exercise's right answers ------------------------------------------------------------


def multiplies(exercise, function) -> bool:
    """Whether an answer computes a product of matrices; True as well where only a run could tell."""

    def of_arrays(*arrays):
        given = iter(arrays)
        values = [next(given) if is_array else leaf for is_array, leaf in zip(arrayed, leaves, strict=True)]
        args, kwargs = jax.tree.unflatten(tree, values)
        return slope(function, case.gradient)(*args, **kwargs)

    for _, case in fresh_cases(exercise, 0, 0):
        leaves, tree = jax.tree.flatten((case.args, dict(case.kwargs)))
        arrayed = [isinstance(leaf, np.ndarray | np.generic | jax.Array) for leaf in leaves]
        if not any(arrayed):
            continue
        try:
            traced = jax.make_jaxpr(of_arrays)(
                *(leaf for is_array, leaf in zip(arrayed, leaves, strict=True) if is_array)
            )
        except Exception:
            return True
        if "dot_general" in str(traced):
            return True
    return False


@pytest.fixture(scope="module")
def with_products():
    """The right answers that compute products, by exercise."""
    answers = {e: [f for f in (e.reference, *e.right_answers) if multiplies(e, f)] for e in EXERCISES.values()}
    return {exercise: found for exercise, found in answers.items() if found}


def rejected(answers) -> list[str]:
    asked.cache_clear()
    with jax.numpy_rank_promotion("allow"):
        return [e.name for e, right in answers.items() for f in right if not examine(e, f, rounds=1).passed]


def test_every_right_answer_passes_on_a_chip_that_rounds_even_if_speed_was_chosen(chip, with_products):
    assert len(with_products) >= 10
    jax.config.update("jax_default_matmul_precision", "default")
    assert rejected({e: some(right, 1) for e, right in with_products.items()}) == []


def test_compared_by_rounded_products_right_answers_are_rejected(with_products, monkeypatch):
    monkeypatch.setattr(precision, "EXACT", "default")
    few = {e: right for e, right in with_products.items() if e.name in ("length_bias", "best_of_n_estimate")}
    with products_of("tpu"):
        assert rejected(few)
