"""Film-review snippets cut into prompt and completion: what SFT learns from and what the policy is asked to go on with.

Leaves out instruction templates (data/formats.py has them): the course's model continues text.
"""

from collections.abc import Sequence
from itertools import chain

import numpy as np

from rlhf_lesson.models.tokenizer import encode

PROMPT = 8  # token slots of a prompt, <begin> included


def split_at_words(
    tokenizer, texts: Sequence[str], *, seed: int, most: int = PROMPT
) -> list[tuple[list[int], list[int]]]:
    """Each text as (prompt, completion) ids: <begin> and its first 1 to 4 words, then the rest and <end>.

    The cut is between words, where byte-level BPE never merges, so prompt + completion are the ids of the whole text.

    Args:
      tokenizer: ours.
      texts: normalised.
      seed: of the number of words; fixed for a course, so that everyone has the same prompts.
      most: a prompt with more tokens is cut earlier, to a single word if need be; texts whose first word alone is
        longer, and texts of one word, are left out.
    """
    rng = np.random.default_rng([seed, 7])
    out = []
    for text, words in zip(texts, rng.integers(1, 5, len(texts)), strict=True):
        pieces = encode(tokenizer, text.split(" "))
        while words > 1 and (sum(map(len, pieces[:words])) > most - 1 or words >= len(pieces)):
            words -= 1
        prompt, rest = list(chain(*pieces[:words])), list(chain(*pieces[words:]))
        if rest and len(prompt) <= most - 1:
            out.append(([tokenizer.bos_token_id, *prompt], [*rest, tokenizer.eos_token_id]))
    return out


def whole(tokenizer, texts: Sequence[str], *, context: int = 96) -> list[list[int]]:
    """Each text as <begin> text <end>: what reward models read.

    Raises:
      ValueError: a text is longer than the context.
    """
    rows = [[tokenizer.bos_token_id, *ids, tokenizer.eos_token_id] for ids in encode(tokenizer, texts)]
    for text, row in zip(texts, rows, strict=True):
        if len(row) > context:
            raise ValueError(f"{len(row)} tokens are more than the context of {context}: shorten {text[:60]!r}...")
    return rows
