"""Drives a loop's generator: logs every iteration, checkpoints, shows progress, and resumes bit for bit.

Any loop that yields (state, metrics, ...) will do. A run's folder:

    run.json           which loop, with which settings
    metrics.jsonl      one line an iteration, appended as it happens
    metrics.csv        the same as a table, as of the last checkpoint
    state.safetensors  the last checkpoint
"""

import csv
import io
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from rlhf_lesson.disk import fingerprint, write_atomically
from rlhf_lesson.models.checkpoint import load_state, save_state
from rlhf_lesson.train.checks import all_finite, finite
from rlhf_lesson.train.diagnose import SENTENCES, due, findings
from rlhf_lesson.train.progress import bar
from rlhf_lesson.train.trackers import tracker

Row = dict[str, float]


def run(
    loop: Callable[[Any], Iterator[tuple]],
    folder: Path | str,
    *,
    config: Any,
    name: str = "train",
    every: int = 5,
    resume: bool = False,
    like: Any = None,
    track: str | None = None,
    progress: bool = True,
    stop_on: Sequence[str] = (),
) -> Iterator[tuple[Any, Row]]:
    """Runs a loop in a folder and yields its state and metrics after every iteration.

        steps = lambda state: ppo.train(config, policy, prompts, scorers, state=state, pad_id=0, end_id=1)
        for state, metrics in run(steps, "runs/ppo", config=config, resume=True):
            ...

    A resumed run first yields the checkpoint that it continues from, so a finished run yields its result again. On the same
    machine, a resumed run gives exactly the rows (except "seconds") and weights of an uninterrupted one. Ctrl-C waits for
    the iteration to end and for its checkpoint; a second Ctrl-C stops at once and keeps the previous checkpoint.

    Args:
      loop: makes the iterator, from the state to go on from or None; metrics hold "step" (from 1) and "steps".
      folder: made if missing.
      config: the loop's settings, a dataclass or a dict; a resumed run must have the same. Of a path among them (models, data)
        the content counts too.
      name: of the loop, for the bar and for run.json.
      every: iterations between checkpoints; the last iteration always gets one.
      resume: go on from the folder's last checkpoint; in a folder without one, start.
      like: a fresh state, for its shapes; None runs one iteration to see them and throws it away.
      track: "tensorboard" or "wandb" logs there too, see `tracker`.
      progress: a bar with the time left, once a run takes over two seconds, and each finding of `diagnose` when it first shows.
      stop_on: names of findings, see `diagnose.SENTENCES`, or "any": the run stops at the first of them, with a checkpoint.

    Returns:
      Pairs: the state, which is the loop's to overwrite (copy what you keep), and the metrics with "seconds".

    Raises:
      ValueError: the folder holds a run and `resume` is off, or one with other settings; says which differ. The loop's own
        refusals, and numbers or weights that are not finite, which are never saved: says which checkpoint is kept. A finding
        of `stop_on`.
    """
    known = ["any", *SENTENCES]
    if unknown := [name for name in stop_on if name not in known]:
        raise ValueError(f"no finding is called {unknown[0]!r}: there are {', '.join(known)}")
    folder = Path(folder)
    settings = {"loop": name, **(config if isinstance(config, Mapping) else asdict(config))}
    files = {key: value for key, value in settings.items() if isinstance(value, Path) and value.exists()}
    settings |= {
        f"content of {key}": fingerprint(path) for key, path in files.items()
    }  # models or data under an old name
    settings = json.loads(json.dumps(settings, default=str))  # as the file will give it back: tuples are lists
    state = None
    rows: list[Row] = []
    told: set[str] = set()
    kept = 0  # iteration of the last checkpoint
    checkpoint = folder / "state.safetensors"
    old_rows = claim(folder, settings, resume)
    if old_rows and checkpoint.is_file():
        like = next(loop(None))[0] if like is None else like
        state, note = load_state(like, checkpoint)
        kept = note["step"]
        rows = [row for row in old_rows if row["step"] <= kept]
    write_atomically(folder / "metrics.jsonl", "".join(map(_line, rows)).encode())  # cuts what came after
    write_table(folder, rows)
    with ExitStack() as stack:
        log = stack.enter_context(tracker(track, folder, settings, start=len(rows)))
        # buffering=1: on disk line by line
        lines = stack.enter_context(open(folder / "metrics.jsonl", "a", buffering=1, encoding="utf-8"))
        iterations = loop(state)
        if progress:
            iterations = stack.enter_context(closing(bar(name, iterations, delay=2)))
        if rows:
            yield state, rows[-1]
        while True:
            with interrupt_waits() as pressed:
                begin = time.perf_counter()
                with _names_the_checkpoint(folder, kept):
                    state, metrics, *_ = next(iterations, (None, None))
                    if metrics is None:
                        return
                    finite(metrics, state)
                rows.append({**metrics, "seconds": round(time.perf_counter() - begin, 3)})
                lines.write(_line(rows[-1]))
                log(rows[-1])
                step, steps = metrics["step"], metrics["steps"]
                seen = findings(rows) if due(len(rows)) or step == steps else []
                stop = [name for name in seen if "any" in stop_on or name in stop_on]
                for name in [name for name in seen if name not in told and progress]:
                    tqdm.write(f"iteration {step}: {SENTENCES[name]}", file=sys.stderr)
                told.update(seen)
                if step % every == 0 or step == steps or pressed or stop:
                    with _names_the_checkpoint(folder, kept):
                        if not all_finite(state):
                            raise ValueError(f"the weights of iteration {step} are not finite, and are not saved")
                    os.fsync(lines.fileno())  # rows first: a checkpoint never runs ahead of them
                    save_state(state, checkpoint, about={"step": step, "config": settings})
                    write_table(folder, rows)
                    kept = step
            if stop:
                raise ValueError(f"stopped after iteration {step}, which is saved in {folder}: {SENTENCES[stop[0]]}")
            yield state, rows[-1]


