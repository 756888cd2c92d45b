"""What steps the policy in every loop: Adam, clipped gradients, and a rate that rises and then falls to 0 in straight lines."""

from typing import Any

import optax


def warmed_up(rate: float, steps: int, warmup: float) -> optax.Schedule:
    """A learning rate that rises linearly over the first steps and falls linearly to 0 over the rest.

    Adam divides each gradient by its own recent size. After one step it knows one size, so every weight moves by the full rate
    whatever its gradient says: the warm-up keeps these steps small.

    Args:
      rate: the peak, above 0.
      steps: of the whole run, at least 1.
      warmup: part of the steps in which the rate rises, in [0, 1); 0 for none, else it takes one step at least.

    Returns:
      A function from the step, from 0, to the rate.
    """
    rising = max(1, int(steps * warmup)) if warmup else 0
    rise = optax.linear_schedule(0.0, rate, rising)
    fall = optax.linear_schedule(rate, 0.0, max(1, steps - rising))
    return optax.join_schedules([rise, fall], [rising]) if rising else fall


def adam(config: Any, steps: int) -> optax.GradientTransformation:
    """Adam with eps 1e-5, as PPO's implementations have it (row 39 of docs/checklist.md), gradients clipped by their global norm.

    Args:
      config: of a loop, for its `learning_rate`, `warmup` and `clip_norm`.
      steps: of the whole run.
    """
    rate = warmed_up(config.learning_rate, steps, config.warmup)
    return optax.chain(optax.clip_by_global_norm(config.clip_norm), optax.adam(rate, eps=1e-5))
