"""The Bradley-Terry explorer's JavaScript counts as the library does."""

import jax
import jax.numpy as jnp
import numpy as np
from browser import twin

from rlhf_lesson import bradley_terry, losses
from rlhf_lesson.widgets.bradley_terry import BradleyTerry


def test_bradley_terry_in_javascript_equals_the_library(chromium, double):
    leads = jnp.linspace(-30.0, 30.0, 41)
    zeros = jnp.zeros_like(leads)
    for name, values in {
        "probability": bradley_terry.win_probability(leads, zeros),
        "loss": losses.bradley_terry_loss(leads, zeros),
        "slope": jax.vmap(jax.grad(losses.bradley_terry_loss))(leads, zeros),
    }.items():
        found = twin(chromium, "bradley_terry", BradleyTerry().state(), [[name, float(d)] for d in leads])
        np.testing.assert_allclose(found, values, atol=1e-6)
