"""Exercises of chapter 04, the reward model: its losses, and how far its scores can be trusted.

Leaves out the model and its training (train/reward_model.py).
"""

from functools import partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson import losses
from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.chapter_03 import a_ranking, two_scores
from rlhf_lesson.measures import calibration, pairwise_accuracy
from rlhf_lesson.rewards import cautious_score, length_bias, normalise_score

# ---- losses --------------------------------------------------------------------------------------


def with_margins(rng) -> Case:
    chosen, rejected = two_scores(rng).args
    return Case((chosen, rejected), {"margin": rng.uniform(0.2, 1.5, chosen.shape).astype(np.float32)})


def surprise(chosen, rejected, *, margin=0.0, log=jax.nn.log_sigmoid):
    return -log(chosen - rejected - margin)


BRADLEY_TERRY_LOSS = Exercise(
    name="bradley_terry_loss",
    chapter=4,
    minutes=10,
    difficulty=1,
    points=5,
    reference=losses.bradley_terry_loss,
    cases={
        "plain numbers, with a margin": lambda rng: two_scores(rng)._replace(
            kwargs={"margin": float(rng.uniform(0.4, 0.9))}
        ),
        "a margin for each pair": with_margins,
        "the default margin is 0": two_scores,
        "equal scores cost log 2": lambda rng: Case((two_scores(rng).args[0],) * 2),
        "a score that is far off never overflows": lambda rng: two_scores(rng, far=300.0),
        "the slope pulls the chosen score up": lambda rng: two_scores(rng)._replace(gradient=0),
    },
    slips=(
        Slip(
            "chosen and rejected are swapped",
            "The chosen one should score higher.",
            lambda c, r, *, margin=0.0: surprise(r, c, margin=margin),
        ),
        Slip(
            "the sign is wrong",
            "A loss is minimised: minus the log.",
            lambda c, r, *, margin=0.0: -surprise(c, r, margin=margin),
        ),
        Slip(
            "the log is missing",
            "This is the chance of being wrong, not its surprise.",
            partial(surprise, log=lambda x: jax.nn.sigmoid(x) - 1.0),
        ),
        Slip("the sigmoid is missing", "Only the difference, without log sigmoid.", partial(surprise, log=lambda x: x)),
        Slip("the margin is ignored", "Take it from the difference.", lambda c, r, *, margin=0.0: surprise(c, r)),
        Slip(
            "the margin is added",
            "A margin asks for a larger lead: it makes the loss larger, so take it away.",
            lambda c, r, *, margin=0.0: surprise(c, r, margin=-margin),
        ),
        Slip(
            "the margin is added to the loss",
            "It belongs inside the sigmoid.",
            lambda c, r, *, margin=0.0: surprise(c, r) + margin,
        ),
        Slip(
            "a hinge",
            "max(0, margin - lead) gives sure pairs no slope at all.",
            partial(surprise, log=lambda x: jnp.minimum(x, 0.0)),
        ),
        Slip(
            "the sum of the scores",
            "Only their difference matters.",
            lambda c, r, *, margin=0.0: surprise(c, -r, margin=margin),
        ),
        Slip(
            "a squared error",
            "Nobody gave a number: there is only a choice.",
            partial(surprise, log=lambda x: -((1.0 - jax.nn.sigmoid(x)) ** 2)),
        ),
        Slip(
            "bits in place of nats",
            "Use the natural logarithm.",
            lambda c, r, *, margin=0.0: surprise(c, r, margin=margin) / jnp.log(2.0),
        ),
        Slip(
            "reduced to one number",
            "One loss a pair: the caller takes the mean.",
            lambda c, r, *, margin=0.0: jnp.mean(surprise(c, r, margin=margin)),
        ),
        Slip(
            "the log of a sigmoid that rounded to 0",
            "jax.nn.log_sigmoid stays finite where log(sigmoid(x)) is -infinity.",
            partial(surprise, log=lambda x: jnp.log(1.0 / (1.0 + jnp.exp(-x)))),
        ),
    ),
    hints=(
        "The surprise of the rater's choice: minus the log of its probability.",
        "P(chosen wins) = sigmoid(s_chosen - s_rejected - margin). Take its log in one step: jax.nn.log_sigmoid.",
        "-jax.nn.log_sigmoid(chosen_score - rejected_score - margin)",
    ),
)


