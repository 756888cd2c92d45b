"""PPO's clip by hand: ratio, advantage and clip on sliders, both branches of the objective and its gradient in view.

Leaves out the mean over tokens: one token shows all there is to see.
"""

import jax
import jax.numpy as jnp
import numpy as np
import traitlets

from rlhf_lesson import losses
from rlhf_lesson.view import plots
from rlhf_lesson.widgets.look import Widget, css, esm


class Clip(Widget):
    """What PPO maximises for one token, and which way its gradient moves log pi.

    Args:
      ratio: pi / pi_old, in [0.05, 2.35].
      advantage: A, in [-2, 2].
      clip: half-width of the ratio's free range, in [0.05, 0.5].
    """

    _esm, _css = esm("clip"), css()
    ratio = traitlets.Float(1.3, min=0.05, max=2.35).tag(sync=True)
    advantage = traitlets.Float(1.0, min=-2.0, max=2.0).tag(sync=True)
    clip = traitlets.Float(0.2, min=0.05, max=0.5).tag(sync=True)

    def objective_and_gradient(self, ratio):
        """(objective, its gradient by log pi) at each ratio: minus the library's loss and its gradient."""
        logp, zeros = jnp.log(jnp.asarray(ratio, jnp.float32)), jnp.zeros(len(ratio))

        def loss(logp):
            return losses.ppo_clip_loss(logp, zeros, jnp.full(len(ratio), self.advantage), clip=self.clip)

        return -loss(logp), -jax.grad(lambda logp: loss(logp).sum())(logp)

    def figure(self):
        made = plots.figure(9.0, 3.6)
        ratios = np.linspace(0.01, 2.4, 240)
        here = self.objective_and_gradient(np.array([self.ratio]))
        curves = zip(self.objective_and_gradient(ratios), here, ("objective", "gradient by log pi"), strict=True)
        for axes, (curve, point, label) in zip(made.subplots(1, 2), curves, strict=True):
            axes.plot(ratios, self.advantage * ratios, **plots.style("proxy"), linestyle=":", label="ratio x A")
            axes.plot(ratios, curve, **plots.style("policy", "linestyle"), label=label)
            axes.plot([self.ratio], point, "ko", label="this token")
            axes.axvspan(1 - self.clip, 1 + self.clip, color="#0072B2", alpha=0.1)
            axes.set(xlabel="ratio: new probability / old one", ylabel=label)
            axes.legend(fontsize=8)
        return made

    def alt(self) -> str:
        objective, gradient = (float(v[0]) for v in self.objective_and_gradient(np.array([self.ratio])))
        setting = f"ratio {self.ratio:.2f}, advantage {self.advantage:+.1f} and clip {self.clip:.2f}"
        return f"At {setting} the objective is {objective:+.3f} and its gradient {gradient:+.3f}."
