"""Best-of-n's distance from the reference: exact against the bound, for outcomes that are rare, common or tied.

Leaves out rewards against KL: that is the simulator's picture.
"""

import jax.numpy as jnp
import numpy as np
import traitlets

from rlhf_lesson import kl
from rlhf_lesson.view import plots
from rlhf_lesson.widgets.look import Widget, css, esm


def worlds(outcomes: int = 60) -> dict[str, dict[str, list[float]]]:
    """Reference probabilities and scores in [0, 1] of every outcome: the cases in which the bound is tight, or is not."""
    even = np.full(outcomes, 1 / outcomes)
    scores = np.linspace(0.0, 1.0, outcomes)
    peaked = 1 / (1 + np.arange(outcomes))  # the k-th most common outcome is 1/k as common as the first
    shuffled = peaked[np.argsort(np.arange(outcomes) * 0.618034 % 1)]  # golden-ratio order: common ones anywhere
    made = {
        f"{outcomes}, equally likely, no ties": (even, scores),
        f"{outcomes}, a few common, the rest rare": (shuffled, scores),
        f"{outcomes}, scored in five steps": (even, np.floor(scores * 4.999) / 4),
        "right or wrong, right in one of ten": (np.array([0.9, 0.1]), np.array([0.0, 1.0])),
        "6, a die": (np.full(6, 1 / 6), np.linspace(0.0, 1.0, 6)),
    }
    return {name: {"ref": (p / p.sum()).tolist(), "score": s.tolist()} for name, (p, s) in made.items()}


WORLDS = worlds()


class BestOfN(Widget):
    """Exact KL of best-of-n and its bound.

    Args:
      n: draws of which the best is kept, from 1 to 1000.
      world: one of `WORLDS`: the outcomes, their probability and score.
    """

    _esm, _css = esm("best_of_n"), css()
    n = traitlets.Float(16.0, min=1.0, max=1000.0).tag(sync=True)  # on a log scale; rounded where it is used
    world = traitlets.Enum(list(WORLDS), next(iter(WORLDS))).tag(sync=True)
    worlds = traitlets.Dict(WORLDS).tag(sync=True)

    def exact(self, n: int) -> float:
        """KL(best-of-n || reference) in nats, by the library."""
        outcomes = WORLDS[self.world]
        return float(kl.best_of_n_kl(jnp.log(jnp.asarray(outcomes["ref"])), jnp.asarray(outcomes["score"]), n))

    def figure(self):
        made = plots.figure()
        axes = made.add_subplot()
        counts = np.unique(np.geomspace(1, 1000, 40).round().astype(int))
        axes.plot(counts, [self.exact(int(n)) for n in counts], **plots.style("policy", "linestyle"), label="exact")
        axes.plot(counts, [kl.best_of_n_kl_bound(int(n)) for n in counts], "k:", label="bound")
        axes.plot(round(self.n), self.exact(round(self.n)), "o", **plots.style("policy"), label="this n")
        axes.set(xscale="log", xlabel="n", ylabel="KL from reference (nats)")
        axes.legend()
        return made

    def alt(self) -> str:
        n = round(self.n)
        bound = float(kl.best_of_n_kl_bound(n))
        return f"Best of {n} is {self.exact(n):.3f} nats from the reference; the bound says {bound:.3f} ({self.world})."
