"""Makes the base model that ships: tokenizer, mixture of texts, one run of next-token training.

The search that led to its settings is in LOG.md. The loop itself is `sft` with empty prompts.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import jax
import numpy as np
from flax import nnx

from rlhf_lesson.data import feedback, film_grammar, film_reviews
from rlhf_lesson.data.examples import Example
from rlhf_lesson.disk import write_atomically
from rlhf_lesson.measures import distinct
from rlhf_lesson.models.checkpoint import save_model
from rlhf_lesson.models.decoder import Decoder
from rlhf_lesson.models.generate import generate
from rlhf_lesson.models.gpt2 import GPT2, ModelConfig
from rlhf_lesson.models.tokenizer import END, decode, encode, train_tokenizer
from rlhf_lesson.seeds import stage_key
from rlhf_lesson.train.runs import read_metrics
from rlhf_lesson.train.sft import Config as TrainConfig
from rlhf_lesson.train.sft import train, validation_loss

VERDICTS = {-2: "awful", -1: "weak", 0: "mixed", 1: "good", 2: "superb"}


@dataclass(frozen=True)
class Config:
    """What `python -m rlhf_lesson pretrain` makes."""

    vocab: int = 6144  # pieces: enough that nearly all words of the snippets are whole
    dim: int = 192  # width
    layers: int = 4
    heads: int = 6
    dropout: float = 0.1  # of later fine-tuning; here every text is seen a few times only, and none is used
    human_epochs: int = 3  # passes over the sentences of the rated sets
    film_reviews: int = 25_000  # reviews by other people (data/film_reviews.py): beginning and end of each, seen once
    grammar_reviews: int = 20_000  # fresh reviews from our grammar, each seen once
    learning_rate: float = 2e-3
    batch_tokens: int = 2048
    seed: int = 0


def human_texts(cache=None) -> tuple[list[str], list[str]]:
    """All four sets, normalised: texts to train on, and the movie snippets of the evaluation split, never trained on."""
    train, held_out = [], []
    for name in (feedback.MOVIES, feedback.AMAZON, feedback.NYT, feedback.TWEETS):
        parts = feedback.by_split(feedback.load(name, cache))
        train += [feedback.normalise(sentence.text) for part in ("gold", "proxy") for sentence in parts[part]]
        if name == feedback.MOVIES:
            held_out = [feedback.normalise(sentence.text) for sentence in parts["eval"]]
    never = set(held_out)
    return [text for text in train if text not in never], held_out


def with_verdict(text: str, polarity: int) -> str:
    """The text, its end token and one word of verdict, as a page prints stars under a review.

    To foresee that word, the state at the end token must sum up what was liked: the state that a reward model reads
    (preference model pretraining: Askell et al. 2021, arXiv:2112.00861, section 4). Sampling stops at the end token.
    """
    return f"{text}{END} {VERDICTS[polarity]}"


def grammar_texts(config: Config) -> list[str]:
    """Reviews written by our grammar, with the polarity it was asked for."""
    return [with_verdict(*review) for review in film_grammar.reviews(config.grammar_reviews, config.seed)]


def judged_passages(config: Config, cache=None) -> list[tuple[str, int]]:
    """The first two and last two passages of film reviews, where opinions stand; a passage's verdict is its review's."""
    if config.film_reviews == 0:
        return []
    reviews = film_reviews.load(cache)
    chosen = np.random.default_rng([config.seed, 2]).permutation(len(reviews))[: config.film_reviews]
    passages = []
    for text, liked in (reviews[i] for i in chosen):
        parts = list(film_reviews.passages(text))
        ends = parts if len(parts) <= 4 else parts[:2] + parts[-2:]
        passages += [(part, 1 if liked else -1) for part in ends]
    return passages


def review_texts(config: Config, cache=None) -> list[str]:
    """Those passages, each with its verdict."""
    return [with_verdict(*passage) for passage in judged_passages(config, cache)]


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

    The rated sets are repeated `human_epochs` times and all else is spread among them, in one epoch of the loop.
    """
    train, held_out = human_texts(cache)
    once = grammar_texts(config) + review_texts(config, cache)
    sample = np.random.default_rng([config.seed, 3]).permutation(len(once))[: len(train)]
    tokenizer = train_tokenizer(train + [once[i].split(END)[0] for i in sample], vocab=config.vocab)
    shape = ModelConfig(config.vocab, config.dim, config.layers, config.heads)
    model = GPT2(shape, rngs=nnx.Rngs(config.seed))
    human = examples(tokenizer, train, context=shape.context)
    mixture = human * config.human_epochs + examples(tokenizer, once, context=shape.context)
    loop = TrainConfig(1, config.batch_tokens, config.learning_rate, seed=config.seed)
    return tokenizer, model, mixture, examples(tokenizer, held_out, context=shape.context), loop


