"""Exercises of chapter 05: distances from the reference, the optimum in closed form, best-of-n.

Leaves out the simulator of the chapter, which only draws these.
"""

from functools import partial
from math import comb

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson import kl
from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.rewards import best_of_n, best_of_n_estimate

# ---- distances -----------------------------------------------------------------------------------


def distribution(rng, size: int, *, never: int | None = None) -> np.ndarray:
    """Log-probabilities of all outcomes; `never` is one that cannot occur."""
    odds = np.exp(rng.normal(size=size))
    if never is not None:
        odds[never] = 0.0
    with np.errstate(divide="ignore"):
        return np.log(odds / odds.sum()).astype(np.float32)


def two_distributions(rng, *, never=None, ref_never=None) -> Case:
    size = int(rng.choice([5, 8]))
    return Case((distribution(rng, size, never=never), distribution(rng, size, never=ref_never)))


def the_same_twice(rng) -> Case:
    return Case((distribution(rng, 5),) * 2)


EXACT_KL = Exercise(
    name="exact_kl",
    chapter=5,
    minutes=10,
    difficulty=2,
    points=5,
    reference=kl.exact_kl,
    cases={
        "plain numbers": two_distributions,
        "a distribution is at distance 0 from itself": the_same_twice,
        "an outcome that the policy never takes adds 0": lambda rng: two_distributions(rng, never=2),
        "one that neither takes adds 0": lambda rng: two_distributions(rng, never=1, ref_never=1),
        "one that only the policy takes makes it infinite": lambda rng: two_distributions(rng, ref_never=0),
    },
    slips=(
        Slip(
            "the arguments are swapped", "This is KL(ref || pi): weigh with the policy.", lambda p, q: kl.exact_kl(q, p)
        ),
        Slip(
            "the sign is wrong",
            "It is log pi - log ref, and the KL is never negative.",
            lambda p, q: -kl.exact_kl(p, q),
        ),
        Slip("a mean in place of a sum", "Sum over the outcomes.", lambda p, q: kl.exact_kl(p, q) / p.size),
        Slip(
            "not weighted",
            "Each log-ratio counts as often as the policy takes that outcome: times exp(logp).",
            lambda p, q: jnp.sum(p - q),
        ),
        Slip("weighted with log-probabilities", "Weigh with exp(logp), not logp.", lambda p, q: jnp.sum(p * (p - q))),
        Slip(
            "weighted with the reference",
            "The expectation is over the policy's outcomes.",
            lambda p, q: jnp.sum(jnp.exp(q) * (p - q)),
        ),
        Slip(
            "the entropy is missing",
            "This is the cross-entropy -sum pi log ref: log pi belongs in it too.",
            lambda p, q: -jnp.sum(jnp.exp(p) * q),
        ),
        Slip("bits in place of nats", "Use the natural logarithm.", lambda p, q: kl.exact_kl(p, q) / jnp.log(2.0)),
        Slip(
            "0 times infinity",
            "0 * -inf is NaN: set the log-ratio to 0 where logp is -inf, before you multiply.",
            lambda p, q: jnp.sum(jnp.exp(p) * (p - q)),
        ),
        Slip(
            "infinity is hidden",
            "What the reference never does costs infinitely much: put no floor under its log-probability.",
            lambda p, q: kl.exact_kl(p, jnp.maximum(q, jnp.log(1e-10))),
        ),
    ),
    hints=(
        "An average under the policy of log pi - log ref, over all outcomes.",
        "Weights are jnp.exp(logp). 0 * -inf is NaN: use jnp.where(jnp.isneginf(logp), 0.0, ...) for the log-ratio.",
        "jnp.sum(jnp.exp(logp) * jnp.where(jnp.isneginf(logp), 0.0, logp - ref_logp))",
    ),
)


def sampled_tokens(rng, *, gap: float = 0.0) -> Case:
    """Log-probabilities of the same tokens under two models; `gap` nats more under the second."""
    shape = [(6,), (2, 4)][rng.integers(2)]
    logp, ref_logp = -rng.gamma(2.0, 1.0, (2, *shape))
    return Case(((logp - gap).astype(np.float32), ref_logp.astype(np.float32)))


def equal_tokens(rng) -> Case:
    return Case((sampled_tokens(rng).args[0],) * 2)


