"""PPO with a KL penalty: roll out, score, estimate advantages, take a few clipped steps; two compiled programs.

Leaves out early stopping within an update and value-function pretraining; every equation is an argument of `train`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from rlhf_lesson import advantages, kl, losses, rewards
from rlhf_lesson.arrays import masked_mean, masked_whiten
from rlhf_lesson.data.prompts import Prompts, prompt_batches
from rlhf_lesson.logprobs import entropy, token_logprobs
from rlhf_lesson.models.gpt2 import GPT2, ActorCritic, ScalarModel
from rlhf_lesson.train.diagnose import check_first_update, check_rollout
from rlhf_lesson.train.rollout import Rollout, collect

# ---- Config ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Config:
    """Settings of PPO."""

    iterations: int = 40  # rollouts, each followed by one update
    batch: int = 64  # responses per rollout
    response: int = 24  # most tokens of a response
    temperature: float = 1.0  # of sampling, and of every log-prob
    epochs: int = 2  # passes over a rollout
    minibatches: int = 2  # optimiser steps per pass
    accumulate: int = 1  # micro-batches per optimiser step: less memory, the same gradient
    learning_rate: float = 3e-4  # linear to 0 over the run
    clip_norm: float = 1.0  # largest gradient norm
    kl_coef: float = 0.1  # beta, score units per nat
    kl_target: float = 0.0  # nats per response; above 0 beta adapts towards this KL
    kl_horizon: float = 2000.0  # responses over which beta adapts
    discount: float = 1.0  # gamma
    lam: float = 0.95  # lambda
    clip: float = 0.2  # epsilon of the ratio
    value_clip: float = 0.2  # epsilon of the values, score units
    value_coef: float = 0.1  # weight of the value loss
    entropy_coef: float = 0.0  # weight of the entropy bonus, score units per nat
    missing_end_penalty: float = 1.0  # subtracted from the score of a response cut off by its length
    whiten_advantages: bool = True  # over the rollout, padding left out
    separate_critic: bool = False  # a net of its own for the values instead of a head on the policy
    seed: int = 0  # prompts, sampling, mini-batches


class State(NamedTuple):
    """All that a later iteration depends on: a run resumed from it goes on bit for bit."""

    actor_critic: ActorCritic
    opt_state: optax.OptState
    kl_coef: Float[Array, ""]
    step: Int[Array, ""]

    @property
    def policy(self) -> GPT2:
        return self.actor_critic.policy


class Equations(NamedTuple):
    """The functions a student may replace; each is the library's by default."""

    kl_shaped_rewards: Callable = rewards.kl_shaped_rewards
    gae: Callable = advantages.gae
    masked_whiten: Callable = masked_whiten
    ppo_clip_loss: Callable = losses.ppo_clip_loss
    value_clip_loss: Callable = losses.value_clip_loss
    adaptive_kl_coef: Callable = kl.adaptive_kl_coef


class Experience(NamedTuple):
    """What the update learns from, one row per response."""

    tokens: Int[Array, "batch time"]
    mask: Bool[Array, "batch time"]
    response_mask: Bool[Array, "batch response"]
    old_logp: Float[Array, "batch response"]
    old_values: Float[Array, "batch response"]
    advantages: Float[Array, "batch response"]
    returns: Float[Array, "batch response"]


# ---- loss_fn -----------------------------------------------------------------------------------


def loss_fn(actor_critic: ActorCritic, batch: Experience, total: Float[Array, ""], config: Config, eqs: Equations):
    """Policy loss + value loss - entropy bonus, summed over tokens and divided by `total`.

    `total` counts the real tokens of the whole mini-batch, so micro-batches of unequal length add up to exactly the
    mini-batch's token mean (row 38 of docs/checklist.md).
    """
    prompt = batch.tokens.shape[1] - batch.response_mask.shape[1]
    logits, values = actor_critic.response_outputs(batch.tokens, batch.mask, prompt)
    logp = token_logprobs(logits, batch.tokens[:, prompt:], temperature=config.temperature)
    logp = jnp.where(batch.response_mask, logp, 0.0)  # padding's log-ratio is 0, never an overflow
    surprise = entropy(logits, temperature=config.temperature)
    policy_loss = eqs.ppo_clip_loss(logp, batch.old_logp, batch.advantages, clip=config.clip)
    value_loss = eqs.value_clip_loss(values, batch.old_values, batch.returns, clip=config.value_clip)
    ratio = jnp.exp(logp - batch.old_logp)

    def share(per_token):  # this micro-batch's part of the mini-batch's token mean
        return jnp.sum(jnp.where(batch.response_mask, per_token, 0.0)) / total

    loss = share(policy_loss) + config.value_coef * share(value_loss) - config.entropy_coef * share(surprise)
    stats = {
        "policy_loss": share(policy_loss),
        "value_loss": share(value_loss),
        "clip_fraction": share((jnp.abs(ratio - 1.0) > config.clip).astype(jnp.float32)),
        "approx_kl": share(kl.k3(batch.old_logp, logp)),
        "ratio_gap": jnp.max(jnp.where(batch.response_mask, jnp.abs(ratio - 1.0), 0.0)),
    }
    return loss, stats


