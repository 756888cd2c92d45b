"""Reward modelling: a scalar head learns from human choices, from ratings or from labels (train/objectives.py).

How often the model agrees with people is measured at the end of the file.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from rlhf_lesson import losses
from rlhf_lesson.arrays import masked_mean
from rlhf_lesson.data.batches import check_rows, epochs, pad, plan
from rlhf_lesson.data.examples import Comparison, Labelled, Rated
from rlhf_lesson.models.decoder import Decoder, copy_of, from_logits
from rlhf_lesson.models.heads import ScalarModel
from rlhf_lesson.seeds import stage_key
from rlhf_lesson.train.adam import warmed_up
from rlhf_lesson.train.checks import finite
from rlhf_lesson.train.inputs import check_examples
from rlhf_lesson.train.objectives import bradley_terry_objective

# ---- Config ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Config:
    """Settings of reward modelling."""

    epochs: int = 2  # passes over the comparisons
    batch_tokens: int = 2048  # padded tokens per step, all responses together
    learning_rate: float = 5e-4  # linear to 0
    dropout: float = 0.2  # share of activations set to 0 in training; a few thousand texts are soon learnt by heart
    weight_decay: float = 0.1  # AdamW, on matrices only
    clip_norm: float = 1.0  # largest gradient norm
    lm_coef: float = 0.0  # weight of a joint next-token loss, which keeps the trunk from forgetting its words
    seed: int = 0  # head, order and dropout


class Batch(NamedTuple):
    """k responses to each prompt, padded on the right to one shape."""

    tokens: Int[np.ndarray, "rows k time"]
    mask: Bool[np.ndarray, "rows k time"]
    target: Float[np.ndarray, " rows"]
    real: Bool[np.ndarray, " rows"]  # False on rows that only fill the shape


class State(NamedTuple):
    """All that a later step depends on, so a run resumed from it goes on bit for bit."""

    model: ScalarModel
    opt_state: optax.OptState
    step: Int[Array, ""]


# ---- loss_fn -----------------------------------------------------------------------------------


def loss_fn(model: ScalarModel, batch: Batch, key: PRNGKeyArray | None, objective, lm_coef: float):
    """Mean loss of `model` over the real rows, plus `lm_coef` times the next-token loss; dropout if there is a `key`."""
    rows, k, time = batch.tokens.shape
    tokens, mask = (x.reshape(rows * k, time) for x in (batch.tokens, batch.mask))
    hidden = model.trunk.hidden(tokens, mask, key)
    scores = model.pooled_score(hidden, mask).reshape(rows, k)
    loss = masked_mean(objective(scores, batch.target), batch.real)
    if lm_coef > 0.0:
        per_token = from_logits(model.trunk, losses.cross_entropy_loss, hidden[:, :-1], tokens[:, 1:])
        loss += lm_coef * masked_mean(per_token, mask[:, 1:])
    return loss


# ---- train_step --------------------------------------------------------------------------------


@lru_cache
def optimizer(config: Config, steps: int) -> optax.GradientTransformation:
    """AdamW with a rate that warms up over a twentieth of the `steps`."""
    rate = warmed_up(config.learning_rate, steps, 0.05)
    matrices = partial(jax.tree.map, lambda p: p.ndim > 1)
    return optax.chain(
        optax.clip_by_global_norm(config.clip_norm),
        optax.adamw(rate, weight_decay=config.weight_decay, mask=matrices),
    )


@partial(jax.jit, static_argnames=("optimizer", "objective", "lm_coef"), donate_argnames="state")
def train_step(state: State, batch: Batch, key: PRNGKeyArray, *, optimizer, objective, lm_coef):
    """One step of the `optimizer` on `loss_fn` with this `lm_coef`; dropout's key is folded from `key` and the step."""
    key = jax.random.fold_in(key, state.step)
    loss, grads = jax.value_and_grad(loss_fn)(state.model, batch, key, objective, lm_coef)
    updates, opt_state = optimizer.update(grads, state.opt_state, state.model)
    return State(optax.apply_updates(state.model, updates), opt_state, state.step + 1), loss


# ---- train -------------------------------------------------------------------------------------


def make_batch(examples: Sequence[Comparison | Rated | Labelled], rows: int, width: int, pad_id: int) -> Batch:
    """Examples with the same number of responses each, padded on the right to `rows` examples of `width` tokens."""
    k = len(examples[0].responses)
    texts = [response for example in examples for response in example.responses]
    tokens, mask = pad(texts, rows * k, width, pad_id=pad_id)
    target = np.zeros(rows, np.float32)
    target[: len(examples)] = [example.target for example in examples]
    return Batch(tokens.reshape(rows, k, width), mask.reshape(rows, k, width), target, np.arange(rows) < len(examples))


