"""Masked mean, whitening and the last token: the mask is heeded, and nothing on padding is ever read."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rlhf_lesson.arrays import last_token_state, masked_mean, masked_whiten

MASK = jnp.array([[True, True, False], [True, False, False]])
VALUES = jnp.array([[1.0, 5.0, 99.0], [3.0, -99.0, jnp.nan]])


def test_masked_mean_by_hand():
    # (1 + 5 + 3) / 3 = 3: one mean over all real tokens, not a mean of row means (3 + 3) / 2
    np.testing.assert_allclose(masked_mean(VALUES, MASK), 3.0)
    uneven = VALUES.at[1, 0].set(9.0)  # (1 + 5 + 9) / 3 = 5, the mean of row means would be 6
    np.testing.assert_allclose(masked_mean(uneven, MASK), 5.0)


def test_masked_mean_of_booleans_is_a_fraction():
    np.testing.assert_allclose(masked_mean(VALUES > 2.0, MASK), 2 / 3, rtol=1e-6)


def test_masked_mean_of_an_empty_mask_is_zero():
    assert masked_mean(VALUES, jnp.zeros_like(MASK)) == 0.0


def test_masked_mean_sends_no_gradient_to_padding():
    gradient = jax.grad(masked_mean)(VALUES, MASK)
    np.testing.assert_allclose(gradient, np.asarray(MASK) / 3, rtol=1e-6)


def test_masked_whiten_by_hand():
    # mean 3, biased variance ((1-3)^2 + (5-3)^2 + 0) / 3 = 8/3; -2 / sqrt(8/3) = -1.2247
    expected = [[-1.2247449, 1.2247449, 0.0], [0.0, 0.0, 0.0]]
    np.testing.assert_allclose(masked_whiten(VALUES, MASK), expected, atol=1e-6)


def test_masked_whiten_keeps_the_mean_when_told_to():
    expected = [[3 - 1.2247449, 3 + 1.2247449, 0.0], [3.0, 0.0, 0.0]]
    np.testing.assert_allclose(masked_whiten(VALUES, MASK, shift_mean=False), expected, atol=1e-6)


def test_masked_whiten_of_equal_values_is_zero_not_nan():
    np.testing.assert_array_equal(masked_whiten(jnp.full((2, 3), 2.5), MASK), np.zeros((2, 3)))


@pytest.mark.parametrize("value", [100.3, 1_234.5, 0.1, -7e6])
def test_equal_values_whiten_to_exactly_zero_whatever_their_float_mean_is(value):
    mask = jnp.arange(1000) % 7 > 0  # the first entry is padding
    values = jnp.where(mask, value, jnp.nan)
    np.testing.assert_array_equal(masked_whiten(values, mask), np.zeros(1000))
    kept = masked_whiten(values, mask, shift_mean=False)
    np.testing.assert_array_equal(kept[mask], np.full(int(mask.sum()), value, np.float32))


def test_the_last_token_by_hand_with_padding_on_either_side():
    states = jnp.arange(12.0).reshape(2, 3, 2)
    mask = jnp.array([[True, True, False], [False, True, True]])
    np.testing.assert_array_equal(last_token_state(states, mask), [[2.0, 3.0], [10.0, 11.0]])


def test_the_last_token_of_padding_alone_is_zero_and_sends_no_gradient():
    states = jnp.array([[[1.0], [jnp.nan]], [[jnp.nan], [jnp.nan]]])
    mask = jnp.array([[True, False], [False, False]])
    np.testing.assert_array_equal(last_token_state(states, mask), [[1.0], [0.0]])
    slope = jax.grad(lambda x: last_token_state(x, mask).sum())(states)
    np.testing.assert_array_equal(slope, [[[1.0], [0.0]], [[0.0], [0.0]]])
