"""The clip explorer's JavaScript counts as the library does."""

import jax
import jax.numpy as jnp
import numpy as np
from browser import twin

from rlhf_lesson import losses
from rlhf_lesson.widgets.clip import Clip


def test_clip_in_javascript_equals_the_library(chromium, double):
    cases = [(r, a, c) for r in (0.3, 0.79, 1.0, 1.15, 1.7) for a in (-1.5, 0.0, 0.7) for c in (0.1, 0.2)]

    def objective(ratio, advantage, clip):
        return -losses.ppo_clip_loss(jnp.log(ratio), jnp.zeros(()), jnp.asarray(advantage), clip=clip)

    def gradient(ratio, advantage, clip):  # by log pi
        return jax.grad(lambda logp: objective(jnp.exp(logp), advantage, clip))(jnp.log(ratio))

    for name, function in {"objective": objective, "gradient": gradient}.items():
        found = twin(chromium, "clip", Clip().state(), [[name, *case] for case in cases])
        np.testing.assert_allclose(found, [float(function(*case)) for case in cases], atol=1e-6)
