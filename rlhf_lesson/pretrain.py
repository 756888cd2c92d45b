"""Makes the base model that ships: tokenizer, mixture of texts, one run of next-token training.

Leaves out the search that led to its settings; LOG.md tells it. The loop itself is `train_sft` with empty prompts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from flax import nnx

from rlhf_lesson import feedback, film_grammar
from rlhf_lesson.model import GPT2, ModelConfig
from rlhf_lesson.tokenizer import encode, train_tokenizer
from rlhf_lesson.train_sft import Config as TrainConfig
from rlhf_lesson.train_sft import Example

VERDICTS = {-2: "awful", -1: "weak", 0: "mixed", 1: "good", 2: "superb"}


@dataclass(frozen=True)
class Config:
    """What `python -m rlhf_lesson pretrain` makes."""

    vocab: int = 6144  # pieces: enough that nearly all words of the snippets are whole
    dim: int = 192  # width
    layers: int = 4
    heads: int = 6
    dropout: float = 0.1
    human_epochs: int = 6  # passes over the human-written texts
    grammar_reviews: int = 100_000  # fresh reviews from our grammar, each seen once
    verdict_share: float = 0.5  # of the grammar's reviews end in "verdict: good", which teaches what words mean
    learning_rate: float = 2e-3
    batch_tokens: int = 3072
    seed: int = 0


def human_texts(cache=None) -> tuple[list[str], list[str]]:
    """All four sets, normalised: texts to train on, and the movie snippets of the evaluation split, never trained on."""
    train, held_out = [], []
    for name in (feedback.MOVIES, feedback.AMAZON, feedback.NYT, feedback.TWEETS):
        for sentence in feedback.load(name, cache):
            if feedback.split(sentence.id) != "eval":
                train.append(feedback.normalise(sentence.text))
            elif name == feedback.MOVIES:
                held_out.append(feedback.normalise(sentence.text))
    return train, held_out


def grammar_texts(config: Config) -> list[str]:
    """Reviews written by our grammar, half of them with the verdict they amount to."""
    rng = np.random.default_rng([config.seed, 1])
    return [
        f"{text} verdict: {VERDICTS[polarity]}." if rng.random() < config.verdict_share else text
        for text, polarity in film_grammar.reviews(config.grammar_reviews, config.seed)
    ]


def examples(tokenizer, texts: Sequence[str], *, context: int) -> list[Example]:
    """Each text as <begin> text <end>, all of it to be learnt; texts too long for the context are cut into pieces."""
    begin, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    rows = []
    for ids in encode(tokenizer, texts):
        ids = [begin, *ids, end]
        rows += [Example(ids[i : i + context], 0) for i in range(0, len(ids), context)]
    return [row for row in rows if len(row.tokens) > 1]


def prepare(config: Config, cache=None):
    """Tokenizer, model, training examples, held-out examples and loop settings of one pretraining run.

    Human texts are repeated `human_epochs` times and the grammar's are spread among them, in one epoch of the loop.
    """
    train, held_out = human_texts(cache)
    ours = grammar_texts(config)
    tokenizer = train_tokenizer(train + ours[: len(train)], vocab=config.vocab)
    shape = ModelConfig(config.vocab, config.dim, config.layers, config.heads, dropout=config.dropout)
    model = GPT2(shape, rngs=nnx.Rngs(config.seed))
    human = examples(tokenizer, train, context=shape.context)
    mixture = human * config.human_epochs + examples(tokenizer, ours, context=shape.context)
    loop = TrainConfig(1, config.batch_tokens, config.learning_rate, seed=config.seed)
    return tokenizer, model, mixture, examples(tokenizer, held_out, context=shape.context), loop


def bits_per_byte(nats_per_token: float, held_out: Sequence[Example], texts: Sequence[str]) -> float:
    """Loss in bits per byte of text, which does not depend on the vocabulary."""
    tokens = sum(len(e.tokens) - 1 for e in held_out)
    return nats_per_token / np.log(2) * tokens / sum(len(t.encode()) for t in texts)
