"""How often the higher-scored response was the chosen one, in bins of equal count from the least sure pairs to the surest.

The count of pairs is rarely a multiple of the bins, and there may be fewer pairs than bins.
"""

import math
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.course.exercise import Exercise, Slip
from rlhf_lesson.course.specs.draws import pairs_of_scores
from rlhf_lesson.course.specs.mistakes import ignoring
from rlhf_lesson.measures import calibration

# ---- slips ---------------------------------------------------------------------------------------


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def bins_of_equal_count(probability, bins):
    """The indices of each bin, as they should be."""
    return np.array_split(np.argsort(probability), bins)


def means(probability, won):
    """A bin's row, as it should be."""
    return {"predicted": float(probability.mean()), "observed": float(won.mean()), "count": len(won)}


def sureness(lead):
    """The probability of the higher-scored response, as it should be."""
    return sigmoid(np.abs(lead))


def higher_won(lead):
    """Whether the higher-scored response was the chosen one, as it should be."""
    return lead > 0


def curve(*, probability=sureness, won=higher_won, cut=bins_of_equal_count, row=means):
    """An answer that is made of these four parts, and right with the default ones."""

    def whole(chosen, rejected, *, bins=10):
        lead = np.asarray(chosen, float) - np.asarray(rejected, float)
        predicted = probability(lead)
        observed = won(lead)
        return [row(predicted[i], observed[i]) for i in cut(predicted, bins) if len(i)]

    return whole


right = curve()


def bins_of_equal_width(probability, bins):
    edges = np.linspace(0.5, 1.0, bins + 1)
    return [np.flatnonzero((probability >= low) & (probability < high)) for low, high in pairwise(edges)]


def bins_without_the_rest(probability, bins):
    """The last pairs are lost if their number is not a multiple of the bins."""
    size = len(probability) // bins
    return np.argsort(probability)[: size * bins].reshape(bins, -1)


def sums(probability, won):
    return {"predicted": float(probability.sum()), "observed": float(won.sum()), "count": len(won)}


def middle(probability, won):
    """The middle between a bin's smallest and largest probability."""
    return {**means(probability, won), "predicted": float(probability.min() + probability.max()) / 2}


def with_empty_bins(chosen, rejected, *, bins=10):
    """A row of NaN for each empty bin; array_split leaves them at the end."""
    rows = right(chosen, rejected, bins=bins)
    empty = {"predicted": float("nan"), "observed": float("nan"), "count": 0}
    return rows + [empty] * (bins - len(rows))


# ---- right answers in other words ----------------------------------------------------------------


def calibration_by_sorting(chosen, rejected, *, bins=10):
    lead = sorted((chosen - rejected).tolist(), key=abs)
    out = []
    for part in np.array_split(lead, bins):
        if len(part):
            said = [1 / (1 + math.exp(-abs(x))) for x in part]
            out.append({"count": len(part), "predicted": sum(said) / len(said), "observed": sum(part > 0) / len(part)})
    return out


def calibration_by_edges(chosen, rejected, *, bins=10):
    lead = chosen - rejected
    lead = lead[np.argsort(np.abs(lead))]
    sizes = [len(lead) // bins + (i < len(lead) % bins) for i in range(bins)]
    ends = np.cumsum(sizes)
    rows = []
    for size, end in zip(sizes, ends, strict=True):
        part = lead[end - size : end]
        if size == 0:
            break
        rows.append(
            {
                "predicted": np.mean(1 / (1 + np.exp(-np.abs(part)))),
                "observed": np.mean((part > 0).astype(float)),
                "count": size,
            }
        )
    return rows


def calibration_in_jax(chosen, rejected, *, bins=10):
    lead = jnp.asarray(chosen) - jnp.asarray(rejected)
    said = jax.nn.sigmoid(jnp.abs(lead))
    parts = [i for i in jnp.array_split(jnp.argsort(said), bins) if i.size]
    return [dict(predicted=said[i].mean(), observed=jnp.mean(lead[i] > 0), count=i.size) for i in parts]


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="calibration",
    minutes=20,
    difficulty=3,
    points=5,
    reference=calibration,
    traceable=False,
    cases={
        "plain numbers": lambda rng: pairs_of_scores(rng, bins=int(rng.integers(3, 6))),
        "ten bins by default": lambda rng: pairs_of_scores(rng, count=40),
        "a model that is always right": lambda rng: pairs_of_scores(rng, right=1.0, bins=3),
        "with fewer pairs than bins, empty bins are left out": lambda rng: pairs_of_scores(rng, count=4, bins=6),
    },
    slips=(
        Slip(
            "the chance of the chosen one",
            "Of the higher-scored one, whichever it is: the absolute lead. Else what is observed is known beforehand.",
            curve(probability=sigmoid),
        ),
        Slip("the lead in place of its probability", "sigmoid(|lead|).", curve(probability=np.abs)),
        Slip(
            "chosen and rejected are swapped",
            "Observed is how often the higher-scored one was chosen.",
            curve(won=lambda lead: lead < 0),
        ),
        Slip(
            "always the chosen one", "The chosen one was chosen: was it the higher-scored one?", curve(won=np.ones_like)
        ),
        Slip(
            "not sorted",
            "Sort by what is predicted, then cut.",
            curve(cut=lambda probability, bins: np.array_split(np.arange(len(probability)), bins)),
        ),
        Slip(
            "the surest first",
            "From the least sure up.",
            curve(cut=lambda probability, bins: np.array_split(np.argsort(-probability), bins)),
        ),
        Slip(
            "bins of equal width", "Of equal count: np.array_split of the sorted pairs.", curve(cut=bins_of_equal_width)
        ),
        Slip(
            "the rest is lost",
            "len // bins loses the last pairs: np.array_split spreads them.",
            curve(cut=bins_without_the_rest),
        ),
        Slip("sums in place of means", "Shares of each bin.", curve(row=sums)),
        Slip("the middle of the bin", "The mean of what was predicted for its pairs.", curve(row=middle)),
        Slip("the number of bins is ignored", "np.array_split(order, bins).", ignoring(right, "bins")),
        Slip("one row for all", "One row a bin.", lambda chosen, rejected, *, bins=10: right(chosen, rejected, bins=1)),
        Slip("empty bins stay", "The mean of nothing is NaN: leave empty bins out.", with_empty_bins),
    ),
    hints=(
        "How sure is the model of each pair, and was it right? Then group the pairs by how sure it was.",
        "probability = sigmoid(|lead|); np.array_split(np.argsort(probability), bins) gives the indices of each bin.",
        'for each bin i: {"predicted": probability[i].mean(), "observed": (lead[i] > 0).mean(), "count": len(i)}',
    ),
    right_answers=(calibration_by_sorting, calibration_by_edges, calibration_in_jax),
)
