"""A training loop in the background, with curves, samples of the policy, time left, pause and stop; as text without widgets.

Leaves out the loop: anything that yields (state, metrics, ...) will do. Leaves out files too: train/runs.py logs and checkpoints.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import jax
import numpy as np
import traitlets
from matplotlib.figure import Figure
from tqdm.auto import tqdm

from rlhf_lesson.view import plots
from rlhf_lesson.widgets import look

PANELS: Mapping[
    str, Sequence[str]
] = {  # title with its unit -> metrics drawn together; those a loop lacks are left out
    "score (reward units)": ("score/proxy", "score/gold", "score/judge"),
    "KL (nats per response)": ("kl",),
    "entropy (nats per token)": ("entropy",),
    "length (tokens)": ("length",),
    "share of ratios clipped": ("clip_fraction",),
    "share without an end": ("missing_end",),
    "loss": ("loss",),
    "share of pairs in order": ("accuracy",),
}
MOST_PANELS, MOST_POINTS, MOST_SAMPLES = 8, 300, 40
OFTEN = 0.25  # seconds between two messages to the browser

Row = Mapping[str, float | str]  # what a loop says of an iteration


class Background:
    """Drives a loop in a thread of its own: start, pause, resume, stop, and wait for its last state.

    The loop stands still between two iterations only, and so does everything here: a pause or a stop waits for the
    iteration to end. While it runs, `state` may be overwritten by the next step: read it paused or at the end.

    Args:
      steps: the loop's iterator.
      seen: called after each iteration, in that thread, with (state, metrics): here the state is safe to use.
      changed: called in that thread whenever `status` changed.
    """

    def __init__(
        self,
        steps: Iterable[tuple],
        seen: Callable[[object, Row], None] = lambda state, row: None,
        changed: Callable[[], None] = lambda: None,
    ):
        self.steps, self._seen, self._changed = iter(steps), seen, changed
        self.state, self.rows, self.seconds = None, [], []
        self.error: BaseException | None = None
        self.status = "ready"  # running, paused, stopped, finished, failed
        self._go, self._stop, self._over = threading.Event(), threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts, or goes on after a pause; does nothing to a loop that has ended."""
        self._go.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._drive, daemon=True, name="training")
            self._thread.start()

    def pause(self) -> None:
        """Stands still after this iteration."""
        self._go.clear()

    def stop(self) -> None:
        """Ends after this iteration; the state is then the one to go on from in another run."""
        self._stop.set()
        self.start()

    @property
    def ended(self) -> bool:
        return self.status in ("stopped", "finished", "failed")

    def result(self):
        """Waits for the end and returns the last state. Interrupting the kernel stops the loop instead.

        While this waits no button is heard, since the kernel hears nothing then: stop by interrupting.

        Raises:
          BaseException: whatever the loop raised.
        """
        self.start()
        try:
            while not self._over.wait(
                0.2
            ):  # not Thread.join: an interrupt there makes Python 3.11 believe that it ended
                pass
        except KeyboardInterrupt:
            self.stop()
            self._over.wait()
        self._thread.join()
        if self.error is not None:
            raise self.error
        return self.state

    def _drive(self) -> None:
        try:
            self._turn("running")
            while True:
                begin = time.perf_counter()
                done = next(self.steps, None)
                if done is None:
                    return self._turn("finished")
                self.seconds.append(time.perf_counter() - begin)
                self.state, row = done[:2]
                self.rows.append(dict(row))
                self._seen(self.state, self.rows[-1])
                if not self._go.is_set() and not self._stop.is_set():
                    self._turn("paused")
                    self._go.wait()
                    self._turn("running")
                if self._stop.is_set() and self._more(row):
                    return self._turn("stopped")
        except BaseException as error:
            self.error = error
            self._turn("failed")
        finally:
            self._over.set()

    def __repr__(self) -> str:
        return f"{self.status} after {len(self.rows)} iterations, {sum(self.seconds):.0f} s"

    @staticmethod
    def _more(row: Row) -> bool:
        return row.get("step") != row.get("steps", -1)

    def _turn(self, status: str) -> None:
        self.status = status
        self._changed()

    @property
    def left(self) -> float | None:
        """Seconds left by the median of the last twenty iterations; the first, which compiles, does not count."""
        if not self.rows or "steps" not in self.rows[-1] or len(self.seconds) < 2:
            return None
        return float(np.median(self.seconds[1:][-20:])) * (self.rows[-1]["steps"] - self.rows[-1]["step"])


