"""RLHF on a small language model, in JAX: every equation a small function, every loop a generator.

Importing the package loads nothing heavy: import the module you need, for example `from rlhf_lesson import losses`. A notebook
begins with `import rlhf_lesson as rl` and `rl.setup()`.
"""

from rlhf_lesson.course.setup import scale, setup

__all__ = ["scale", "setup"]
__version__ = "0.1.0"
