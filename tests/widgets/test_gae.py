"""The GAE explorer: its presets, and its JavaScript against the library."""

import jax.numpy as jnp
import numpy as np
from browser import twin

from rlhf_lesson import advantages
from rlhf_lesson.widgets import gae


def test_a_preset_draws_rewards_and_values_and_drawing_leaves_the_preset():
    name = "one bad token"
    assert gae.GAE(preset=name).rewards == gae.PRESETS[name]["rewards"]
    drawn = gae.GAE(rewards=[1.0], values=[0.5])
    assert (drawn.preset, drawn.advantages().tolist()) == ("", [0.5])


def test_gae_in_javascript_equals_the_library(chromium, double):
    rng = np.random.default_rng(0)
    for discount, lam in ((1.0, 0.95), (0.9, 0.0), (0.7, 1.0)):
        rewards, values = rng.normal(size=(2, 10))
        mask = jnp.ones(10, bool)
        given = [rewards.tolist(), values.tolist(), discount, lam]
        calls = [["gae", *given], ["returns", rewards.tolist(), discount]]
        found = twin(chromium, "gae", gae.GAE().state(), calls)
        expected = advantages.gae(jnp.asarray(rewards), jnp.asarray(values), mask, discount=discount, lam=lam)
        np.testing.assert_allclose(found[0], expected, atol=1e-6)
        expected = advantages.discounted_returns(jnp.asarray(rewards), mask, discount=discount)
        np.testing.assert_allclose(found[1], expected, atol=1e-6)
