"""The price of a response that was cut off before its end token, taken from its score."""

import jax.numpy as jnp
import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.draws_rl import numbers
from rlhf_lesson.rewards import missing_end_penalty


def finished_or_not(rng: np.random.Generator, *, mean: float = 0.0, ends: bool | None = None) -> Case:
    """Six scores, whether each response has its end token (`ends` for all), and the penalty."""
    has_end = np.arange(6) % 2 == rng.integers(2) if ends is None else np.full(6, ends)
    return Case((numbers(rng, 6, mean=mean), has_end), {"penalty": float(rng.uniform(0.5, 3.0))})


# ---- right answers in other words ----------------------------------------------------------------


def end_by_product(score, has_end, *, penalty):
    return score - penalty * ~has_end


def end_by_select(score, has_end, *, penalty):
    return jnp.select([has_end], [score], score - penalty)


def end_by_loop(score, has_end, *, penalty):
    return jnp.stack([s - jnp.where(e, 0.0, penalty) for s, e in zip(score, has_end, strict=True)])


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="missing_end_penalty",
    minutes=5,
    difficulty=1,
    points=3,
    reference=missing_end_penalty,
    cases={
        "plain numbers": finished_or_not,
        "low scores are lowered too": lambda rng: finished_or_not(rng, mean=-8.0),
        "finished responses keep their scores": lambda rng: finished_or_not(rng, ends=True),
        "all may be cut off": lambda rng: finished_or_not(rng, ends=False),
    },
    slips=(
        Slip(
            "the finished pay",
            "The penalty is for a *missing* end token.",
            lambda score, has_end, penalty: jnp.where(has_end, score - penalty, score),
        ),
        Slip("all pay", "Only where the end token is missing.", lambda score, has_end, penalty: score - penalty),
        Slip(
            "a bonus",
            "Take the penalty away.",
            lambda score, has_end, penalty: jnp.where(has_end, score, score + penalty),
        ),
        Slip(
            "the score is replaced",
            "Here the penalty is subtracted: of two unfinished responses the better one stays better.",
            lambda score, has_end, penalty: jnp.where(has_end, score, -penalty),
        ),
        Slip(
            "the score is replaced by -1",
            "That is the original code's way; here the penalty is subtracted.",
            lambda score, has_end, penalty: jnp.where(has_end, score, -1.0),
        ),
        Slip(
            "the score is lost",
            "Keep it, less the penalty.",
            lambda score, has_end, penalty: jnp.where(has_end, score, 0.0),
        ),
        Slip(
            "multiplied",
            "Subtract; a product turns round below 0.",
            lambda score, has_end, penalty: jnp.where(has_end, score, score * penalty),
        ),
        Slip(
            "a bonus for the end as well",
            "Finished responses keep their scores as they are.",
            lambda score, has_end, penalty: jnp.where(has_end, score + penalty, score - penalty),
        ),
    ),
    hints=(
        "Two kinds of response: which scores change?",
        "jnp.where(condition, if true, if false) chooses for each response.",
        "jnp.where(has_end, score, score - penalty)",
    ),
    right_answers=(end_by_product, end_by_select, end_by_loop),
)
