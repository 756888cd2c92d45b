"""Prompts as token ids, padded on the left to one length, and the batches that a loop draws from them."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Bool, Int

from rlhf_lesson.data.batches import check_rows, pad
from rlhf_lesson.data.rows import Choice
from rlhf_lesson.models.families import Sizes


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
      ValueError: a prompt is longer than `length`: shorten it or raise the length; or it has no token.
    """
    prompts = Prompts(*pad(rows, len(rows), length, pad_id=pad_id, left=True))
    check_prompts(prompts)
    return prompts


def check_prompts(prompts: Prompts, config: Sizes | None = None) -> None:
    """Refuses prompts that a model would continue from a padding token's state, or that it can't read.

    Sampler and learner would agree on the wrong state, so no later check could tell.

    Args:
      prompts: as a loop takes them.
      config: of the model that will read them, to refuse what it can't read; None if there is no model yet.

    Raises:
      ValueError: a prompt is padded on the right or has no token, or `check_rows` refuses it.
    """
    tokens, mask = (np.asarray(x) for x in prompts)
    last = mask[:, -1].astype(bool) if mask.shape[1] else np.zeros(len(mask), bool)
    if not last.all():
        raise ValueError(
            f"prompt {int(np.argmin(last))} does not end with a token of its own: pad prompts on the left"
            " (padding_side='left'), and begin each with the begin token, so that none is empty"
        )
    if config is not None:
        check_rows([row[keep].tolist() for row, keep in zip(tokens, mask.astype(bool), strict=True)], config)


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
      ValueError: there are fewer prompts than one batch needs: give more of them; or `check_prompts` refuses one.
    """
    check_prompts(prompts)
    per_epoch = len(prompts.tokens) // batch
    if per_epoch == 0:
        raise ValueError(
            f"{len(prompts.tokens)} prompts do not fill a batch of {batch}: give more prompts, or lower it"
        )
    k = start
    while True:
        order = np.random.default_rng([seed, k // per_epoch]).permutation(len(prompts.tokens))
        rows = order[(k % per_epoch) * batch :][:batch]
        yield Prompts(prompts.tokens[rows], prompts.mask[rows])
        k += 1


def sampled_choices(
    prompts: Prompts,
    tokens: Int[np.ndarray, "samples time"],
    mask: Bool[np.ndarray, "samples time"],
    first: Bool[np.ndarray, " pairs"],
) -> list[Choice]:
    """Pairs of neighbouring samples, as `evaluate.sample` gives them for `repeat_prompts(prompts, 2)`.

    Two equal responses teach nothing (their loss is log 2 for ever) and are left out.

    Args:
      prompts: one for each pair, left-padded.
      tokens: prompt and response of each sample.
      mask: True on real tokens.
      first: True where the first of a pair was preferred.
    """
    rows = [row[keep].tolist() for row, keep in zip(np.asarray(tokens), np.asarray(mask), strict=True)]
    out = []
    for a, b, length, left in zip(rows[::2], rows[1::2], np.asarray(prompts.mask).sum(axis=1), first, strict=True):
        chosen, rejected = (a, b) if left else (b, a)
        if a != b:
            out.append(Choice(a[:length], chosen[length:], rejected[length:]))
    return out
