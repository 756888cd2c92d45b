"""How noisy single raters are: measured on real ratings, and imitated where a model takes the place of people.

Which pairs they are asked about is in data/selection.py.
"""

from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from rlhf_lesson.bradley_terry import win_probability
from rlhf_lesson.data.feedback import Sentence


def rater_agreement(
    sentences: Sequence[Sentence], count: int, *, seed: int
) -> tuple[Float[np.ndarray, " pairs"], Bool[np.ndarray, " pairs"]]:
    """Random pairs, each decided by one rating of each text: how far apart the *others* put them, and who was right.

    The mean leaves the deciding rating out, which would otherwise agree with itself. Ties of the rater are left out.

    Args:
      sentences: with at least two ratings each.
      count: how many pairs are drawn, ties included.
      seed: of the pairs and of the ratings that decide them.

    Returns:
      margins (at least 0, rating points) and whether the single choice agrees with the others' mean, one per pair.
    """
    rng = np.random.default_rng(seed)
    margins = []
    agrees = []
    for i, j in rng.integers(len(sentences), size=(count, 2)):
        column = rng.random()
        own = [s.ratings[int(column * len(s.ratings))] for s in (sentences[i], sentences[j])]
        others = [
            (sum(s.ratings) - r) / (len(s.ratings) - 1) for s, r in zip((sentences[i], sentences[j]), own, strict=True)
        ]
        margin = others[0] - others[1]
        if own[0] != own[1] and margin:
            margins.append(abs(margin))
            agrees.append((own[0] > own[1]) == (margin > 0))
    return np.array(margins, float), np.array(agrees, bool)


def noise_temperature(margins: Float[np.ndarray, " pairs"], agreement: float) -> float:
    """The temperature at which Bradley-Terry raters agree with the truth as often as was measured.

        mean_i sigmoid(|margin_i| / T) = agreement

    Solved by halving an interval: the left side falls from 1 to 1/2 as T grows. On the movie pairs (agreement 0.885)
    it gives 0.66 rating points, and with this one number the share of right choices among pairs that are close together
    (0.61), farther apart (0.80) and far apart (0.93) comes out as it was measured, to 0.01: choices really are logistic.

    Args:
      margins: differences of the true values, any unit; the sign does not matter.
      agreement: share of single choices that agree with the truth, above 1/2 and below 1.

    Returns:
      T in the unit of the margins.

    Raises:
      ValueError: no temperature gives this agreement: it is at most 1/2, or higher than the margins allow.
    """
    size = np.abs(margins)
    if not 0.5 < agreement < np.mean(0.5 + 0.5 * (size > 0)):
        raise ValueError(
            f"raters who agree in {agreement:.3f} of the pairs are no better than chance or above the margins"
        )
    low, high = 1e-6 * size.max(), 1e6 * size.max()
    for _ in range(100):
        middle = (low * high) ** 0.5
        right = np.mean(1.0 / (1.0 + np.exp(-np.minimum(size / middle, 700.0))))
        low, high = (middle, high) if right > agreement else (low, middle)
    return float(middle)


def label(
    first: Float[Array, " pairs"], second: Float[Array, " pairs"], key: PRNGKeyArray, *, temperature: float
) -> Bool[Array, " pairs"]:
    """One noisy choice per pair: True where the rater takes the first.

        P(first) = sigmoid((s_first - s_second) / T)

    Args:
      first: true values of the first texts.
      second: true values of the second texts, in the same unit.
      key: of the raters' noise.
      temperature: T, see `noise_temperature`, in the unit of the values; above 0.

    Returns:
      One choice per pair.
    """
    return jax.random.bernoulli(key, win_probability(first / temperature, second / temperature))
