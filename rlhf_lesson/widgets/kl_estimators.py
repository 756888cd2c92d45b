"""Three estimators of one KL: a small vocabulary, the policy's distance from the reference on a slider, bias and spread exact.

Leaves out sampling: means and spreads are sums over every token, so nothing in the picture is noise.
"""

import jax.numpy as jnp
import numpy as np
import traitlets

from rlhf_lesson import kl
from rlhf_lesson.view import plots
from rlhf_lesson.widgets.look import Widget, css, esm

REF_LOGITS = [1.6, 1.2, 0.8, 0.4, 0.0, -0.6, -1.4, -2.6]  # from a common token to a rare one
DIRECTIONS = {  # what a step of `distance` 1 adds to the reference's logits
    "to prefer the common tokens": [0.9, 0.5, 0.2, -0.1, -0.4, -0.7, -1.0, -1.3],
    "to prefer the rare tokens": [-0.9, -0.6, -0.3, 0.0, 0.2, 0.5, 0.8, 1.1],
    "one rare token": [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.6],
    "to avoid the most common token": [-2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
}
ESTIMATORS = {"k1": (kl.k1, "proxy"), "k2": (kl.k2, "gold"), "k3": (kl.k3, "judge")}


class KLEstimators(Widget):
    """k1, k2, k3 against the exact KL.

    Args:
      distance: steps from the reference along the direction, in [0, 3].
      direction: one of `DIRECTIONS`.
      samples: tokens in one mean, from 1 to 10,000.
      sampler: who samples the tokens: "policy", as it must be, or "reference", a common mistake.
    """

    _esm, _css = esm("kl_estimators"), css()
    distance = traitlets.Float(1.0, min=0.0, max=3.0).tag(sync=True)
    direction = traitlets.Enum(list(DIRECTIONS), next(iter(DIRECTIONS))).tag(sync=True)
    samples = traitlets.Float(10.0, min=1.0, max=10_000.0).tag(sync=True)
    sampler = traitlets.Enum(["policy", "reference"], "policy").tag(sync=True)
    ref_logits = traitlets.List(REF_LOGITS).tag(sync=True)
    directions = traitlets.Dict(DIRECTIONS).tag(sync=True)

    def distributions(self, distance: float):
        """(log pi, log ref) of every token at this distance, in nats; the reference's scores tilted."""
        ref_logp = kl.tilted_policy(jnp.asarray(REF_LOGITS), jnp.zeros(len(REF_LOGITS)), kl_coef=1.0)
        return kl.tilted_policy(ref_logp, distance * jnp.asarray(DIRECTIONS[self.direction]), kl_coef=1.0), ref_logp

    def moments(self, distance: float) -> dict[str, tuple[float, float]]:
        """Mean and standard deviation of one sample's estimate, and under "exact" the KL itself; nats per token."""
        logp, ref_logp = self.distributions(distance)
        weight = np.exp(logp if self.sampler == "policy" else ref_logp)
        out = {"exact": (float(kl.exact_kl(logp, ref_logp)), 0.0)}
        for name, (estimator, _) in ESTIMATORS.items():
            values = np.asarray(estimator(logp, ref_logp))
            mean = float(weight @ values)
            out[name] = (mean, float(np.sqrt(weight @ (values - mean) ** 2)))
        return out

    def figure(self):
        made = plots.figure(9.0, 3.6)
        left, right = made.subplots(1, 2)
        logp, ref_logp = (np.exp(x) for x in self.distributions(self.distance))
        tokens = np.arange(1, len(logp) + 1)
        left.bar(tokens - 0.2, ref_logp, 0.4, color="#888888", label="reference")
        left.bar(tokens + 0.2, logp, 0.4, **plots.style("policy"), label="policy")
        left.set(xlabel="token of the vocabulary", ylabel="probability")
        distances = np.linspace(0, 3, 31)
        rows = [self.moments(d) for d in distances]
        right.plot(distances, [row["exact"][0] for row in rows], "k", linewidth=4, alpha=0.3, label="exact KL")
        for name, (_, role) in ESTIMATORS.items():
            right.plot(distances, [row[name][0] for row in rows], **plots.style(role, "linestyle"), label=name)
        right.set(xlabel="distance from the reference", ylabel="estimate (nats per token)")
        left.legend(fontsize=8)
        right.legend(fontsize=8)
        return made

    def alt(self) -> str:
        found = self.moments(self.distance)
        each = ", ".join(f"{name} {found[name][0]:.3f} with spread {found[name][1]:.3f}" for name in ESTIMATORS)
        return f"The exact KL is {found['exact'][0]:.3f} nats; sampled by the {self.sampler}, on average {each}."