# ---- train_step --------------------------------------------------------------------------------


@lru_cache
def optimizer(config: Config) -> optax.GradientTransformation:
    """Adam with eps 1e-5 and a rate that falls linearly to 0, gradients clipped by their global norm."""
    steps = config.iterations * config.epochs * config.minibatches
    rate = optax.linear_schedule(config.learning_rate, 0.0, steps)
    return optax.chain(optax.clip_by_global_norm(config.clip_norm), optax.adam(rate, eps=1e-5))


def experience(rollout: Rollout, score: Float[Array, " batch"], kl_coef, config: Config, eqs: Equations):
    """Scores to rewards, advantages and returns; the returns come before any whitening (row 31 of docs/checklist.md)."""
    score = rewards.missing_end_penalty(score, rollout.has_end, penalty=config.missing_end_penalty)
    shaped = jax.vmap(partial(eqs.kl_shaped_rewards, kl_coef=kl_coef))(
        score, rollout.logp, rollout.ref_logp, rollout.response_mask
    )
    gae = partial(eqs.gae, discount=config.discount, lam=config.lam)
    advantage = jax.vmap(gae)(shaped, rollout.values, rollout.response_mask)
    returns = advantage + rollout.values
    if config.whiten_advantages:
        advantage = eqs.masked_whiten(advantage, rollout.response_mask)
    rows = (rollout.tokens, rollout.mask, rollout.response_mask)
    return Experience(*rows, rollout.logp, rollout.values, advantage, returns), returns


def minibatch_step(carry, batch: Experience, *, config: Config, eqs: Equations):
    """One optimiser step on a mini-batch, its gradient summed over `accumulate` micro-batches."""
    actor_critic, opt_state = carry
    total = jnp.maximum(jnp.sum(batch.response_mask), 1).astype(jnp.float32)
    micro = jax.tree.map(lambda x: x.reshape(config.accumulate, -1, *x.shape[1:]), batch)
    gradient = jax.grad(loss_fn, has_aux=True)

    def add(sums, part):
        return jax.tree.map(jnp.add, sums, gradient(actor_critic, part, total, config, eqs)), None

    if config.accumulate == 1:
        grads, stats = gradient(actor_critic, batch, total, config, eqs)
    else:
        shapes = jax.eval_shape(
            lambda part: gradient(actor_critic, part, total, config, eqs), jax.tree.map(lambda x: x[0], micro)
        )
        zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
        (grads, stats), _ = jax.lax.scan(add, zeros, micro)
    updates, opt_state = optimizer(config).update(grads, opt_state, actor_critic)
    stats = {**stats, "grad_norm": optax.tree.norm(grads)}
    return (optax.apply_updates(actor_critic, updates), opt_state), stats


@partial(jax.jit, static_argnames=("config", "eqs"), donate_argnames=("state",))
def update(
    state: State,
    rollout: Rollout,
    score: Float[Array, " batch"],
    key: PRNGKeyArray,
    *,
    config: Config,
    eqs: Equations = Equations(),  # noqa: B008 (immutable)
) -> tuple[State, dict[str, Array]]:
    """Shaped rewards, GAE, then epochs x mini-batches, each epoch in a fresh order (row 37 of docs/checklist.md)."""
    data, returns = experience(rollout, score, state.kl_coef, config, eqs)
    orders = [jax.random.permutation(k, config.batch) for k in jax.random.split(key, config.epochs)]
    rows = jnp.stack(orders).reshape(config.epochs * config.minibatches, -1)
    step = partial(minibatch_step, config=config, eqs=eqs)
    (actor_critic, opt_state), stats = jax.lax.scan(
        lambda carry, chosen: step(carry, jax.tree.map(lambda x: x[chosen], data)),
        (state.actor_critic, state.opt_state),
        rows,
    )
    kl_coef = state.kl_coef
    if config.kl_target > 0.0:
        horizon = {"horizon": config.kl_horizon, "episodes": config.batch}
        kl_coef = eqs.adaptive_kl_coef(kl_coef, rollout.stats["kl"], target=config.kl_target, **horizon)
    spread = jnp.var(returns, where=rollout.response_mask)
    missed = jnp.var(returns - rollout.values, where=rollout.response_mask)
    metrics = {
        **jax.tree.map(jnp.mean, stats),
        "first_ratio_gap": stats["ratio_gap"][0],
        "kl_coef": state.kl_coef,
        "return": masked_mean(returns[:, :1], rollout.response_mask[:, :1]),
        "explained_variance": 1.0 - missed / jnp.maximum(spread, 1e-8),
        "missing_end": 1.0 - jnp.mean(rollout.has_end.astype(jnp.float32)),
    }
    return State(actor_critic, opt_state, kl_coef, state.step + 1), metrics