def scored_ranking(rng, *, count: int | None = None, shift: float = 0.0, equal: bool = False) -> Case:
    ranking = np.array(a_ranking(rng, count=count).args[0], np.int32)
    scores = np.full(ranking.size, 0.7) if equal else rng.normal(size=ranking.size) + shift
    return Case((scores.astype(np.float32), ranking))


def left_to_place(ordered):
    """log-sum-exp of each score and those behind it."""
    later = jnp.triu(jnp.ones((ordered.size, ordered.size), bool))
    return jax.nn.logsumexp(jnp.where(later, ordered[None], -jnp.inf), axis=1)


def ranked(scores, ranking, *, order=lambda s, r: s[r], terms=lambda o: left_to_place(o) - o, end=jnp.sum):
    """The loss with a switch for each slip; right at the defaults."""
    return end(terms(order(scores, ranking)))


def all_pairs(ordered):
    lead = ordered[:, None] - ordered[None]
    return jnp.triu(-jax.nn.log_sigmoid(lead), 1)


PLACKETT_LUCE_LOSS = Exercise(
    name="plackett_luce_loss",
    chapter=4,
    minutes=20,
    difficulty=3,
    points=6,
    reference=losses.plackett_luce_loss,
    cases={
        "plain numbers": scored_ranking,
        "three responses": lambda rng: scored_ranking(rng, count=3),
        "two responses are a pair": lambda rng: scored_ranking(rng, count=2),
        "equal scores cost the log of the number of orders": lambda rng: scored_ranking(rng, equal=True),
        "large scores do not overflow": lambda rng: scored_ranking(rng, shift=300.0),
        "very negative ones do not vanish": lambda rng: scored_ranking(rng, shift=-300.0),
    },
    slips=(
        Slip(
            "the ranking is ignored",
            "Put the scores in order first: scores[ranking].",
            partial(ranked, order=lambda s, r: s),
        ),
        Slip(
            "an index is taken as a rank",
            "ranking[j] is the response at place j: scores[ranking], without argsort.",
            partial(ranked, order=lambda s, r: s[jnp.argsort(r)]),
        ),
        Slip(
            "the worst first", "The first of the ranking is the best.", partial(ranked, order=lambda s, r: s[r][::-1])
        ),
        Slip(
            "the scores are sorted",
            "The people's order, not the model's.",
            partial(ranked, order=lambda s, r: jnp.sort(s, descending=True)),
        ),
        Slip(
            "only the first choice",
            "After the best, the second is the best of the rest.",
            partial(ranked, end=lambda t: t[0]),
        ),
        Slip(
            "what is placed stays in the sum",
            "Each choice is among those still to be placed: i >= j.",
            partial(ranked, terms=lambda o: jax.nn.logsumexp(o) - o),
        ),
        Slip(
            "the chosen one is missing from the sum",
            "i >= j, not i > j: it was one of the choices.",
            partial(ranked, terms=lambda o: (jnp.roll(left_to_place(o), -1) - o)[:-1]),
        ),
        Slip("all pairs", "A sum over pairs counts each response several times.", partial(ranked, terms=all_pairs)),
        Slip(
            "neighbours only",
            "Each place is a choice among all that are left, not between two.",
            partial(ranked, terms=lambda o: -jax.nn.log_sigmoid(o[:-1] - o[1:])),
        ),
        Slip("the sign is wrong", "A loss is minimised.", partial(ranked, end=lambda t: -jnp.sum(t))),
        Slip(
            "a mean in place of a sum",
            "Chances of one choice after another multiply: their logs add up.",
            partial(ranked, end=jnp.mean),
        ),
        Slip(
            "the probability in place of its surprise",
            "Minus the log of it.",
            partial(ranked, end=lambda t: jnp.exp(-jnp.sum(t))),
        ),
        Slip("one number a place", "One number a ranking: the sum.", partial(ranked, end=lambda t: t)),
        Slip(
            "exponentials overflow or vanish",
            "exp(300) is infinite in float32: jax.lax.cumlogsumexp stays in logs.",
            partial(ranked, terms=lambda o: jnp.log(jnp.cumsum(jnp.exp(o)[::-1])[::-1]) - o),
        ),
    ),
    hints=(
        "Picking the best of k, then the best of the k - 1 that are left, and so on: each pick is a softmax.",
        "ordered = scores[ranking]; jax.lax.cumlogsumexp(ordered, reverse=True) is the log-sum of what is still to be placed.",
        "jnp.sum(jax.lax.cumlogsumexp(ordered, reverse=True) - ordered)",
    ),
)

