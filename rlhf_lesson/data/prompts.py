"""Prompts as token ids, padded on the left to one length, and the batches that a loop draws from them."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Bool, Int

from rlhf_lesson.data.batches import pad


class Prompts(NamedTuple):
    """Prompts as ids, padded on the left to one length."""

    tokens: Int[Array, "batch prompt"] | Int[np.ndarray, "batch prompt"]
    mask: Bool[Array, "batch prompt"] | Bool[np.ndarray, "batch prompt"]


def make_prompts(rows: Sequence[Sequence[int]], length: int, *, pad_id: int) -> Prompts:
    """Prompts padded on the left to one length.

    Args:
      rows: token ids of each prompt.
      length: tokens of the padded prompts.
      pad_id: the padding token.

    Raises:
      ValueError: a prompt is longer than `length`: shorten it or raise the length.
    """
    return Prompts(*pad(rows, len(rows), length, pad_id=pad_id, left=True))


def repeat_prompts(prompts: Prompts, times: int) -> Prompts:
    """Each prompt several times, the copies one after the other.

    Args:
      prompts: padded to one length.
      times: copies of each.

    Returns:
      times x as many prompts.
    """
    return Prompts(*(np.repeat(np.asarray(x), times, axis=0) for x in prompts))


def prompt_batches(prompts: Prompts, batch: int, seed: int, start: int = 0) -> Iterator[Prompts]:
    """Endless batches of prompts: shuffled again each epoch, the k-th batch a pure function of (seed, k).

    Args:
      prompts: all that there are, padded to one length.
      batch: prompts per batch.
      seed: of the order.
      start: number of the first batch, for a run that is resumed.

    Yields:
      `batch` prompts at a time; what is left over at the end of an epoch waits for another shuffle.

    Raises:
      ValueError: there are fewer prompts than one batch needs: give more of them.
    """
    per_epoch = len(prompts.tokens) // batch
    if per_epoch == 0:
        raise ValueError(f"{len(prompts.tokens)} prompts do not fill a batch of {batch}: give more prompts")
    k = start
    while True:
        order = np.random.default_rng([seed, k // per_epoch]).permutation(len(prompts.tokens))
        rows = order[(k % per_epoch) * batch :][:batch]
        yield Prompts(prompts.tokens[rows], prompts.mask[rows])
        k += 1