# ---- train -------------------------------------------------------------------------------------


def initial_state(config: Config, policy: GPT2, critic: ScalarModel | None = None) -> State:
    """A fresh state on copied weights: what the caller keeps is never donated, so a reference stays what it was."""
    if config.separate_critic and critic is None:
        raise ValueError("separate_critic needs a critic to start from: pass the reward model")
    actor_critic = ActorCritic(policy, critic if config.separate_critic else None)
    actor_critic = jax.tree.map(jnp.copy, actor_critic)
    return State(
        actor_critic,
        optimizer(config).init(actor_critic),
        jnp.asarray(config.kl_coef, jnp.float32),
        jnp.zeros((), jnp.int32),
    )


def train(
    config: Config,
    policy: GPT2,
    prompts: Prompts,
    scorers: Mapping[str, object],
    *,
    reward: str | Callable[[Rollout], Sequence[float]] = "proxy",
    pad_id: int,
    end_id: int,
    critic: ScalarModel | None = None,
    state: State | None = None,
    equations: Equations = Equations(),  # noqa: B008 (immutable)
    mesh: jax.sharding.Mesh | None = None,
) -> Iterator[tuple[State, dict[str, float], Rollout]]:
    """Trains a copy of `policy` against a reward; yields the state, the metrics and the rollout of every iteration.

    Args:
      config: settings.
      policy: where to start, and the frozen reference of the KL.
      prompts: all prompts, left-padded; at least one batch.
      scorers: name -> reward model, or any JAX pytree that maps (tokens, mask) to scores (a plain JAX function goes
        in as `jax.tree_util.Partial(fn)`); all are logged, one is the reward.
      reward: which scorer is optimised, or a Python function of the rollout that returns one number per response
        (see `text_reward` to score decoded text).
      pad_id: padding token.
      end_id: end token.
      critic: start of the separate critic, usually the reward model.
      state: the last state of an earlier run with the same arguments, to go on from there.
      equations: replace any equation by your own.
      mesh: a mesh with an axis "data" splits every batch over its devices; the numbers stay the same.

    Raises:
      ValueError: sizes that do not divide, an unknown scorer, or a self-check that failed, with its likely cause.
    """
    if config.batch % (config.minibatches * config.accumulate):
        raise ValueError("batch must be a multiple of minibatches x accumulate: change one of the three")
    if isinstance(reward, str) and reward not in scorers:
        raise ValueError(f"no scorer is called {reward!r}: there are {sorted(scorers)}")
    fresh = state is None
    state = initial_state(config, policy, critic) if state is None else state
    if mesh is not None:
        mesh = jax.sharding.Mesh(mesh.devices, mesh.axis_names)  # axes of type Auto: the compiler places the rest
        everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
        split = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("data"))
        state, policy, scorers = jax.device_put((state, policy, dict(scorers)), everywhere)
    run_key = jax.random.key(config.seed)
    batches = prompt_batches(prompts, config.batch, config.seed, start=int(state.step))
    sampling = dict(response=config.response, end_id=end_id, pad_id=pad_id, temperature=config.temperature)
    for iteration in range(int(state.step), config.iterations):
        sample_key, shuffle_key = jax.random.split(jax.random.fold_in(run_key, iteration))
        batch = next(batches) if mesh is None else jax.device_put(next(batches), split)
        rollout = collect(state.actor_critic, policy, scorers, batch, sample_key, **sampling)
        check_rollout(rollout.stats, first=fresh and iteration == 0)
        score = rollout.scores[reward] if isinstance(reward, str) else jnp.asarray(reward(rollout), jnp.float32)
        state, metrics = update(state, rollout, score, shuffle_key, config=config, eqs=equations)
        check_first_update(float(metrics["first_ratio_gap"]))
        means = {f"score/{name}": jnp.mean(s) for name, s in rollout.scores.items()}
        logged = {"score": jnp.mean(score), **means, **rollout.stats, **metrics}
        yield state, {"step": iteration + 1, "steps": config.iterations, **_floats(logged)}, rollout


def _floats(metrics: Mapping[str, Array]) -> dict[str, float]:
    return {name: float(np.asarray(value)) for name, value in metrics.items()}


def text_reward(score_text: Callable[[str], float], tokenizer) -> Callable[[Rollout], Sequence[float]]:
    """Turns a Python function of text (prompt and response together) into a reward for `train`."""

    def reward(rollout: Rollout) -> Sequence[float]:
        from rlhf_lesson.models.tokenizer import decode

        return [float(score_text(text)) for text in decode(tokenizer, rollout.tokens, rollout.mask)]

    return reward
