"""The set-up cell's one line, `rl.setup("01_language_model")`: looks at the machine and chooses how much to compute.

Nothing here installs, upgrades or removes a package, because doing so can cost a hosted notebook its TPU.
"""

import glob
import os
import platform
import re
import sys
from importlib.metadata import version
from typing import TypeVar

OLDEST_JAX = "0.7.2"
WITH_SMOLLM2 = ("04", "07", "10")  # the chapters that read with it, where it was fetched
CHIPS = {"TPU": ("/dev/accel[0-9]*", "/dev/vfio/[0-9]*"), "GPU": ("/dev/nvidia[0-9]*",)}
Value = TypeVar("Value")


def numbers(of: str) -> tuple[int, ...]:
    """The three leading numbers of a version, for comparing."""
    return tuple(int(n) for n in re.findall(r"\d+", of)[:3])


def installed() -> dict[str, str]:
    """The versions of Python, jax and flax, on which it depends whether a chapter runs.

    Raises:
      ValueError: jax or flax is missing, or jax is too old; the message says what to do on this host.
    """
    if "google.colab" in sys.modules:
        cure = "choose Runtime > Change runtime type > Runtime version > Latest, then run this cell again"
    else:
        cure = (
            f'install it in an environment of its own (pip install "jax>={OLDEST_JAX}" flax), then restart the kernel'
        )
    try:
        import flax
        import jax
    except ImportError as error:
        raise ValueError(f"{error.name} is not installed: {cure}") from error
    if numbers(jax.__version__) < numbers(OLDEST_JAX):
        raise ValueError(f"jax {jax.__version__} is older than {OLDEST_JAX}, which the course needs: {cure}")
    return {"Python": platform.python_version(), "jax": jax.__version__, "flax": flax.__version__}


def unused_chip() -> str | None:
    """ "TPU" or "GPU" if the machine has one but JAX computes on the CPU although nobody asked for it; else None."""
    import jax

    if jax.default_backend() != "cpu" or os.environ.get("JAX_PLATFORMS", "").startswith("cpu"):
        return None
    return next((chip for chip, files in CHIPS.items() if any(map(glob.glob, files))), None)


def preset() -> str:
    """ "quick" or "full": RLHF_SCALE if it is set, else quick on a CPU and full on an accelerator.

    Raises:
      ValueError: RLHF_SCALE is neither.
    """
    import jax

    chosen = os.environ.get("RLHF_SCALE") or ("quick" if jax.default_backend() == "cpu" else "full")
    if chosen not in ("quick", "full"):
        raise ValueError(f"RLHF_SCALE is {chosen!r}: set it to quick or full, or unset it")
    return chosen


def scale(*, quick: Value, full: Value) -> Value:
    """One of two settings, by the preset: `steps = rl.scale(quick=50, full=1000)`."""
    return {"quick": quick, "full": full}[preset()]


def eta(chapter: str) -> str:
    """A line on how long a chapter computes, from benchmarks/results/chapters.json."""
    import jax

    from rlhf_lesson.view.results import measured

    where = f"on a {jax.default_backend()} at the {preset()} preset"
    try:
        cost = measured("chapters", made_by="chapters.py")[chapter][jax.default_backend()][preset()]
    except (ValueError, KeyError):
        return f"computing time {where}: not measured yet"
    return f"computing time {where}: {cost['seconds']:.0f} s, memory {cost['megabytes']:.0f} MB (measured)"


def exercises(chapter: str) -> list[str]:
    """Two lines: the exercises of this chapter, and the learner's progress in the course."""
    from rlhf_lesson.course import progress
    from rlhf_lesson.course.specs import EXERCISES

    here = [e for e in EXERCISES.values() if e.chapter == int(chapter[:2])]
    names = ", ".join(e.name for e in here)
    todo = [f"exercises: {names} (about {sum(e.minutes for e in here)} minutes)"] if here else []
    return [*todo, f"progress:  {progress.bar(EXERCISES)}"]


def smollm2(chapter: str) -> list[str]:
    """Fetches SmolLM2 for a chapter that reads with it, in Colab and Kaggle; elsewhere a line says how, where it is missing."""
    from rlhf_lesson.data.download import fetch_smollm2_if_possible
    from rlhf_lesson.models.pretrained import smollm2_file

    if chapter[:2] not in WITH_SMOLLM2 or smollm2_file().is_file():
        return []
    if "google.colab" in sys.modules or "KAGGLE_KERNEL_RUN_TYPE" in os.environ:
        fetch_smollm2_if_possible()
        return []
    return ["SmolLM2:   not fetched, so its part is left out; once: python -m rlhf_lesson data fetch --model smollm2"]


def setup(chapter: str | None = None) -> None:
    """Makes a notebook ready and prints stack, device, preset and how long the chapter computes; safe to run again.

    Args:
      chapter: file name without ending, such as "01_language_model"; None for a notebook of your own.

    Raises:
      ValueError: jax is missing or too old, its chip refuses, or RLHF_SCALE is neither quick nor full.
    """
    versions = installed()
    from rlhf_lesson import chips, precision

    chips.prepare()
    chips.advise_in_notebooks()
    found = chips.devices()
    import matplotlib

    from rlhf_lesson.view import plots

    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")  # otherwise it advises installing torch
    matplotlib.rcParams.update(plots.STYLE)
    other = "full" if preset() == "quick" else "quick"
    print(f"rlhf_lesson {version('rlhf-lesson')},", ", ".join(f"{name} {number}" for name, number in versions.items()))
    print(f"device:    {len(found)} x {found[0].device_kind}, {os.cpu_count()} CPU cores")
    if chip := unused_chip():
        print(
            f"warning:   this machine has a {chip} and JAX does not use it: everything runs on the CPU. Shut down any"
        )
        print(
            "           other kernel that holds it. In Colab then choose Runtime > Disconnect and delete runtime, and"
        )
        print("           connect again; elsewhere install jax for it, and restart the kernel.")
    print(f"preset:    {preset()} (for the {other} one, set RLHF_SCALE={other} before the kernel starts)")
    print(
        f"products:  {precision.in_force()} (for speed, set JAX_DEFAULT_MATMUL_PRECISION=bfloat16 before the kernel starts)"
    )
    for line in [eta(chapter), *exercises(chapter), *smollm2(chapter)] if chapter else []:
        print(line)
