"""The losses of every stage, each minimised, none reduced: the caller chooses mask and mean.
What the losses weigh is in `advantages` and `rewards`; the models that make the inputs are in models/."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from rlhf_lesson.arrays import Scalar
from rlhf_lesson.logprobs import token_logprobs


def cross_entropy_loss(
    logits: Float[Array, "*batch time vocab"], targets: Int[Array, "*batch time"]
) -> Float[Array, "*batch time"]:
    """Surprise of each target token: the loss of pretraining and supervised fine-tuning.

        L_t = -log p(target_t)

    Nothing is shifted or masked: logits at t predict targets at t.

    Args:
      logits: any float type.
      targets: ids in [0, vocab).

    Returns:
      float32, at least 0, in nats per token; log(vocab) for a uniform guess.

    Source: Shannon 1948, "A mathematical theory of communication", section 6; the SFT loss of
      Ouyang et al. 2022, arXiv:2203.02155, section 3.1.
    """
    return -token_logprobs(logits, targets)


def bradley_terry_loss(
    chosen_score: Float[Array, "*batch"],
    rejected_score: Float[Array, "*batch"],
    *,
    margin: float | Float[Array, "*batch"] = 0.0,
) -> Float[Array, "*batch"]:
    """Surprise of one human choice between two responses: the reward model's loss.

        L = -log sigmoid(s_chosen - s_rejected - margin)

    A constant added to both scores changes nothing. Never overflows, unlike log(1 + exp(-x)).

    Args:
      chosen_score: score of the response that the rater preferred.
      rejected_score: score of the other one.
      margin: lead that the chosen one should have, at least 0, in score units; larger where the
        rater was surer. 0 is the Bradley-Terry likelihood.

    Returns:
      At least 0, in nats per pair; log 2 where the scores are equal and the margin 0.

    Source: Ouyang et al. 2022, arXiv:2203.02155, eq. 1; with a margin, Touvron et al. 2023,
      arXiv:2307.09288, eq. 2.
    """
    return -jax.nn.log_sigmoid(chosen_score - rejected_score - margin)


def plackett_luce_loss(scores: Float[Array, " k"], ranking: Int[Array, " k"]) -> Float[Array, ""]:
    """Surprise of one human ranking of k responses: best of all, best of the rest, and so on.

        L = -sum_j [ s_(j) - log sum_{i >= j} exp s_(i) ],      (j): the j-th best

    With k = 2 it is `bradley_terry_loss`. The last place is no choice and adds 0.

    Args:
      scores: the reward model's score of each response, in the order of the responses.
      ranking: ranking[j] is the index of the j-th best response: a permutation of 0..k-1.

    Returns:
      At least 0, in nats per ranking; log(k!) where all scores are equal.

    Source: Plackett 1975, "The analysis of permutations"; Rafailov et al. 2023, arXiv:2305.18290,
      appendix A.3.
    """
    ordered = scores[ranking]
    rest = jax.lax.cumlogsumexp(ordered, reverse=True)  # log-sum of what is still to be placed
    return jnp.sum(rest - ordered)


def policy_gradient_loss(logp: Float[Array, "*shape"], advantages: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """A number whose gradient is the policy gradient of each sampled token (REINFORCE).

        L_t = -log pi(y_t) A_t,      no gradient through A

    Its value means nothing: only its gradient, on samples of the present policy, does.

    Args:
      logp: log pi(y_t) of sampled tokens, in nats.
      advantages: A_t; above 0 makes the token likelier.

    Returns:
      One number per token, not masked.

    Source: Williams 1992, "Simple statistical gradient-following algorithms", eq. 4.
    """
    return -logp * jax.lax.stop_gradient(advantages)


def ppo_clip_loss(
    logp: Float[Array, "*shape"],
    old_logp: Float[Array, "*shape"],
    advantages: Float[Array, "*shape"],
    *,
    clip: float = 0.2,
) -> Float[Array, "*shape"]:
    """The policy gradient, switched off once a token's probability has moved far enough.

        ratio = exp(log pi(y_t) - log pi_old(y_t))
        L_t   = max( -A_t ratio, -A_t clip(ratio, 1 - clip, 1 + clip) )

    At ratio 1 its gradient is that of `policy_gradient_loss`. Beyond the clip, on the side that A
    asks for, it is 0; on the other side a mistake can still be undone. Log-probabilities on padding
    must be finite: masking the loss afterwards does not stop a NaN gradient. A log-ratio above 60
    nats counts as 60: its exponential would overflow, and 0 times infinity is NaN.

    Args:
      logp: log pi(y_t) of the policy in training, in nats.
      old_logp: the same of the policy that sampled, a constant.
      advantages: A_t, a constant.
      clip: half-width of the ratio's free range, in (0, 1).

    Returns:
      One number per token, not masked.

    Source: Schulman et al. 2017, arXiv:1707.06347, eq. 7.
    """
    ratio = jnp.exp(jnp.minimum(logp - jax.lax.stop_gradient(old_logp), 60.0))
    advantages = jax.lax.stop_gradient(advantages)
    return jnp.maximum(-advantages * ratio, -advantages * jnp.clip(ratio, 1.0 - clip, 1.0 + clip))


def value_clip_loss(
    values: Float[Array, "*shape"],
    old_values: Float[Array, "*shape"],
    returns: Float[Array, "*shape"],
    *,
    clip: float = 0.2,
) -> Float[Array, "*shape"]:
    """The critic's squared error, switched off once a value has moved far towards its target.

        V_clip = V_old + clip(V - V_old, -clip, clip)
        L_t    = max( (V - G)^2, (V_clip - G)^2 ) / 2

    Args:
      values: V, the critic's guess now, in reward units.
      old_values: V_old, its guess during the rollout: the clip is around this, not around G.
      returns: G, the target: unwhitened advantage plus V_old.
      clip: in reward units, above 0; infinity gives the plain squared error.

    Returns:
      One number per token, not masked.

    Source: `loss` in the released code of Ziegler et al. 2019, arXiv:1909.08593; Huang et al. 2024,
      arXiv:2403.17031.
    """
    clipped = old_values + jnp.clip(values - old_values, -clip, clip)
    return 0.5 * jnp.maximum((values - returns) ** 2, (clipped - returns) ** 2)


def dpo_loss(
    chosen_logp: Float[Array, "*batch"],
    rejected_logp: Float[Array, "*batch"],
    ref_chosen_logp: Float[Array, "*batch"],
    ref_rejected_logp: Float[Array, "*batch"],
    *,
    kl_coef: Scalar,
) -> Float[Array, "*batch"]:
    """Bradley-Terry with the policy as its own reward model: learns from pairs without sampling.

        s(y) = beta (log pi(y) - log ref(y))
        L    = -log sigmoid( s(chosen) - s(rejected) )

    Never overflows, however far apart the responses are.

    Args:
      chosen_logp: log pi of the preferred response: the *sum* over its tokens, in nats.
      rejected_logp: the same of the other response.
      ref_chosen_logp: log ref of the preferred response, a constant.
      ref_rejected_logp: log ref of the other response, a constant.
      kl_coef: beta, above 0, in reward units per nat.

    Returns:
      At least 0, in nats per pair; log 2 wherever the policy equals the reference.

    Source: Rafailov et al. 2023, arXiv:2305.18290, eq. 7.
    """
    chosen_score = kl_coef * (chosen_logp - jax.lax.stop_gradient(ref_chosen_logp))
    rejected_score = kl_coef * (rejected_logp - jax.lax.stop_gradient(ref_rejected_logp))
    return bradley_terry_loss(chosen_score, rejected_score)
