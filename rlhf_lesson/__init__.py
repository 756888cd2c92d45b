"""RLHF on a small language model, in JAX: every equation a small function, every loop a generator.

Importing the package loads nothing heavy: import the module you need, for example `from rlhf_lesson import losses`.
"""

__version__ = "0.1.0"
