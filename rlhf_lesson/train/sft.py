"""Supervised fine-tuning: next-token cross-entropy on the completion, the prompt masked out.

Pretraining is the same loop with empty prompts, so it has no loop of its own. Packing is not part of this course.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from rlhf_lesson import losses
from rlhf_lesson.arrays import masked_mean
from rlhf_lesson.data import batches
from rlhf_lesson.data.batches import check_rows, epochs, pad, plan
from rlhf_lesson.data.examples import Example
from rlhf_lesson.models.decoder import Decoder, copy_of, from_logits
from rlhf_lesson.models.partial import Trains, filled, thinned
from rlhf_lesson.seeds import stage_key
from rlhf_lesson.train.checks import finite
from rlhf_lesson.train.inputs import check_examples

# ---- Config ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Config:
    """Settings of supervised fine-tuning."""

    epochs: int = 1  # passes over the examples
    batch_tokens: int = 2048  # padded tokens per step
    learning_rate: float = 3e-4  # peak of the schedule
    warmup: float = 0.05  # share of the steps with a rising rate; then a cosine to 0
    weight_decay: float = 0.05  # AdamW, on matrices only
    clip_norm: float = 1.0  # largest gradient norm
    seed: int = 0  # order of the examples and dropout


class Batch(NamedTuple):
    """Rows of prompt and completion, padded on the right to one shape."""

    tokens: Int[np.ndarray, "batch time"]
    mask: Bool[np.ndarray, "batch time"]
    learn: Bool[np.ndarray, "batch time"]  # True on tokens whose prediction is trained


class State(NamedTuple):
    """All that a later step depends on, so a run resumed from it goes on bit for bit."""

    model: Decoder
    opt_state: optax.OptState
    step: Int[Array, ""]


# ---- loss_fn -----------------------------------------------------------------------------------


def loss_fn(
    thin: Decoder, batch: Batch, key: PRNGKeyArray | None, cross_entropy_loss=losses.cross_entropy_loss, whole=None
):
    """Mean cross-entropy over the tokens to learn (nats per token), not over sequences; dropout if there is a `key`.

    The model is `thin`, whose holes `whole` fills.
    """
    model = filled(thin, whole)
    states = model.hidden(batch.tokens, batch.mask, key)[:, :-1]  # (B, T-1, D)
    per_token = from_logits(model, cross_entropy_loss, states, batch.tokens[:, 1:])
    return masked_mean(per_token, batch.learn[:, 1:])


# ---- train_step --------------------------------------------------------------------------------


@lru_cache  # the same settings give the same object, so a second run does not compile again
def optimizer(config, steps: int) -> optax.GradientTransformation:
    """AdamW with warm-up and cosine decay over `steps`, gradients clipped by their global norm."""
    schedule = optax.warmup_cosine_decay_schedule(
        0.0, config.learning_rate, max(1, int(config.warmup * steps)), max(2, steps)
    )
    matrices = partial(jax.tree.map, lambda p: p.ndim > 1)
    return optax.chain(
        optax.clip_by_global_norm(config.clip_norm),
        optax.adamw(schedule, b2=0.98, eps=1e-8, weight_decay=config.weight_decay, mask=matrices),
    )


@partial(jax.jit, static_argnames=("optimizer", "cross_entropy_loss"), donate_argnames="state")
def train_step(
    state: State, batch: Batch, key: PRNGKeyArray, whole: Decoder | None = None, *, optimizer, cross_entropy_loss
):
    """One step of the `optimizer` on a state whose holes `whole` fills.

    Dropout's key is folded from `key` and the step, so it is fresh and resumes exactly.
    """
    key = jax.random.fold_in(key, state.step)
    loss, grads = jax.value_and_grad(loss_fn)(state.model, batch, key, cross_entropy_loss, whole)
    updates, opt_state = optimizer.update(grads, state.opt_state, state.model)
    return State(optax.apply_updates(state.model, updates), opt_state, state.step + 1), loss


# ---- train -------------------------------------------------------------------------------------


def make_batch(
    examples: Sequence[Example], rows: int, width: int, pad_id: int, response_mask=batches.response_mask
) -> Batch:
    """Examples padded on the right; missing rows are all padding, so shapes never change.

    Args:
      examples: at most `rows` of them.
      rows: of the batch.
      width: tokens of a row, at least those of the longest example.
      pad_id: the padding token.
      response_mask: (mask, tokens of each prompt) -> which tokens are learnt.
    """
    tokens, mask = pad([e.tokens for e in examples], rows, width, pad_id=pad_id)
    prompt = np.zeros(rows, int)
    prompt[: len(examples)] = [e.prompt for e in examples]
    return Batch(tokens, mask, response_mask(mask, prompt))


def train(
    config: Config,
    model: Decoder,
    examples: Sequence[Example],
    *,
    pad_id: int,
    trains: Trains = None,
    state: State | None = None,
    cross_entropy_loss=losses.cross_entropy_loss,
    response_mask=batches.response_mask,
) -> Iterator[tuple[State, dict[str, float]]]:
    """Fine-tunes a copy of `model`; yields the state and its metrics after every step.

    Args:
      config: settings.
      model: where to start; it is left as it was.
      examples: tokenised prompt + completion, see `Example`.
      pad_id: the padding token.
      trains: which weights train, by their place in the model, see `partial.thinned`; None trains all.
      state: the last state of an earlier run with the same arguments, to go on from there.
      cross_entropy_loss: (logits, targets) -> loss per token.
      response_mask: (mask, tokens of each prompt) -> which tokens are learnt.

    Raises:
      ValueError: settings that can't be trained with, an example that `check_rows` refuses, none with anything to learn, or
        numbers that are not finite.
    """
    check_examples(config, model, examples, pad_id=pad_id)
    if not any(len(e.tokens) > max(1, e.prompt) for e in examples):
        raise ValueError("no example has a token to learn: each needs tokens after its prompt")
    context = model.config.context
    check_rows([e.tokens for e in examples], model.config)
    lengths = [len(e.tokens) for e in examples]
    schedule = epochs(lengths, config.epochs, batch_tokens=config.batch_tokens, seed=config.seed, context=context)
    tx = optimizer(config, len(schedule))
    if state is None:
        thin = copy_of(thinned(model, trains))
        state = State(thin, tx.init(thin), jnp.zeros((), jnp.int32))
    key = stage_key(config.seed, "sft", impl="rbg")  # three times faster than the default for dropout on a CPU
    current = state
    for step in range(int(current.step), len(schedule)):
        rows, width, indices = schedule[step]
        batch = make_batch([examples[i] for i in indices], rows, width, pad_id, response_mask)
        current, loss = train_step(current, batch, key, model, optimizer=tx, cross_entropy_loss=cross_entropy_loss)
        yield current, finite({"step": step + 1, "steps": len(schedule), "loss": float(loss)}, current)


# ---- what the stage measures -------------------------------------------------------------------


@jax.jit
def _sum_of_losses(model: Decoder, batch: Batch) -> tuple[Float[Array, ""], Int[Array, ""]]:
    states = model.hidden(batch.tokens, batch.mask)[:, :-1]
    per_token = from_logits(model, losses.cross_entropy_loss, states, batch.tokens[:, 1:])
    learn = batch.learn[:, 1:]
    return jnp.sum(jnp.where(learn, per_token, 0.0)), jnp.sum(learn)


def validation_loss(model: Decoder, examples: Sequence[Example], *, pad_id: int, batch_tokens: int = 2048) -> float:
    """Cross-entropy over all tokens to learn of held-out examples.

    Args:
      model: the language model.
      examples: tokenised prompt + completion; at least one.
      pad_id: the padding token.
      batch_tokens: padded tokens per compiled call.

    Returns:
      Mean over tokens, nats per token.

    Raises:
      ValueError: an example that `check_rows` refuses, or none with a token to learn.
    """
    context = model.config.context
    check_rows([e.tokens for e in examples], model.config)
    lengths = [len(e.tokens) for e in examples]
    total = count = 0.0
    for rows, width, indices in plan(lengths, batch_tokens=batch_tokens, seed=0, epoch=0, context=context):
        batch = make_batch([examples[i] for i in indices], rows, width, pad_id)
        loss, tokens = _sum_of_losses(model, batch)
        total, count = total + float(loss), count + int(tokens)
    if not count:
        raise ValueError("no example has a token to learn: each needs tokens after its prompt")
    return total / count