def sampler(prompt: str, tokenizer, key, *, response: int = 24, temperature: float = 1.0, count: int = 3) -> Callable:
    """A function of a loop's state: `count` answers of the present policy to one prompt, with the same noise every time.

    So that what changes from sample to sample is the policy alone.

    Args:
      prompt: its beginning of a text.
      tokenizer: of the policy.
      key: of the noise.
      response: most tokens.
      temperature: of sampling.
      count: answers.
    """
    from rlhf_lesson.models.generate import generate
    from rlhf_lesson.models.tokenizer import decode, encode

    ids = [tokenizer.bos_token_id, *encode(tokenizer, [prompt])[0]]
    tokens = np.tile(np.asarray(ids, np.int32), (count, 1))
    real = np.ones_like(tokens, bool)
    how = dict(response=response, end_id=tokenizer.eos_token_id, pad_id=tokenizer.pad_token_id, temperature=temperature)

    def sample(state) -> list[str]:
        policy = next(p for p in (getattr(state, n, None) for n in ("policy", "model")) if p is not None)
        drawn = generate(policy, tokens, real, jax.random.clone(key), **how)
        whole = (np.concatenate(pair, axis=1) for pair in ((tokens, drawn.tokens), (real, drawn.mask)))
        return decode(tokenizer, *whole)

    return sample


def panels(row: Row, curves: Mapping[str, Sequence[str]] = PANELS) -> list[dict]:
    """What to draw of a loop whose metrics look like this row: [{"title", "names"}]; a loop without any of ours shows its own."""
    found = [{"title": title, "names": [n for n in names if n in row]} for title, names in curves.items()]
    found = [panel for panel in found if panel["names"]]
    if not found:
        own = [name for name, value in row.items() if isinstance(value, float | int) and name not in ("step", "steps")]
        found = [{"title": name, "names": [name]} for name in own]
    return found[:MOST_PANELS]


