"""Solutions of chapter 09: the library's own functions."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rlhf_lesson.arrays import Scalar
from rlhf_lesson.losses import bradley_terry_loss


# exercise: dpo_loss
# 15 minutes, difficulty 2 of 3, 7 points
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


# exercise: leave_one_out
# 10 minutes, difficulty 1 of 3, 4 points
def leave_one_out(scores: Float[Array, " group"]) -> Float[Array, " group"]:
    """RLOO's advantage of each response to one prompt: its score less the mean of the others'.

        A_i = r_i - 1/(G-1) sum_{j != i} r_j

    The baseline does not see response i, so the policy gradient stays unbiased.

    Args:
      scores: r_i of the G >= 2 responses to one prompt, in reward units.

    Returns:
      A_i in reward units; they sum to 0. Where all scores are equal each is exactly 0.

    Raises:
      ValueError: the group has one response; sample at least two for each prompt.

    Source: Kool et al. 2019, "Buy 4 REINFORCE samples, get a baseline for free!"; Ahmadian et al.
      2024, arXiv:2402.14740.
    """
    group = scores.size
    if group < 2:
        raise ValueError("leave_one_out compares a response with others: sample at least two")
    shifted = scores - scores[0]  # so equal scores give exactly 0, which whitening would otherwise blow up
    return shifted - (jnp.sum(shifted) - shifted) / (group - 1)


# exercise: group_advantages
# 10 minutes, difficulty 2 of 3, 5 points
def group_advantages(scores: Float[Array, " group"], *, eps: float = 1e-4) -> Float[Array, " group"]:
    """GRPO's advantage of each response to one prompt: its score against the group's.

        A_i = (r_i - mean(r)) / (std(r) + eps)

    The standard deviation is the population's (divides by G; TRL and Tunix divide by G - 1). A
    group whose scores are all equal teaches nothing: A = 0 exactly. A group of one likewise.

    Args:
      scores: r_i of the G responses to one prompt, in reward units.
      eps: keeps a nearly constant group from being blown up, in reward units, above 0.

    Returns:
      A_i, without unit; every token of response i gets this one number.

    Source: Shao et al. 2024, arXiv:2402.03300, section 4.1.2 (unnumbered).
    """
    shifted = scores - scores[0]  # so equal scores are exactly 0: their float mean may miss them
    centred = shifted - jnp.mean(shifted)
    return centred / (jnp.std(shifted) + eps)