K1 = Exercise(
    name="k1",
    chapter=5,
    minutes=5,
    difficulty=1,
    points=3,
    reference=kl.k1,
    cases={
        "plain numbers": sampled_tokens,
        "it is negative where the reference finds the token likelier": lambda rng: sampled_tokens(rng, gap=9.0),
        "equal log-probabilities give 0": equal_tokens,
    },
    slips=(
        Slip("the arguments are swapped", "This estimates minus the KL: log pi comes first.", lambda p, q: q - p),
        Slip(
            "the absolute value",
            "Single estimates may be negative; only their mean may not.",
            lambda p, q: jnp.abs(p - q),
        ),
        Slip("the ratio in place of its log", "d is the difference of the logs.", lambda p, q: jnp.exp(p - q)),
        Slip("probabilities in place of logs", "Leave the logs as they are.", lambda p, q: jnp.exp(p) - jnp.exp(q)),
        Slip(
            "weighted with the policy",
            "The tokens are sampled already: only the exact sum has weights.",
            lambda p, q: jnp.exp(p) * (p - q),
        ),
        Slip("reduced to one number", "One estimate a token: the caller takes the mean.", lambda p, q: jnp.mean(p - q)),
        Slip("summed over time", "One estimate a token: the caller takes the sum.", lambda p, q: jnp.sum(p - q, -1)),
    ),
    hints=(
        "The simplest of the three: the log of the ratio itself.",
        "d = log pi(y) - log ref(y). Nothing is averaged.",
        "logp - ref_logp",
    ),
)

K2 = Exercise(
    name="k2",
    chapter=5,
    minutes=5,
    difficulty=1,
    points=3,
    reference=kl.k2,
    cases={
        "plain numbers": sampled_tokens,
        "far from the reference it grows as a square": lambda rng: sampled_tokens(rng, gap=9.0),
        "equal log-probabilities give 0": equal_tokens,
    },
    slips=(
        Slip("the half is missing", "Half the square: that fits the KL near 0.", lambda p, q: (p - q) ** 2),
        Slip("the half is inside the square", "Square first, then halve.", lambda p, q: ((p - q) / 2) ** 2),
        Slip("the square is missing", "d is squared.", lambda p, q: 0.5 * (p - q)),
        Slip("the absolute value", "The square of d, not its size.", lambda p, q: 0.5 * jnp.abs(p - q)),
        Slip(
            "the ratio in place of its log",
            "Square the log-ratio, not ratio - 1.",
            lambda p, q: 0.5 * jnp.expm1(p - q) ** 2,
        ),
        Slip(
            "a difference of squares",
            "Take the difference first, then square it.",
            lambda p, q: 0.5 * (p**2 - q**2),
        ),
        Slip("the sign is wrong", "It is a distance: never negative.", lambda p, q: -0.5 * (p - q) ** 2),
        Slip("reduced to one number", "One estimate a token.", lambda p, q: 0.5 * jnp.mean((p - q) ** 2)),
    ),
    hints=(
        "A parabola in the log-ratio.",
        "With d = logp - ref_logp: half its square.",
        "0.5 * (logp - ref_logp) ** 2",
    ),
)

K3 = Exercise(
    name="k3",
    chapter=5,
    minutes=10,
    difficulty=2,
    points=4,
    reference=kl.k3,
    cases={
        "plain numbers": sampled_tokens,
        "equal log-probabilities give 0": equal_tokens,
        "a token that the reference finds far likelier is not clipped": lambda rng: sampled_tokens(rng, gap=14.0),
    },
    slips=(
        Slip(
            "the arguments are swapped",
            "exp(-d): the ratio in it is ref over pi, since pi has sampled.",
            lambda p, q: kl.k3(q, p),
        ),
        Slip("the 1 is missing", "exp(-d) - 1 + d is 0 at d = 0.", lambda p, q: jnp.exp(q - p) + p - q),
        Slip("d is missing", "exp(-d) - 1 alone has mean 0: d makes it an estimate.", lambda p, q: jnp.expm1(q - p)),
        Slip("d is taken away", "exp(-d) - 1 + d: never negative.", lambda p, q: jnp.expm1(q - p) - (p - q)),
        Slip("exp of +d", "exp(-d) - 1 + d: the signs differ.", lambda p, q: jnp.expm1(p - q) + (p - q)),
        Slip("the sign is wrong", "It is a distance: never negative.", lambda p, q: -kl.k3(p, q)),
        Slip("reduced to one number", "One estimate a token.", lambda p, q: jnp.mean(kl.k3(p, q))),
        Slip(
            "the log-ratio is clipped",
            "The estimator has no clip; a loss may have one.",
            lambda p, q: kl.k3(jnp.clip(p - q, -10.0, 10.0), jnp.zeros_like(q)),
        ),
    ),
    hints=(
        "k1 plus something whose mean is 0 under the policy, chosen so that the sum is never negative.",
        "E[ref / pi] is 1, so ref / pi - 1 has mean 0; and ref / pi = exp(-d).",
        "With d = logp - ref_logp: jnp.expm1(-d) + d",
    ),
)

