"""Ragged token rows into padded arrays of few shapes: a row goes to the next of five widths, so few programs compile.

Leaves out packing several rows into one: it saves little here and makes attention masks hard to read.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int

WIDTHS = (16, 24, 32, 48, 96)


def pad(
    rows: Sequence[Sequence[int]], count: int, width: int, *, pad_id: int, left: bool = False
) -> tuple[Int[np.ndarray, "count width"], Bool[np.ndarray, "count width"]]:
    """Rows of ids as one array and its mask (True on real tokens); rows beyond the last are all padding.

    Raises:
      ValueError: a row is longer than `width`; nothing is cut silently.
    """
    tokens = np.full((count, width), pad_id, np.int32)
    mask = np.zeros((count, width), bool)
    for i, row in enumerate(rows):
        if len(row) > width:
            raise ValueError(f"row {i} has {len(row)} tokens, more than {width}: shorten it or raise the width")
        where = slice(width - len(row), width) if left else slice(0, len(row))
        tokens[i, where], mask[i, where] = row, True
    return tokens, mask


def plan(
    lengths: Sequence[int], *, batch_tokens: int, seed: int, epoch: int
) -> list[tuple[int, int, Int[np.ndarray, " rows"]]]:
    """The batches of one epoch as (rows, width, indices): a fresh shuffle, then rows of like length together.

    Args:
      lengths: tokens of each row.
      batch_tokens: rows x width of a batch, at most (but at least one row).
      seed: of the shuffle; together with the epoch it fixes the order, so that a run can resume anywhere.
      epoch: 0, 1, ...

    Raises:
      ValueError: a row is longer than the widest batch.
    """
    sizes = np.asarray(lengths)
    if sizes.max() > WIDTHS[-1]:
        raise ValueError(f"a row has {sizes.max()} tokens, more than {WIDTHS[-1]}: shorten it first")
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(sizes))
    bucket = np.searchsorted(WIDTHS, sizes[order])
    batches = []
    for b, width in enumerate(WIDTHS):
        rows = max(1, batch_tokens // width)
        members = order[bucket == b]
        batches += [(rows, width, members[i : i + rows]) for i in range(0, len(members), rows)]
    return [batches[i] for i in rng.permutation(len(batches))]
