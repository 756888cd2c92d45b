"""CPU-seconds of one PPO iteration (rollout, scores, GAE, 4 epochs) on one pinned core; prints JSON.

Both arms include a reward model of the policy's size; in the arm `two_nets` the critic is a network of its own.
"""

import json
from dataclasses import replace

import jax
import shape  # pins the core before JAX starts its threads, at the first computation
from flax import nnx

from rlhf_lesson.models.gpt2 import GPT2
from rlhf_lesson.models.heads import ScalarModel
from rlhf_lesson.train.ppo import Config, collect, initial_state, update

CONFIG = Config(iterations=10, batch=shape.BATCH, response=shape.RESPONSE, epochs=4, minibatches=1)


def step_time(config: Config) -> dict[str, float]:
    policy = GPT2(shape.SHAPE, rngs=nnx.Rngs(0))
    scorers = {"proxy": ScalarModel(GPT2(shape.SHAPE, rngs=nnx.Rngs(1)), rngs=nnx.Rngs(2))}
    state = initial_state(config, policy, scorers["proxy"])

    def step(i: int):
        nonlocal state
        sample, shuffle = jax.random.split(jax.random.key(i))
        rollout = collect(
            state.actor_critic, policy, scorers, shape.prompts(), sample, response=config.response, **shape.IDS
        )
        state, metrics = update(state, rollout, rollout.scores["proxy"], shuffle, config=config)
        return metrics

    return shape.measure(step, repeats=4)


two_nets = replace(CONFIG, separate_critic=True)
result = {"shared_trunk": step_time(CONFIG), "two_nets": step_time(two_nets), **shape.about()}
print(json.dumps(result, indent=1))