# ---- the optimum in closed form ------------------------------------------------------------------


def scored(rng, *, never=None, scale: float = 1.0, **coefficients) -> Case:
    """All outcomes of a reference, and a score of each."""
    size = int(rng.choice([5, 7]))
    score = scale * rng.normal(1.0, 1.0, size)
    return Case((distribution(rng, size, never=never), score.astype(np.float32)), coefficients)


def beta(rng) -> float:
    return float(rng.uniform(0.2, 0.8))


TILTED_POLICY = Exercise(
    name="tilted_policy",
    chapter=5,
    minutes=10,
    difficulty=2,
    points=5,
    reference=kl.tilted_policy,
    cases={
        "plain numbers": lambda rng: scored(rng, kl_coef=beta(rng)),
        "a large beta stays at the reference": lambda rng: scored(rng, kl_coef=1e6),
        "what the reference never does stays impossible": lambda rng: scored(rng, never=1, kl_coef=beta(rng)),
        "a small beta does not overflow": lambda rng: scored(rng, scale=30.0, kl_coef=0.05),
    },
    slips=(
        Slip("not normalised", "Divide by Z: jax.nn.log_softmax does.", lambda q, r, *, kl_coef: q + r / kl_coef),
        Slip(
            "multiplied by beta",
            "A small beta must trust the score more: divide by it.",
            lambda q, r, *, kl_coef: jax.nn.log_softmax(q + kl_coef * r),
        ),
        Slip(
            "the score is taken away",
            "A high score must be likelier, not rarer.",
            lambda q, r, *, kl_coef: jax.nn.log_softmax(q - r / kl_coef),
        ),
        Slip(
            "the log is missing",
            "Log-probabilities are asked for.",
            lambda q, r, *, kl_coef: jax.nn.softmax(q + r / kl_coef),
        ),
        Slip(
            "the reference is ignored",
            "exp(r / beta) multiplies ref(v).",
            lambda q, r, *, kl_coef: jax.nn.log_softmax(r / kl_coef),
        ),
        Slip(
            "beta divides the reference too",
            "Only the score is divided by beta.",
            lambda q, r, *, kl_coef: jax.nn.log_softmax((q + r) / kl_coef),
        ),
        Slip("beta is ignored", "r / beta.", lambda q, r, *, kl_coef: jax.nn.log_softmax(q + r)),
        Slip(
            "normalised too early",
            "Z sums ref exp(r / beta), not exp(r / beta) alone.",
            lambda q, r, *, kl_coef: q + jax.nn.log_softmax(r / kl_coef),
        ),
        Slip(
            "the exponential overflows",
            "exp(200) is no float32: take the largest away first, as jax.nn.log_softmax does.",
            lambda q, r, *, kl_coef: q + r / kl_coef - jnp.log(jnp.sum(jnp.exp(q + r / kl_coef))),
        ),
    ),
    hints=(
        "Take the logarithm of the equation: a product becomes a sum, and Z a subtraction.",
        "log pi* = log ref + r / beta - log Z, where Z makes the probabilities sum to 1.",
        "jax.nn.log_softmax(ref_logp + score / kl_coef)",
    ),
)

# ---- best of n -----------------------------------------------------------------------------------

KL_BOUND = Exercise(
    name="best_of_n_kl_bound",
    chapter=5,
    minutes=5,
    difficulty=1,
    points=3,
    reference=kl.best_of_n_kl_bound,
    cases={
        "plain numbers": lambda rng: Case((int(rng.integers(2, 40)),)),
        "best of one stays at the reference": lambda rng: Case((1,)),
        "a large n": lambda rng: Case((int(rng.integers(1000, 5000)),)),
    },
    slips=(
        Slip("the second part is missing", "log n - (n - 1) / n.", lambda n: jnp.log(float(n))),
        Slip("the second part is added", "log n - (n - 1) / n.", lambda n: jnp.log(float(n)) + (n - 1) / n),
        Slip("bits in place of nats", "The natural logarithm.", lambda n: jnp.log2(float(n)) - (n - 1) / n),
        Slip("off by one", "(n - 1) / n, not n / (n + 1).", lambda n: jnp.log(float(n)) - n / (n + 1)),
        Slip("1 / n is taken away", "(n - 1) / n is 1 - 1 / n.", lambda n: jnp.log(float(n)) - 1 / n),
        Slip("the log is missing", "log n grows slowly: that is why best-of-n is safe.", lambda n: n - (n - 1.0) / n),
        Slip("the sign is wrong", "A distance is never negative.", lambda n: (n - 1) / n - jnp.log(float(n))),
    ),
    hints=(
        "Two terms in n: one grows, the other stays below 1.",
        "The natural logarithm of n, less (n - 1) / n.",
        "jnp.log(n) - (n - 1) / n",
    ),
)


