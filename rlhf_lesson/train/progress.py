"""A loop behind a progress bar: `for state, metrics in bar("SFT", sft.train(...)): ...`.

Checkpoints and logs on disk are in train/runs.py.
"""

from collections.abc import Iterable, Iterator

from tqdm.auto import tqdm

SHOWN = ("loss", "score", "kl")  # metrics that stand beside the bar, where a loop has them


def bar(name: str, steps: Iterable[tuple]) -> Iterator[tuple]:
    """What a loop yields, unchanged, with a bar that shows the time left.

    The bar appears after the first step, which compiles: its estimate is truer from then on.

    Args:
      name: what is running, as the bar says it.
      steps: tuples of a loop, (state, metrics, ...); the metrics hold "steps", how many there will be.
    """
    shown = None
    try:
        for state, metrics, *more in steps:
            shown = shown or tqdm(total=metrics["steps"], desc=f"{name:<22}", mininterval=0.5)
            shown.set_postfix({k: f"{metrics[k]:.3f}" for k in SHOWN if k in metrics}, refresh=False)
            shown.update()
            yield state, metrics, *more
    finally:
        if shown is not None:
            shown.close()
