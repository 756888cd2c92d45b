"""Token rows of different lengths become padded arrays of few shapes: each row gets the next of a few widths.

Few shapes mean few compiled programs. Rows are never packed into one: that would save little here, and masks would be hard to read.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int

from rlhf_lesson.models.families import Sizes

WIDTHS = (16, 24, 32, 48, 96)
WIDER = tuple(96 * 2**k for k in range(1, 12))  # 192, 384, ...: for models that read more than the course's


def widths_up_to(context: int) -> tuple[int, ...]:
    """What rows are padded to for a model of this context: the widths that are narrower, then the context itself.

        (16, 24, 32, 48, 96, 192, 384, ..., context)

    Args:
      context: the longest row that the model reads, in tokens, at least 1.

    Returns:
      Few widths in rising order, so that a run compiles few programs: nine for GPT-2's context of 1,024.
    """
    return (*(width for width in WIDTHS + WIDER if width < context), context)


def check_rows(rows: Sequence[Sequence[int]], config: Sizes) -> None:
    """Refuses rows that a model would compute NaN from, without a word, since JAX reads beyond a table as NaN.

    Args:
      rows: token ids.
      config: of the model that will read them: its context in tokens, and the number of ids that it knows.

    Raises:
      ValueError: a row is longer than the context, or holds an id that the model does not know; says which.
    """
    for i, row in enumerate(rows):
        if len(row) > config.context:
            where = f"the model's context of {config.context}"
            raise ValueError(f"row {i} has {len(row)} tokens, more than {where}: shorten it")
        if len(row) and not 0 <= min(row) <= max(row) < config.vocab:
            wrong = min(row) if min(row) < 0 else max(row)
            known = f"the model knows 0 to {config.vocab - 1}"
            raise ValueError(f"row {i} has the token id {wrong}, and {known}: use the model's own tokenizer")


def pad(
    rows: Sequence[Sequence[int]], count: int, width: int, *, pad_id: int, left: bool = False
) -> tuple[Int[np.ndarray, "count width"], Bool[np.ndarray, "count width"]]:
    """Rows of token ids as one array, and its mask.

    Args:
      rows: token ids; at most `count` rows.
      count: rows of the array; those beyond the last given row are padding alone.
      width: tokens of each row, at least the length of the longest.
      pad_id: the padding token.
      left: pad on the left, as prompts are, instead of on the right.

    Returns:
      The ids and the mask, which is True on real tokens.

    Raises:
      ValueError: a row is longer than `width`: shorten it or raise the width; nothing is cut silently.
    """
    tokens = np.full((count, width), pad_id, np.int32)
    mask = np.zeros((count, width), bool)
    for i, row in enumerate(rows):
        if len(row) > width:
            raise ValueError(f"row {i} has {len(row)} tokens, more than {width}: shorten it or raise the width")
        where = slice(width - len(row), width) if left else slice(0, len(row))
        tokens[i, where] = row
        mask[i, where] = True
    return tokens, mask


def response_mask(
    mask: Bool[np.ndarray, "rows time"], prompt: Int[np.ndarray, " rows"]
) -> Bool[np.ndarray, "rows time"]:
    """Which tokens are to be learnt: the response, its end token included, and neither prompt nor padding.

        learn_t = mask_t and t >= prompt

    A row of padding alone has nothing to learn, whatever its `prompt` says.

    Args:
      mask: True on real tokens, prompt and response: a run of True, then a run of False.
      prompt: how many tokens at the beginning of each row are prompt, from 0 up.

    Returns:
      True on the tokens that the loss counts: predicting them is trained, reading the others is not.

    Source: supervised fine-tuning on demonstrations, Ouyang et al. 2022, arXiv:2203.02155, section 3.1.
    """
    return mask & (np.arange(mask.shape[1]) >= prompt[:, None])


def next_width(length: int, widths: Sequence[int] = WIDTHS) -> int:
    """The narrowest of a few widths that a row fits into, so that a run has few shapes and compiles few programs.

        min { w in widths : w >= length }

    Args:
      length: tokens of the row.
      widths: what rows may be padded to, in any order.

    Returns:
      One of the widths, in tokens.

    Raises:
      ValueError: the row is longer than every width: shorten it.
    """
    fitting = [width for width in widths if width >= length]
    if not fitting:
        raise ValueError(f"a row has {length} tokens, more than {max(widths)}: shorten it first")
    return min(fitting)


def plan(
    lengths: Sequence[int], *, batch_tokens: int, seed: int, epoch: int, context: int = max(WIDTHS)
) -> list[tuple[int, int, Int[np.ndarray, " rows"]]]:
    """The batches of one epoch as (rows, width, indices): a fresh shuffle, then rows of like length together.

    Args:
      lengths: tokens of each row.
      batch_tokens: rows x width of a batch, at most (but at least one row); where few rows have a width, the next power of two.
      seed: of the shuffle; together with the epoch it fixes the order, so that a run can resume anywhere.
      epoch: 0, 1, ...
      context: of the model, in tokens: no row may be longer.

    Returns:
      A list of (rows of the batch, width in tokens, indices of the rows that it holds); there may be fewer indices than rows.

    Raises:
      ValueError: a row is longer than the widest batch.
    """
    widths = widths_up_to(context)
    fits = np.array([next_width(int(length), widths) for length in lengths])
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(lengths))
    batches = []
    for width in widths:
        members = order[fits[order] == width]
        enough = 1 << (len(members) - 1).bit_length()  # the next power of two: an empty row costs as much as a full one
        rows = max(1, min(batch_tokens // width, enough))
        batches += [(rows, width, members[i : i + rows]) for i in range(0, len(members), rows)]
    return [batches[i] for i in rng.permutation(len(batches))]


def epochs(
    lengths: Sequence[int], count: int, *, batch_tokens: int, seed: int, context: int = max(WIDTHS)
) -> list[tuple[int, int, Int[np.ndarray, " rows"]]]:
    """The batches of a whole run as (rows, width, indices): one `plan` after the other.

    Args:
      lengths: tokens of each row.
      count: passes over the rows.
      batch_tokens: rows x width of a batch, at most (but at least one row).
      seed: of every shuffle; each epoch gets an order of its own.
      context: of the model, in tokens: no row may be longer.

    Raises:
      ValueError: a row is longer than the widest batch.
    """
    return [
        batch
        for epoch in range(count)
        for batch in plan(lengths, batch_tokens=batch_tokens, seed=seed, epoch=epoch, context=context)
    ]