@contextmanager
def _names_the_checkpoint(folder: Path, kept: int) -> Iterator[None]:
    """Adds to what a loop refuses in its middle where to go on from."""
    try:
        yield
    except ValueError as error:
        if not kept:
            raise
        raise ValueError(
            f"{error}. The checkpoint of iteration {kept} is kept in {folder}: go on from it with --resume"
        ) from error


# ---- the folder --------------------------------------------------------------------------------


def claim(folder: Path, settings: Mapping[str, Any], resume: bool) -> list[Row]:
    """Reserves a folder for a run, and reads the rows of the run that it may hold.

    Args:
      folder: of the run.
      settings: what must not change when a run is resumed.
      resume: go on with the run in the folder.

    Returns:
      The rows of the run to resume; none for a new run.

    Raises:
      ValueError: the folder holds a run, and `resume` is False or the settings differ: change either, or the folder.
    """
    rows = read_metrics(folder) if (folder / "metrics.jsonl").is_file() else []
    if not rows:
        write_atomically(folder / "run.json", (json.dumps(settings, indent=1) + "\n").encode())
        return []
    if not resume:
        raise ValueError(f"{folder} holds a run already: pass --resume (resume=True) to go on, or another folder")
    old = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    none = "missing"
    keys = [key for key in {**old, **settings} if old.get(key, none) != settings.get(key, none)]
    if keys:
        changes = ", ".join(f"{key} was {old.get(key, none)}, now {settings.get(key, none)}" for key in keys)
        raise ValueError(f"{folder} holds a run with other settings ({changes}): set them back, or use another folder")
    return rows


def _line(row: Row) -> str:
    return json.dumps(row) + "\n"  # floats as their repr, so reading gives the same bits


def read_metrics(folder: Path | str) -> list[Row]:
    """The rows of a run, one per iteration; a last line torn by a kill has no newline and is dropped.

    Args:
      folder: of the run.
    """
    lines = (Path(folder) / "metrics.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def write_table(folder: Path, rows: list[Row]) -> None:
    """Writes metrics.csv: one column per metric, in the order of their first appearance.

    Args:
      folder: of the run.
      rows: one per iteration.
    """
    text = io.StringIO()
    table = csv.DictWriter(text, list(dict.fromkeys(key for row in rows for key in row)), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    with suppress(PermissionError):  # on Windows, from a spreadsheet that shows it: the next table has these rows too
        write_atomically(folder / "metrics.csv", text.getvalue().encode())


# ---- Ctrl-C ------------------------------------------------------------------------------------


@contextmanager
def interrupt_waits() -> Iterator[list[bool]]:
    """Postpones Ctrl-C to the end of the block; the list it gives is empty until then. A second Ctrl-C acts at once.

    A train step donates its state, so half an iteration leaves nothing to save: it has to be finished first.
    """
    pressed: list[bool] = []
    before, main = signal.getsignal(signal.SIGINT), threading.current_thread() is threading.main_thread()
    if before is not signal.default_int_handler or not main:  # someone else handles it, or Python can't from here
        return (yield pressed)

    def wait(*_):
        pressed.append(True)
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, wait)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt
