"""Film-review snippets with their ratings, by split: what every stage of the course's chain learns from and is measured on.

The course's model continues text, so a prompt is the beginning of a snippet; instructions and dialogues are in data/chats.py.
"""

from collections.abc import Sequence

import numpy as np

from rlhf_lesson.data import feedback
from rlhf_lesson.data.examples import Comparison, Example, Rated, to_comparisons, whole
from rlhf_lesson.data.prompts import Prompts, make_prompts
from rlhf_lesson.data.records import Pair

PROMPT = 8  # token slots of a prompt, <begin> included


class Snippets:
    """The movie snippets by split ("gold", "proxy", "eval"), tokenised for each use.

    Wherever several splits are asked for, their snippets come mixed, in the one fixed order of `feedback.load`: the first n of
    anything are a random sample of all of it. What is held out from whom: `feedback.by_split`.

    Args:
      tokenizer: of the base model.
      seed: of the cuts between prompt and completion.
    """

    def __init__(self, tokenizer, seed: int):
        self.movies = feedback.load(feedback.MOVIES)
        self.by_split = feedback.by_split(self.movies)
        self.tokenizer = tokenizer
        self.seed = seed

    def sentences(self, *splits: str) -> list[feedback.Sentence]:
        """The snippets of these splits with all their ratings, mixed, whichever split is named first."""
        wanted = {m.id for split in splits for m in self.by_split[split]}
        return [m for m in self.movies if m.id in wanted]

    def texts(self, *splits: str) -> list[str]:
        """Normalised texts of these splits."""
        return [feedback.normalise(m.text) for m in self.sentences(*splits)]

    def sft(self, *splits: str) -> list[Example]:
        """Snippets cut into prompt and completion, for supervised fine-tuning."""
        cuts = split_at_words(self.tokenizer, self.texts(*splits), seed=self.seed)
        return [Example(prompt + rest, len(prompt)) for prompt, rest in cuts]

    def prompts(self, *splits: str) -> Prompts:
        """The beginnings of the same cuts, left-padded to `PROMPT` tokens."""
        cuts = split_at_words(self.tokenizer, self.texts(*splits), seed=self.seed)
        return make_prompts([prompt for prompt, _ in cuts], PROMPT, pad_id=self.tokenizer.pad_token_id)

    def held_out_prompts(self, count: int) -> Prompts:
        """The first `count` prompts of the evaluation split, a random sample that is the same for everybody."""
        return Prompts(*(x[:count] for x in self.prompts("eval")))

    def rated(self, split: str) -> list[Rated]:
        """Each snippet of a split with the mean of its ratings, from -4 to 4."""
        rows = whole(self.tokenizer, self.texts(split))
        return [Rated(row, float(np.mean(m.ratings))) for row, m in zip(rows, self.by_split[split], strict=True)]

    def choices(self, count: int, *splits: str, seed: int) -> list[Pair]:
        """Random pairs of snippets, each decided by one rating of each snippet (see `feedback.pairs`)."""
        return feedback.pairs(self.sentences(*splits), count, seed=seed)

    def comparisons(self, pairs: Sequence[Pair]) -> list[Comparison]:
        """Pairs of snippets as a reward model reads them; ValueError if one of them is a tie."""
        return to_comparisons(pairs, self.tokenizer, normalise=feedback.normalise)


def split_at_words(
    tokenizer, texts: Sequence[str], *, seed: int, most: int = PROMPT
) -> list[tuple[list[int], list[int]]]:
    """Each text as (prompt, completion) ids: <begin> and its first 1 to 4 words, then the rest and <end>.

    The cut is between words, where byte-level BPE never merges: prompt + completion are the ids of the whole text, whether or not
    the tokenizer puts a space before its first word.

    Args:
      tokenizer: of the base model.
      texts: normalised.
      seed: of the number of words; fixed for a course, so that everyone has the same prompts.
      most: a prompt with more tokens is cut earlier, to a single word if need be; texts whose first word alone is
        longer, and texts of one word, are left out.

    Returns:
      (prompt, completion) as token ids, one per text that is not left out.
    """
    rng = np.random.default_rng([seed, 7])
    found = tokenizer(list(texts), add_special_tokens=False, return_offsets_mapping=True)
    cuts = []
    for text, ids, places in zip(texts, found["input_ids"], found["offset_mapping"], strict=True):
        words = int(rng.integers(1, 5))
        word_ends = np.cumsum([len(word) + 1 for word in text.split(" ")]) - 1  # in characters
        tokens = np.searchsorted([end for _, end in places], word_ends, side="right")  # up to the end of each word
        while words > 1 and (words >= len(tokens) or tokens[words - 1] > most - 1):
            words -= 1
        cut = int(tokens[words - 1])
        if 0 < cut <= most - 1 and cut < len(ids):
            cuts.append(([tokenizer.bos_token_id, *ids[:cut]], [*ids[cut:], tokenizer.eos_token_id]))
    return cuts
