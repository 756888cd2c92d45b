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
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from rlhf_lesson.disk import write_atomically
from rlhf_lesson.models.checkpoint import load_state, save_state
from rlhf_lesson.train.progress import bar

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
      config: the loop's settings, a dataclass or a dict; a resumed run must have the same.
      name: of the loop, for the bar and for run.json.
      every: iterations between checkpoints; the last iteration always gets one.
      resume: go on from the folder's last checkpoint; in a folder without one, start.
      like: a fresh state, for its shapes; None runs one iteration to see them and throws it away.
      track: "tensorboard" or "wandb" logs there too, see `tracker`.
      progress: a bar with the time left, once a run takes over two seconds.

    Returns:
      Pairs: the state, which is the loop's to overwrite (copy what you keep), and the metrics with "seconds".

    Raises:
      ValueError: the folder holds a run and `resume` is off, or one with other settings; says which differ.
    """
    folder = Path(folder)
    settings = {"loop": name, **(config if isinstance(config, Mapping) else asdict(config))}
    settings = json.loads(json.dumps(settings, default=str))  # as the file will give it back: tuples are lists
    state = None
    rows: list[Row] = []
    checkpoint = folder / "state.safetensors"
    old_rows = claim(folder, settings, resume)
    if old_rows and checkpoint.is_file():
        like = next(loop(None))[0] if like is None else like
        state, note = load_state(like, checkpoint)
        rows = [row for row in old_rows if row["step"] <= note["step"]]
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
                state, metrics, *_ = next(iterations, (None, None))
                if metrics is None:
                    return
                rows.append({**metrics, "seconds": round(time.perf_counter() - begin, 3)})
                lines.write(_line(rows[-1]))
                log(rows[-1])
                step, steps = metrics["step"], metrics["steps"]
                if step % every == 0 or step == steps or pressed:
                    os.fsync(lines.fileno())  # rows first: a checkpoint never runs ahead of them
                    save_state(state, checkpoint, about={"step": step, "config": settings})
                    write_table(folder, rows)
            yield state, rows[-1]


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


# ---- Ctrl-C and trackers -----------------------------------------------------------------------


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


@contextmanager
def tracker(track: str | None, folder: Path, settings: dict, *, start: int) -> Iterator[Callable[[Row], object]]:
    """A function that logs one row to TensorBoard or Weights & Biases, which are imported only here.

    wandb stays offline unless WANDB_MODE says otherwise: `wandb sync` uploads the folder later.

    Args:
      track: "tensorboard", "wandb", or None for no tracker.
      folder: of the run.
      settings: shown by the tracker beside the curves.
      start: the last iteration of the run that is resumed, else 0.

    Raises:
      ValueError: the tracker is unknown or not installed.
    """
    if track is None:
        return (yield lambda row: None)
    libraries = {"tensorboard": "tensorboardX", "wandb": "wandb"}
    if track not in libraries:
        raise ValueError(f"no tracker is called {track!r}: use tensorboard, wandb or none")
    try:
        library = import_module(libraries[track])
    except ImportError as error:
        raise ValueError(f'{libraries[track]} is not installed: run pip install "rlhf-lesson[trackers]"') from error
    if track == "tensorboard":
        with library.SummaryWriter(str(folder / "tensorboard"), purge_step=start + 1) as writer:
            yield lambda row: [writer.add_scalar(key, row[key], int(row["step"])) for key in row]
    else:
        mode = os.environ.get("WANDB_MODE", "offline")
        with library.init(project="rlhf-lesson", dir=folder, config=settings, mode=mode) as session:
            yield lambda row: session.log(row, step=int(row["step"]))