def selected(ref_logp, score, n, *, worst=False, below=True, more=0, by_place=False, in_order=False):
    """pi_n by the plain formula, with a switch for each slip; right at the defaults unless an outcome cannot occur."""
    p, score, n = jnp.exp(ref_logp), -score if worst else score, n + more
    if by_place:
        score = jnp.argsort(jnp.argsort(score)).astype(jnp.float32)
    upto = jnp.sum(jnp.where(score[None] <= score[:, None], 1.0, 0.0) * p[None], 1)
    tie = jnp.sum(jnp.where(score[None] == score[:, None], 1.0, 0.0) * p[None], 1)
    out = jnp.log(p / tie * (upto**n - (upto - tie) ** n * below))
    return out[jnp.argsort(score)] if in_order else out


def drawn(rng, *, n: int | None = None, never=None, ties: str = "") -> Case:
    ref_logp, score = scored(rng, never=never).args
    if ties:
        score = np.full_like(score, 0.5) if ties == "all" else rng.permutation(np.arange(score.size) // 2).astype("f")
    return Case((ref_logp, score, int(rng.choice([2, 3, 5])) if n is None else n))


BEST_OF_N_LOGPROBS = Exercise(
    name="best_of_n_logprobs",
    chapter=5,
    minutes=25,
    difficulty=3,
    points=8,
    reference=kl.best_of_n_logprobs,
    cases={
        "plain numbers": drawn,
        "outcomes that tie share their chance as the reference does": lambda rng: drawn(rng, ties="some"),
        "if all tie, nothing changes": lambda rng: drawn(rng, ties="all"),
        "best of one is the reference": lambda rng: drawn(rng, n=1),
        "what the reference never does stays impossible": lambda rng: drawn(rng, never=1),
    },
    slips=(
        Slip(
            "the log is missing",
            "Log-probabilities are asked for.",
            lambda q, s, n: jnp.exp(kl.best_of_n_logprobs(q, s, n)),
        ),
        Slip("the worst is kept", "F(s) = P(score <= s) is large for a high score.", partial(selected, worst=True)),
        Slip(
            "the lower part is missing", "F(s)^n - F(s-)^n: the best is s and not less.", partial(selected, below=False)
        ),
        Slip("one draw too few", "The power is n.", partial(selected, more=-1)),
        Slip("one draw too many", "The power is n.", partial(selected, more=1)),
        Slip(
            "the density's formula",
            "n ref F^(n-1) holds for continuous scores: here an outcome has a chance of its own.",
            lambda q, s, n: jnp.log(float(n)) + q + (n - 1) * jnp.log((s[None] <= s[:, None]) @ jnp.exp(q)),
        ),
        Slip(
            "the best-scored outcome only",
            "A poor outcome is kept where all n draws were poor: only n = infinity is certain of the best.",
            lambda q, s, n: jnp.where(s == jnp.max(s), 0.0, -jnp.inf),
        ),
        Slip(
            "the scores tilt it",
            "Only the order of the scores matters here, not their size: that is `tilted_policy`.",
            lambda q, s, n: jax.nn.log_softmax(q + (n - 1) * s),
        ),
        Slip(
            "left in the order of the scores",
            "Put each probability back at its outcome's place.",
            partial(selected, in_order=True),
        ),
        Slip("ties are broken by place", "Equal scores share: F counts them all.", partial(selected, by_place=True)),
        Slip(
            "0 divided by 0",
            "An impossible outcome has tie(s) = 0: divide by a tiny number at least, the log-probability stays -inf.",
            selected,
        ),
    ),
    hints=(
        "The best of n is at most s if all n draws are: F(s)^n. What is the chance that it is exactly s?",
        "F(s)^n - F(s-)^n; outcomes that tie at s share it as ref(v) / tie(s). Two comparison tables give F and tie.",
        "upto = (score <= score[:, None]) @ p; tie = (score == score[:, None]) @ p;"
        " ref_logp - log(tie) + log(upto**n - (upto - tie)**n), with tie kept above 0",
    ),
)

BEST_OF_N_KL = Exercise(
    name="best_of_n_kl",
    chapter=5,
    minutes=10,
    difficulty=2,
    points=4,
    reference=kl.best_of_n_kl,
    cases={
        "plain numbers": drawn,
        "ties make it smaller": lambda rng: drawn(rng, ties="some"),
        "if all tie, it is 0": lambda rng: drawn(rng, ties="all"),
        "an outcome that cannot occur adds 0": lambda rng: drawn(rng, never=1),
    },
    slips=(
        Slip(
            "the arguments are swapped",
            "Best-of-n is the policy here, and comes first.",
            lambda q, s, n: kl.exact_kl(q, kl.best_of_n_logprobs(q, s, n)),
        ),
        Slip(
            "the bound in its place", "The bound knows neither ref nor ties.", lambda q, s, n: kl.best_of_n_kl_bound(n)
        ),
        Slip("log n in its place", "log n is more than any best-of-n can move.", lambda q, s, n: jnp.log(float(n))),
        Slip(
            "averaged under the reference",
            "The expectation is over what best-of-n hands out.",
            lambda q, s, n: jnp.sum(jnp.exp(q) * (kl.best_of_n_logprobs(q, s, n) - q)),
        ),
        Slip("the sign is wrong", "A distance is never negative.", lambda q, s, n: -kl.best_of_n_kl(q, s, n)),
        Slip(
            "a mean in place of a sum",
            "Sum over all outcomes.",
            lambda q, s, n: kl.best_of_n_kl(q, s, n) / q.size,
        ),
        Slip("one draw too few", "The power is n.", lambda q, s, n: kl.best_of_n_kl(q, s, n - 1)),
        Slip("the worst is kept", "The highest score wins.", lambda q, s, n: kl.best_of_n_kl(q, -s, n)),
        Slip(
            "ties are broken by place",
            "Equal scores share their chance.",
            lambda q, s, n: kl.exact_kl(selected(q, s, n, by_place=True), q),
        ),
        Slip(
            "0 times infinity",
            "0 * -inf is NaN: use `exact_kl`.",
            lambda q, s, n: jnp.sum(jnp.exp(kl.best_of_n_logprobs(q, s, n)) * (kl.best_of_n_logprobs(q, s, n) - q)),
        ),
    ),
    hints=(
        "You have written both halves already.",
        "Which of the two distributions has sampled? That one comes first in `exact_kl`.",
        "exact_kl(best_of_n_logprobs(ref_logp, score, n), ref_logp)",
    ),
)


def pool(rng, *, size: int = 7, n: int | None = None, same: bool = False) -> Case:
    """Scores without ties, and values that go with them loosely."""
    scores = (rng.permutation(size) + rng.uniform(0.1, 0.9, size)).astype(np.float32)
    values = scores if same else (0.3 * scores + rng.normal(size=size)).astype(np.float32)
    return Case((scores, values, int(rng.integers(2, size - 2)) if n is None else n))


def from_pool(scores, values, n, *, by=None, of=None, worst=False, again=False, shift=0):
    """The weighted sum over the sorted pool, with a switch for each slip; the right one at the defaults."""
    size = scores.size
    rank = np.arange(1, size + 1)
    weight = np.array([comb(int(i) - 1 + shift, n - 1) / comb(size, n) for i in rank])
    if again:
        weight = (rank / size) ** n - ((rank - 1) / size) ** n
    order = jnp.argsort(scores if by is None else (scores, values)[by])
    total = (values if of is None else (scores, values)[of])[order[::-1] if worst else order]
    return jnp.sum(total * weight.astype(np.float32))


BEST_OF_N_ESTIMATE = Exercise(
    name="best_of_n_estimate",
    chapter=5,
    minutes=20,
    difficulty=3,
    points=7,
    reference=best_of_n_estimate,
    cases={
        "plain numbers": pool,
        "a score can be judged by itself": lambda rng: pool(rng, size=6, same=True),
        "best of one is the plain mean": lambda rng: pool(rng, n=1),
        "best of all is the value at the highest score": lambda rng: pool(rng, n=7),
        "a pool of sixty": lambda rng: pool(rng, size=60, n=int(rng.choice([4, 16]))),
    },
    slips=(
        Slip(
            "drawn with replacement",
            "Subsets of the pool have no response twice: C(i-1, n-1) / C(N, n), else the estimate is biased.",
            partial(from_pool, again=True),
        ),
        Slip("sorted by the values", "The scores pick; the values are only read off.", partial(from_pool, by=1)),
        Slip(
            "the values are not sorted along",
            "values_(i) belongs to the i-th lowest score: values[jnp.argsort(scores)].",
            lambda s, v, n: from_pool(jnp.arange(s.size, dtype=s.dtype), v, n),
        ),
        Slip("the scores are averaged", "The values are asked for.", partial(from_pool, of=0)),
        Slip("the worst of n", "The weights grow with the rank.", partial(from_pool, worst=True)),
        Slip("off by one", "i - 1 responses lie below the i-th: C(i-1, n-1).", partial(from_pool, shift=1)),
        Slip(
            "only the first n are looked at",
            "Average over every subset of the pool: the same samples say much more.",
            lambda s, v, n: v[jnp.argmax(s[:n])],
        ),
        Slip(
            "the mean of the n best",
            "One of n is kept, not n of the pool.",
            lambda s, v, n: jnp.mean(v[jnp.argsort(s)[-n:]]),
        ),
        Slip("the best of the whole pool", "Best of n, not of N.", lambda s, v, n: v[jnp.argmax(s)]),
        Slip(
            "split into groups of n",
            "Unbiased, but noisy: average over every subset, not over a few.",
            lambda s, v, n: jnp.mean(v[best_of_n(s[: s.size // n * n], n)]),
        ),
    ),
    hints=(
        "Sort the pool by score. In how many subsets of size n is the i-th lowest the best?",
        "All the others come from the i - 1 below it: C(i-1, n-1) of the C(N, n) subsets.",
        "weights = [comb(i - 1, n - 1) / comb(N, n) for i in 1..N]; sum(weights * values[jnp.argsort(scores)])",
    ),
)


def groups(rng, *, n: int | None = None, shift: float = 0.0, ties: bool = False) -> Case:
    n = int(rng.choice([3, 4])) if n is None else n
    scores = rng.normal(shift, 1.0, 5 * n)
    return Case(((np.round(scores) if ties else scores).astype(np.float32), n))


BEST_OF_N = Exercise(
    name="best_of_n",
    chapter=5,
    minutes=5,
    difficulty=1,
    points=4,
    reference=best_of_n,
    cases={
        "plain numbers": groups,
        "all scores may be negative": lambda rng: groups(rng, shift=-9.0),
        "of equal scores the first wins": lambda rng: groups(rng, n=8, ties=True),
        "best of one is every row": lambda rng: groups(rng, n=1),
    },
    slips=(
        Slip(
            "the place in the group", "Add the group's first row, n * p.", lambda s, n: jnp.argmax(s.reshape(-1, n), 1)
        ),
        Slip("the worst is kept", "argmax, not argmin.", lambda s, n: best_of_n(-s, n)),
        Slip(
            "groups lie across",
            "A prompt's responses are neighbours: reshape(-1, n), and take the best along axis 1.",
            lambda s, n: jnp.argmax(s.reshape(n, -1), 0) * (s.size // n) + jnp.arange(s.size // n),
        ),
        Slip("the wrong axis", "The best of each row: axis 1.", lambda s, n: jnp.argmax(s.reshape(-1, n), 0)),
        Slip("the score in place of the row", "argmax, not max.", lambda s, n: jnp.max(s.reshape(-1, n), 1)),
        Slip("one for all prompts", "One row for each prompt.", lambda s, n: jnp.argmax(s)),
        Slip("off by one", "Rows are counted from 0.", lambda s, n: best_of_n(s, n) + 1),
        Slip(
            "the last of equal scores",
            "jnp.argmax takes the first.",
            lambda s, n: (s.size - 1 - best_of_n(s[::-1], n))[::-1],
        ),
    ),
    hints=(
        "Put the scores into a table with one row a prompt.",
        "jnp.argmax(table, axis=1) is a place within its group: where does the group begin?",
        "jnp.arange(scores.size // n) * n + jnp.argmax(scores.reshape(-1, n), axis=1)",
    ),
)

EXERCISES = (
    EXACT_KL,
    K1,
    K2,
    K3,
    TILTED_POLICY,
    KL_BOUND,
    BEST_OF_N_LOGPROBS,
    BEST_OF_N_KL,
    BEST_OF_N_ESTIMATE,
    BEST_OF_N,
)