def train(
    config: Config,
    trunk: Decoder,
    examples: Sequence[Comparison | Rated | Labelled],
    *,
    pad_id: int,
    state: State | None = None,
    objective=bradley_terry_objective,
) -> Iterator[tuple[State, dict[str, float]]]:
    """Trains a scalar head and a copy of its trunk; yields the state and its metrics after every step.

    Args:
      config: settings.
      trunk: the language model to start from; it is left as it was.
      examples: comparisons (best first), or rated or labelled responses; all with the same number of responses.
      pad_id: the padding token.
      state: the last state of an earlier run with the same arguments, to go on from there.
      objective: (scores, target) -> loss per row; `objective_of(examples)` is the one that fits them.

    Raises:
      ValueError: settings that can't be trained with, no examples, different numbers of responses, an objective for others,
        a response without a token or that `check_rows` refuses, or numbers that are not finite.
    """
    check_examples(config, trunk, examples, pad_id=pad_id)
    if len(sizes := {len(example.responses) for example in examples}) != 1:
        raise ValueError(f"the examples have {sorted(sizes)} responses: give all the same number")
    for i, example in enumerate(examples):
        if not all(len(response) for response in example.responses):
            raise ValueError(
                f"example {i} has a response without a token: begin each with the begin token and its prompt"
            )
    check_rows([response for example in examples for response in example.responses], trunk.config)
    lengths = [max(len(r) for r in example.responses) for example in examples]
    batch_tokens = config.batch_tokens // len(examples[0].responses)
    schedule = epochs(lengths, config.epochs, batch_tokens=batch_tokens, seed=config.seed, context=trunk.config.context)
    tx = optimizer(config, len(schedule))
    if state is None:
        model = ScalarModel(copy_of(trunk), rngs=nnx.Rngs(config.seed))
        model.trunk.config = trunk.config._replace(dropout=config.dropout)
        state = State(model, tx.init(model), jnp.zeros((), jnp.int32))
    key = stage_key(config.seed, "reward model", impl="rbg")  # three times faster than the default for dropout on a CPU
    current = state
    for step in range(int(current.step), len(schedule)):
        rows, width, indices = schedule[step]
        batch = make_batch([examples[i] for i in indices], rows, width, pad_id)
        current, loss = train_step(current, batch, key, optimizer=tx, objective=objective, lm_coef=config.lm_coef)
        yield current, finite({"step": step + 1, "steps": len(schedule), "loss": float(loss)}, current)


# ---- what the stage measures -------------------------------------------------------------------


@jax.jit
def _scores(model: ScalarModel, tokens, mask) -> Float[Array, " batch"]:
    return model(tokens, mask)


def score(
    model: ScalarModel, rows: Sequence[Sequence[int]], *, pad_id: int, batch_tokens: int = 4096
) -> Float[np.ndarray, " rows"]:
    """Scores of texts, in their order.

    Args:
      model: the reward model.
      rows: token ids of begin, prompt, response and end.
      pad_id: the padding token.
      batch_tokens: padded tokens per compiled call.

    Returns:
      One score per row, in the model's units.

    Raises:
      ValueError: `check_rows` refuses a row, or it has no token, so that nothing could be scored.
    """
    check_rows(rows, model.trunk.config)
    context = model.trunk.config.context
    lengths = [len(r) for r in rows]
    if 0 in lengths:
        raise ValueError(f"row {lengths.index(0)} has no token: begin each with the begin token")
    out = np.zeros(len(rows), np.float32)
    for count, width, indices in plan(lengths, batch_tokens=batch_tokens, seed=0, epoch=0, context=context):
        tokens, mask = pad([rows[i] for i in indices], count, width, pad_id=pad_id)
        out[indices] = np.asarray(_scores(model, tokens, mask))[: len(indices)]
    return out


def normalised(model: ScalarModel, reference_scores: Float[np.ndarray, " samples"]) -> ScalarModel:
    """The same model with mean 0 and spread 1 on samples of the *reference policy*, so that beta keeps its meaning.

        score' = (score - mean) / std, folded into the head

    Args:
      model: the reward model; it is left as it was.
      reference_scores: its scores on samples of the policy that PPO starts from.

    Raises:
      ValueError: all scores are equal: train the reward model first; or one is NaN or infinite: its weights may be.

    Source: Ziegler et al. 2019, arXiv:1909.08593, section 2; lm-human-preferences `normalize_after`.
    """
    broken = np.flatnonzero(~np.isfinite(reference_scores))
    if len(broken):
        raise ValueError(
            f"{len(broken)} of {len(reference_scores)} reference scores are NaN or infinite, first sample {broken[0]}: "
            "look for NaN in the reward model's weights, and for texts longer than its context"
        )
    mean, std = float(np.mean(reference_scores)), float(np.std(reference_scores))
    if not std > 0.0:
        raise ValueError("all reference scores are equal: train the reward model before normalising it")
    out = jax.tree.map(lambda x: x, model)
    out.head.kernel[...] = out.head.kernel[...] / std
    out.head.bias[...] = (out.head.bias[...] - mean) / std
    return out
