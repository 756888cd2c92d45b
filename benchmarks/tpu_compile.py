"""Compiles every jitted step of the chain for TPU v5e, ahead of time and without a TPU; prints bytes and FLOPs as JSON.

Run it in an environment of its own, because JAX tries to use libtpu as the default backend wherever it is installed:

    python3 -m venv .venv-tpu && .venv-tpu/bin/pip install -e . "jax[tpu]"
    .venv-tpu/bin/python benchmarks/tpu_compile.py > benchmarks/results/tpu_compile.json
"""

import json
import os

os.environ |= {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "JAX_PLATFORMS": "cpu",
}

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.experimental import topologies

from rlhf_lesson import losses
from rlhf_lesson.data.examples import Comparison, Example, Rated
from rlhf_lesson.data.prompts import Prompts
from rlhf_lesson.models.generate import generate
from rlhf_lesson.models.gpt2 import GPT2, ModelConfig
from rlhf_lesson.models.heads import ActorCritic, ScalarModel
from rlhf_lesson.models.llama import Llama, LlamaConfig
from rlhf_lesson.models.partial import thinned, upper_layers
from rlhf_lesson.train import objectives, ppo, reinforce, reward_model, sft
from rlhf_lesson.train.rollout import collect

TOPOLOGY = topologies.get_topology_desc(
    platform="tpu", topology_name="v5e:2x2", chips_per_host_bounds=[2, 2, 1]
)  # fmt: skip
CHIP = jax.sharding.SingleDeviceSharding(TOPOLOGY.devices[0])
IDS = {"pad_id": 0, "end_id": 1}


def for_tpu(tree):
    """The tree's shapes, placed on a TPU chip that does not have to exist."""

    def shape(x):
        x = x if hasattr(x, "shape") else jnp.asarray(x)
        return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=CHIP)

    return jax.tree.map(shape, tree)


def report(step, *args, static: dict) -> dict[str, float]:
    """Compiles one step for the chip; returns what the compiler reports about memory and FLOPs."""
    compiled = step.trace(*map(for_tpu, args), **static).lower(lowering_platforms=("tpu",)).compile()
    memory = compiled.memory_analysis()
    cost = compiled.cost_analysis()
    return {
        "arguments_bytes": memory.argument_size_in_bytes,
        "outputs_bytes": memory.output_size_in_bytes,
        "temporary_bytes": memory.temp_size_in_bytes,
        "code_bytes": memory.generated_code_size_in_bytes,
        "gflop": cost.get("flops", 0.0) / 1e9,
    }


def llama_steps():
    """The programs of SmolLM2-135M: one pass, and what trains its upper 8 of 30 layers; shapes alone, no weight is made."""
    key = jax.random.key(0)
    policy = jax.eval_shape(lambda: Llama(LlamaConfig(frozen=22), rngs=nnx.Rngs(0)))
    scorer = jax.eval_shape(lambda: ScalarModel(Llama(LlamaConfig(frozen=22), rngs=nnx.Rngs(0)), rngs=nnx.Rngs(1)))
    prompts = Prompts(np.full((32, 16), 5, np.int32), np.ones((32, 16), bool))
    tokens, mask = np.full((32, 40), 5, np.int32), np.ones((32, 40), bool)
    yield "forward", jax.jit(lambda model, *rows: model.hidden(*rows)), (policy, tokens, mask), {}
    yield "generate", generate, (policy, *prompts, key), {"response": 24, **IDS}
    yield "score", jax.jit(lambda model, *rows: model(*rows)), (scorer, tokens, mask), {}
    trains = upper_layers(policy)

    def begin(kind, tx, model, trains):
        thin = thinned(model, trains)
        return kind(thin, jax.eval_shape(tx.init, thin), jnp.zeros((), jnp.int32))

    tx = sft.optimizer(sft.Config(), 100)
    batch = sft.make_batch([Example([5] * 40, 16)] * 32, 32, 40, 0)
    chosen = {"optimizer": tx, "cross_entropy_loss": losses.cross_entropy_loss}
    yield "sft", sft.train_step, (begin(sft.State, tx, policy, trains), batch, key, policy), chosen
    tx = reward_model.optimizer(reward_model.Config(), 100)
    batch = reward_model.make_batch([Comparison(([5] * 40,) * 2)] * 16, 16, 40, 0)
    chosen = {"optimizer": tx, "objective": objectives.bradley_terry_objective, "lm_coef": 0.0}
    yield "reward_pairs", reward_model.train_step, (begin(reward_model.State, tx, scorer, None), batch, key), chosen
    config = ppo.Config(batch=32)
    whole = jax.eval_shape(ActorCritic, policy)
    state = jax.eval_shape(lambda model: ppo.initial_state(config, model, None, trains), policy)
    arguments = (whole, policy, {"proxy": scorer}, prompts, key)
    yield "ppo_collect", collect, arguments, {"response": 24, **IDS}
    rollout = jax.eval_shape(lambda *a: collect(*a, response=24, **IDS), *arguments)
    yield "ppo_update", ppo.update, (state, rollout, rollout.scores["proxy"], key, whole), {"config": config}


