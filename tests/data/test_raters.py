"""Raters' noise: measured on real people, imitated with one number, and found again."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rlhf_lesson.data import feedback, raters
from rlhf_lesson.data.raters import label, noise_temperature


@pytest.fixture(scope="module")
def measured_raters():
    return raters.rater_agreement(feedback.load(feedback.MOVIES), 10_000, seed=0)


def test_one_number_reproduces_the_agreement_of_close_and_of_far_pairs(measured_raters):
    margins, agrees = measured_raters
    assert agrees.mean() == pytest.approx(0.885, abs=0.01)
    temperature = noise_temperature(margins, float(agrees.mean()))
    assert temperature == pytest.approx(0.66, abs=0.05)
    right = 1 / (1 + np.exp(-margins / temperature))
    assert right.mean() == pytest.approx(agrees.mean(), abs=1e-6)
    for part in np.array_split(np.argsort(margins), 6):
        assert right[part].mean() == pytest.approx(agrees[part].mean(), abs=0.03)


def test_a_rater_is_not_compared_with_a_mean_that_holds_his_own_rating():
    torn = [feedback.Sentence(f"{i}", f"{i}", (float(r), float(-r)), "x") for i, r in enumerate((1, 2, 4))]
    margins, agrees = raters.rater_agreement(torn, 200, seed=0)  # the only other rater says the opposite
    assert set(margins) <= {1.0, 2.0, 3.0} and not agrees.any()
    nothing, _ = raters.rater_agreement(torn[:1], 20, seed=0)
    assert len(nothing) == 0


def test_the_temperature_is_found_again_from_labels_it_made():
    rng = np.random.default_rng(0)
    margins = rng.normal(0, 2, 200_000)
    first = np.asarray(label(jnp.asarray(margins), jnp.zeros(200_000), jax.random.key(0), temperature=0.7))
    assert noise_temperature(margins, float(np.mean(first == (margins > 0)))) == pytest.approx(0.7, rel=0.02)


def test_the_temperature_has_the_unit_of_the_margins():
    margins = np.random.default_rng(0).normal(0, 1, 1000)
    assert noise_temperature(3 * margins, 0.8) == pytest.approx(3 * noise_temperature(margins, 0.8), rel=1e-6)


def test_an_agreement_that_no_temperature_gives_is_refused():
    with pytest.raises(ValueError, match="no better than chance"):
        noise_temperature(np.ones(5), 0.5)
    with pytest.raises(ValueError, match="above"):
        noise_temperature(np.array([1.0, 0.0]), 0.8)


def test_labels_follow_the_better_text_with_the_probability_of_bradley_and_terry():
    first = label(jnp.full(20_000, 1.0), jnp.full(20_000, 0.3), jax.random.key(0), temperature=0.5)
    assert float(first.mean()) == pytest.approx(1 / (1 + np.exp(-1.4)), abs=0.01)