# ---- how good are the scores? --------------------------------------------------------------------


def pairs_of_scores(rng, *, right: float = 0.7, ties: int = 0, count: int | None = None, **coefficients) -> Case:
    """Scores of chosen and rejected responses; about `right` of the pairs are in order, the first `ties` are equal."""
    count = int(rng.integers(17, 24)) if count is None else count
    rejected = rng.normal(1.0, 2.0, count)
    lead = np.where(rng.random(count) < right, 1.0, -1.0) * rng.gamma(2.0, 0.7, count)
    lead[:ties] = 0.0
    rejected = rejected.astype(np.float32)
    return Case((rejected + lead.astype(np.float32), rejected), coefficients)


def accuracy(chosen, rejected, *, tie=0.5):
    return float(np.mean((chosen > rejected) + tie * (chosen == rejected)))


PAIRWISE_ACCURACY = Exercise(
    name="pairwise_accuracy",
    chapter=4,
    minutes=5,
    difficulty=1,
    points=3,
    reference=pairwise_accuracy,
    traceable=False,
    cases={
        "plain numbers": pairs_of_scores,
        "an equal score counts half": lambda rng: pairs_of_scores(rng, ties=5),
        "all in order is 1": lambda rng: pairs_of_scores(rng, right=1.0),
        "all equal is a coin flip": lambda rng: pairs_of_scores(rng, ties=99),
    },
    slips=(
        Slip("the share of mistakes", "The chosen one should score higher.", lambda c, r: accuracy(r, c)),
        Slip("a count in place of a share", "Divide by the number of pairs.", lambda c, r: accuracy(c, r) * len(c)),
        Slip("from 0 to 100", "A share lies between 0 and 1.", lambda c, r: 100.0 * accuracy(c, r)),
        Slip("compared with 0", "Each chosen score against its own rejected one.", lambda c, r: float(np.mean(c > 0))),
        Slip(
            "compared with the mean",
            "Each chosen score against its own rejected one.",
            lambda c, r: float(np.mean(c > np.mean(r))),
        ),
        Slip(
            "all against all",
            "A pair has one prompt: compare only within it.",
            lambda c, r: float(np.mean(c[:, None] > r[None])),
        ),
        Slip(
            "the mean probability",
            "Count who scores higher, whatever the lead.",
            lambda c, r: float(np.mean(1 / (1 + np.exp(r - c)))),
        ),
        Slip("the mean lead", "Count who scores higher.", lambda c, r: float(np.mean(c - r))),
        Slip("one answer a pair", "One number: the mean over pairs.", lambda c, r: (c > r) + 0.5 * (c == r)),
        Slip("a tie is a mistake", "A tie is a coin flip: one half.", partial(accuracy, tie=0.0)),
        Slip(
            "a tie is right",
            "A model that scores all texts alike would be perfect: a tie is one half.",
            partial(accuracy, tie=1.0),
        ),
        Slip(
            "ties are left out",
            "They count half.",
            lambda c, r: float(np.mean((c > r)[c != r])) if (c != r).any() else 0.0,
        ),
    ),
    hints=(
        "True is 1 and False is 0: a mean of comparisons is a share.",
        "(chosen > rejected) counts 1; add 0.5 where they are equal.",
        "float(np.mean((chosen > rejected) + 0.5 * (chosen == rejected)))",
    ),
)


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


CALIBRATION = Exercise(
    name="calibration",
    chapter=4,
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
)


def scores_to_scale(rng, *, mean: float | None = None, std: float | None = None) -> Case:
    shape = [(7,), (2, 4)][rng.integers(2)]
    mean = float(rng.uniform(1.0, 3.0)) if mean is None else mean
    std = float(rng.uniform(1.4, 2.5)) if std is None else std
    return Case(((mean + std * rng.normal(size=shape)).astype(np.float32), mean, std))


