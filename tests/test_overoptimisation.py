"""Over-optimisation curves: both forms by hand, coefficients found again, peaks where calculus puts them, honest held-out error."""

import numpy as np
import pytest

from rlhf_lesson import overoptimisation as over
from rlhf_lesson.overoptimisation import best_of_n_form, compare, distance, fit, plain_quadratic, rl_form

D = np.linspace(0.0, 5.0, 41)


def test_the_forms_by_hand():
    # d = 2: 2 (3 - 0.5 * 2) = 4;   d = e: e (3 - 0.5) = 2.5 e;   d = 0: 0
    np.testing.assert_allclose(best_of_n_form(np.array([0.0, 2.0]), 3.0, 0.5), [0.0, 4.0])
    np.testing.assert_allclose(rl_form(np.array([0.0, 1.0, np.e]), 3.0, 0.5), [0.0, 3.0, 2.5 * np.e])
    np.testing.assert_allclose(plain_quadratic(2.0, 0.7, 3.0, -0.5), 0.7 + 6.0 - 2.0)


def test_distance_is_the_root_of_the_kl_and_an_estimate_below_0_counts_as_0():
    np.testing.assert_allclose(distance(np.array([-0.01, 0.0, 9.0])), [0.0, 0.0, 3.0])


@pytest.mark.parametrize(
    "form, coefficients", [(best_of_n_form, (1.3, 0.2)), (rl_form, (1.3, 0.4)), (plain_quadratic, (0.3, 1.0, -0.2))]
)
def test_a_fit_finds_the_coefficients_again(form, coefficients):
    np.testing.assert_allclose(fit(D, form(D, *coefficients), form), coefficients, atol=1e-10)


def test_a_fit_with_noise_is_the_bottom_of_the_squared_error():
    reward = rl_form(D, 1.3, 0.4) + np.random.default_rng(0).normal(0, 0.2, D.size)
    best = fit(D, reward, rl_form)
    at_best = over.error(reward, rl_form(D, *best))
    for step in ([0.01, 0], [-0.01, 0], [0, 0.01], [0, -0.01]):
        assert over.error(reward, rl_form(D, *(best + step))) > at_best


def test_too_few_points_are_refused():
    with pytest.raises(ValueError, match="plain_quadratic has 3 coefficients"):
        fit(np.array([1.0, 1.0, 2.0]), np.array([0.0, 1.0, 2.0]), plain_quadratic)


@pytest.mark.parametrize(
    "form, peak, coefficients",
    [
        (best_of_n_form, over.best_of_n_peak, (1.3, 0.2)),
        (rl_form, over.rl_peak, (1.3, 0.7)),
        (plain_quadratic, over.quadratic_peak, (0.3, 1.3, -0.2)),
    ],
)
def test_the_peak_is_where_a_fine_grid_is_highest(form, peak, coefficients):
    grid = np.linspace(0.0, 10.0, 100_001)
    curve = form(grid, *coefficients)
    found = peak(*coefficients)
    assert found.d == pytest.approx(grid[curve.argmax()], abs=1e-3)
    assert found.reward == pytest.approx(curve.max(), abs=1e-6) and found.kl == pytest.approx(found.d**2)


def test_a_form_that_never_turns_has_no_finite_peak_and_one_that_only_falls_has_it_at_the_start():
    assert over.best_of_n_peak(1.0, -0.1).d == over.rl_peak(1.0, 0.0).d == np.inf
    assert over.best_of_n_peak(-1.0, 0.1) == (0.0, 0.0)
    assert over.rl_peak(1.0, 1e-6).d == np.inf, "beyond every float, and no warning"


def test_r_squared_is_1_for_the_truth_and_0_for_the_mean():
    reward = rl_form(D, 1.3, 0.4)
    assert over.r_squared(reward, reward) == 1.0
    assert over.r_squared(reward, np.full_like(reward, reward.mean())) == pytest.approx(0.0)


def test_the_quadratic_contains_the_best_of_n_form_so_it_never_fits_worse_where_it_is_fitted():
    rng = np.random.default_rng(1)
    for _ in range(20):
        reward = rng.normal(size=D.size)
        rows = compare(D, reward)
        assert rows["quadratic"]["r_squared"] >= rows["best of n"]["r_squared"] - 1e-12


def test_held_out_error_prefers_the_form_that_made_the_points():
    errors = {"best of n": [], "RL": [], "quadratic": []}
    for seed in range(30):
        reward = rl_form(D, 1.3, 0.7) + np.random.default_rng(seed).normal(0, 0.1, D.size)
        for name, row in compare(D, reward, hold_out=over.far_half).items():
            errors[name].append(row["held_out_error"])
    mean = {name: np.mean(values) for name, values in errors.items()}
    assert mean["RL"] < 0.2 and min(mean["best of n"], mean["quadratic"]) > 1.0


def test_a_held_out_point_is_kept_out_of_the_fit_that_judges_it():
    reward = rl_form(D, 1.3, 0.4)
    wrecked = np.where(over.far_half(D), reward + 100.0, reward)
    row = compare(D, wrecked, hold_out=over.far_half)["RL"]
    assert row["held_out_error"] == pytest.approx(100.0), "the fit saw only clean points"


def test_what_is_held_out_is_half_and_depends_on_distance_not_on_order():
    shuffled = np.random.default_rng(0).permutation(D)
    for split in (over.far_half, over.every_other):
        marked = split(shuffled)
        assert abs(marked.mean() - 0.5) < 0.05
        assert set(shuffled[marked]) == set(D[split(D)])
    assert D[over.far_half(D)].min() > np.median(D)


def test_a_score_fell_if_it_lost_a_quarter_of_its_gain_while_the_proxy_rose_on():
    rise = np.arange(8.0)
    # running means of three: 0.5 1 2 3 3 2 1 0.5
    found = over.turn(np.array([0.0, 1, 2, 3, 4, 2, 0, 1]), rise)
    assert found == (3, 2.5, 2.5, True)
    assert not over.turn(rise, rise).fell
    assert not over.turn(np.array([0.0, 1, 2, 3, 4, 2, 0, 1]), -rise).fell, "the run itself went astray"
    almost = np.array([0.0, 4, 4, 4, 4, 3.9, 3.8, 3.7])
    assert not over.turn(almost, rise).fell and over.turn(almost, rise, share=0.05).fell
