"""What has to be settled before JAX starts its chip, and the sentence for each way in which a chip refuses."""

import os
import re
import sys

import jax

from rlhf_lesson import precision

REFUSALS = {
    r"TPU.*in use|libtpu.*in use|[Dd]evice or resource busy": (
        "another process holds the TPU: shut down the other notebook's kernel (in Colab: Runtime > Manage sessions), then"
        " restart this runtime; JAX_PLATFORMS=cpu, set before it starts, computes on the CPU meanwhile"
    ),
    r"RESOURCE_EXHAUSTED|[Oo]ut of memory|OUT_OF_MEMORY|library initialization failed|CUBLAS_STATUS_NOT_INIT": (
        "the memory is full: shut down other kernels and commands that hold it (on a GPU `nvidia-smi` lists them), then"
        " restart this one; or take a smaller batch, or PPO's accumulate=2, which needs less memory for the same gradient"
    ),
}
"""What an error says -> what it means, and what to do."""


def prepare() -> None:
    """Settles, before JAX starts its chip, how products are computed and how a GPU's memory is taken.

    JAX would reserve three quarters of a GPU's memory at its start, and a second notebook or command on the same GPU
    would find too little left. The course's nets need little, so memory is taken as it is needed.
    XLA_PYTHON_CLIENT_PREALLOCATE=true in the environment brings the reservation back: it keeps a large model's memory in one piece.
    """
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # read once, when JAX meets the GPU
    precision.use_float32()


def devices() -> list:
    """The devices that JAX computes on; the first call starts them.

    Raises:
      ValueError: a chip refuses, for example because another process holds it; the message says what to do.
    """
    try:
        return jax.devices()
    except RuntimeError as error:
        first_line = str(error).strip().partition("\n")[0]
        other = (
            f"JAX cannot start its chip ({first_line}): restart the runtime, or set JAX_PLATFORMS=cpu before it starts"
        )
        raise ValueError(advice(error) or other) from error


def advice(error: BaseException | None) -> str | None:
    """What to do about an error that a chip raised: one sentence, or None for any other error.

    Args:
      error: as it was caught.
    """
    if not isinstance(error, RuntimeError):
        return None
    return next((sentence for words, sentence in REFUSALS.items() if re.search(words, str(error))), None)


def advise_in_notebooks() -> None:
    """From here on a notebook prints this advice below the traceback of an error that a chip raised; safe to call again."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None and _advise not in shell.events.callbacks["post_run_cell"]:
        shell.events.register("post_run_cell", _advise)


def _advise(result) -> None:
    if sentence := advice(result.error_in_exec):
        print(f"What to do: {sentence}.")