NORMALISE_SCORE = Exercise(
    name="normalise_score",
    chapter=4,
    minutes=3,
    difficulty=1,
    points=2,
    reference=normalise_score,
    cases={
        "plain numbers": scores_to_scale,
        "a negative mean": lambda rng: scores_to_scale(rng, mean=-2.3),
        "a small spread is made larger": lambda rng: scores_to_scale(rng, std=0.3),
        "mean and spread are the reference's, not the batch's": lambda rng: Case(
            (scores_to_scale(rng).args[0], 0.4, 1.3)
        ),
    },
    slips=(
        Slip("the mean is added", "Shift the mean to 0: take it away.", lambda s, mean, std: (s + mean) / std),
        Slip("multiplied by the spread", "A large spread becomes 1: divide.", lambda s, mean, std: (s - mean) * std),
        Slip(
            "divided before the mean is taken away",
            "Subtract first: the mean has the old unit.",
            lambda s, mean, std: s / std - mean,
        ),
        Slip("divided by the variance", "By the standard deviation.", lambda s, mean, std: (s - mean) / std**2),
        Slip(
            "only shifted",
            "Then the KL coefficient still means another thing for each model.",
            lambda s, mean, std: s - mean,
        ),
        Slip("only scaled", "Take the mean away, too.", lambda s, mean, std: s / std),
        Slip("mean and spread are swapped", "(score - mean) / std.", lambda s, mean, std: (s - std) / mean),
        Slip("the sign is wrong", "A higher score stays higher.", lambda s, mean, std: (mean - s) / std),
        Slip(
            "the batch's own mean and spread",
            "The reference's: else a better policy gets no higher reward.",
            lambda s, mean, std: (s - jnp.mean(s)) / jnp.std(s),
        ),
        Slip("squeezed", "No sigmoid: scores stay on a line.", lambda s, mean, std: jnp.tanh((s - mean) / std)),
    ),
    hints=(
        "After it, the reference policy's scores have mean 0 and spread 1.",
        "Subtract, then divide.",
        "(score - mean) / std",
    ),
)


def scores_and_lengths(rng, *, slope: float = 0.08, noise: float = 1.0) -> Case:
    lengths = rng.integers(3, 48, int(rng.integers(15, 25)))
    scores = 1.5 + slope * lengths + noise * rng.normal(size=lengths.size)
    return Case((scores.astype(np.float32), lengths.astype(np.int32)))


def by_moments(score, length, *, end, centred=True):
    """A measure of score and length from their (co)variances; `end` combines them."""
    s, n = (jnp.asarray(x, jnp.float32) for x in (score, length))
    s, n = (s - s.mean(), n - n.mean()) if centred else (s, n)
    return end(jnp.mean(s * n), jnp.mean(s * s), jnp.mean(n * n))


def correlation(cov, s, n):
    return cov / jnp.sqrt(s * n)


LENGTH_BIAS = Exercise(
    name="length_bias",
    chapter=4,
    minutes=10,
    difficulty=2,
    points=4,
    reference=length_bias,
    cases={
        "plain numbers": scores_and_lengths,
        "long answers may score low": lambda rng: scores_and_lengths(rng, slope=-0.05),
        "scores that are nothing but length": lambda rng: scores_and_lengths(rng, noise=0.0),
        "scores that know nothing of length": lambda rng: scores_and_lengths(rng, slope=0.0),
    },
    slips=(
        Slip(
            "the covariance",
            "It has a unit, and grows with the scale: divide by both spreads.",
            partial(by_moments, end=lambda c, s, n: c),
        ),
        Slip(
            "the slope",
            "Score a token: divide by both spreads, not by the lengths' variance.",
            partial(by_moments, end=lambda c, s, n: c / n),
        ),
        Slip(
            "divided by the variances",
            "By the square root of their product.",
            partial(by_moments, end=lambda c, s, n: c / (s * n)),
        ),
        Slip(
            "the share of variance",
            "The square hides the sign.",
            partial(by_moments, end=lambda c, s, n: c**2 / (s * n)),
        ),
        Slip(
            "without its sign",
            "A model may like short answers, too.",
            partial(by_moments, end=lambda c, s, n: jnp.abs(correlation(c, s, n))),
        ),
        Slip(
            "the sign is wrong",
            "Above 0 where longer answers score higher.",
            partial(by_moments, end=lambda c, s, n: -correlation(c, s, n)),
        ),
        Slip(
            "the means are not taken away",
            "Scores and lengths about their means.",
            partial(by_moments, end=correlation, centred=False),
        ),
        Slip(
            "n - 1 above and n below",
            "jnp.cov divides by n - 1 and jnp.std by n: use sums, or one of the two for all.",
            lambda score, length: by_moments(score, length, end=correlation) * (score.size / (score.size - 1)),
        ),
        Slip(
            "the correlation of ranks",
            "Spearman's ranks are another measure: the values themselves here.",
            lambda score, length: by_moments(
                *(jnp.argsort(jnp.argsort(x)).astype(jnp.float32) for x in (score, length)), end=correlation
            ),
        ),
        Slip(
            "score per token",
            "Dividing by the length is another thing.",
            lambda score, length: jnp.mean(score / length),
        ),
        Slip(
            "the whole table",
            "jnp.corrcoef gives a table of four: one number is asked for.",
            lambda score, length: jnp.corrcoef(score, length),
        ),
    ),
    hints=(
        "Two columns of numbers that rise together, or not: what measures that without a unit?",
        "Take both means away. The sum of the products, over the root of the product of the two sums of squares.",
        "jnp.sum(s * l) / jnp.sqrt(jnp.sum(s**2) * jnp.sum(l**2)) with s and l about their means",
    ),
)


