"""What is counted on finished models, texts and runs: accuracy, calibration, diversity, scores at equal KL, causality, intervals.

Training never reads these numbers; people do.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from scipy.special import stdtrit


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
    if np.isnan(chosen).any() or np.isnan(rejected).any():
        raise ValueError("a score is NaN, so its pair has no order: mend the model that gave it")
    return float(np.mean((chosen > rejected) + 0.5 * (chosen == rejected)))


def explained_variance(
    returns: Float[Array, "*shape"], values: Float[Array, "*shape"], mask: Bool[Array, "*shape"]
) -> Float[Array, ""]:
    """How much of the returns' variance a critic foresees.

        1 - var(returns - values) / var(returns)        over the real tokens

    Args:
      returns: what came, score units.
      values: what the critic said before.
      mask: True on real tokens.

    Returns:
      At most 1; 0 for a critic that knows the mean alone, or where there is no real token; below 0 for one that misleads.
    """
    spread, missed = jnp.var(returns, where=mask), jnp.var(returns - values, where=mask)
    return jnp.where(mask.any(), 1.0 - missed / jnp.maximum(spread, 1e-8), 0.0)


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
    margin = np.asarray(chosen) - np.asarray(rejected)
    if np.isnan(margin).any():
        raise ValueError("a score is NaN, so its pair has no order: mend the model that gave it")
    probability = 1 / (1 + np.exp(-np.abs(margin)))
    order = np.array_split(np.argsort(probability), bins)
    return [
        {"predicted": float(probability[i].mean()), "observed": float((margin[i] > 0).mean()), "count": len(i)}
        for i in order
        if len(i)
    ]


def distinct(texts: Sequence[str], n: int = 2) -> float:
    """Distinct n-grams of words over all n-grams (Li et al. 2016, arXiv:1510.03055): low when texts repeat each other."""
    grams = Counter(g for t in texts for g in zip(*(t.split()[i:] for i in range(n)), strict=False))
    return len(grams) / max(1, sum(grams.values()))


def smooth(values: Sequence[float] | Float[np.ndarray, " points"], window: int = 5) -> Float[np.ndarray, " points"]:
    """Running mean, shorter at the edges.

    Args:
      values: in order.
      window: points that are averaged, odd.
    """
    values = np.asarray(values, float)
    return np.array([values[max(0, i - window // 2) : i + window // 2 + 1].mean() for i in range(len(values))])


def score_at(
    kl: float,
    path_kl: Sequence[float] | Float[np.ndarray, " points"],
    path_score: Sequence[float] | Float[np.ndarray, " points"],
) -> float:
    """The score of a training run where its KL first gets to a value: runs are compared at equal KL, not at their ends.

    Between two points the path is taken as straight; a KL that falls again is passed over.

    Args:
      kl: at which to read, nats per response; beyond the path the score of its nearer end.
      path_kl: KL of each point of the run, in order, nats per response.
      path_score: score of each point.

    Returns:
      In the unit of the scores.
    """
    return float(np.interp(kl, np.maximum.accumulate(path_kl), path_score))


def gain_at(kl: float, path: Sequence[Mapping[str, float]], name: str) -> float:
    """How far a score lies above the start of its own run where the run's KL first gets to a value; see `score_at`.

    Args:
      kl: at which to read, nats per response.
      path: the points of the run, in order, each with its kl, nats per response, and its scores.
      name: of the score.

    Returns:
      In the unit of the score.
    """
    return score_at(kl, [point["kl"] for point in path], [point[name] - path[0][name] for point in path])


def mean_and_interval(values: Sequence[float] | Float[np.ndarray, " runs"]) -> dict[str, float | None]:
    """Mean of independent runs, how far single runs lie apart, and how well so few of them know the mean.

        std = sqrt(sum_i (x_i - mean)^2 / (n - 1)),      mean -+ t std / sqrt(n)

    n - 1 and not n, since the mean was fitted to the same values: with n = 5 the other formula is 11 % too small. t is the 97.5 %
    point of Student's distribution with n - 1 degrees of freedom (2.78 for five runs, where the normal distribution has 1.96).

    Args:
      values: one number for each run, for example for each seed; at least one.

    Returns:
      "mean", "std" (of single runs), "low" and "high" (the 95 % interval of the mean), "min" and "max"; None where
      a single run cannot say.

    Source: Student 1908, "The probable error of a mean", Biometrika 6.
    """
    x = np.asarray(values, float)
    ends = {"min": float(x.min()), "max": float(x.max())}
    if len(x) == 1:
        return {"mean": float(x[0]), "std": None, "low": None, "high": None, **ends}
    spread = float(x.std(ddof=1))
    half = float(stdtrit(len(x) - 1, 0.975)) * spread / len(x) ** 0.5
    return {
        "mean": float(x.mean()),
        "std": spread,
        "low": float(x.mean()) - half,
        "high": float(x.mean()) + half,
        **ends,
    }


def looks_ahead(slopes: Float[Array, "predicted read"]) -> Float[Array, ""]:
    """The largest influence of a later token on a prediction: exactly 0 for a language model that is causal.

        max_{s > t} |d log p(y_{t+1} | y_<=t) / d x_s|

    Args:
      slopes: row t: the derivatives of what is predicted at place t with respect to what is read at each place s.

    Returns:
      At least 0; 0 for a single place.
    """
    later = jnp.arange(slopes.shape[1])[None, :] > jnp.arange(slopes.shape[0])[:, None]
    return jnp.max(jnp.where(later, jnp.abs(slopes), 0.0))
