"""Rows go into few shapes, all of them, and none is cut."""

import numpy as np
import pytest

from rlhf_lesson.data.batches import WIDTHS, epochs, next_width, pad, plan, response_mask


def test_every_example_is_in_every_epoch_and_the_order_is_new():
    lengths = [3, 20, 5, 16, 17, 90, 30, 40] * 4
    plans = [plan(lengths, batch_tokens=96, seed=0, epoch=e) for e in (0, 1)]
    for batches in plans:
        assert sorted(np.concatenate([i for *_, i in batches])) == list(range(32))
        assert all(max(lengths[k] for k in rows) <= width and len(rows) <= count for count, width, rows in batches)
    assert [i.tolist() for *_, i in plans[0]] != [i.tolist() for *_, i in plans[1]]


def test_a_run_is_one_epoch_after_the_other():
    lengths = [3, 20, 5, 16, 17, 90, 30, 40] * 4
    run = epochs(lengths, 2, batch_tokens=96, seed=3)
    parts = [batch for e in (0, 1) for batch in plan(lengths, batch_tokens=96, seed=3, epoch=e)]
    assert [(count, width, rows.tolist()) for count, width, rows in run] == [(c, w, r.tolist()) for c, w, r in parts]
    assert epochs(lengths, 0, batch_tokens=96, seed=3) == []


def test_too_long_a_row_is_refused_and_never_cut():
    with pytest.raises(ValueError, match="shorten"):
        pad([[1] * 9], 1, 8, pad_id=0)
    with pytest.raises(ValueError, match="shorten"):
        plan([97], batch_tokens=96, seed=0, epoch=0)


def test_a_row_goes_to_the_narrowest_width_that_it_fits_into():
    assert [next_width(n) for n in (0, 1, 16, 17, 48, 49, 96)] == [16, 16, 16, 24, 48, 96, 96]
    assert next_width(5, widths=(9, 4, 6)) == 6
    assert {next_width(n) for n in range(97)} == set(WIDTHS)
    with pytest.raises(ValueError, match="shorten"):
        next_width(97)


def test_only_the_response_is_learnt_its_first_and_its_last_token_too():
    mask = np.array([[1, 1, 1, 1, 0], [1, 1, 1, 0, 0], [0, 0, 0, 0, 0]], bool)
    learn = response_mask(mask, np.array([2, 0, 0]))
    assert learn.tolist() == [[False, False, True, True, False], [True, True, True, False, False], [False] * 5]
