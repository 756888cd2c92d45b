"""One strength for each item from who beat whom: the Bradley-Terry model of paired comparison.
The loss of models that read the items' text is `losses.bradley_terry_loss`."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rlhf_lesson.arrays import Scalar


def win_probability(score_a: Float[Array, "*batch"], score_b: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """Chance that a is preferred to b.

        P(a beats b) = exp(s_a) / (exp(s_a) + exp(s_b)) = sigmoid(s_a - s_b)

    Args:
      score_a: s_a, a log-strength or a reward model's score.
      score_b: s_b; only the difference matters.

    Returns:
      In [0, 1]; a lead of 1 gives 0.73, of 2 gives 0.88.

    Source: Bradley and Terry 1952, "Rank analysis of incomplete block designs I", section 2.
    """
    return jax.nn.sigmoid(score_a - score_b)


def bradley_terry_strengths(
    wins: Float[Array, "items items"], *, steps: int = 500, prior: float = 0.1
) -> Float[Array, " items"]:
    """The log-strengths that make the observed wins most likely.

        max_s  sum_ij w_ij log sigmoid(s_i - s_j)  +  prior sum_i log[ sigmoid(s_i) sigmoid(-s_i) ]

        p_i <- (sum_j w_ij + prior) / (sum_j n_ij / (p_i + p_j) + 2 prior / (p_i + 1)),
               p = exp(s),   n_ij = w_ij + w_ji      (each step raises the likelihood)

    The prior gives each item `prior` imaginary wins and as many losses against one of strength 0.
    With prior = 0 the answer is finite only where every item can be reached from every other by a
    chain of wins: an item that has won nothing goes to -inf, one that played nothing gives NaN.

    Args:
      wins: w_ij, how often i beat j; half a win each for a tie. The diagonal does not matter.
      steps: iterations. 500 is plenty where most pairs have met; a long chain needs more.
      prior: at least 0, in games. 0 is plain maximum likelihood (what `choix` finds at alpha = 0).

    Returns:
      s_i, mean 0, in nats of log-odds (1 nat is about 174 Elo points).

    Source: Zermelo 1929; Hunter 2004, "MM algorithms for generalized Bradley-Terry models", eq. 3;
      the prior: Newman 2023, "Efficient computation of rankings from pairwise comparisons".
    """
    games = wins + wins.T
    won = jnp.sum(wins, axis=1)

    def step(_, strength):
        expected = jnp.sum(games / (strength[:, None] + strength[None, :]), axis=1)
        return (won + prior) / (expected + 2.0 * prior / (strength + 1.0))

    score = jnp.log(jax.lax.fori_loop(0, steps, step, jnp.ones_like(won)))
    return score - jnp.mean(score)


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

    def step(_, w):
        other = jax.nn.sigmoid(-differences @ w)
        gradient = -other @ differences + ridge * w
        curvature = (differences * (other * (1.0 - other))[:, None]).T @ differences + ridge * jnp.eye(len(w))
        return w - jnp.linalg.solve(curvature, gradient)

    return jax.lax.fori_loop(0, steps, step, jnp.zeros(differences.shape[1]))
