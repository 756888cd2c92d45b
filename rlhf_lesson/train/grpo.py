"""RLOO and GRPO: several responses to each prompt are one another's baseline, so no critic is needed.

What sets the two methods apart is an argument of `train`. The loop with a critic and GAE is in train/ppo.py.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from rlhf_lesson import advantages, kl, losses, rewards
from rlhf_lesson.arrays import masked_mean
from rlhf_lesson.data.prompts import Prompts, prompt_batches, repeat_prompts
from rlhf_lesson.logprobs import sequence_logprob
from rlhf_lesson.models.decoder import Decoder, copy_of
from rlhf_lesson.models.heads import ActorCritic, response_logprobs, response_states
from rlhf_lesson.models.partial import Trains, filled, thinned
from rlhf_lesson.seeds import stage_key
from rlhf_lesson.train.adam import adam
from rlhf_lesson.train.checks import check_first_update, check_rollout, finite
from rlhf_lesson.train.inputs import ready
from rlhf_lesson.train.rollout import Reward, Rollout, check_reward, collect, metrics_row, score_of
from rlhf_lesson.train.split import over_minibatches

# ---- Config ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Config:
    """Settings of RLOO and GRPO."""

    iterations: int = 40  # rollouts, each followed by one update
    prompts: int = 16  # different prompts per rollout
    group: int = 4  # G, responses to each of them
    response: int = 24  # most tokens of a response
    temperature: float = 1.0  # of sampling, and of every log-prob
    epochs: int = 1  # passes over a rollout
    minibatches: int = 1  # optimiser steps per pass
    learning_rate: float = 3e-4  # the peak; linear to 0 over the run
    warmup: float = 0.0  # part of the run in which the rate rises
    clip_norm: float = 1.0  # largest gradient norm
    kl_coef: float = 0.1  # beta: score units per nat in RLOO's reward, 1/nat in GRPO's loss
    clip: float = 0.2  # epsilon of the ratio; matters from the second step on a rollout
    missing_end_penalty: float = 1.0  # subtracted from the score of a response cut off by its length
    seed: int = 0  # prompts, sampling, mini-batches


class State(NamedTuple):
    """All that a later iteration depends on: a run resumed from it goes on bit for bit."""

    policy: Decoder
    opt_state: optax.OptState
    step: Int[Array, ""]


def no_penalty(logp: Float[Array, "*shape"], ref_logp: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """No KL in this place.

    Args:
      logp: log-probs of the tokens under the policy, nats.
      ref_logp: the same under the reference.

    Returns:
      0 for each token.
    """
    return jnp.zeros_like(logp)


class Equations(NamedTuple):
    """What the methods differ in, and what a student may replace. A KL estimator stands in the reward *or* in the loss.

    The place matters more than the estimator: in the reward k1 gives the gradient of a response's KL(pi || ref); in
    the loss k2 gives it per token only, without what a token does to the KL of later tokens, k3 that of the *other*
    KL, KL(ref || pi), likewise per token, and k1 none at all on average.
    """

    advantages: Callable = advantages.group_advantages  # scores of one group -> advantages
    kl_in_reward: Callable = no_penalty  # (logp, ref_logp) -> nats per token, off the score
    kl_in_loss: Callable = kl.k3  # (logp, ref_logp) -> nats per token, onto the loss
    ppo_clip_loss: Callable = losses.ppo_clip_loss


GRPO = Equations()  # Shao et al. 2024, arXiv:2402.03300, eq. 3
RLOO = Equations(advantages.leave_one_out, kl_in_reward=kl.k1, kl_in_loss=no_penalty)  # Ahmadian et al. 2024


class Experience(NamedTuple):
    """What the update learns from, one row per response."""

    old: Rollout  # by the policy as it was, without its stats
    advantages: Float[Array, " batch"]  # one number for all tokens of a response


# ---- loss_fn -----------------------------------------------------------------------------------


def loss_fn(thin: Decoder, batch: Experience, config: Config, equations: Equations, whole: Decoder | None = None):
    """Clipped policy loss + beta KL of `thin`, whose holes `whole` fills, as a mean over the real tokens of the mini-batch.

    The GRPO paper averages within each response first, which makes a token of a long response count less; the mean
    over all tokens has no such bias (Yu et al. 2025, arXiv:2503.14476, section 3.3).
    """
    old, policy = batch.old, filled(thin, whole)
    states = response_states(policy, old.tokens, old.mask, old.prompt, old.lower)
    logp, _ = response_logprobs(policy, states, old.tokens[:, old.prompt :], temperature=config.temperature)
    logp = jnp.where(old.response_mask, logp, 0.0)  # padding's log-ratio is 0, never an overflow
    advantage = jnp.broadcast_to(batch.advantages[:, None], logp.shape)
    policy_loss = equations.ppo_clip_loss(logp, old.logp, advantage, clip=config.clip)
    kl_loss = equations.kl_in_loss(logp, old.ref_logp)
    ratio = jnp.exp(logp - old.logp)
    mean = partial(masked_mean, mask=old.response_mask)
    stats = {
        "policy_loss": mean(policy_loss),
        "kl_loss": mean(kl_loss),
        "clip_fraction": mean(jnp.abs(ratio - 1.0) > config.clip),
        "ratio_gap": jnp.max(jnp.where(old.response_mask, jnp.abs(ratio - 1.0), 0.0)),
    }
    return mean(policy_loss) + config.kl_coef * mean(kl_loss), stats


# ---- update ------------------------------------------------------------------------------------


@lru_cache
def optimizer(config: Config) -> optax.GradientTransformation:
    """`adam` over all steps of a run with this `config`."""
    return adam(config, config.iterations * config.epochs * config.minibatches)


def experience(
    rollout: Rollout, score: Float[Array, " batch"], config: Config, equations: Equations
) -> tuple[Experience, Float[Array, "prompts group"]]:
    """Scores to rewards to advantages within each group; the rows of a group are side by side.

    Args:
      rollout: prompts x group responses.
      score: of each response, score units.

    Returns:
      What the update learns from, and the rewards of each group.
    """
    score = rewards.missing_end_penalty(score, rollout.has_end, penalty=config.missing_end_penalty)
    penalty = sequence_logprob(equations.kl_in_reward(rollout.logp, rollout.ref_logp), rollout.response_mask)
    groups = (score - config.kl_coef * penalty).reshape(config.prompts, config.group)
    advantage = jax.vmap(equations.advantages)(groups)
    return Experience(rollout._replace(stats={}), advantage.ravel()), groups


def minibatch_step(carry, batch: Experience, *, whole: Decoder | None, config: Config, equations: Equations):
    """One optimiser step on a mini-batch; `carry` is the policy, whose holes `whole` fills, and the optimiser's state."""
    policy, opt_state = carry
    grads, stats = jax.grad(loss_fn, has_aux=True)(policy, batch, config, equations, whole)
    updates, opt_state = optimizer(config).update(grads, opt_state, policy)
    return (optax.apply_updates(policy, updates), opt_state), {**stats, "grad_norm": optax.tree.norm(grads)}


