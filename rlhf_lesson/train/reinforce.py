"""REINFORCE with a baseline: the simplest policy gradient, one step on each rollout, no critic and no clipping.

Reading train/ppo.py beside it shows what PPO adds, and what each addition is for.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from rlhf_lesson import advantages, losses
from rlhf_lesson.arrays import masked_mean
from rlhf_lesson.data.prompts import Prompts, prompt_batches
from rlhf_lesson.logprobs import sequence_logprob
from rlhf_lesson.models.decoder import Decoder, copy_of
from rlhf_lesson.models.heads import ActorCritic, response_logprobs, response_states
from rlhf_lesson.seeds import stage_key
from rlhf_lesson.train.adam import adam
from rlhf_lesson.train.checks import check_rollout, finite
from rlhf_lesson.train.inputs import ready
from rlhf_lesson.train.rollout import Reward, Rollout, check_reward, collect, metrics_row, score_of

# ---- Config ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Config:
    """Settings of REINFORCE."""

    iterations: int = 40  # rollouts, one step on each
    batch: int = 64  # responses per rollout
    response: int = 24  # most tokens of a response
    temperature: float = 1.0  # of sampling, and of every log-prob
    learning_rate: float = 3e-4  # the peak; linear to 0 over the run
    warmup: float = 0.0  # part of the run in which the rate rises
    clip_norm: float = 1.0  # largest gradient norm
    kl_coef: float = 0.1  # beta, score units per nat
    seed: int = 0  # prompts and sampling


class State(NamedTuple):
    """All that a later iteration depends on: a run resumed from it goes on bit for bit."""

    policy: Decoder
    opt_state: optax.OptState
    step: Int[Array, ""]


# ---- loss_fn -----------------------------------------------------------------------------------


def loss_fn(
    policy: Decoder, rollout: Rollout, advantage: Float[Array, " batch"], config: Config, policy_gradient_loss: Callable
) -> Float[Array, ""]:
    """-log pi(y_t) * A, the same `advantage` A for every token of a response of the `rollout`, as a token mean."""
    states = response_states(policy, rollout.tokens, rollout.mask, rollout.prompt, rollout.lower)
    logp, _ = response_logprobs(policy, states, rollout.tokens[:, rollout.prompt :], temperature=config.temperature)
    per_token = policy_gradient_loss(logp, jnp.broadcast_to(advantage[:, None], logp.shape))
    return masked_mean(per_token, rollout.response_mask)


# ---- update ------------------------------------------------------------------------------------


@lru_cache
def optimizer(config: Config) -> optax.GradientTransformation:
    """`adam` over all steps of a run with this `config`."""
    return adam(config, config.iterations)


@partial(jax.jit, static_argnames=("config", "baseline", "policy_gradient_loss"), donate_argnames="state")
def update(
    state: State,
    rollout: Rollout,
    score: Float[Array, " batch"],
    *,
    config: Config,
    baseline: Callable = advantages.leave_one_out,
    policy_gradient_loss: Callable = losses.policy_gradient_loss,
) -> tuple[State, dict[str, Array]]:
    """One step on a `rollout`: the reward is the `score` less beta times the log-ratio; the other rewards are its baseline."""
    log_ratio = sequence_logprob(rollout.logp - rollout.ref_logp, rollout.response_mask)
    reward = score - config.kl_coef * log_ratio
    grads = jax.grad(loss_fn)(state.policy, rollout, baseline(reward), config, policy_gradient_loss)
    updates, opt_state = optimizer(config).update(grads, state.opt_state, state.policy)
    metrics = {"return": jnp.mean(reward), "grad_norm": optax.tree.norm(grads)}
    return State(optax.apply_updates(state.policy, updates), opt_state, state.step + 1), metrics


# ---- train -------------------------------------------------------------------------------------


def initial_state(config: Config, policy: Decoder) -> State:
    """A fresh state on copied weights: what the caller keeps is never donated, so a reference stays what it was."""
    policy = copy_of(policy)
    return State(policy, optimizer(config).init(policy), jnp.zeros((), jnp.int32))


def train(
    config: Config,
    policy: Decoder,
    prompts: Prompts,
    scorers: Mapping[str, Callable],
    *,
    reward: Reward = "proxy",
    pad_id: int,
    end_id: int,
    state: State | None = None,
    baseline: Callable = advantages.leave_one_out,
    policy_gradient_loss: Callable = losses.policy_gradient_loss,
) -> Iterator[tuple[State, dict[str, float], Rollout]]:
    """Trains a copy of `policy`; yields the state, the metrics and the rollout of every iteration.

    Args:
      config: settings.
      policy: where to start, and the frozen reference of the KL.
      prompts: all prompts, left-padded; at least one batch.
      scorers: name -> pytree that maps (tokens, mask) to scores; all are logged, one is the reward.
      reward: which scorer is optimised, or a Python function of the rollout (see `rollout.text_reward`).
      pad_id: padding token.
      end_id: end token.
      state: the last state of an earlier run with the same arguments, to go on from there.
      baseline: rewards of the batch -> advantages; by default each reward less the mean of the others.
      policy_gradient_loss: (logp, advantages) -> loss per token.

    Raises:
      ValueError: settings, prompts or a reward that can't be trained on, or a self-check that failed, with its likely cause.

    Source: Williams 1992, Machine Learning 8, section 2 (REINFORCE); the baseline of Kool et al. 2019.
    """
    prompts = ready(config, policy, prompts, pad_id=pad_id, end_id=end_id)
    if config.batch < 2 and baseline is advantages.leave_one_out:
        raise ValueError("batch is 1: the baseline is the mean of the other responses, so sample at least 2")
    check_reward(reward, scorers)
    current: State = initial_state(config, policy) if state is None else state
    run_key = stage_key(config.seed, "reinforce")
    batches = prompt_batches(prompts, config.batch, config.seed, int(current.step))
    sample = partial(collect, response=config.response, end_id=end_id, pad_id=pad_id, temperature=config.temperature)
    for iteration in range(int(current.step), config.iterations):
        key = jax.random.fold_in(run_key, iteration)
        rollout = sample(ActorCritic(current.policy), policy, scorers, next(batches), key)
        check_rollout(rollout.stats, first=state is None and iteration == 0)
        score = score_of(rollout, reward)
        current, metrics = update(
            current, rollout, score, config=config, baseline=baseline, policy_gradient_loss=policy_gradient_loss
        )
        row = metrics_row(rollout, score, metrics, step=iteration + 1, steps=config.iterations)
        yield current, finite(row, current), rollout