def bits_per_byte(nats_per_token: float, held_out: Sequence[Example], texts: Sequence[str]) -> float:
    """Loss in bits per byte of text, which does not depend on the vocabulary."""
    tokens = sum(len(e.tokens) - 1 for e in held_out)
    return nats_per_token / np.log(2) * tokens / sum(len(t.encode()) for t in texts)


def sample_texts(model: Decoder, tokenizer, *, count: int, temperature: float, seed: int = 0) -> list[str]:
    """What the model writes from nothing but <begin>."""
    start = np.full((count, 1), tokenizer.bos_token_id)
    samples = generate(
        model,
        start,
        np.ones((count, 1), bool),
        stage_key(seed, "pretrain's samples"),
        response=40,
        temperature=temperature,
        end_id=tokenizer.eos_token_id,
        pad_id=tokenizer.pad_token_id,
    )
    return decode(tokenizer, samples.tokens, samples.mask)


def quality(texts: Sequence[str], known: Sequence[str]) -> dict[str, float]:
    """Share of words that exist (in the human texts), distinct bigrams, and words per text."""
    words = [w for t in texts for w in re.findall(r"[a-z']+", t)]
    lexicon = {w for t in known for w in re.findall(r"[a-z']+", t)}
    real = sum(w in lexicon for w in words) / max(1, len(words))
    return {"real_words": real, "distinct2": distinct(texts), "words": len(words) / max(1, len(texts))}


def run(config: Config, out: Path, drive: Callable) -> dict:
    """Trains and saves the base model, its tokenizer and its card.

    Args:
      config: what to make.
      out: `out/model` gets the weights in half precision, the tokenizer and `card.json`.
      drive: runs the loop that it is given a factory of, (state or None) -> iterator; returns the last state.
    """
    tokenizer, model, mixture, held_out, loop = prepare(config)
    pad_id = tokenizer.pad_token_id
    trained = drive(lambda state: train(loop, model, mixture, pad_id=pad_id, state=state)).model
    losses = [row["loss"] for row in read_metrics(out)]
    trained.config = trained.config._replace(dropout=config.dropout)
    human, evaluation = human_texts()
    loss = validation_loss(trained, held_out, pad_id=pad_id)
    texts = sample_texts(trained, tokenizer, count=256, temperature=1.0)
    card = {
        "config": asdict(config),
        "command": "python -m rlhf_lesson pretrain",
        "parameters": sum(x.size for x in jax.tree.leaves(trained)),
        "human_texts": len(human),
        "tokens_seen": sum(len(e.tokens) for e in mixture),
        "nats_per_token": loss,
        "bits_per_byte": bits_per_byte(loss, held_out, evaluation),
        "quality": quality(texts, human + evaluation),
        "quality_at_0.7": quality(sample_texts(trained, tokenizer, count=256, temperature=0.7), human + evaluation),
        "samples_at_0.7": sample_texts(trained, tokenizer, count=50, temperature=0.7),
        "loss_curve": [round(float(np.mean(part)), 3) for part in np.array_split(losses, min(50, len(losses)))],
    }
    save_model(trained, out / "model", half=True, tokenizer=tokenizer)
    write_atomically(out / "model" / "card.json", (json.dumps(card, indent=1) + "\n").encode())
    return {k: v for k, v in card.items() if k not in ("config", "loss_curve")}
