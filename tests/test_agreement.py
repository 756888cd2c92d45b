"""Agreement of raters: hand sums, chance level, and the `krippendorff` library."""

import jax.numpy as jnp
import krippendorff
import numpy as np
import pytest

from rlhf_lesson.agreement import (
    cohen_kappa,
    interval_distance,
    krippendorff_alpha,
    nominal_distance,
    percent_agreement,
)

A = jnp.array([0, 0, 1, 1, 2, 0, 1, 2, 0, 1])
B = jnp.array([0, 1, 1, 1, 2, 0, 0, 2, 0, 2])


def test_percent_agreement_by_hand():
    np.testing.assert_allclose(percent_agreement(A, B), 0.7, rtol=1e-6)  # differ at 1, 6 and 9


def test_cohen_kappa_by_hand():
    # shares a: .4 .4 .2, b: .4 .3 .3; p_e = .16 + .12 + .06 = .34; (.7 - .34) / (1 - .34) = .545455
    np.testing.assert_allclose(cohen_kappa(A, B, categories=3), 0.545455, rtol=1e-5)
    np.testing.assert_allclose(cohen_kappa(A, B, categories=5), 0.545455, rtol=1e-5)


def test_cohen_kappa_is_one_when_equal_zero_by_chance_and_nan_without_a_choice():
    np.testing.assert_allclose(cohen_kappa(A, A, categories=3), 1.0, rtol=1e-6)
    a, b = jnp.array([0, 0, 1, 1]), jnp.array([0, 1, 0, 1])  # independent
    np.testing.assert_allclose(cohen_kappa(a, b, categories=2), 0.0, atol=1e-6)
    assert jnp.isnan(cohen_kappa(0 * a, 0 * b, categories=2))


def some_ratings():
    rng = np.random.default_rng(1)
    truth = rng.integers(1, 6, 12)
    ratings = np.clip(truth + rng.integers(-1, 2, (5, 12)), 1, 5).astype(np.float32)
    ratings[rng.random((5, 12)) < 0.4] = np.nan
    ratings[1:, 3] = np.nan  # an item with one rating
    ratings[0, 3] = 5.0
    ratings[:, 7] = np.nan  # and one with none
    return ratings


@pytest.mark.parametrize(("distance", "level"), [(nominal_distance, "nominal"), (interval_distance, "interval")])
def test_alpha_equals_the_krippendorff_library_with_missing_ratings(distance, level):
    ratings = some_ratings()
    expected = krippendorff.alpha(reliability_data=ratings, level_of_measurement=level)
    found = krippendorff_alpha(jnp.array(ratings), distance=distance)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_alpha_by_hand():
    # items (1, 1) and (1, 2): D_o = 2/4 = 1/2; of 4 * 3 ordered pairs 6 differ: D_e = 1/2; alpha 0
    ratings = jnp.array([[1.0, 1.0], [1.0, 2.0]])
    np.testing.assert_allclose(krippendorff_alpha(ratings, distance=nominal_distance), 0.0, atol=1e-6)


def test_alpha_is_one_for_perfect_agreement_and_negative_for_contradiction():
    row = jnp.array([1.0, 2.0, 5.0])
    agree = krippendorff_alpha(jnp.stack([row, row, row]), distance=interval_distance)
    np.testing.assert_allclose(agree, 1.0, rtol=1e-6)
    assert krippendorff_alpha(jnp.stack([row, row[::-1]]), distance=interval_distance) < 0


def test_alpha_does_not_see_who_rated_nor_the_unit_of_the_scale():
    ratings = jnp.array(some_ratings())
    expected = krippendorff_alpha(ratings, distance=interval_distance)
    other = krippendorff_alpha(3.0 * ratings[::-1, ::-1] + 2.0, distance=interval_distance)
    np.testing.assert_allclose(other, expected, rtol=1e-4)
