"""The exact KL of best-of-n from its reference, in nats: two functions that are written already, in the right order."""

import jax.numpy as jnp

from rlhf_lesson import kl
from rlhf_lesson.course.exercise import Exercise, Slip
from rlhf_lesson.course.specs.best_of_n_logprobs import (
    best_of_n_by_place_of_the_winner,
    best_of_n_by_sum_of_powers,
    best_of_n_by_tables,
    ties_by_place,
)
from rlhf_lesson.course.specs.draws_rl import outcomes_and_n
from rlhf_lesson.course.specs.exact_kl import exact_kl_by_loop, exact_kl_by_scan, exact_kl_by_vmap

# ---- right answers in other words ----------------------------------------------------------------


def best_of_n_kl_of(logprobs, exact_kl):
    """The answer that these two functions make."""
    return lambda ref_logp, score, n: exact_kl(logprobs(ref_logp, score, n), ref_logp)


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="best_of_n_kl",
    minutes=10,
    difficulty=2,
    points=4,
    reference=kl.best_of_n_kl,
    cases={
        "plain numbers": outcomes_and_n,
        "ties make it smaller": lambda rng: outcomes_and_n(rng, ties="some"),
        "if all tie, it is 0": lambda rng: outcomes_and_n(rng, ties="all"),
        "an outcome that cannot occur adds 0": lambda rng: outcomes_and_n(rng, never=1),
    },
    slips=(
        Slip(
            "the arguments are swapped",
            "Best-of-n is the policy here, and comes first.",
            lambda ref_logp, score, n: kl.exact_kl(ref_logp, kl.best_of_n_logprobs(ref_logp, score, n)),
        ),
        Slip(
            "the bound in its place",
            "The bound knows neither ref nor ties.",
            lambda ref_logp, score, n: kl.best_of_n_kl_bound(n),
        ),
        Slip(
            "log n in its place",
            "log n is more than any best-of-n can move.",
            lambda ref_logp, score, n: jnp.log(float(n)),
        ),
        Slip(
            "averaged under the reference",
            "The expectation is over what best-of-n hands out.",
            lambda ref_logp, score, n: jnp.sum(
                jnp.exp(ref_logp) * (kl.best_of_n_logprobs(ref_logp, score, n) - ref_logp)
            ),
        ),
        Slip(
            "the sign is wrong",
            "A distance is never negative.",
            lambda ref_logp, score, n: -kl.best_of_n_kl(ref_logp, score, n),
        ),
        Slip(
            "a mean in place of a sum",
            "Sum over all outcomes.",
            lambda ref_logp, score, n: kl.best_of_n_kl(ref_logp, score, n) / ref_logp.size,
        ),
        Slip("one draw too few", "The power is n.", lambda ref_logp, score, n: kl.best_of_n_kl(ref_logp, score, n - 1)),
        Slip(
            "the worst is kept",
            "The highest score wins.",
            lambda ref_logp, score, n: kl.best_of_n_kl(ref_logp, -score, n),
        ),
        Slip(
            "ties are broken by place",
            "Equal scores share their chance.",
            lambda ref_logp, score, n: kl.exact_kl(ties_by_place(ref_logp, score, n), ref_logp),
        ),
        Slip(
            "0 times infinity",
            "0 * -inf is NaN: use `exact_kl`.",
            lambda ref_logp, score, n: jnp.sum(
                jnp.exp(kl.best_of_n_logprobs(ref_logp, score, n))
                * (kl.best_of_n_logprobs(ref_logp, score, n) - ref_logp)
            ),
        ),
    ),
    hints=(
        "You have written both halves already.",
        "Which of the two distributions has sampled? That one comes first in `exact_kl`.",
        "exact_kl(best_of_n_logprobs(ref_logp, score, n), ref_logp)",
    ),
    right_answers=(
        best_of_n_kl_of(best_of_n_by_tables, exact_kl_by_vmap),
        best_of_n_kl_of(best_of_n_by_sum_of_powers, exact_kl_by_loop),
        best_of_n_kl_of(best_of_n_by_place_of_the_winner, exact_kl_by_scan),
    ),
)