def thinned(rows: Sequence[Row], names: Sequence[str]) -> np.ndarray:
    """(names, points) float32 of at most 2 x MOST_POINTS rows, evenly spaced, always with the newest."""
    apart = max(1, len(rows) // MOST_POINTS)
    rows = [*rows[: len(rows) - 1 : apart], *rows[-1:]]
    return np.array([[row.get(name, np.nan) for row in rows] for name in names], np.float32)


def role(name: str) -> str:
    """The role that gives a metric its colour and dash."""
    last = name.rpartition("/")[2]
    return last if last in plots.ROLES else "policy"


class Dashboard(look.Widget):
    """A loop, live: see `dashboard`."""

    _esm, _css = look.esm("dashboard"), look.css("dashboard")
    title = traitlets.Unicode("Training").tag(sync=True)
    panels = traitlets.List().tag(sync=True)  # [{"title", "names", "roles"}]
    names = traitlets.List().tag(sync=True)  # rows of `data`; the first is "step"
    data = traitlets.Bytes(b"").tag(sync=True)  # float32, names x points
    progress = traitlets.Dict().tag(sync=True)  # status, step, steps, seconds, left, error
    samples = traitlets.List().tag(sync=True)  # [{"step", "texts"}]
    prompt = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        steps: Iterable[tuple],
        *,
        sample: Callable[[object], Sequence[str]] | None = None,
        prompt: str = "",
        every: int | None = None,
        curves: Mapping[str, Sequence[str]] = PANELS,
        title: str = "Training",
    ):
        self.loop = Background(steps, self._seen, lambda: self._push(now=True))
        self._sample, self._every, self._curves, self._pushed = sample, every, curves, 0.0
        super().__init__(title=title, prompt=prompt, progress=self._progress())
        if look.anywidget is not None:
            self.on_msg(lambda widget, content, buffers: self.hear(content))

    def hear(self, content: dict) -> None:
        """Acts on what the page sent: {"do": "start" | "pause" | "stop"}."""
        act = {"start": self.start, "pause": self.pause, "stop": self.stop}.get(content.get("do"))
        if act:
            act()

    def start(self) -> "Dashboard":
        """Starts, or goes on after a pause."""
        self.loop.start()
        return self

    def pause(self) -> None:
        self.loop.pause()
        self._push(now=True)

    def stop(self) -> None:
        self.loop.stop()
        self._push(now=True)

    def result(self):
        """Waits for the end and returns the loop's last state; see `Background.result`."""
        return self.loop.result()

    @property
    def rows(self) -> list[dict]:
        """The metrics of every iteration so far."""
        return self.loop.rows

    def _seen(self, state, row: Row) -> None:
        step, steps = int(row.get("step", len(self.loop.rows))), int(row.get("steps", 0))
        if not self.panels:
            shown = panels(row, self._curves)
            self.panels = [{**panel, "roles": [role(name) for name in panel["names"]]} for panel in shown]
            self.names = ["step", *[name for panel in shown for name in panel["names"]]]
        every = self._every or max(1, steps // 20)
        if self._sample is not None and (step % every == 0 or step == 1 or step == steps):
            texts = [str(text) for text in self._sample(state)]
            self.samples = [*self.samples, {"step": step, "texts": texts}][-MOST_SAMPLES:]
        self._push()

    def _progress(self) -> dict:
        loop, row = self.loop, (self.loop.rows or [{}])[-1]
        asked = "stop" if loop._stop.is_set() else "" if loop._go.is_set() else "pause"
        error = f"{type(loop.error).__name__}: {loop.error}" if loop.error else ""
        waiting = asked if loop.status == "running" else ""  # asked for, and waits for the iteration to end
        spent, left = round(sum(loop.seconds), 2), loop.left
        counts = {"step": int(row.get("step", len(loop.rows))), "steps": int(row.get("steps", 0))}
        return {"status": loop.status, "waiting": waiting, **counts, "seconds": spent, "left": left, "error": error}

    def _push(self, *, now: bool = False) -> None:
        """Tells the browser, at most every OFTEN seconds: a fast loop must not drown it."""
        if not now and time.perf_counter() - self._pushed < OFTEN:
            return
        self._pushed = time.perf_counter()
        if self.names:
            rows = [{"step": i + 1, **row} for i, row in enumerate(self.loop.rows)]
            self.data = thinned(rows, self.names).tobytes()
        self.progress = self._progress()

    def figure(self) -> Figure:
        """The curves so far, as a picture for print."""
        shown = self.panels or [{"title": "no iteration yet", "names": []}]
        made = plots.figure(9.0, 2.4 * -(-len(shown) // 3))
        for axes, panel in zip(made.subplots(-(-len(shown) // 3), 3, squeeze=False).flat, shown, strict=False):
            for name in panel["names"]:
                rows = [(row.get("step", i + 1), row[name]) for i, row in enumerate(self.rows) if name in row]
                axes.plot(*zip(*rows, strict=True), **plots.style(role(name), "linestyle"), label=name)
            axes.set(title=panel["title"], xlabel="iteration")
            if len(panel["names"]) > 1:
                axes.legend(fontsize=7)
        for axes in made.axes[len(shown) :]:
            axes.remove()
        return made

    def alt(self) -> str:
        now = self._progress()
        return (
            f"{self.title}: {now['status']} after {now['step']} of {now['steps'] or 'an unknown number of'} iterations"
        )


class AsText(Background):
    """The same without widgets: a bar with the time left, and samples as lines; the run is over when this is made."""

    def __init__(self, steps, *, sample=None, prompt="", every=None, curves=PANELS, title="Training"):
        super().__init__(steps, self._tell)
        self._sample, self._every, self._curves, self._bar = sample, every, curves, None
        self._title, self._prompt, self.samples = title, prompt, []

    def start(self) -> "AsText":
        """Runs the loop to its end, here and now; interrupting the kernel stops it after the iteration."""
        if self._thread is None:
            super().start()
            self.result()
        else:
            super().start()
        return self

    def result(self):
        if self._thread is None:
            self.start()
        return super().result()

    def _tell(self, state, row: Row) -> None:
        step, steps = int(row.get("step", len(self.rows))), int(row.get("steps", 0))
        self._bar = self._bar or tqdm(total=steps or None, desc=self._title, mininterval=0.5)
        names = [name for panel in panels(row, self._curves) for name in panel["names"]][:4]
        self._bar.set_postfix({name: f"{row[name]:.3f}" for name in names}, refresh=False)
        self._bar.update(step - self._bar.n)
        every = self._every or max(1, steps // 5)
        if self._sample is not None and (step % every == 0 or step == 1 or step == steps):
            self.samples.append({"step": step, "texts": [str(text) for text in self._sample(state)]})
            self._bar.write(f"{step:>5}  {self._prompt}" + "\n       ".join(["", *self.samples[-1]["texts"]]))

    def _turn(self, status: str) -> None:
        super()._turn(status)
        if self.ended and self._bar is not None:
            self._bar.close()


def dashboard(steps: Iterable[tuple], **options) -> "Dashboard | AsText":
    """Runs a loop behind a live dashboard; both kinds have `start()`, `pause()`, `stop()`, `result()` and `rows`.

        live = dashboard(ppo.train(config, policy, prompts, scorers, **ids), sample=sampler("the film", tokenizer, key))
        live            # shows it: press start, or call live.start()
        policy = live.result().policy   # in a later cell: waits for the end

    With RLHF_NO_WIDGETS=1, or without anywidget, it runs in the foreground, with a bar and samples as text.

    Args:
      steps: an iterator of (state, metrics, ...); metrics may hold "step" and "steps", which give the time left.
      sample: what to show of a state, see `sampler`; called between iterations.
      prompt: shown above the samples.
      every: iterations between samples; None for about twenty in a run.
      curves: title with unit -> metrics in that panel; None of them in the loop: its own first metrics.
      title: of the whole.
    """
    return (Dashboard if look.widgets_wanted() else AsText)(steps, **options)
