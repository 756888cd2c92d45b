"""DPO: the policy learns from pairs directly, as its own reward model; nothing is sampled and no critic is needed.

IPO, KTO and label smoothing are other functions in place of `dpo_loss`, which is an argument of `train`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int

from rlhf_lesson import losses
from rlhf_lesson.arrays import Scalar, masked_mean
from rlhf_lesson.data.batches import check_rows, epochs, pad, plan
from rlhf_lesson.data.examples import Choice
from rlhf_lesson.logprobs import sequence_logprob, token_logprobs
from rlhf_lesson.models.decoder import Decoder, copy_of, from_logits
from rlhf_lesson.models.families import Sizes
from rlhf_lesson.train.adam import adam
from rlhf_lesson.train.checks import check_first_margin, finite
from rlhf_lesson.train.inputs import check_examples

# ---- Config ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Config:
    """Settings of DPO."""

    epochs: int = 1  # passes over the pairs
    batch_tokens: int = 2048  # padded tokens per step, both responses together
    learning_rate: float = 1e-4  # the peak; linear to 0 over the run
    warmup: float = 0.1  # part of the run in which the rate rises
    clip_norm: float = 1.0  # largest gradient norm
    kl_coef: float = 0.1  # beta, score units per nat
    temperature: float = 1.0  # of every log-prob: the one that the policy will be sampled at
    seed: int = 0  # order of the pairs


class Batch(NamedTuple):
    """Pairs padded on the right to one shape; of the two rows of each, the chosen one is the first."""

    tokens: Int[np.ndarray, "pairs 2 time"]
    mask: Bool[np.ndarray, "pairs 2 time"]
    learn: Bool[np.ndarray, "pairs 2 time"]  # True on response tokens
    ref_logp: Float[np.ndarray, "pairs 2"]  # of the whole responses, nats
    real: Bool[np.ndarray, " pairs"]  # False on pairs that only fill the shape


class State(NamedTuple):
    """All that a later step depends on, so a run resumed from it goes on bit for bit."""

    policy: Decoder
    opt_state: optax.OptState
    step: Int[Array, ""]


# ---- loss_fn -----------------------------------------------------------------------------------


def response_logprobs(policy: Decoder, batch: Batch, temperature: Scalar) -> Float[Array, "pairs 2"]:
    """log pi(response | prompt) of both at a `temperature`: sums over tokens, not means (row 42 of docs/checklist.md)."""
    pairs, two, time = batch.tokens.shape
    tokens, mask, learn = (x.reshape(pairs * two, time) for x in (batch.tokens, batch.mask, batch.learn))
    states = policy.hidden(tokens, mask)[:, :-1]  # (2B, T-1, D)
    logp = from_logits(policy, partial(token_logprobs, temperature=temperature), states, tokens[:, 1:])
    return sequence_logprob(logp, learn[:, 1:]).reshape(pairs, two)


def loss_fn(policy: Decoder, batch: Batch, config: Config, dpo_loss: Callable):
    """Mean DPO loss over the real pairs, with the implicit rewards beta (log pi - log ref) as metrics."""
    logp = response_logprobs(policy, batch, config.temperature)
    loss = dpo_loss(logp[:, 0], logp[:, 1], batch.ref_logp[:, 0], batch.ref_logp[:, 1], kl_coef=config.kl_coef)
    score = config.kl_coef * (logp - batch.ref_logp)  # (B, 2)
    mean = partial(masked_mean, mask=batch.real)
    stats = {
        "chosen_reward": mean(score[:, 0]),  # usually falls too: only the difference is trained
        "rejected_reward": mean(score[:, 1]),
        "margin": mean(score[:, 0] - score[:, 1]),
        "accuracy": mean(0.5 * (1.0 + jnp.sign(score[:, 0] - score[:, 1]))),  # a draw counts half
        "first_margin_gap": jnp.max(jnp.where(batch.real, jnp.abs(score[:, 0] - score[:, 1]), 0.0)),
    }
    return mean(loss), stats


# ---- train_step --------------------------------------------------------------------------------


@lru_cache
def optimizer(config: Config, steps: int) -> optax.GradientTransformation:
    """`adam` with the settings of `config` over these `steps`."""
    return adam(config, steps)


@partial(jax.jit, static_argnames=("config", "optimizer", "dpo_loss"), donate_argnames="state")
def train_step(state: State, batch: Batch, *, config: Config, optimizer, dpo_loss) -> tuple[State, dict[str, Array]]:
    """One step of the `optimizer`; without dropout, so that policy and reference are equal where their weights are."""
    (loss, stats), grads = jax.value_and_grad(loss_fn, has_aux=True)(state.policy, batch, config, dpo_loss)
    updates, opt_state = optimizer.update(grads, state.opt_state, state.policy)
    return State(optax.apply_updates(state.policy, updates), opt_state, state.step + 1), {"loss": loss, **stats}


# ---- train -------------------------------------------------------------------------------------


def make_batch(
    choices: Sequence[Choice], ref_logp: Float[np.ndarray, "choices 2"], rows: int, width: int, pad_id: int
) -> Batch:
    """Pairs, with the reference's `ref_logp` of each, as `rows` pairs of `width` tokens; missing pairs are all padding."""
    texts = [[*c.prompt, *response] for c in choices for response in (c.chosen, c.rejected)]
    tokens, mask = (x.reshape(rows, 2, width) for x in pad(texts, 2 * rows, width, pad_id=pad_id))
    prompt = np.zeros((rows, 1, 1), int)
    prompt[: len(choices), 0, 0] = [len(c.prompt) for c in choices]
    reference = np.zeros((rows, 2), np.float32)
    reference[: len(choices)] = ref_logp
    return Batch(tokens, mask, mask & (np.arange(width) >= prompt), reference, np.arange(rows) < len(choices))


