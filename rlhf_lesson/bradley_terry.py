"""One strength for each item from who beat whom: the Bradley-Terry model of paired comparison.
The loss of models that read the items' text is `losses.bradley_terry_loss`."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


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
