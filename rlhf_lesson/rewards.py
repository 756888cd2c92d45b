"""From the one score of a response to the rewards of its tokens, and to best-of-n curves.
The reward model is in train/reward_model.py, the advantages made of the rewards in `advantages`."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from rlhf_lesson.arrays import Scalar


def kl_shaped_rewards(
    score: Float[Array, ""],
    logp: Float[Array, " time"],
    ref_logp: Float[Array, " time"],
    mask: Bool[Array, " time"],
    *,
    kl_coef: Scalar,
) -> Float[Array, " time"]:
    """Reward of each token of one response: a KL penalty everywhere, plus the score at the end.

        r_t = -beta (log pi(y_t) - log ref(y_t)) + score * [t is the last real token]

    The last token pays its penalty too: the score is added, it replaces nothing. A response
    without real tokens gets zeros, and its score is lost.

    Args:
      score: the reward model's number for the whole response, in reward units.
      logp: log pi(y_t) of the policy that sampled the response, in nats.
      ref_logp: log ref(y_t) of the frozen reference at the same temperature, in nats.
      mask: True on real tokens: a run of True, then a run of False.
      kl_coef: beta, at least 0, in reward units per nat.

    Returns:
      r_t in reward units, 0 on padding. Their sum is score - beta * k1 of the response.

    Source: Ziegler et al. 2019, arXiv:1909.08593, eq. 2; spread over tokens as in
      `compute_rewards` of its released code.
    """
    penalty = kl_coef * (logp - ref_logp)
    is_last = jnp.arange(mask.size) == jnp.sum(mask) - 1
    return jnp.where(mask, -penalty + jnp.where(is_last, score, 0.0), 0.0)


def missing_end_penalty(
    score: Float[Array, "*batch"], has_end: Bool[Array, "*batch"], *, penalty: float
) -> Float[Array, "*batch"]:
    """The score, less a penalty where the response was cut off before its end token.

        score' = score - penalty * [no end token]

    It subtracts, as TRL does. The original code instead *replaces* the score by -1, which makes
    every unfinished response equally bad, and better than a finished one scored below -1.

    Args:
      score: in reward units, one per response.
      has_end: True where the response holds an end token, in its first place too.
      penalty: at least 0, in reward units.

    Returns:
      score', in reward units.

    Source: Stiennon et al. 2020, code of arXiv:2009.01325 (replaces); `missing_eos_penalty` of
      TRL's PPO trainer (subtracts).
    """
    return jnp.where(has_end, score, score - penalty)


def normalise_score(score: Float[Array, "*batch"], mean: Scalar, std: Scalar) -> Float[Array, "*batch"]:
    """Scores in units of their spread on the reference policy's responses.

        score' = (score - mean) / std

    A reward model's zero and scale are arbitrary; this fixes both, so that one KL coefficient means
    the same for two reward models. Measure once, then keep the numbers.

    Args:
      score: any unit.
      mean: mean score of responses sampled from the *reference*, not of the rated ones.
      std: their standard deviation, above 0.

    Returns:
      score', mean 0 and standard deviation 1 on the reference policy.

    Source: Ziegler et al. 2019, arXiv:1909.08593, section 2.1 (unnumbered).
    """
    return (score - mean) / std


def cautious_score(scores: Float[Array, " models *batch"], *, caution: Scalar = 1.0) -> Float[Array, "*batch"]:
    """What an ensemble of reward models dares to say: less where its members disagree.

        mean_k s_k - caution * std_k s_k

    The standard deviation is the population's (divides by the number of models): 0 for a single one.

    Args:
      scores: one row per model, all on one scale (see `normalise_score`).
      caution: at least 0; 0 is the plain mean.

    Returns:
      In reward units, one per response.

    Source: Coste et al. 2024, arXiv:2310.02743 (uncertainty-weighted optimisation), with the
      standard deviation for the variance, so that caution has no unit.
    """
    return jnp.mean(scores, axis=0) - caution * jnp.std(scores, axis=0)


def length_bias(score: Float[Array, " rows"], length: Int[Array, " rows"]) -> Float[Array, ""]:
    """How much a score goes with length: their correlation over many responses.

        sum_i (s_i - mean s)(l_i - mean l) / sqrt( sum_i (s_i - mean s)^2  sum_i (l_i - mean l)^2 )

    Where all scores or all lengths are equal it is 0/0: NaN.

    Args:
      score: s_i, any unit.
      length: l_i, real tokens of each response.

    Returns:
      In [-1, 1]; 0 is no linear relation. Long answers may also be better ones: compare with the
      same correlation of people's ratings.

    Source: Singhal et al. 2024, arXiv:2310.03716 (the question); Pearson 1895 (the measure).
    """
    score, length = score - score[0], length - length[0]  # so equal ones are exactly 0: their float mean may miss them
    score, length = score - jnp.mean(score), length - jnp.mean(length)
    return jnp.sum(score * length) / jnp.sqrt(jnp.sum(score**2) * jnp.sum(length**2))


def best_of_n(scores: Float[Array, " rows"], n: int) -> Int[Array, " prompts"]:
    """The row of the best-scored of each prompt's n responses: the one that best-of-n hands out.

        row_p = argmax_i score_i      over the prompt's rows, n p <= i < n (p + 1)

    Of equal scores the first wins. NaN counts as minus infinity, although argmax takes it for the largest.

    Args:
      scores: in reward units; the n responses to a prompt stand side by side.
      n: responses a prompt, from 1 up.

    Returns:
      Indices into `scores`, one per prompt, in the order of the prompts.

    Raises:
      ValueError: the rows don't fill whole groups of n.

    Source: Nakano et al. 2021, arXiv:2112.09332, section 3.2 (there: rejection sampling).
    """
    if scores.size % n:
        raise ValueError(f"{scores.size} scores don't fill whole groups of {n}: give n responses to every prompt")
    table = scores.reshape(-1, n)
    best = jnp.argmax(jnp.where(jnp.isnan(table), -jnp.inf, table), axis=1)
    return jnp.arange(scores.size // n) * n + best


def best_of_n_estimate(scores: Float[Array, " pool"], values: Float[Array, " pool"], n: int) -> Float[Array, ""]:
    """Expected value of the best-scored of n responses, from one pool of N >= n responses.

        sum_i values_(i) C(i-1, n-1) / C(N, n),      (i): the i-th lowest score of the pool

    The weight is the chance that (i) is the best of n drawn without replacement: all the others
    come from the i-1 below it. It is the average over every subset of size n, so one pool gives the
    whole curve in n. Ties are broken by place in the pool (the later one wins), not shared: if
    scores tie often, shuffle the pool first. A score of NaN is below every number.

    Args:
      scores: what picks, e.g. the proxy reward of each of N independent responses to one prompt.
      values: what is averaged: the scores again, or the gold reward that the proxy stands for.
      n: from 1 (the plain mean) to N (the value at the highest score).

    Returns:
      The estimate, in the unit of `values`; unbiased for best-of-n with fresh draws.

    Raises:
      ValueError: n is not in 1..N; sample a larger pool.

    Source: Nakano et al. 2021, arXiv:2112.09332, appendix I; Hilton and Gao 2022, "Measuring
      Goodhart's law", openai.com/research/measuring-goodharts-law (unnumbered).
    """
    pool = scores.size
    if not 1 <= n <= pool:
        raise ValueError(f"best of {n} needs 1 <= n <= {pool}, the pool's size: sample a larger pool")
    rank = jnp.arange(pool, 1, -1)  # i = N, N-1, ..., 2
    step = jnp.maximum(rank - n, 0) / (rank - 1)  # C(i-2, n-1) / C(i-1, n-1), 0 from i = n down
    weight = jnp.cumprod(jnp.append(n / pool, step))  # from the highest score down
    order = jnp.argsort(jnp.where(jnp.isnan(scores), -jnp.inf, scores))  # argsort alone puts NaN on top
    return jnp.sum(weight * values[order[::-1]])