def lengths(choices: Sequence[Choice], config: Sizes) -> list[int]:
    """Tokens of the longer of the two rows of each pair, which a model of this `config` must be able to read.

    Raises:
      ValueError: `check_rows` refuses a pair; or its prompt has no token, from which the first is predicted, or a response none.
    """
    for name, cure in (("prompt", "begin"), ("chosen", "end"), ("rejected", "end")):
        if empty := [i for i, c in enumerate(choices) if not len(getattr(c, name))]:
            raise ValueError(f"choice {empty[0]} has an empty {name}: {cure} every {name} with the {cure} token")
    check_rows([[*c.prompt, *response] for c in choices for response in (c.chosen, c.rejected)], config)
    return [len(c.prompt) + max(len(c.chosen), len(c.rejected)) for c in choices]


def all_logprobs(
    policy: Decoder, choices: Sequence[Choice], *, pad_id: int, temperature: float = 1.0, batch_tokens: int = 2048
) -> Float[np.ndarray, "choices 2"]:
    """log pi of every chosen and rejected response, in order; for the reference this is done once, before training.

    Args:
      policy: the language model.
      choices: tokenised pairs.
      pad_id: the padding token.
      temperature: of the log-probs, above 0.
      batch_tokens: padded tokens per compiled call, both responses together.

    Returns:
      Chosen and rejected, nats per response.
    """
    compiled = jax.jit(response_logprobs)  # compiled once per shape, however often this is called
    out = np.zeros((len(choices), 2), np.float32)
    tokens, context = lengths(choices, policy.config), policy.config.context
    for rows, width, indices in plan(tokens, batch_tokens=batch_tokens // 2, seed=0, epoch=0, context=context):
        some = [choices[i] for i in indices]
        batch = make_batch(some, np.zeros((len(some), 2), np.float32), rows, width, pad_id)
        out[indices] = np.asarray(compiled(policy, batch, temperature))[: len(some)]
    return out


def train(
    config: Config,
    policy: Decoder,
    choices: Sequence[Choice],
    *,
    pad_id: int,
    state: State | None = None,
    dpo_loss: Callable = losses.dpo_loss,
) -> Iterator[tuple[State, dict[str, float]]]:
    """Trains a copy of `policy` on pairs; yields the state and its metrics after every step.

    Args:
      config: settings.
      policy: where to start, and the frozen reference, whose log-probs are taken once before the first step.
      choices: tokenised pairs; prompts and responses may have any lengths.
      pad_id: the padding token.
      state: the last state of an earlier run with the same arguments, to go on from there.
      dpo_loss: (chosen_logp, rejected_logp, ref_chosen_logp, ref_rejected_logp, kl_coef=beta) -> loss per pair.

    Raises:
      ValueError: settings, or a pair that `lengths` refuses, or a self-check that failed, with its likely cause.
    """
    check_examples(config, policy, choices, pad_id=pad_id)
    if not config.kl_coef > 0.0:
        raise ValueError(f"kl_coef is {config.kl_coef}: DPO's loss would be log 2 for every policy; set it above 0")
    size, context = config.batch_tokens, policy.config.context
    tokens = lengths(choices, policy.config)
    schedule = epochs(tokens, config.epochs, batch_tokens=size // 2, seed=config.seed, context=context)
    ref_logp = all_logprobs(policy, choices, pad_id=pad_id, temperature=config.temperature, batch_tokens=size)
    tx = optimizer(config, len(schedule))
    policy = copy_of(policy)
    current = State(policy, tx.init(policy), jnp.zeros((), jnp.int32)) if state is None else state
    for step in range(int(current.step), len(schedule)):
        rows, width, indices = schedule[step]
        batch = make_batch([choices[i] for i in indices], ref_logp[indices], rows, width, pad_id)
        current, metrics = train_step(current, batch, config=config, optimizer=tx, dpo_loss=dpo_loss)
        numbers = {name: float(value) for name, value in metrics.items()}
        gap = numbers.pop("first_margin_gap")
        if state is None and step == 0:
            check_first_margin(gap / config.kl_coef)
        yield current, finite({"step": step + 1, "steps": len(schedule), **numbers}, current)


# ---- what the stage measures -------------------------------------------------------------------


def implicit_margins(
    policy: Decoder,
    reference: Decoder,
    choices: Sequence[Choice],
    *,
    kl_coef: float,
    pad_id: int,
    temperature: float = 1.0,
) -> Float[np.ndarray, " choices"]:
    """beta [log pi/ref (chosen) - log pi/ref (rejected)] of each pair, score units: its share above 0 is DPO's accuracy.

    Args:
      policy: what DPO trained.
      reference: what it started from.
      choices: tokenised pairs.
      kl_coef: beta, score units per nat.
      pad_id: the padding token.
      temperature: of the log-probs.
    """
    logp, ref_logp = (all_logprobs(net, choices, pad_id=pad_id, temperature=temperature) for net in (policy, reference))
    score = kl_coef * (logp - ref_logp)
    return score[:, 0] - score[:, 1]
