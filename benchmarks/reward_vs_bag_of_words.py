"""Neural reward models against bags of words on the same human choices, over seeds.

    python benchmarks/reward_vs_bag_of_words.py --out benchmarks/results/reward.json

Each seed draws its own pairs, reward head and order of training. The bag of words is Bradley-Terry on tf-idf features (words and
bigrams), with its regularisation chosen by cross-validation. The net starts from a base model that was pretrained on the verdicts
of 95,383 passages of film reviews; so a second bag gets what the net got, those verdicts, as one more feature. The gold model is
compared with ridge regression on the same features.

Two uncertainties are reported, since neither holds the other: that of seeds, and that of the held-out snippets, which are the same
in every seed (a bootstrap over snippets). Each seed leaves a file in `runs`, so an interrupted call continues where it stopped.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tyro
from jaxtyping import Float, Int
from scipy.sparse import csr_matrix, hstack, vstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, RidgeCV

from rlhf_lesson import chips
from rlhf_lesson.data.feedback import normalise
from rlhf_lesson.data.records import Pair
from rlhf_lesson.data.snippets import Snippets
from rlhf_lesson.disk import write_atomically
from rlhf_lesson.measures import mean_and_interval, pairwise_accuracy
from rlhf_lesson.models.pretrained import BASE, load_base
from rlhf_lesson.models.vader import vader_score
from rlhf_lesson.study import pretrain
from rlhf_lesson.study.evaluate import rater_correlation, reward_accuracy
from rlhf_lesson.train import objectives, reward_model

DIFFERENCES = [("neural", "bag_of_words"), ("neural", "bag_with_verdicts"), ("neural", "verdicts_alone")]


@dataclass(frozen=True)
class Config:
    seeds: int = 5
    pairs: int = 8000  # single-rater choices of training snippets
    resamples: int = 2000  # of the held-out snippets
    base: Path = BASE  # folder of the language model to start from
    proxy: reward_model.Config = field(default_factory=lambda: reward_model.Config(dropout=0.3))
    gold: reward_model.Config = field(default_factory=lambda: reward_model.Config(epochs=4))
    skip_gold: bool = False
    skip_bag: bool = False
    runs: Path = Path("runs/reward")
    out: Path | None = None


# ---- bags of words -----------------------------------------------------------------------------


class Verdicts(NamedTuple):
    """What a bag of words makes of the verdicts that the base model was pretrained on: text -> how much it was liked."""

    vectorizer: TfidfVectorizer
    model: LogisticRegression

    def scores(self, texts: Sequence[str]) -> Float[np.ndarray, " texts"]:
        return self.model.decision_function(self.vectorizer.transform(texts))


def words(texts: Sequence[str]) -> TfidfVectorizer:
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, token_pattern=r"[\w']+|[!?]")
    return vectorizer.fit(texts)


def learn_verdicts(passages: Sequence[tuple[str, int]]) -> Verdicts:
    """Logistic regression from passages of film reviews to their writers' verdicts."""
    texts, liked = zip(*passages, strict=True)
    vectorizer = words(texts)
    return Verdicts(vectorizer, LogisticRegression(max_iter=500).fit(vectorizer.transform(texts), liked))


def bag_scores(
    data: Snippets, pairs: Sequence[Pair], of: Sequence[str], verdicts: Verdicts | None = None
) -> Float[np.ndarray, " texts"]:
    """Scores of texts by Bradley-Terry on tf-idf features and, if given, on the verdict as one more feature of spread 1.

    It sees both orders of each pair, so that neither side is favoured.
    """
    known = data.texts("gold", "proxy")
    vectorizer = words(known)
    spread = verdicts.scores(known).std(ddof=1) if verdicts else 1.0

    def features(texts):
        rows = vectorizer.transform(texts)
        return hstack([rows, csr_matrix(verdicts.scores(texts)[:, None] / spread)]).tocsr() if verdicts else rows

    first, second = ([normalise(getattr(pair, side)) for pair in pairs] for side in ("chosen", "rejected"))
    x = features(first) - features(second)
    y = np.r_[np.ones(x.shape[0]), np.zeros(x.shape[0])]
    model = LogisticRegressionCV(Cs=10, fit_intercept=False, max_iter=500, scoring="accuracy").fit(vstack([x, -x]), y)
    return model.decision_function(features(of))


def ridge_correlation(data: Snippets) -> float:
    """Correlation of ridge regression on the gold split's mean ratings with the raters' means on held-out snippets."""
    vectorizer = words(data.texts("gold"))
    targets = {s: [np.mean(m.ratings) for m in data.by_split[s]] for s in ("gold", "eval")}
    model = RidgeCV(np.logspace(-2, 2, 13)).fit(vectorizer.transform(data.texts("gold")), targets["gold"])
    return float(np.corrcoef(model.predict(vectorizer.transform(data.texts("eval"))), targets["eval"])[0, 1])


# ---- how certain -------------------------------------------------------------------------------


def places(pairs: Sequence[Pair], texts: Sequence[str]) -> Int[np.ndarray, "pairs 2"]:
    """Which of the texts each pair holds, the chosen one first."""
    where = {text: i for i, text in enumerate(texts)}
    return np.array([[where[normalise(pair.chosen)], where[normalise(pair.rejected)]] for pair in pairs])


