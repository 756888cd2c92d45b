"""The KL-against-reward simulator: a pool of real responses re-weighted in closed form, best-of-n, measured PPO, and PPO live.

Leaves out the equations (study/pool.py has them for Python, static/simulator_maths.js for the browser) and making the pool.
"""

from collections.abc import Callable, Iterator

import jax
import numpy as np
import traitlets
from matplotlib.figure import Figure

from rlhf_lesson.study import pool
from rlhf_lesson.study.chain import Chain, trained_chain
from rlhf_lesson.study.pool import Point, Proxy
from rlhf_lesson.study.pool_runs import CLEAN, Run, load_runs, measured_ppo, settings, trained_proxy
from rlhf_lesson.train.background import Background
from rlhf_lesson.view import plots
from rlhf_lesson.widgets import look

BETAS = tuple(10 ** (k / 20) for k in range(-34, 27))  # 0.02 to 20 score units per nat: the slider, then infinity

# ---- the widget ----------------------------------------------------------------------------------


class Simulator(look.Widget):
    """Choose beta and n, and see what the best policy for that beta says, is worth, and how far it has moved.

        Simulator()                      # shows itself
        Simulator(beta=0.5, n=64).now()  # the numbers, from the library's own functions

    Args:
      beta: score units per nat; None is infinity, the reference.
      n: of best-of-n.
      prompt: index of a prompt; -1 is the mean over all.
      pairs, noise: which proxy.
      root: square-root axis of KL.
      run_beta, run_rate, run_clip: which measured PPO runs are drawn; None is any.
      iterations: of a live run.
      chain: what a live run starts from; the course's models by default, trained at the first call on a machine.
    """

    _esm, _css = look.esm("simulator"), look.css("simulator")
    packed = traitlets.Bytes().tag(sync=True)  # the file as it is: the browser unpacks it
    runs = traitlets.List().tag(sync=True)
    betas = traitlets.List(list(BETAS)).tag(sync=True)
    clean = traitlets.Dict(CLEAN._asdict()).tag(sync=True)  # the proxy of the measured runs
    enough = traitlets.Float(pool.ENOUGH).tag(sync=True)
    beta = traitlets.Float(1.0, allow_none=True, min=0.01).tag(sync=True)
    n = traitlets.Int(16, min=1, max=2048).tag(sync=True)
    prompt = traitlets.Int(-1, min=-1).tag(sync=True)
    pairs = traitlets.Int(CLEAN.pairs).tag(sync=True)
    noise = traitlets.Float(CLEAN.noise).tag(sync=True)
    root = traitlets.Bool(True).tag(sync=True)
    judge = traitlets.Bool(False).tag(sync=True)
    run_beta = traitlets.Float(0.15, allow_none=True).tag(sync=True)  # the demo's
    run_rate = traitlets.Float(3e-4, allow_none=True).tag(sync=True)
    run_clip = traitlets.Float(0.2, allow_none=True).tag(sync=True)
    draws = traitlets.Int(1, min=0).tag(sync=True)  # how often "Generate response" was pressed: seeds the draw
    points = traitlets.List().tag(sync=True)  # of live runs: {"run", "beta", "step", "kl", "proxy", "gold", "judge"}
    progress = traitlets.Dict().tag(sync=True)  # of the live run: {"status", "doing", "step", "steps", "left", "error"}
    can_train = traitlets.Bool(True).tag(sync=True)  # False where there is no Python

    def __init__(self, *, iterations: int = 40, chain: Callable[[], Chain] = trained_chain, **traits):
        self.iterations, self.loop, self._chain, self._pool = iterations, None, chain, pool.load()
        runs = [run._asdict() for run in load_runs()]
        super().__init__(packed=self._pool.content, runs=runs, progress={"status": "ready"}, **traits)
        if look.anywidget is not None:
            self.on_msg(lambda widget, content, buffers: self.hear(content))

    @traitlets.validate("prompt")
    def _known_prompt(self, proposal):
        if proposal["value"] >= len(pool.load().prompts):
            raise ValueError(
                f"there are {len(pool.load().prompts)} prompts: take 0 to {len(pool.load().prompts) - 1}, or -1"
            )
        return proposal["value"]

    # ---- numbers

    @property
    def proxy(self) -> Proxy:
        """The reward model that is optimised."""
        return Proxy(self.pairs, self.noise)

    @property
    def kl_coef(self) -> float:
        """beta as the library takes it."""
        return float("inf") if self.beta is None else self.beta

    @property
    def chosen(self) -> list[int]:
        """Indices of the prompts that count."""
        return [self.prompt] if self.prompt >= 0 else list(range(len(self._pool.prompts)))

    def optimum(self, kl_coef: float | None = None) -> Point:
        """The closed form at this beta, or another, over the chosen prompts."""
        beta = self.kl_coef if kl_coef is None else kl_coef
        of = (self._pool, self.proxy)
        return pool.mean_point([pool.closed_form(of[0], i, of[1], kl_coef=beta) for i in self.chosen])

    def best(self, n: int | None = None) -> Point:
        """Best-of-n at this n, or another, over the chosen prompts."""
        return pool.mean_point([pool.best_of_n(self._pool, i, self.proxy, n or self.n) for i in self.chosen])

    def now(self) -> dict[str, Point]:
        """The three policies at the present setting."""
        return {"reference": self.optimum(np.inf), "optimum": self.optimum(), "best of n": self.best()}

    def generate(self, seed: int = 0) -> list[dict]:
        """A response of each of the three policies to one of the chosen prompts, with its scores and log-ratio."""
        rng = np.random.default_rng(seed)
        prompt = int(rng.choice(self.chosen))
        score, uniform = self._pool.scores(self.proxy)[prompt], pool.reference(self._pool.size)
        best = pool.best_of_n_logprobs(uniform, jax.numpy.asarray(score), self.n)
        policies = {"reference": uniform, "optimum": pool.tilted(jax.numpy.asarray(score), kl_coef=self.kl_coef)}
        rows = []
        for name, logp in {**policies, "best of n": best}.items():
            i = pool.pick(logp, rng.random())
            said = {"policy": name, "text": self._pool.prompts[prompt] + self._pool.texts[prompt][i]}
            scores = {"proxy": self.proxy, "gold": "gold", "judge": "judge"}
            worth = {k: float(self._pool.scores(of)[prompt][i]) for k, of in scores.items()}
            rows.append({**said, **worth, "log_ratio": float(logp[i] - uniform[i])})
        return rows

    def shown_runs(self) -> list[Run]:
        """The measured runs that pass the filter; none where another proxy is chosen than theirs."""
        wanted = {"beta": self.run_beta, "rate": self.run_rate, "clip": self.run_clip}
        fits = (Run(**r) for r in self.runs if all(v is None or r[k] == v for k, v in wanted.items()))
        return list(fits) if self.proxy == CLEAN else []

    def state(self) -> dict:
        """Plain JSON for a page: there nothing can be trained."""
        return super().state() | {"can_train": False}

    # ---- live PPO

    def hear(self, content: dict) -> None:
        """Acts on what the page sent: {"do": "train" | "stop"}."""
        act = {"train": self.train, "stop": self.stop}.get(content.get("do"))
        if act:
            act()

    def train(self) -> Background | None:
        """Starts real PPO at this beta against this proxy, in the background; one run at a time, none at infinity."""
        if self.loop is not None and not self.loop.ended:
            return self.loop
        if self.beta is None:
            self.progress = {
                "status": "failed",
                "error": "At beta = infinity there is nothing to learn: choose a beta.",
            }
            return self.loop
        run = 1 + max((point["run"] for point in self.points), default=0)
        loop = Background(self._live(run), self._seen, lambda: self._tell(loop))
        self.loop = loop
        loop.start()
        return loop

    def stop(self) -> None:
        """Ends the live run after its iteration."""
        if self.loop is not None and not self.loop.ended:
            self.loop.stop()
            self._tell(self.loop)

    def _live(self, run: int) -> Iterator[tuple]:
        changes = {"kl_coef": self.beta, "seed": run, "iterations": self.iterations}
        changes |= {"learning_rate": self.run_rate or 3e-4, "clip": self.run_clip or 0.2}
        wanted, beta = self.proxy, self.beta
        self.progress = {"status": "running", "doing": "reading the course's models"}
        chain = self._chain()
        for model, row in trained_proxy(chain, wanted):
            yield None, {"doing": "training this proxy", **row}
        for state, row in measured_ppo(settings(**changes), chain, model, every=2):
            yield state, {"doing": "PPO", "run": run, "beta": beta, **row}

    def _seen(self, state, row: dict) -> None:
        if "kl" in row:
            names = ("run", "beta", "step", "kl", "proxy", "gold", "judge")
            self.points = [*self.points, {name: row[name] for name in names}]
        self._tell(self.loop)

    def _tell(self, loop: Background) -> None:
        row = (loop.rows or [{}])[-1]
        error = f"{type(loop.error).__name__}: {loop.error}" if loop.error else ""
        status = "stopping" if loop.waiting == "stop" else loop.status
        counts = {"step": int(row.get("step", 0)), "steps": int(row.get("steps", 0))}
        left = loop.left if counts["step"] > 2 else None  # before, the median is of compilation
        self.progress = {"status": status, "doing": row.get("doing", ""), **counts, "left": left, "error": error}

    # ---- without a browser

    def figure(self) -> Figure:
        """Reward against KL: closed form, best-of-n, measured runs, and the present beta."""
        made = plots.figure()
        axes = made.add_subplot()
        powers = [2**k for k in range(self._pool.size.bit_length())]
        frontier, best = [self.optimum(b) for b in (*BETAS[::3], np.inf)], [self.best(n) for n in powers]
        now, runs = self.optimum(), self.shown_runs()
        for role in ("proxy", "gold"):
            line = plots.style(role, "linestyle")
            for run in runs:
                axes.plot(run.kl, getattr(run, role), **line, linewidth=0.6, alpha=0.5)
            sure = [p for p in frontier if p.ess >= pool.ENOUGH]
            axes.plot([p.kl for p in frontier], [getattr(p, role) for p in frontier], **line, linewidth=1.0, alpha=0.6)
            axes.plot(
                [p.kl for p in sure], [getattr(p, role) for p in sure], **line, linewidth=2.6, label=f"optimum, {role}"
            )
            mark = {**plots.style(role, "marker"), "linestyle": "none", "markersize": 4}
            axes.plot([p.kl for p in best], [getattr(p, role) for p in best], **mark, label=f"best of n, {role}")
            axes.plot(now.kl, getattr(now, role), **plots.style("policy", "marker"), markersize=8)
        if self.root:
            axes.set_xscale("function", functions=(lambda x: np.sqrt(np.maximum(x, 0)), np.square))
            axes.set_xlim(left=0)
        beta = "infinity" if self.beta is None else f"{self.beta:.3g}"
        axes.set(
            xlabel=plots.KL_LABEL,
            ylabel=plots.SCORE_LABEL,
            title=f"At beta = {beta}: {now.kl:.2f} nats, gold {now.gold:+.2f}",
        )
        axes.legend(fontsize=8, edgecolor="none")
        return made

    def warning(self) -> str:
        """What to distrust at this setting; empty where there is enough to rest on."""
        ess = self.optimum().ess
        if ess >= pool.ENOUGH:
            return ""
        return (
            f"The pool is too small for this beta: all the weight rests on about {ess:.0f} of {self._pool.size} responses."
            " The true optimum is further away and better by the proxy than these numbers say."
        )

    def alt(self) -> str:
        now = self.optimum()
        return (
            f"Proxy and gold score against KL. At the chosen beta the optimum is {now.kl:.2f} nats from the reference, proxy"
            f" {now.proxy:.2f}, gold {now.gold:.2f}, resting on {now.ess:.0f} responses. {self.warning()}"
        )