def an_ensemble(rng, *, models: int | None = None, same: bool = False, flat: bool = True, **coefficients) -> Case:
    models = int(rng.choice([3, 5])) if models is None else models
    scores = rng.normal(0.5, 1.0, (models, 6)) if flat else rng.normal(0.5, 1.0, (models, 2, 4))
    return Case(((np.repeat(scores[:1], models, 0) if same else scores).astype(np.float32),), coefficients)


def dares(scores, *, caution=1.0, axis=0, middle=jnp.mean, spread=jnp.std):
    return middle(scores, axis=axis) - caution * spread(scores, axis=axis)


CAUTIOUS_SCORE = Exercise(
    name="cautious_score",
    chapter=4,
    minutes=5,
    difficulty=1,
    points=3,
    reference=cautious_score,
    cases={
        "plain numbers": lambda rng: an_ensemble(rng, caution=float(rng.uniform(0.4, 0.8))),
        "responses in a table": lambda rng: an_ensemble(rng, flat=False, caution=1.6),
        "the default caution is 1": an_ensemble,
        "models that agree lose nothing": lambda rng: an_ensemble(rng, same=True, caution=0.5),
        "one model alone is sure of itself": lambda rng: an_ensemble(rng, models=1),
    },
    slips=(
        Slip("the caution is ignored", "It stands before the spread.", lambda scores, *, caution=1.0: dares(scores)),
        Slip(
            "the spread is added",
            "That rewards what the models disagree on.",
            lambda scores, *, caution=1.0: dares(scores, caution=-caution),
        ),
        Slip(
            "the plain mean", "Take the disagreement away.", lambda scores, *, caution=1.0: dares(scores, caution=0.0)
        ),
        Slip(
            "the variance in place of the spread",
            "The standard deviation has the scores' unit.",
            partial(dares, spread=jnp.var),
        ),
        Slip(
            "divided by n - 1",
            "The population's standard deviation: it divides by the number of models.",
            partial(dares, spread=partial(jnp.std, ddof=1)),
        ),
        Slip(
            "the error of the mean",
            "How far the models differ, not how well their mean is known: no square root of their number.",
            lambda scores, *, caution=1.0: dares(scores, caution=caution / jnp.sqrt(scores.shape[0])),
        ),
        Slip(
            "the lowest score",
            "Mean less spread: one odd model should not decide alone.",
            lambda scores, *, caution=1.0: jnp.min(scores, 0),
        ),
        Slip("the median in place of the mean", "The mean.", partial(dares, middle=jnp.median)),
        Slip(
            "the mean is scaled",
            "The caution stands before the spread alone.",
            lambda scores, *, caution=1.0: caution * dares(scores),
        ),
        Slip("over responses in place of models", "Models are the first axis.", partial(dares, axis=-1)),
        Slip(
            "one spread for all responses",
            "Each response has its own disagreement: axis=0.",
            partial(dares, spread=lambda scores, axis: jnp.std(scores)),
        ),
        Slip(
            "one number for all responses",
            "One a response: axis=0.",
            lambda scores, *, caution=1.0: jnp.mean(scores) - caution * jnp.std(scores),
        ),
    ),
    hints=(
        "Where the models agree, their mean; where they don't, less.",
        "jnp.mean and jnp.std, both along axis 0, the models.",
        "jnp.mean(scores, axis=0) - caution * jnp.std(scores, axis=0)",
    ),
)

EXERCISES = (
    BRADLEY_TERRY_LOSS,
    PLACKETT_LUCE_LOSS,
    PAIRWISE_ACCURACY,
    CALIBRATION,
    NORMALISE_SCORE,
    LENGTH_BIAS,
    CAUTIOUS_SCORE,
)
