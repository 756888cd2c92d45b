"""Solutions of chapter 05: the library's own functions."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from rlhf_lesson.arrays import Scalar


# exercise: exact_kl
# 10 minutes, difficulty 2 of 3, 5 points
def exact_kl(logp: Float[Array, " vocab"], ref_logp: Float[Array, " vocab"]) -> Float[Array, ""]:
    """KL of the policy from the reference, summed over every outcome.

        KL(pi || ref) = sum_v pi_v (log pi_v - log ref_v)

    An outcome the policy never takes adds 0; one that only the policy takes makes the KL infinite.

    Args:
      logp: log pi_v of one distribution, normalised, in nats; -inf allowed.
      ref_logp: log ref_v, likewise.

    Returns:
      At least 0 up to rounding, in nats.

    Source: Kullback and Leibler 1951, eq. 2.4.
    """
    log_ratio = jnp.where(jnp.isneginf(logp), 0.0, logp - ref_logp)
    return jnp.sum(jnp.exp(logp) * log_ratio)


# exercise: k1
# 5 minutes, difficulty 1 of 3, 3 points
def k1(logp: Float[Array, "*shape"], ref_logp: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The plain estimator of KL(pi || ref): unbiased, noisy, and often negative for single samples.

        k1 = d,      d = log pi(y) - log ref(y),      y sampled from pi

    Args:
      logp: log-probability, in nats, of tokens that this policy, pi, has sampled. Swapping the two
        arguments estimates minus KL(pi || ref), which is no KL at all.
      ref_logp: log-probability of the same tokens under the reference.

    Returns:
      One estimate per token, in nats; its mean over samples of pi is the KL. As a *loss* it is
      useless: its expected gradient is 0. Put it in the reward.

    Source: Schulman 2020, "Approximating KL divergence", joschu.net/blog/kl-approx.html, k1.
    """
    return logp - ref_logp


