"""The rows of a run to TensorBoard or Weights & Biases, for those who have them; train/runs.py writes files of its own."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path


@contextmanager
def tracker(
    track: str | None, folder: Path, settings: Mapping, *, start: int
) -> Iterator[Callable[[Mapping[str, float]], object]]:
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
