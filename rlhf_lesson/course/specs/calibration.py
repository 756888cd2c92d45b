"""DOC."""

import math
from functools import partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.course.exercise import Exercise, Slip
from rlhf_lesson.course.specs.draws import pairs_of_scores
from rlhf_lesson.measures import calibration


def calibrated(
    chosen,
    rejected,
    *,
    bins=10,
    said=lambda lead: 1 / (1 + np.exp(-np.abs(lead))),
    won=lambda lead: lead > 0,
    order=np.argsort,
    cut=lambda order, said, bins: np.array_split(order, bins),
    row=lambda said, won: {"predicted": float(said.mean()), "observed": float(won.mean()), "count": len(said)},
    kept=len,
):
    """The rows of a calibration curve with a switch for each slip; right at the defaults."""
    lead = np.asarray(chosen, float) - np.asarray(rejected, float)
    parts = cut(order(said(lead)), said(lead), bins)
    return [row(said(lead)[i], won(lead)[i]) for i in parts if kept(i)]


def equal_widths(order, said, bins):
    edges = np.linspace(0.5, 1.0, bins + 1)
    return [np.flatnonzero((said >= low) & (said < high)) for low, high in pairwise(edges)]


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
            partial(calibrated, said=lambda lead: 1 / (1 + np.exp(-lead))),
        ),
        Slip("the lead in place of its probability", "sigmoid(|lead|).", partial(calibrated, said=np.abs)),
        Slip(
            "chosen and rejected are swapped",
            "Observed is how often the higher-scored one was chosen.",
            partial(calibrated, won=lambda lead: lead < 0),
        ),
        Slip(
            "always the chosen one",
            "The chosen one was chosen: was it the higher-scored one?",
            partial(calibrated, won=lambda lead: np.ones(len(lead))),
        ),
        Slip(
            "not sorted",
            "Sort by what is predicted, then cut.",
            partial(calibrated, order=lambda said: np.arange(len(said))),
        ),
        Slip("the surest first", "From the least sure up.", partial(calibrated, order=lambda said: np.argsort(-said))),
        Slip(
            "bins of equal width",
            "Of equal count: np.array_split of the sorted pairs.",
            partial(calibrated, cut=equal_widths),
        ),
        Slip(
            "the rest is lost",
            "len // bins loses the last pairs: np.array_split spreads them.",
            partial(calibrated, cut=lambda order, said, bins: order[: len(order) // bins * bins].reshape(bins, -1)),
        ),
        Slip(
            "sums in place of means",
            "Shares of each bin.",
            partial(
                calibrated,
                row=lambda said, won: {
                    "predicted": float(said.sum()),
                    "observed": float(won.sum()),
                    "count": len(said),
                },
            ),
        ),
        Slip(
            "the middle of the bin",
            "The mean of what was predicted for its pairs.",
            partial(
                calibrated,
                row=lambda said, won: {
                    "predicted": float(said.min() + said.max()) / 2,
                    "observed": float(won.mean()),
                    "count": len(said),
                },
            ),
        ),
        Slip(
            "the number of bins is ignored",
            "np.array_split(order, bins).",
            lambda c, r, *, bins=10: calibrated(c, r),
        ),
        Slip(
            "one row for all",
            "One row a bin.",
            lambda c, r, *, bins=10: calibrated(c, r, bins=1),
        ),
        Slip(
            "empty bins stay",
            "The mean of nothing is NaN: leave empty bins out.",
            partial(
                calibrated,
                kept=lambda i: True,
                row=lambda said, won: {
                    "predicted": float(said.sum() / len(said)) if len(said) else float("nan"),
                    "observed": float(won.sum() / len(won)) if len(said) else float("nan"),
                    "count": len(said),
                },
            ),
        ),
    ),
    hints=(
        "How sure is the model of each pair, and was it right? Then group the pairs by how sure it was.",
        "probability = sigmoid(|lead|); np.array_split(np.argsort(probability), bins) gives the indices of each bin.",
        'for each bin i: {"predicted": probability[i].mean(), "observed": (lead[i] > 0).mean(), "count": len(i)}',
    ),
    right_answers=(calibration_by_sorting, calibration_by_edges, calibration_in_jax),
)
