"""Each score less the mean of the others in its group: RLOO's advantage."""

import jax.numpy as jnp

from rlhf_lesson.advantages import leave_one_out
from rlhf_lesson.course.exercise import Exercise, Slip
from rlhf_lesson.course.specs.draws_rl import group

# ---- right answers in other words ----------------------------------------------------------------


def others_by_loop(scores):
    rows = []
    for i in range(len(scores)):
        rows.append(scores[i] - jnp.mean(jnp.delete(scores, i)))
    return jnp.array(rows)


def others_by_factor(scores):
    return (scores - scores.mean()) * (scores.size / (scores.size - 1))


def others_by_matrix(scores):
    size = scores.size
    return (jnp.eye(size) - (1 - jnp.eye(size)) / (size - 1)) @ scores


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="leave_one_out",
    minutes=10,
    difficulty=1,
    points=4,
    reference=leave_one_out,
    cases={
        "plain numbers": group,
        "each of two is compared with the other": lambda rng: group(rng, size=2),
        "equal scores teach nothing": lambda rng: group(rng, equal=True),
    },
    slips=(
        Slip(
            "the mean of all",
            "The baseline must not see response i: leave it out.",
            lambda scores: scores - jnp.mean(scores),
        ),
        Slip(
            "divided by all", "The others are G - 1.", lambda scores: scores - (jnp.sum(scores) - scores) / scores.size
        ),
        Slip(
            "the sum of the others", "Their mean: divide by G - 1.", lambda scores: scores - (jnp.sum(scores) - scores)
        ),
        Slip(
            "itself is not left out",
            "Take r_i out of the sum as well.",
            lambda scores: scores - jnp.sum(scores) / (scores.size - 1),
        ),
        Slip(
            "the sign is wrong",
            "The score less the baseline.",
            lambda scores: (jnp.sum(scores) - scores) / (scores.size - 1) - scores,
        ),
        Slip(
            "the baseline alone",
            "The score less the baseline.",
            lambda scores: (jnp.sum(scores) - scores) / (scores.size - 1),
        ),
        Slip(
            "divided by the spread",
            "Not scaled: that is `group_advantages`.",
            lambda scores: leave_one_out(scores) / (jnp.std(scores) + 1e-4),
        ),
        Slip("the median", "The mean of the others.", lambda scores: scores - jnp.median(scores)),
        Slip("the best of all", "The mean of the others.", lambda scores: scores - jnp.max(scores)),
        Slip("only the neighbour", "All the others count.", lambda scores: scores - jnp.roll(scores, 1)),
    ),
    hints=(
        "What would the others have got on average?",
        "The sum of the others is the sum of all less one's own. How many are they?",
        "scores - (jnp.sum(scores) - scores) / (scores.size - 1)",
    ),
    right_answers=(others_by_loop, others_by_factor, others_by_matrix),
)
