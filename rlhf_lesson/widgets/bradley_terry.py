"""Bradley-Terry by hand: two scores and a margin on sliders, the probability, the loss and its gradient in view.

Leaves out the reward model: here the learner is the one who gives the scores.
"""

import jax
import jax.numpy as jnp
import numpy as np
import traitlets

from rlhf_lesson import bradley_terry, losses
from rlhf_lesson.view import plots
from rlhf_lesson.widgets.look import Widget, css, esm


class BradleyTerry(Widget):
    """Scores -> probability -> loss and gradient of one pair.

    Args:
      chosen, rejected: the two scores, each in [-4, 4], in score units.
      margin: the lead that the chosen one should have, in [0, 3].
    """

    _esm, _css = esm("bradley_terry"), css()
    chosen = traitlets.Float(1.0, min=-4.0, max=4.0).tag(sync=True)
    rejected = traitlets.Float(0.0, min=-4.0, max=4.0).tag(sync=True)
    margin = traitlets.Float(0.0, min=0.0, max=3.0).tag(sync=True)

    def lead(self) -> float:
        """chosen - rejected - margin, in score units."""
        return self.chosen - self.rejected - self.margin

    def figure(self):
        made = plots.figure(9.0, 3.6)
        leads = np.linspace(-8, 8, 161)
        curves = {
            "probability of this choice": bradley_terry.win_probability(jnp.asarray(leads), jnp.zeros(161)),
            "loss (nats per pair)": losses.bradley_terry_loss(jnp.asarray(leads), jnp.zeros(161)),
        }
        for axes, (label, curve) in zip(made.subplots(1, 2), curves.items(), strict=True):
            axes.plot(leads, curve, **plots.style("proxy", "linestyle"), label=label)
            axes.plot(self.lead(), np.interp(self.lead(), leads, curve), "ko", label="this pair")
            axes.set(xlabel="lead (score units)", ylabel=label)
        return made

    def alt(self) -> str:
        lead = jnp.asarray(self.lead())
        loss, slope = jax.value_and_grad(losses.bradley_terry_loss)(lead, jnp.zeros(()))
        chance = bradley_terry.win_probability(lead, jnp.zeros(()))
        return f"A lead of {lead:+.1f} means probability {chance:.3f}, loss {loss:.3f} nats, gradient {slope:+.3f}."
