"""Credit by hand: a reward sequence and a critic's values that can be drawn, discount and lambda on sliders.

Leaves out whitening: the advantages are shown in reward units.
"""

import jax.numpy as jnp
import numpy as np
import traitlets

from rlhf_lesson import advantages
from rlhf_lesson.view import plots
from rlhf_lesson.widgets.look import Widget, css, esm

TOKENS = 10
PRESETS = {  # reward units; each shows one thing that people get wrong
    "the score comes at the end": {"rewards": [0.0] * 9 + [1.5], "values": [0.5] * 10},
    "score at the end, KL penalty on the way": {
        "rewards": [-0.1, -0.2, 0.0, -0.4, -0.1, 0.1, -0.2, -0.1, 0.0, 1.4],
        "values": [0.3, 0.4, 0.5, 0.5, 0.7, 0.8, 0.9, 1.0, 1.2, 1.3],
    },
    "one bad token": {"rewards": [0.0, 0.0, 0.0, -1.5] + [0.0] * 6, "values": [0.0] * 10},
    "the critic sees token 5 turn it": {"rewards": [0.0] * 9 + [1.5], "values": [-0.5] * 5 + [1.3] * 5},
    "a critic that knows nothing": {"rewards": [0.0] * 9 + [1.5], "values": [0.0] * 10},
}
FIRST = next(iter(PRESETS))


class GAE(Widget):
    """Which token gets the credit: rewards, values -> advantages.

    Args:
      rewards: r_t of each token, in [-2, 2], reward units.
      values: V_t, the critic's guess before the token, as many.
      discount: gamma, in [0, 1].
      lam: lambda, in [0, 1].
      preset: one of `PRESETS`, or "" for what was drawn.
    """

    _esm, _css = esm("gae"), css()
    rewards = traitlets.List(traitlets.Float(), PRESETS[FIRST]["rewards"]).tag(sync=True)
    values = traitlets.List(traitlets.Float(), PRESETS[FIRST]["values"]).tag(sync=True)
    discount = traitlets.Float(1.0, min=0.0, max=1.0).tag(sync=True)
    lam = traitlets.Float(0.95, min=0.0, max=1.0).tag(sync=True)
    preset = traitlets.Enum(["", *PRESETS], FIRST).tag(sync=True)
    presets = traitlets.Dict(PRESETS).tag(sync=True)

    def __init__(self, *, preset: str | None = None, **traits):
        drawn = {"rewards", "values"} & set(traits)
        preset = preset if preset is not None else "" if drawn else FIRST
        super().__init__(preset=preset, **({} if preset == "" else PRESETS[preset]), **traits)
        if len(self.rewards) != len(self.values):
            raise ValueError(f"{len(self.rewards)} rewards and {len(self.values)} values: give one of each per token")

    def advantages(self) -> np.ndarray:
        """A_t of each token, by the library."""
        mask = jnp.ones(len(self.rewards), bool)
        rewards, values = jnp.asarray(self.rewards), jnp.asarray(self.values)
        return np.asarray(advantages.gae(rewards, values, mask, discount=self.discount, lam=self.lam))

    def figure(self):
        made = plots.figure(9.0, 5.0)
        top, bottom = made.subplots(2, 1, sharex=True)
        tokens = np.arange(1, len(self.rewards) + 1)
        top.bar(tokens, self.rewards, width=0.3, **plots.style("proxy"), label="reward")
        top.plot(tokens, self.values, "s--", color="#A8487F", label="critic's value")
        top.set(ylabel="reward units")
        top.legend(fontsize=8)
        bottom.bar(tokens, self.advantages(), **plots.style("policy"))
        bottom.set(xlabel="token of the response", ylabel="advantage", xticks=tokens)
        return made

    def alt(self) -> str:
        credit = ", ".join(f"{a:+.2f}" for a in self.advantages())
        return f"With discount {self.discount:.2f} and lambda {self.lam:.2f} the tokens' advantages are {credit}."