@partial(jax.jit, static_argnames=("config", "equations"), donate_argnames=("state",))
def update(
    state: State,
    rollout: Rollout,
    score: Float[Array, " batch"],
    key: PRNGKeyArray,
    whole: Decoder | None = None,
    *,
    config: Config,
    equations: Equations = GRPO,
) -> tuple[State, dict[str, Array]]:
    """The second program: advantages, then epochs x mini-batches, in a fresh order each epoch.

    It learns from a `rollout` and the `score` of each response; `key` decides the order; `whole` fills the state's holes.
    """
    data, groups = experience(rollout, score, config, equations)
    step = partial(minibatch_step, whole=whole, config=config, equations=equations)
    before = (state.policy, state.opt_state)
    after, stats = over_minibatches(step, before, data, key, epochs=config.epochs, count=config.minibatches)
    metrics = {
        **jax.tree.map(jnp.mean, stats),
        "first_ratio_gap": stats["ratio_gap"][0],
        "return": jnp.mean(groups),
        "group_spread": jnp.mean(jnp.std(groups, axis=1)),
        "silent_groups": jnp.mean((jnp.ptp(groups, axis=1) == 0.0).astype(jnp.float32)),
    }
    return State(*after, state.step + 1), metrics


# ---- train -------------------------------------------------------------------------------------


def initial_state(config: Config, policy: Decoder, trains: Trains = None) -> State:
    """A fresh state on copied weights: what the caller keeps is never donated, so a reference stays what it was."""
    policy = copy_of(thinned(policy, trains))
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
    trains: Trains = None,
    state: State | None = None,
    equations: Equations = GRPO,
) -> Iterator[tuple[State, dict[str, float], Rollout]]:
    """Trains a copy of `policy` on groups; yields the state, the metrics and the rollout of every iteration.

    Args:
      config: settings.
      policy: where to start, and the frozen reference of the KL.
      prompts: all prompts, left-padded; at least `config.prompts`.
      scorers: name -> pytree that maps (tokens, mask) to scores; all are logged, one is the reward.
      reward: which scorer is optimised, or a Python function of the rollout (see `rollout.text_reward`).
      pad_id: padding token.
      end_id: end token.
      trains: which weights train, by their place in the model, see `partial.thinned`; None trains all.
      state: the last state of an earlier run with the same arguments, to go on from there.
      equations: `GRPO`, `RLOO`, or your own.

    Raises:
      ValueError: settings, prompts or a reward that can't be trained on, or a self-check that failed, with its likely cause.
    """
    prompts = ready(config, policy, prompts, pad_id=pad_id, end_id=end_id)
    if config.prompts * config.group % config.minibatches:
        raise ValueError("prompts x group must be a multiple of minibatches: change one of the three")
    if config.group < 2:
        raise ValueError("group is 1: a response is compared with others to its prompt, so sample at least 2")
    check_reward(reward, scorers)
    current: State = initial_state(config, policy, trains) if state is None else state
    run_key = stage_key(config.seed, "grpo")
    batches = prompt_batches(prompts, config.prompts, config.seed, int(current.step))
    sample = partial(collect, response=config.response, end_id=end_id, pad_id=pad_id, temperature=config.temperature)
    for iteration in range(int(current.step), config.iterations):
        sample_key, shuffle_key = jax.random.split(jax.random.fold_in(run_key, iteration))
        batch = repeat_prompts(next(batches), config.group)
        rollout = sample(ActorCritic(filled(current.policy, policy)), policy, scorers, batch, sample_key)
        check_rollout(rollout.stats, first=state is None and iteration == 0)
        score = score_of(rollout, reward)
        current, metrics = update(current, rollout, score, shuffle_key, policy, config=config, equations=equations)
        check_first_update(float(metrics["first_ratio_gap"]))
        row = metrics_row(rollout, score, metrics, step=iteration + 1, steps=config.iterations)
        yield current, finite(row, current), rollout
