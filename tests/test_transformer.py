"""What a Llama is made of, by hand and by a second route: norm, rotary positions, shared heads, gate, low-rank change."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rlhf_lesson.transformer import grouped_attention, lora, rms_norm, rotate, swiglu


def normal(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


# ---- rms_norm ------------------------------------------------------------------------------------


def test_rms_norm_by_hand():
    # the mean square of 3 and 1 is 5, with epsilon 1 it is 6: 2 * 3 / sqrt(6), and 0.5 * 1 / sqrt(6)
    y = rms_norm(jnp.array([3.0, 1.0]), jnp.array([2.0, 0.5]), epsilon=1.0)
    np.testing.assert_allclose(y, [6 / 6**0.5, 0.5 / 6**0.5], rtol=1e-6)


def test_of_a_vector_whose_mean_is_0_rms_norm_is_layer_norm():
    x = normal(0, 4, 6)
    x = x - x.mean(-1, keepdims=True)
    by_layer_norm = x / jnp.sqrt(x.var(-1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(rms_norm(x, jnp.ones(6)), by_layer_norm, rtol=1e-5)


def test_a_normed_vector_has_mean_square_1_whatever_its_length_and_zeros_stay_zeros():
    x = normal(1, 3, 6) * jnp.array([[1e4], [1.0], [0.0]])
    np.testing.assert_allclose(jnp.mean(rms_norm(x, jnp.ones(6)) ** 2, axis=-1), [1.0, 1.0, 0.0], atol=1e-4)


@pytest.mark.parametrize("kind", [jnp.float16, jnp.bfloat16])
def test_squares_are_summed_in_float32_and_the_type_stays(kind):
    x = (400 * normal(2, 5, 64)).astype(kind)
    y = rms_norm(x, jnp.ones(64))
    assert y.dtype == kind
    exact = rms_norm(x.astype(jnp.float32), jnp.ones(64))
    np.testing.assert_allclose(y.astype(jnp.float32), exact, rtol=2 * float(jnp.finfo(kind).eps))


def test_the_gradient_of_rms_norm_has_no_part_along_the_vector():
    x, weights = normal(3, 6), normal(4, 6)
    slope = jax.grad(lambda x: rms_norm(x, jnp.ones(6), epsilon=1e-12) @ weights)(x)
    np.testing.assert_allclose(slope @ x, 0.0, atol=1e-5)  # a longer vector has the same norm


# ---- rotate --------------------------------------------------------------------------------------


def test_rotate_by_hand():
    # one pair: (3, 4) is turned by its position, in radians: a quarter turn is no whole number, so 2 radians
    # cos 2 = -0.41615, sin 2 = 0.90930: 3 cos 2 - 4 sin 2 = -4.88564, 4 cos 2 + 3 sin 2 = 1.06330
    y = rotate(jnp.array([[[3.0, 4.0]]]), jnp.array([2]))
    np.testing.assert_allclose(y, [[[-4.88564, 1.06330]]], rtol=1e-5)


def test_the_second_pair_turns_slower_by_the_root_of_the_base():
    # entries 0 and 2 are the first pair, 1 and 3 the second; base 100: angles 3 and 3 * 100^(-1/2) = 0.3
    y = rotate(jnp.array([[[1.0, 1.0, 0.0, 0.0]]]), jnp.array([3]), base=100.0)
    np.testing.assert_allclose(y[0, 0], [np.cos(3.0), np.cos(0.3), np.sin(3.0), np.sin(0.3)], rtol=1e-5)


def test_rotation_is_multiplication_by_a_complex_number_of_length_1():
    x, positions = normal(5, 4, 2, 6), jnp.array([0, 1, 5, 9])
    turned = rotate(x, positions, base=50.0)
    numbers = np.asarray(x[..., :3] + 1j * x[..., 3:])
    numbers = numbers * np.exp(1j * np.outer(positions, 50.0 ** (-np.arange(3) / 3)))[:, None]
    np.testing.assert_allclose(turned, np.concatenate([numbers.real, numbers.imag], axis=-1), rtol=1e-4, atol=1e-5)


def test_position_0_turns_nothing_and_no_position_changes_a_length():
    x = normal(6, 3, 2, 8)
    turned = rotate(x, jnp.array([0, 7, 400]))
    np.testing.assert_array_equal(turned[0], x[0])
    np.testing.assert_allclose(jnp.linalg.norm(turned, axis=-1), jnp.linalg.norm(x, axis=-1), rtol=1e-5)


@pytest.mark.parametrize("shift", [1, 20, 3000])
def test_the_product_of_a_rotated_query_and_key_depends_on_their_distance_alone(shift):
    query, key = normal(7, 1, 2, 8), normal(8, 1, 2, 8)

    def product(at, to):
        return jnp.sum(rotate(query, jnp.array([at])) * rotate(key, jnp.array([to])), axis=-1)

    np.testing.assert_allclose(product(5, 2), product(5 + shift, 2 + shift), atol=3e-3)
    assert float(jnp.abs(product(5, 2) - product(6, 2)).max()) > 0.01


def test_large_positions_are_exact_in_a_short_float():
    x, positions = normal(9, 2, 1, 8), jnp.array([2049, 4003])
    short = rotate(x.astype(jnp.bfloat16), positions)
    assert short.dtype == jnp.bfloat16
    np.testing.assert_allclose(short.astype(jnp.float32), rotate(x, positions), atol=0.05)


# ---- grouped_attention ---------------------------------------------------------------------------


def plain(query, keys, values, may_see):
    """Multi-head attention, one head after the other in NumPy."""
    out = np.zeros(query.shape)
    for q, h in np.ndindex(*query.shape[:2]):
        seen = np.flatnonzero(np.asarray(may_see[q]))
        weights = np.exp([query[q, h] @ keys[k, h] / query.shape[-1] ** 0.5 for k in seen])
        out[q, h] = weights / weights.sum() @ np.asarray(values[seen, h])
    return out


def test_grouped_attention_by_hand():
    # head_dim 1, two heads on one head of keys. products of query 1 with keys 0 and log 3: 0 and log 3, shares 1/4 and 3/4;
    # of query 2: 0 and log 9, shares 1/10 and 9/10. values 2 and 6: 2/4 + 18/4 = 5, and 2/10 + 54/10 = 5.6
    query, keys = jnp.array([[[1.0], [2.0]]]), jnp.array([[[0.0]], [[np.log(3.0)]]])
    y = grouped_attention(query, keys, jnp.array([[[2.0]], [[6.0]]]), jnp.ones((1, 2), bool))
    np.testing.assert_allclose(y, [[[5.0], [5.6]]], rtol=1e-5)


def test_with_as_many_key_heads_as_heads_it_is_plain_attention():
    query, keys, values = normal(10, 3, 4, 6), normal(11, 5, 4, 6), normal(12, 5, 4, 6)
    may_see = jnp.tril(jnp.ones((3, 5), bool), 2)
    np.testing.assert_allclose(
        grouped_attention(query, keys, values, may_see), plain(query, keys, values, may_see), rtol=1e-4, atol=1e-5
    )


def test_neighbouring_heads_share_a_head_of_keys():
    query, keys, values = normal(13, 3, 6, 4), normal(14, 5, 2, 4), normal(15, 5, 2, 4)
    may_see = jnp.tril(jnp.ones((3, 5), bool), 2)
    shared = grouped_attention(query, keys, values, may_see)
    copies = [jnp.stack([x[:, 0], x[:, 0], x[:, 0], x[:, 1], x[:, 1], x[:, 1]], axis=1) for x in (keys, values)]
    np.testing.assert_allclose(shared, plain(query, *copies, may_see), rtol=1e-4, atol=1e-5)


def test_what_may_not_be_seen_changes_nothing_and_gets_no_gradient():
    query, keys, values = normal(16, 2, 4, 4), normal(17, 3, 2, 4), normal(18, 3, 2, 4)
    may_see = jnp.array([[True, True, False], [True, False, False]])
    out = grouped_attention(query, keys, values, may_see)
    other = grouped_attention(query, keys.at[2].set(1e4), values.at[2].set(-1e4), may_see)
    np.testing.assert_array_equal(out, other)
    slopes = jax.grad(lambda *kv: jnp.sum(jnp.sin(grouped_attention(query, *kv, may_see))), (0, 1))(keys, values)
    assert all(bool(jnp.all(s[2] == 0)) and bool(jnp.all(jnp.isfinite(s))) for s in slopes)


def test_a_query_that_sees_nothing_gets_the_mean_of_all_values_and_finite_gradients():
    query, keys, values = normal(19, 1, 2, 4), normal(20, 3, 1, 4), normal(21, 3, 1, 4)
    blind = jnp.zeros((1, 3), bool)
    np.testing.assert_allclose(grouped_attention(query, keys, values, blind)[0, 1], values[:, 0].mean(0), rtol=1e-5)
    slope = jax.grad(lambda query: jnp.sum(grouped_attention(query, keys, values, blind)))(query)
    np.testing.assert_array_equal(slope, 0.0)


# ---- swiglu --------------------------------------------------------------------------------------


def test_swiglu_by_hand():
    # silu(log 3) = log 3 / (1 + 1/3) = 0.75 log 3, times 4: 3 log 3; a gate of 0 lets nothing through
    y = swiglu(jnp.array([np.log(3.0), 0.0]), jnp.array([4.0, 7.0]))
    np.testing.assert_allclose(y, [3 * np.log(3.0), 0.0], rtol=1e-6)


def test_a_gate_far_above_0_is_open_and_one_far_below_is_closed():
    np.testing.assert_allclose(swiglu(jnp.array([60.0, -60.0]), jnp.array([2.0, 2.0])), [120.0, 0.0], atol=1e-5)


def test_the_slope_of_swiglu_by_up_is_silu_of_the_gate():
    gate, up = normal(22, 5), normal(23, 5)
    slope = jax.grad(lambda up: jnp.sum(swiglu(gate, up)))(up)
    np.testing.assert_allclose(slope, gate / (1 + jnp.exp(-gate)), rtol=1e-5)


# ---- lora ----------------------------------------------------------------------------------------


def test_lora_by_hand():
    # x kernel = 1 * 2 + 3 * 1 = 5; x down = 1 + 3 = 4 and 2 * 1 - 3 = -1; times up: 4 * 0.5 - 1 * 1 = 1; alpha / rank = 6 / 2 = 3
    y = lora(
        jnp.array([1.0, 3.0]),
        jnp.array([[2.0], [1.0]]),
        jnp.array([[1.0, 2.0], [1.0, -1.0]]),
        jnp.array([[0.5], [1.0]]),
        alpha=6.0,
    )
    np.testing.assert_allclose(y, [5.0 + 3.0 * 1.0], rtol=1e-6)


def test_with_up_at_0_the_layer_is_the_old_one_exactly_and_only_up_can_learn():
    x, kernel, down, up = normal(24, 3, 4), normal(25, 4, 5), normal(26, 4, 2), jnp.zeros((2, 5))
    np.testing.assert_array_equal(lora(x, kernel, down, up, alpha=8.0), x @ kernel)
    slopes = jax.grad(lambda *thin: jnp.sum(jnp.sin(lora(x, kernel, *thin, alpha=8.0))), (0, 1))(down, up)
    assert bool(jnp.all(slopes[0] == 0)) and bool(jnp.any(slopes[1] != 0))


def test_merged_and_unmerged_agree():
    x, kernel, down, up = normal(27, 2, 3, 4), normal(28, 4, 5), normal(29, 4, 2), normal(30, 2, 5)
    merged = kernel + 8.0 / 2 * down @ up
    np.testing.assert_allclose(lora(x, kernel, down, up, alpha=8.0), x @ merged, rtol=1e-4, atol=1e-4)


def test_the_change_has_the_rank_that_was_asked_for():
    kernel, down, up = normal(31, 6, 5), normal(32, 6, 2), normal(33, 2, 5)
    change = lora(jnp.eye(6), kernel, down, up, alpha=1.0) - kernel
    assert np.linalg.matrix_rank(np.asarray(change), tol=1e-4) == 2
