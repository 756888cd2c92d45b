"""REINFORCE with a baseline: the simplest policy gradient, one step on each rollout, no critic and no clipping.

Leaves out everything that PPO adds; reading train/ppo.py beside it shows what each addition is for.
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
from rlhf_lesson.logprobs import sequence_logprob, token_logprobs
from rlhf_lesson.models.gpt2 import GPT2, ActorCritic
from rlhf_lesson.train.diagnose import check_rollout
from rlhf_lesson.train.rollout import Rollout, collect

# ---- Config ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Config:
    """Settings of REINFORCE."""

    iterations: int = 40  # rollouts, one step on each
    batch: int = 64  # responses per rollout
    response: int = 24  # most tokens of a response
    temperature: float = 1.0  # of sampling, and of every log-prob
    learning_rate: float = 3e-4  # linear to 0 over the run
    clip_norm: float = 1.0  # largest gradient norm
    kl_coef: float = 0.1  # beta, score units per nat
    seed: int = 0  # prompts and sampling


class State(NamedTuple):
    policy: GPT2
    opt_state: optax.OptState
    step: Int[Array, ""]


# ---- loss_fn -----------------------------------------------------------------------------------


def loss_fn(policy: GPT2, rollout: Rollout, advantage: Float[Array, " batch"], config: Config, loss: Callable):
    """-log pi(y_t) * A, the same A for every token of a response, as a token mean."""
    prompt = rollout.tokens.shape[1] - rollout.response_mask.shape[1]
    logits, _ = ActorCritic(policy).response_outputs(rollout.tokens, rollout.mask, prompt)
    logp = token_logprobs(logits, rollout.tokens[:, prompt:], temperature=config.temperature)
    return masked_mean(loss(logp, jnp.broadcast_to(advantage[:, None], logp.shape)), rollout.response_mask)


# ---- train_step --------------------------------------------------------------------------------


@lru_cache
def optimizer(config: Config) -> optax.GradientTransformation:
    """Adam with a rate that falls linearly to 0, gradients clipped by their global norm."""
    rate = optax.linear_schedule(config.learning_rate, 0.0, config.iterations)
    return optax.chain(optax.clip_by_global_norm(config.clip_norm), optax.adam(rate, eps=1e-5))


@partial(jax.jit, static_argnames=("config", "baseline", "loss"), donate_argnames="state")
def update(state: State, rollout: Rollout, score: Float[Array, " batch"], *, config: Config, baseline, loss) -> State:
    """One step: the reward of a response is its score less beta times its log-ratio; the others are its baseline."""
    log_ratio = sequence_logprob(rollout.logp - rollout.ref_logp, rollout.response_mask)
    advantage = baseline(score - config.kl_coef * log_ratio)
    grads = jax.grad(loss_fn)(state.policy, rollout, advantage, config, loss)
    updates, opt_state = optimizer(config).update(grads, state.opt_state, state.policy)
    return State(optax.apply_updates(state.policy, updates), opt_state, state.step + 1)


# ---- train -------------------------------------------------------------------------------------


def train(
    config: Config,
    policy: GPT2,
    prompts: Prompts,
    scorers: Mapping[str, object],
    *,
    reward: str = "proxy",
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
      scorers: name -> pytree that maps (tokens, mask) to scores.
      reward: the scorer that is optimised.
      pad_id: padding token.
      end_id: end token.
      state: the last state of an earlier run with the same arguments, to go on from there.
      baseline: rewards of the batch -> advantages; by default each reward less the mean of the others.
      policy_gradient_loss: (logp, advantages) -> loss per token.

    Source: Williams 1992, Machine Learning 8, section 2 (REINFORCE); the baseline of Kool et al. 2019.
    """
    if state is None:
        copied = jax.tree.map(jnp.copy, policy)  # the step donates its state
        state = State(copied, optimizer(config).init(copied), jnp.zeros((), jnp.int32))
    start, run_key = int(state.step), jax.random.key(config.seed)
    batches = prompt_batches(prompts, config.batch, config.seed, start=start)
    sampling = dict(response=config.response, end_id=end_id, pad_id=pad_id, temperature=config.temperature)
    for iteration in range(start, config.iterations):
        key = jax.random.fold_in(run_key, iteration)
        rollout = collect(ActorCritic(state.policy), policy, scorers, next(batches), key, **sampling)
        check_rollout(rollout.stats, first=iteration == 0)
        score = rollout.scores[reward]
        state = update(state, rollout, score, config=config, baseline=baseline, loss=policy_gradient_loss)
        metrics = {"score": jnp.mean(score), **rollout.stats}
        yield (
            state,
            {"step": iteration + 1, "steps": config.iterations, **{k: float(v) for k, v in metrics.items()}},
            rollout,
        )
