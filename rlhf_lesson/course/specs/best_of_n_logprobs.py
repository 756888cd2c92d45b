"""The exact distribution of the best of n draws from a reference.

Equal scores share their chance as the reference does, and an outcome that cannot occur makes 0 divided by 0 in the plain formula.
"""

from math import factorial

import jax
import jax.numpy as jnp

from rlhf_lesson import kl
from rlhf_lesson.course.exercise import Exercise, Slip
from rlhf_lesson.course.specs.draws_rl import outcomes_and_n

# ---- slips ---------------------------------------------------------------------------------------


def shares(ref_logp, score):
    """For each outcome: the chance of a score that is at most its own, and that of a score equal to its own."""
    p = jnp.exp(ref_logp)
    upto = jnp.sum(jnp.where(score[None] <= score[:, None], p[None], 0.0), axis=1)
    tie = jnp.sum(jnp.where(score[None] == score[:, None], p[None], 0.0), axis=1)
    return upto, tie


def plain_formula(ref_logp, score, n):
    """The formula as it is written: right where every outcome can occur."""
    upto, tie = shares(ref_logp, score)
    return jnp.log(jnp.exp(ref_logp) / tie * (upto**n - (upto - tie) ** n))


def without_the_lower_part(ref_logp, score, n):
    """The chance that the best is at most s, in place of exactly s."""
    upto, tie = shares(ref_logp, score)
    return jnp.log(jnp.exp(ref_logp) / tie * upto**n)


def ties_by_place(ref_logp, score, n):
    """Of equal scores the later one wins."""
    return plain_formula(ref_logp, jnp.argsort(jnp.argsort(score)), n)


# ---- right answers in other words ----------------------------------------------------------------


def best_of_n_by_tables(ref_logp, score, n):
    p = jnp.exp(ref_logp)
    upto = (score[None] <= score[:, None]) @ p
    below = (score[None] < score[:, None]) @ p
    tie = jnp.maximum(upto - below, 1e-30)
    gain = jnp.where(p > 0.0, (upto**n - below**n) / tie, 1.0)
    return ref_logp + jnp.log(gain)


def best_of_n_by_sum_of_powers(ref_logp, score, n):
    p = jnp.exp(ref_logp)
    upto = jax.vmap(lambda s: jnp.sum(jnp.where(score <= s, p, 0.0)))(score)
    below = jax.vmap(lambda s: jnp.sum(jnp.where(score < s, p, 0.0)))(score)
    return ref_logp + jnp.log(sum(upto**j * below ** (n - 1 - j) for j in range(n)))  # (F^n - F-^n) / (F - F-)


def best_of_n_by_place_of_the_winner(ref_logp, score, n):
    p = jnp.exp(ref_logp)

    def one(s):
        level, below = jnp.sum(p * (score == s)), jnp.sum(p * (score < s))
        winners = 0.0
        for k in range(1, n + 1):  # k of n draws reach s and tie there, the rest lie below
            ways = factorial(n) / factorial(k) / factorial(n - k)
            winners = winners + ways * level ** (k - 1) * below ** (n - k)
        return winners

    return ref_logp + jnp.log(jax.lax.map(one, score))


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="best_of_n_logprobs",
    minutes=25,
    difficulty=3,
    points=8,
    reference=kl.best_of_n_logprobs,
    cases={
        "plain numbers": outcomes_and_n,
        "outcomes that tie share their chance as the reference does": lambda rng: outcomes_and_n(rng, ties="some"),
        "if all tie, nothing changes": lambda rng: outcomes_and_n(rng, ties="all"),
        "best of one is the reference": lambda rng: outcomes_and_n(rng, n=1),
        "what the reference never does stays impossible": lambda rng: outcomes_and_n(rng, never=1),
    },
    slips=(
        Slip(
            "the log is missing",
            "Log-probabilities are asked for.",
            lambda ref_logp, score, n: jnp.exp(kl.best_of_n_logprobs(ref_logp, score, n)),
        ),
        Slip(
            "the worst is kept",
            "F(s) = P(score <= s) is large for a high score.",
            lambda ref_logp, score, n: plain_formula(ref_logp, -score, n),
        ),
        Slip("the lower part is missing", "F(s)^n - F(s-)^n: the best is s and not less.", without_the_lower_part),
        Slip("one draw too few", "The power is n.", lambda ref_logp, score, n: plain_formula(ref_logp, score, n - 1)),
        Slip("one draw too many", "The power is n.", lambda ref_logp, score, n: plain_formula(ref_logp, score, n + 1)),
        Slip(
            "the density's formula",
            "n ref F^(n-1) holds for continuous scores: here an outcome has a chance of its own.",
            lambda ref_logp, score, n: (
                jnp.log(float(n)) + ref_logp + (n - 1) * jnp.log((score[None] <= score[:, None]) @ jnp.exp(ref_logp))
            ),
        ),
        Slip(
            "the best-scored outcome only",
            "A poor outcome is kept where all n draws were poor: only n = infinity is certain of the best.",
            lambda ref_logp, score, n: jnp.where(score == jnp.max(score), 0.0, -jnp.inf),
        ),
        Slip(
            "the scores tilt it",
            "Only the order of the scores matters here, not their size: that is `tilted_policy`.",
            lambda ref_logp, score, n: jax.nn.log_softmax(ref_logp + (n - 1) * score),
        ),
        Slip(
            "left in the order of the scores",
            "Put each probability back at its outcome's place.",
            lambda ref_logp, score, n: plain_formula(ref_logp, score, n)[jnp.argsort(score)],
        ),
        Slip("ties are broken by place", "Equal scores share: F counts them all.", ties_by_place),
        Slip(
            "0 divided by 0",
            "An impossible outcome has tie(s) = 0: divide by a tiny number at least, the log-probability stays -inf.",
            plain_formula,
        ),
    ),
    hints=(
        "The best of n is at most s if all n draws are: F(s)^n. What is the chance that it is exactly s?",
        "F(s)^n - F(s-)^n; outcomes that tie at s share it as ref(v) / tie(s). Two comparison tables give F and tie.",
        "upto = (score <= score[:, None]) @ p; tie = (score == score[:, None]) @ p;"
        " ref_logp - log(tie) + log(upto**n - (upto - tie)**n), with tie kept above 0",
    ),
    right_answers=(best_of_n_by_tables, best_of_n_by_sum_of_powers, best_of_n_by_place_of_the_winner),
)
