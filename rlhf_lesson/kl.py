"""How far a policy has moved from its reference: exact, estimated, and in closed form.
The reward that pays for the distance is `rewards.kl_shaped_rewards`."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from rlhf_lesson.arrays import Scalar


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


def adaptive_kl_coef(kl_coef: Scalar, kl: Scalar, *, target: float, horizon: float, episodes: int) -> Float[Array, ""]:
    """The next KL coefficient: up when the policy is beyond the target, down when it is nearer.

        error = clip(KL / target - 1, -0.2, 0.2)
        beta' = beta (1 + error * episodes / horizon)       once per rollout

    Args:
      kl_coef: beta, the present coefficient, above 0, in reward units per nat.
      kl: mean over responses of the KL summed over their tokens, in nats per response.
      target: the KL to hold, above 0, in nats per response.
      horizon: episodes over which an error of 0.1 moves beta by about a tenth.
      episodes: responses in this rollout, fewer than 5 * horizon.

    Returns:
      beta', above 0.

    Raises:
      ValueError: episodes >= 5 * horizon, where one step could make beta 0 or negative: raise horizon.

    Source: Ziegler et al. 2019, arXiv:1909.08593, section 2.2; its K_beta is episodes / horizon.
    """
    if episodes >= 5 * horizon:
        raise ValueError(f"a horizon of {horizon} is too short for {episodes} episodes: raise it above episodes / 5")
    error = jnp.clip(kl / target - 1.0, -0.2, 0.2)
    return kl_coef * (1.0 + error * episodes / horizon)


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
