"""A loop behind a progress bar: `for state, metrics in bar("SFT", sft.train(...)): ...`.

Checkpoints and logs on disk are in train/runs.py.
"""

from collections.abc import Generator, Iterable, Sequence

from tqdm.auto import tqdm

SHOWN = ("loss", "score", "kl")  # metrics that stand beside the bar, where a loop has them


def bar(
    name: str, steps: Iterable[tuple], *, shown: Sequence[str] = SHOWN, delay: float = 0.0
) -> Generator[tuple, None, None]:
    """What a loop yields, unchanged, with a bar that shows the time left.

    The bar appears after the first step, which compiles, and counts from there: its estimate is truer from then on. A run
    that is resumed in the middle starts its bar in the middle.

    Args:
      name: what is running, as the bar says it.
      steps: tuples of a loop, (state, metrics, ...); where the metrics hold "step" (from 1) and "steps", the bar knows how
        much is done and how much there will be.
      shown: metrics that stand beside the bar, at most four of those that the loop has.
      delay: seconds before the bar appears, so that a short run needs none.
    """
    line = None
    try:
        for count, (state, metrics, *more) in enumerate(steps, start=1):
            step = metrics.get("step", count)
            if line is None:
                total = metrics.get("steps")
                line = tqdm(total=total, initial=step, desc=f"{name:<22}", mininterval=0.5, delay=delay)
            values = {key: f"{metrics[key]:.3f}" for key in [key for key in shown if key in metrics][:4]}
            line.set_postfix(values, refresh=False)
            line.update(step - line.n)
            yield state, metrics, *more
    finally:
        if line is not None:
            line.close()
