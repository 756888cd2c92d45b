"""PPO with a KL penalty: roll out (train/rollout.py), score, estimate advantages, take a few clipped steps; two programs."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from rlhf_lesson import advantages, kl, losses, rewards
from rlhf_lesson.arrays import Scalar, masked_mean, masked_whiten
from rlhf_lesson.data.prompts import Prompts, prompt_batches
from rlhf_lesson.measures import explained_variance
from rlhf_lesson.models.decoder import Decoder, copy_of
from rlhf_lesson.models.heads import ActorCritic, ScalarModel, response_logprobs
from rlhf_lesson.models.partial import Trains, filled, thinned
from rlhf_lesson.seeds import stage_key
from rlhf_lesson.train.adam import adam
from rlhf_lesson.train.checks import check_first_update, check_rollout, finite, with_value_pull
from rlhf_lesson.train.inputs import ready
from rlhf_lesson.train.rollout import Reward, Rollout, check_reward, collect, metrics_row, score_of
from rlhf_lesson.train.split import over_minibatches, placed, sum_over_parts

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
    learning_rate: float = 3e-4  # the peak; linear to 0 over the run
    warmup: float = 0.0  # part of the run in which the rate rises
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
    def policy(self) -> Decoder:
        """The language model that is trained."""
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

    old: Rollout  # by the policy and the critic as they were, without its stats
    advantages: Float[Array, "batch response"]
    returns: Float[Array, "batch response"]


# ---- loss_fn -----------------------------------------------------------------------------------


def loss_fn(thin: ActorCritic, batch: Experience, total: Scalar, config: Config, equations: Equations, whole=None):
    """Policy loss + value loss - entropy bonus of `thin` (`whole` fills its holes), summed over tokens and divided by `total`: the
    mini-batch's real tokens, so micro-batches of unequal length add up to exactly its token mean (row 38 of docs/checklist.md).
    """
    old, actor_critic = batch.old, filled(thin, whole)
    states, values = actor_critic.response_outputs(old.tokens, old.mask, old.prompt, old.lower)
    response = old.tokens[:, old.prompt :]
    logp, surprise = response_logprobs(actor_critic.policy, states, response, temperature=config.temperature)
    logp = jnp.where(old.response_mask, logp, 0.0)  # padding's log-ratio is 0, never an overflow
    policy_loss = equations.ppo_clip_loss(logp, old.logp, batch.advantages, clip=config.clip)
    value_loss = equations.value_clip_loss(values, old.values, batch.returns, clip=config.value_clip)
    ratio = jnp.exp(logp - old.logp)

    def share(per_token):  # this micro-batch's part of the mini-batch's token mean
        return jnp.sum(jnp.where(old.response_mask, per_token, 0.0)) / total

    loss = share(policy_loss) + config.value_coef * share(value_loss) - config.entropy_coef * share(surprise)
    return loss, {
        "policy_loss": share(policy_loss),
        "value_loss": share(value_loss),
        "clip_fraction": share((jnp.abs(ratio - 1.0) > config.clip).astype(jnp.float32)),
        "approx_kl": share(kl.k3(old.logp, logp)),
        "ratio_gap": jnp.max(jnp.where(old.response_mask, jnp.abs(ratio - 1.0), 0.0)),
    }


# ---- update ------------------------------------------------------------------------------------


@lru_cache
def optimizer(config: Config) -> optax.GradientTransformation:
    """`adam` over all steps of a run with this `config`."""
    return adam(config, config.iterations * config.epochs * config.minibatches)


def experience(rollout: Rollout, score: Float[Array, " batch"], kl_coef: Scalar, config: Config, equations: Equations):
    """Each `score` of a `rollout` to rewards (less `kl_coef` per nat), advantages, and returns before any whitening (row 31)."""
    score = rewards.missing_end_penalty(score, rollout.has_end, penalty=config.missing_end_penalty)
    shape = jax.vmap(partial(equations.kl_shaped_rewards, kl_coef=kl_coef))
    shaped = shape(score, rollout.logp, rollout.ref_logp, rollout.response_mask)
    gae = jax.vmap(partial(equations.gae, discount=config.discount, lam=config.lam))
    advantage = gae(shaped, rollout.values, rollout.response_mask)
    returns = advantage + rollout.values
    if config.whiten_advantages:
        advantage = equations.masked_whiten(advantage, rollout.response_mask)
    return Experience(rollout._replace(stats={}), advantage, returns)


def minibatch_step(carry, batch: Experience, *, whole: ActorCritic | None, config: Config, equations: Equations):
    """One optimiser step: `carry` is the model (`whole` fills its holes) and its optimiser state; `accumulate` parts are summed."""
    actor_critic, opt_state = carry
    total = jnp.maximum(jnp.sum(batch.old.response_mask), 1).astype(jnp.float32)
    of_part = lambda part: jax.grad(loss_fn, has_aux=True)(actor_critic, part, total, config, equations, whole)  # noqa: E731
    grads, stats = sum_over_parts(of_part, batch, config.accumulate, largest=("ratio_gap",))
    updates, opt_state = optimizer(config).update(grads, opt_state, actor_critic)
    return (optax.apply_updates(actor_critic, updates), opt_state), {**stats, "grad_norm": optax.tree.norm(grads)}


@partial(jax.jit, static_argnames=("config", "equations"), donate_argnames=("state",))
def update(
    state: State,
    rollout: Rollout,
    score: Float[Array, " batch"],
    key: PRNGKeyArray,
    whole: ActorCritic | None = None,
    *,
    config: Config,
    equations: Equations = Equations(),  # noqa: B008 (immutable)
) -> tuple[State, dict[str, Array]]:
    """From a `rollout` and each `score` to a new state (`whole` fills its holes): mini-batches in an order from `key` (row 37)."""
    data = experience(rollout, score, state.kl_coef, config, equations)
    step = partial(minibatch_step, whole=whole, config=config, equations=equations)
    after, stats = over_minibatches(step, state[:2], data, key, epochs=config.epochs, count=config.minibatches)
    kl_coef = state.kl_coef
    if config.kl_target > 0.0:
        to = {"target": config.kl_target, "horizon": config.kl_horizon, "episodes": config.batch}
        kl_coef = equations.adaptive_kl_coef(kl_coef, rollout.stats["kl"], **to)
    return State(*after, kl_coef, state.step + 1), {
        **jax.tree.map(jnp.mean, stats),
        "first_ratio_gap": stats["ratio_gap"][0],
        "kl_coef": state.kl_coef,
        "return": masked_mean(data.returns[:, :1], rollout.response_mask[:, :1]),
        "explained_variance": explained_variance(data.returns, rollout.values, rollout.response_mask),
    }


# ---- train -------------------------------------------------------------------------------------


def initial_state(config: Config, policy: Decoder, critic: ScalarModel | None = None, trains: Trains = None) -> State:
    """A fresh state on copied weights: what the caller keeps is never donated, so a reference stays what it was."""
    actor_critic = copy_of(thinned(ActorCritic(policy, critic if config.separate_critic else None), trains))
    opt_state = optimizer(config).init(actor_critic)
    return State(actor_critic, opt_state, jnp.asarray(config.kl_coef, jnp.float32), jnp.zeros((), jnp.int32))


def train(
    config: Config,
    policy: Decoder,
    prompts: Prompts,
    scorers: Mapping[str, Callable],
    *,
    reward: Reward = "proxy",
    pad_id: int,
    end_id: int,
    critic: ScalarModel | None = None,
    trains: Trains = None,
    state: State | None = None,
    equations: Equations = Equations(),  # noqa: B008 (immutable)
    mesh: jax.sharding.Mesh | None = None,
    collect: Callable = collect,
    check_rollout: Callable = check_rollout,
    check_first_update: Callable = check_first_update,
) -> Iterator[tuple[State, dict[str, float], Rollout]]:
    """Trains a copy of `policy` against a reward; yields the state, the metrics and the rollout of every iteration.

    Args:
      config: settings.
      policy: where to start, and the frozen reference of the KL.
      prompts: all prompts, left-padded; at least one batch.
      scorers: name -> reward model, or any JAX pytree that maps (tokens, mask) to scores (a plain JAX function goes
        in as `jax.tree_util.Partial(fn)`); all are logged, one is the reward.
      reward: which scorer is optimised, or a Python function of the rollout (see `rollout.text_reward`).
      pad_id, end_id: the padding and the end token.
      critic: start of the separate critic, usually the reward model.
      trains: which weights train, by their place in the model, see `partial.thinned`; None trains all.
      state: the last state of an earlier run with the same arguments, to go on from there.
      equations: replace any equation by your own.
      mesh: a mesh with an axis "data" splits every batch over its devices; the numbers stay the same.
      collect: samples a rollout; study/gallery.py passes one with a mistake in it.
      check_rollout, check_first_update: stop a run whose rollout is wrong, or whose first ratio is not 1.

    Raises:
      ValueError: settings, prompts or a reward that can't be trained on, or a self-check that failed, with its likely cause.
    """
    prompts = ready(config, policy, prompts, pad_id=pad_id, end_id=end_id)
    if config.batch % (config.minibatches * config.accumulate):
        raise ValueError("batch must be a multiple of minibatches x accumulate: change one of the three")
    if config.separate_critic and critic is None:
        raise ValueError("separate_critic needs a critic to start from: pass the reward model")
    check_reward(reward, scorers)
    current: State = initial_state(config, policy, critic, trains) if state is None else state
    whole = ActorCritic(policy, critic if config.separate_critic else None)  # fills the holes of the state
    current, policy, scorers, whole = placed((current, policy, dict(scorers), whole), mesh)
    batches = prompt_batches(prompts, config.batch, config.seed, int(current.step))
    sample = partial(collect, response=config.response, end_id=end_id, pad_id=pad_id, temperature=config.temperature)
    for iteration in range(int(current.step), config.iterations):
        sample_key, shuffle_key = jax.random.split(jax.random.fold_in(stage_key(config.seed, "ppo"), iteration))
        acting, batch = filled(current.actor_critic, whole), placed(next(batches), mesh, "data")
        rollout = sample(acting, policy, scorers, batch, sample_key)
        check_rollout(rollout.stats, first=state is None and iteration == 0)
        score = score_of(rollout, reward)
        current, metrics = update(current, rollout, score, shuffle_key, whole, config=config, equations=equations)
        check_first_update(float(metrics["first_ratio_gap"]))
        row = metrics_row(rollout, score, metrics, step=iteration + 1, steps=config.iterations)
        yield current, finite(with_value_pull(row, config), current), rollout