def draws(count: int, resamples: int) -> Int[np.ndarray, "resamples texts"]:
    """How often each text is in each resample: the same resamples for every model and seed, so that differences are paired."""
    return np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), size=resamples)


def resampled(
    scores: Float[np.ndarray, " texts"], at: Int[np.ndarray, "pairs 2"], drawn: Int[np.ndarray, "resamples texts"]
) -> Float[np.ndarray, " resamples"]:
    """Accuracy on the pairs in each resample of the *texts*: a pair counts as often as both its texts were drawn together.

    Pairs share texts, so that 4,000 pairs of 1,041 texts say less than 4,000 pairs of 8,000 texts would.
    """
    chosen, rejected = scores[at[:, 0]], scores[at[:, 1]]
    right = (chosen > rejected) + 0.5 * (chosen == rejected)
    weight = drawn[:, at[:, 0]] * drawn[:, at[:, 1]]
    return weight @ right / weight.sum(1)


def interval(resamples: Float[np.ndarray, " resamples"]) -> dict[str, float]:
    """Standard error and 95 % interval of the bootstrap."""
    low, high = np.quantile(resamples, [0.025, 0.975])
    return {"standard_error": float(resamples.std(ddof=1)), "low": float(low), "high": float(high)}


def result(config: Config, rows: Sequence[Mapping]) -> dict:
    """What the results file holds: the seeds' rows, and every number over seeds and over snippets."""
    names = [name for name, value in rows[0].items() if isinstance(value, float) and name != "seconds"]
    summary = {name: mean_and_interval([row[name] for row in rows]) for name in names}
    boot = {name: np.mean([row["resampled"][name] for row in rows], axis=0) for name in rows[0]["resampled"]}
    for name, values in boot.items():
        summary[name]["over_snippets"] = interval(values)
    differences = {}
    for a, b in DIFFERENCES:
        if a in boot and b in boot:
            lead = [row[a] - row[b] for row in rows]
            differences[f"{a} - {b}"] = {
                **mean_and_interval(lead),
                "ahead": sum(value > 0 for value in lead),
                "over_snippets": interval(boot[a] - boot[b]),
            }
    plain = [{name: value for name, value in row.items() if name != "resampled"} for row in rows]
    return {
        "pairs": config.pairs,
        "resamples": config.resamples,
        "rows": plain,
        "summary": summary,
        "differences": differences,
    }


# ---- one seed ----------------------------------------------------------------------------------


def one_seed(config: Config, seed: int, base, data: Snippets, verdicts: Verdicts | None) -> dict:
    pad_id = data.tokenizer.pad_token_id
    pairs = data.choices(config.pairs, "gold", "proxy", seed=seed)
    held_out = data.choices(4000, "eval", seed=1000 + seed)
    texts = data.texts("eval")
    at = places(held_out, texts)
    started = time.time()
    settings = replace(config.proxy, seed=seed)
    for state, _ in reward_model.train(settings, base, data.comparisons(pairs), pad_id=pad_id):
        pass
    read = [rated.response for rated in data.rated("eval")]
    scores = {"neural": reward_model.score(state.model, read, pad_id=pad_id).astype(float)}
    row = {"seed": seed, "seconds": time.time() - started}
    row["neural_train"] = reward_accuracy(state.model, data, pairs[:2000])
    if verdicts is not None:
        scores["bag_of_words"] = bag_scores(data, pairs, texts)
        scores["bag_with_verdicts"] = bag_scores(data, pairs, texts, verdicts)
        scores["verdicts_alone"] = verdicts.scores(texts)
        scores["vader"] = np.array([vader_score(m.text) for m in data.sentences("eval")])
    drawn = draws(len(texts), config.resamples)
    row |= {name: pairwise_accuracy(s[at[:, 0]], s[at[:, 1]]) for name, s in scores.items()}
    row["resampled"] = {name: resampled(s, at, drawn).round(5).tolist() for name, s in scores.items()}
    if not config.skip_gold:
        settings = replace(config.gold, seed=seed)
        objective = objectives.rating_objective
        for state, _ in reward_model.train(settings, base, data.rated("gold"), pad_id=pad_id, objective=objective):
            pass
        row["gold_correlation"] = rater_correlation(state.model, data)
    return row


def main(config: Config) -> None:
    base, tokenizer = load_base(config.base)
    data = Snippets(tokenizer, 0)
    files = {seed: config.runs / f"seed_{seed}.json" for seed in range(config.seeds)}
    verdicts = None
    if not config.skip_bag and not all(file.is_file() for file in files.values()):
        verdicts = learn_verdicts(pretrain.judged_passages(pretrain.Config()))
    for seed, file in files.items():
        if not file.is_file():
            row = one_seed(config, seed, base, data, verdicts)
            write_atomically(file, (json.dumps(row) + "\n").encode())
            print({name: value for name, value in row.items() if name != "resampled"}, flush=True)
    found = result(config, [json.loads(file.read_text(encoding="utf-8")) for file in files.values()])
    if not config.skip_gold:
        found["ridge_correlation"] = ridge_correlation(data)
    print(json.dumps(found["summary"] | found["differences"], indent=1))
    if config.out:
        write_atomically(config.out, (json.dumps(found, indent=1) + "\n").encode())


if __name__ == "__main__":
    chips.prepare()
    main(tyro.cli(Config))
