"""Rows go into few shapes, all of them, and none is cut."""

import numpy as np
import pytest
import tiny

from rlhf_lesson.data.batches import WIDTHS, check_rows, epochs, next_width, pad, plan, response_mask, widths_up_to


def test_every_example_is_in_every_epoch_and_the_order_is_new():
    lengths = [3, 20, 5, 16, 17, 90, 30, 40] * 4
    plans = [plan(lengths, batch_tokens=96, seed=0, epoch=e) for e in (0, 1)]
    for batches in plans:
        assert sorted(np.concatenate([i for *_, i in batches])) == list(range(32))
        assert all(max(lengths[k] for k in rows) <= width and len(rows) <= count for count, width, rows in batches)
    assert [i.tolist() for *_, i in plans[0]] != [i.tolist() for *_, i in plans[1]]


def test_few_rows_of_a_width_make_a_small_batch_and_many_fill_theirs():
    few = plan([3, 20, 20, 20, 90], batch_tokens=4096, seed=0, epoch=0)
    assert sorted((width, rows) for rows, width, _ in few) == [(16, 1), (24, 4), (96, 1)]
    many = plan([20] * 100, batch_tokens=1024, seed=0, epoch=0)
    assert [(rows, len(i)) for rows, _, i in many].count((42, 42)) == 2 and {rows for rows, *_ in many} == {42}


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


def test_a_longer_context_adds_few_widths_and_changes_no_batch_of_shorter_rows():
    assert widths_up_to(96) == WIDTHS
    assert widths_up_to(1024) == (*WIDTHS, 192, 384, 768, 1024)
    assert widths_up_to(40) == (16, 24, 32, 40)
    lengths = [3, 20, 5, 16, 17, 90, 30, 40] * 4
    short, long = (plan(lengths, batch_tokens=96, seed=0, epoch=0, context=c) for c in (96, 1024))
    assert [(c, w, r.tolist()) for c, w, r in short] == [(c, w, r.tolist()) for c, w, r in long]
    assert [w for _, w, _ in plan([100, 1024], batch_tokens=96, seed=0, epoch=0, context=1024)] in (
        [192, 1024],
        [1024, 192],
    )


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ([3] * 25, "25 tokens, more than the model's context of 24"),
        ([3, 48], "token id 48"),
        ([3, -100], "token id -100"),
    ],
)
def test_a_row_that_a_model_cannot_read_is_refused_with_its_number(row, why):
    check_rows([[3, 4], []], tiny.SHAPE)
    with pytest.raises(ValueError, match=f"row 1 has .*{why}"):
        check_rows([[3, 4], row], tiny.SHAPE)
