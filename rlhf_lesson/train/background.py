"""A loop in a thread of its own, to be paused and stopped from outside, and samples of its policy as it runs.

Anything that yields (state, metrics, ...) will do. What is drawn of it is in widgets/dashboard.py; logs and checkpoints on disk are
in train/runs.py.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping

import jax
import numpy as np

from rlhf_lesson.models.generate import generate
from rlhf_lesson.models.tokenizer import decode, encode

Row = Mapping[str, float | str]  # the metrics of one iteration
THREAD = "training"  # the name of every thread here


def running() -> bool:
    """Whether a loop runs in the background of this process, or stands paused there."""
    return any(thread.name == THREAD for thread in threading.enumerate())


class Background:
    """Drives a loop in a thread of its own: start, pause, resume, stop, and wait for its last state.

    A loop can be paused or stopped between two iterations only, so a pause or a stop waits for the iteration to end. While
    the loop runs, `state` may be overwritten by the next step: read it paused or at the end.

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
        self.steps = iter(steps)
        self._seen = seen
        self._changed = changed
        self.state = None  # of the last iteration
        self.rows: list[dict] = []  # metrics of every iteration so far
        self.seconds: list[float] = []  # that each iteration took
        self.error: BaseException | None = None
        self.waited = False  # somebody stands in `result`, so no button is heard
        self.status = "ready"  # running, paused, stopped, finished, failed
        self._go = threading.Event()
        self._stop = threading.Event()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts, or goes on after a pause; does nothing to a loop that has ended."""
        self._go.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._drive, daemon=True, name=THREAD)
            self._thread.start()

    def pause(self) -> None:
        """Stands still after this iteration."""
        self._go.clear()

    def stop(self) -> None:
        """Ends after this iteration; the state is then the one to go on from in another run."""
        self._stop.set()
        self.start()

    @property
    def started(self) -> bool:
        """Whether `start` was ever called."""
        return self._thread is not None

    @property
    def ended(self) -> bool:
        """Whether it will never go on."""
        return self.status in ("stopped", "finished", "failed")

    @property
    def waiting(self) -> str:
        """What was asked for and has to wait for the running iteration to end: "pause", "stop" or nothing."""
        if self.status != "running":
            return ""
        if self._stop.is_set():
            return "stop"
        return "" if self._go.is_set() else "pause"

    @property
    def left(self) -> float | None:
        """Seconds left by the median of the last twenty iterations; the first, which compiles, does not count."""
        if not self.rows or "steps" not in self.rows[-1] or len(self.seconds) < 2:
            return None
        return float(np.median(self.seconds[1:][-20:])) * (self.rows[-1]["steps"] - self.rows[-1]["step"])

    def result(self):
        """Waits for the end and returns the last state. Interrupting the kernel stops the loop instead.

        While this waits no button is heard, since the kernel hears nothing then: stop by interrupting.

        Raises:
          BaseException: whatever the loop raised.
        """
        self.start()
        self.waited = not self.ended
        self._changed()
        try:
            # not Thread.join: an interrupt there makes Python 3.11 believe that the thread ended
            while not self._over.wait(0.2):
                pass
        except KeyboardInterrupt:
            self.stop()
            self._over.wait()
        assert self._thread is not None  # `start` has made it
        self._thread.join()
        self.waited = False
        self._changed()
        if self.error is not None:
            raise self.error
        return self.state

    def _drive(self) -> None:
        try:
            self._turn("running")
            while True:
                begin = time.perf_counter()
                result = next(self.steps, None)
                if result is None:
                    return self._turn("finished")
                self.seconds.append(time.perf_counter() - begin)
                self.state, row = result[:2]
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
            try:
                close = getattr(self.steps, "close", None)
                if close is not None:  # a generator that is left early frees what it holds, such as a bar
                    close()
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


def sampler(prompt: str, tokenizer, key, *, response: int = 24, temperature: float = 1.0, count: int = 3) -> Callable:
    """A function of a loop's state: several answers of the present policy to one prompt.

    The noise is the same every time, so that what changes from sample to sample is the policy alone.

    Args:
      prompt: the beginning of a text.
      tokenizer: of the policy.
      key: of the noise.
      response: most tokens of an answer.
      temperature: of the sampling, above 0.
      count: answers per call.

    Returns:
      From a state with a `policy` or a `model` to that many texts, prompt included.
    """
    ids = [tokenizer.bos_token_id, *encode(tokenizer, [prompt])[0]]
    tokens = np.tile(np.asarray(ids, np.int32), (count, 1))
    real = np.ones_like(tokens, bool)

    def sample(state) -> list[str]:
        policy = state.policy if hasattr(state, "policy") else state.model
        answers = generate(
            policy,
            tokens,
            real,
            jax.random.clone(key),
            response=response,
            end_id=tokenizer.eos_token_id,
            pad_id=tokenizer.pad_token_id,
            temperature=temperature,
        )
        texts = np.concatenate([tokens, answers.tokens], axis=1)
        mask = np.concatenate([real, answers.mask], axis=1)
        return decode(tokenizer, texts, mask)

    return sample