# exercise: k2
# 5 minutes, difficulty 1 of 3, 3 points
def k2(logp: Float[Array, "*shape"], ref_logp: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The squared estimator of KL(pi || ref): never negative, biased, good for small distances.

        k2 = d^2 / 2,      d = log pi(y) - log ref(y),      y sampled from pi

    Args:
      logp, ref_logp: as in `k1`, in the same order.

    Returns:
      One estimate per token, in nats. As a loss on fresh samples it has, per token, the gradient of
      that token's KL. Summed over a response it is not the gradient of the response's KL: it
      ignores that a token changes which tokens follow, and so the KL still to come.

    Source: Schulman 2020, as k1.
    """
    return 0.5 * (logp - ref_logp) ** 2


# exercise: k3
# 10 minutes, difficulty 2 of 3, 4 points
def k3(logp: Float[Array, "*shape"], ref_logp: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The low-variance estimator of KL(pi || ref): unbiased and never negative.

        k3 = exp(-d) - 1 + d,      d = log pi(y) - log ref(y),      y sampled from pi

    Computed with expm1: near d = 0 the plain form loses every digit in float32. Where the reference
    finds a token far likelier than the policy does, exp(-d) is huge, and is not clipped here.

    Args:
      logp, ref_logp: as in `k1`, in the same order.

    Returns:
      One estimate per token, in nats; its mean over samples of pi is the KL, its gradient is not.

    Source: Schulman 2020, as k1; Shao et al. 2024, arXiv:2402.03300, eq. 4.
    """
    log_ratio = logp - ref_logp
    return jnp.expm1(-log_ratio) + log_ratio


# exercise: tilted_policy
# 10 minutes, difficulty 2 of 3, 5 points
def tilted_policy(
    ref_logp: Float[Array, " vocab"], score: Float[Array, " vocab"], *, kl_coef: Scalar
) -> Float[Array, " vocab"]:
    """The policy that RLHF is looking for: the best of all for expected score minus the KL penalty.

        pi*(v) = ref(v) exp(r(v) / beta) / Z
        pi*    = argmax_pi  E_pi[r] - beta KL(pi || ref)

    What the reference never does (-inf) this policy never does either. A small beta never overflows,
    and where scores tie the reference decides: the best score is subtracted first, so that a large
    score / beta cannot swallow log ref.

    Args:
      ref_logp: log ref(v) over all outcomes, in nats.
      score: r(v), in reward units; only differences matter.
      kl_coef: beta, above 0, in reward units per nat: large stays at the reference.

    Returns:
      log pi*(v), normalised, in nats.

    Source: Rafailov et al. 2023, arXiv:2305.18290, eq. 4.
    """
    possible = ~jnp.isneginf(ref_logp)
    best = jnp.max(score, where=possible, initial=-jnp.inf)
    lead = jnp.where(possible, score - best, 0.0)  # at most 0
    return jax.nn.log_softmax(ref_logp + lead / kl_coef)


# exercise: best_of_n
# 5 minutes, difficulty 1 of 3, 4 points
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


# exercise: best_of_n_kl_bound
# 5 minutes, difficulty 1 of 3, 3 points
def best_of_n_kl_bound(n: int | Int[Array, ""]) -> Float[Array, ""]:
    """The most that best-of-n can move away from the reference.

        KL(best-of-n || ref) <= log n - (n - 1) / n

    Nearly reached where every outcome is rare and no scores tie, else too large; 0 for n = 1.

    Args:
      n: draws of which the best is kept, from 1 up.

    Returns:
      In nats per response.

    Source: Stiennon et al. 2020, arXiv:2009.01325, appendix G.3; as a bound, Beirami et al. 2024.
    """
    count = jnp.asarray(n, jnp.float32)
    return jnp.log(count) - (count - 1.0) / count


# exercise: best_of_n_logprobs
# 25 minutes, difficulty 3 of 3, 8 points
def best_of_n_logprobs(
    ref_logp: Float[Array, " vocab"], score: Float[Array, " vocab"], n: int | Int[Array, ""]
) -> Float[Array, " vocab"]:
    """The policy that draws n outcomes from the reference and keeps the one with the highest score.

        F(s) = P(score <= s),   F(s-) = P(score < s),   tie(s) = F(s) - F(s-)
        pi_n(v) = ref(v) / tie(s) * [F(s)^n - F(s-)^n],      s = score(v)

    With t = tie / F the code computes ref F^(n-1) (1 - (1-t)^n) / t: it subtracts no near-equals.

    Args:
      ref_logp: log ref(v) over all outcomes, normalised, in nats; -inf allowed.
      score: any unit; only the order and the ties matter. NaN is below every number.
      n: draws of which the best is kept, from 1 up; 1 gives the reference back.

    Returns:
      log pi_n(v), normalised up to rounding, in nats.

    Source: Beirami et al. 2024, arXiv:2401.01879, section 2, here with ties.
    """
    score = jnp.where(jnp.isnan(score), -jnp.inf, score)
    level = jnp.searchsorted(jnp.sort(score), score)  # outcomes that tie have the same level
    tie = jnp.zeros_like(ref_logp).at[level].add(jnp.exp(ref_logp))
    above = jnp.append(jax.lax.cumsum(tie, reverse=True)[1:], 0.0)[level]  # 1 - F(s)
    upto = jnp.cumsum(tie)[level]  # F(s)
    tiny = jnp.finfo(ref_logp.dtype).tiny
    log_upto = jnp.where(above < 0.5, jnp.log1p(-above), jnp.log(jnp.maximum(upto, tiny)))
    share = jnp.clip(tie[level] / jnp.maximum(upto, tiny), tiny, 1.0)  # t
    log_boost = jnp.log(-jnp.expm1(n * jnp.log1p(-share))) - jnp.log(share)
    return ref_logp + (n - 1) * log_upto + log_boost


# exercise: best_of_n_kl
# 10 minutes, difficulty 2 of 3, 4 points
def best_of_n_kl(
    ref_logp: Float[Array, " vocab"], score: Float[Array, " vocab"], n: int | Int[Array, ""]
) -> Float[Array, ""]:
    """Exact KL of best-of-n from the reference, summed over every outcome.

        KL(pi_n || ref),      pi_n from `best_of_n_logprobs`

    0 where n = 1 or where all scores tie; never above `best_of_n_kl_bound(n)`.

    Args:
      ref_logp, score, n: as in `best_of_n_logprobs`.

    Returns:
      In nats per response.

    Source: Beirami et al. 2024, arXiv:2401.01879, section 3.
    """
    return exact_kl(best_of_n_logprobs(ref_logp, score, n), ref_logp)


# exercise: best_of_n_estimate
# 20 minutes, difficulty 3 of 3, 7 points
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
