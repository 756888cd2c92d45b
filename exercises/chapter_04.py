"""Exercises of chapter 04: write each body, then run `pytest exercises/`, or hand this file in."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from rlhf_lesson.arrays import Scalar


# exercise: bradley_terry_loss
# 10 minutes, difficulty 1 of 3, 5 points
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
    raise NotImplementedError


# exercise: pairwise_accuracy
# 5 minutes, difficulty 1 of 3, 3 points
def pairwise_accuracy(chosen: Float[np.ndarray, " n"], rejected: Float[np.ndarray, " n"]) -> float:
    """Share of pairs in which the chosen response scores higher; an equal score counts half.

    With one policy's responses as `chosen` and another's to the same prompts as `rejected` it is the first one's win rate.

        1/N sum_i [s_chosen > s_rejected] + 1/2 [s_chosen = s_rejected]

    Args:
      chosen: scores of the responses that people chose.
      rejected: scores of the others, in the same order.

    Returns:
      In [0, 1]; 0.5 is a coin flip.

    Raises:
      ValueError: a score is NaN, which is neither higher, lower nor equal: mend the model that gave it.
    """
    raise NotImplementedError


# exercise: normalise_score
# 3 minutes, difficulty 1 of 3, 2 points
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
    raise NotImplementedError


# exercise: calibration
# 20 minutes, difficulty 3 of 3, 5 points
def calibration(
    chosen: Float[np.ndarray, " n"], rejected: Float[np.ndarray, " n"], *, bins: int = 10
) -> list[dict[str, float | int]]:
    """Predicted against observed probability that the higher-scored response was chosen, by bins of equal count.

        predicted = sigmoid(|s_chosen - s_rejected|),      observed = [s_chosen > s_rejected],      each a bin's mean

    Args:
      chosen: scores of the responses that people chose.
      rejected: scores of the others, in the same order.
      bins: pairs are sorted by what is predicted and cut by `np.array_split`; empty bins are left out.

    Returns:
      A row {"predicted", "observed", "count"} a bin, the least sure first. A sound model has the two alike.

    Raises:
      ValueError: a score is NaN: mend the model that gave it.

    Source: Guo et al. 2017, arXiv:1706.04599, section 2 (the reliability diagram).
    """
    raise NotImplementedError


# exercise: length_bias
# 10 minutes, difficulty 2 of 3, 4 points
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
    raise NotImplementedError


# exercise: plackett_luce_loss
# 20 minutes, difficulty 3 of 3, 6 points
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
    raise NotImplementedError


# exercise: cautious_score
# 5 minutes, difficulty 1 of 3, 3 points
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
    raise NotImplementedError


# exercise: last_token_state
# 10 minutes, difficulty 2 of 3, 4 points
def last_token_state(
    states: Float[Array, "batch time dim"], mask: Bool[Array, "batch time"]
) -> Float[Array, "batch dim"]:
    """The state of each row's last real token, which has read the whole row.

        h_b = states_{b, last(b)},      last(b) = max { t : m_{b,t} }

    In a causal model it is the only state that has seen every token: what a probe or a reward head reads. Padding may be on the
    left, the right or both; its states are never read, not even NaN. A row of padding alone gives 0.

    Args:
      states: one per token, of any layer.
      mask: m, True on real tokens.

    Returns:
      In the units of `states`.

    Source: Radford et al. 2018, "Improving language understanding by generative pre-training", section 3.2.
    """
    raise NotImplementedError


# exercise: linear_bradley_terry
# 20 minutes, difficulty 3 of 3, 6 points
def linear_bradley_terry(
    differences: Float[Array, "pairs dim"], *, ridge: Scalar = 1.0, steps: int = 12
) -> Float[Array, " dim"]:
    """The weights of a linear score that make the observed choices most likely, under a penalty: a reward model in closed form.

        s(y) = w . h(y),      d_i = h(chosen_i) - h(rejected_i)

        min_w  L(w) = -sum_i log sigmoid(w . d_i) + ridge / 2 |w|^2

    L is convex, so it has one minimum, and Newton's method gets there in a few steps from w = 0:

        q_i      = sigmoid(-w . d_i)                                        the probability given to the other choice
        gradient = -sum_i q_i d_i + ridge w
        H        = sum_i q_i (1 - q_i) d_i d_i^T + ridge I
        w       <- w - H^-1 gradient

    The losses are summed, not averaged: twice as many pairs weigh twice as much against the penalty. There is no constant term,
    since a constant would be the same for both texts of a pair.

    Args:
      differences: d_i, the features of the chosen text less those of the rejected one; give them a spread near 1.
      ridge: above 0. Without it, or where it is tiny, pairs that a plane can part drive the weights to infinity.
      steps: of Newton's method; 12 is plenty where the ridge is not tiny.

    Returns:
      w: `features @ w` is a score in nats of log-odds.

    Source: Bradley and Terry 1952; with a penalty and Newton's method: Hastie, Tibshirani and Friedman 2009, "The elements of
      statistical learning", section 4.4.
    """
    raise NotImplementedError