def steps():
    """(name, jitted step, arguments, static arguments) for every program of the chain."""
    key = jax.random.key(0)
    policy = GPT2(ModelConfig(dropout=0.1), rngs=nnx.Rngs(0))
    scorer = ScalarModel(GPT2(ModelConfig(), rngs=nnx.Rngs(1)), rngs=nnx.Rngs(2))
    prompts = Prompts(np.full((64, 8), 5, np.int32), np.ones((64, 8), bool))
    yield "generate", generate, (policy, *prompts, key), {"response": 24, **IDS}
    rows = [Example([5] * 30, 4)] * 64
    tx = sft.optimizer(sft.Config(), 100)
    state = sft.State(policy, tx.init(policy), jnp.zeros((), jnp.int32))
    chosen = {"optimizer": tx, "cross_entropy_loss": losses.cross_entropy_loss}
    yield "sft", sft.train_step, (state, sft.make_batch(rows, 64, 32, 0), key), chosen
    kinds = {
        "reward_pairs": (Comparison(([5] * 30,) * 2), objectives.bradley_terry_objective),
        "reward_rankings": (Comparison(([5] * 30,) * 4), objectives.plackett_luce_objective),
        "reward_ratings": (Rated([5] * 30, 1.0), objectives.rating_objective),
    }
    tx = reward_model.optimizer(reward_model.Config(), 100)
    state = reward_model.State(scorer, tx.init(scorer), jnp.zeros((), jnp.int32))
    for name, (row, objective) in kinds.items():
        batch = reward_model.make_batch([row] * 32, 32, 32, 0)
        yield name, reward_model.train_step, (state, batch, key), dict(optimizer=tx, objective=objective, lm_coef=0.1)
    for name, separate in (("shared", False), ("two_nets", True)):
        config = ppo.Config(separate_critic=separate)
        state = ppo.initial_state(config, policy, scorer)
        arguments = (state.actor_critic, policy, {"proxy": scorer}, prompts, key)
        yield f"ppo_collect_{name}", collect, arguments, {"response": 24, **IDS}
        rollout = jax.eval_shape(lambda *a: collect(*a, response=24, **IDS), *arguments)
        rollout = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), rollout)
        score = rollout.scores["proxy"]
        yield f"ppo_update_{name}", ppo.update, (state, rollout, score, key), {"config": config}
    config = reinforce.Config()
    state = reinforce.State(policy, reinforce.optimizer(config).init(policy), jnp.zeros((), jnp.int32))
    yield "reinforce_update", reinforce.update, (state, rollout, score), {"config": config}


if __name__ == "__main__":
    compiled = {name: report(step, *args, static=static) for name, step, args, static in steps()}
    llama = {name: report(step, *args, static=static) for name, step, args, static in llama_steps()}
    told = {
        "jax": jax.__version__,
        "target": "TPU v5e",
        "programs": compiled,
        "SmolLM2-135M, 22 of 30 layers frozen": llama,
    }
    print(json.dumps(told, indent=1))
