"""The one order of this package's wings: a module may import from its own wing and from those before it, never from a later one.

README, docs, the test of imports and the grader's list of what an answer may use all read it from here. Modules of one wing may
import each other, but never in a circle.
"""

EQUATIONS = ("arrays", "logprobs", "kl", "rewards", "advantages", "losses", "bradley_terry", "agreement", "transformer")
"""What a student writes: pure functions of arrays, one step from the root. They know JAX and jaxtyping, and nothing random."""

ORDER = {
    "": "the equations, and the few lines that every wing needs",
    "models": "GPT-2 and Llama with their heads, sampling, tokenizers, models on disk",
    "data": "what people said of texts, and the way from there to what a loop takes",
    "view": "plots, the report, committed results",
    "train": "one loop per file, and what loops share",
    "study": "whole experiments: the chain of stages, the demo, sweeps",
    "widgets": "what students move with their hands",
    "course": "exercises, checks, progress",
    "grading": "the judge for a class of untrusted answers",
}

FOR_ANSWERS = ("", "models", "data", "view", "train", "study")
"""What an answer under judgement may import: nothing that holds exercises, widgets or the judge."""


def wing(module: str) -> str:
    """The wing of a module: "data" for "rlhf_lesson.data.feedback", "" for "rlhf_lesson.kl"."""
    first = module.split(".")[1] if "." in module else ""
    return first if first in ORDER else ""
