"""Neural reward models against a bag of words on the same human choices, over seeds; prints JSON.

    python benchmarks/reward_vs_bag_of_words.py --seeds 5 --out benchmarks/results/reward.json

Each seed draws its own pairs, reward head and order of training. The bag of words is Bradley-Terry on differences of tf-idf
features (words and bigrams), with its regularisation chosen by cross-validation. The gold model is compared with ridge regression
on the same features.
"""

import json
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import tyro
from scipy.sparse import vstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegressionCV, RidgeCV

from rlhf_lesson.data import feedback
from rlhf_lesson.data.snippets import Snippets
from rlhf_lesson.disk import write_atomically
from rlhf_lesson.models.pretrained import BASE, load_base
from rlhf_lesson.models.vader import vader_score
from rlhf_lesson.study.chain import rater_correlation, reward_accuracy
from rlhf_lesson.train import objectives, reward_model


@dataclass(frozen=True)
class Config:
    seeds: int = 5
    pairs: int = 8000  # single-rater choices of training snippets
    base: Path = BASE  # folder of the language model to start from
    proxy: reward_model.Config = field(default_factory=lambda: reward_model.Config(dropout=0.3))
    gold: reward_model.Config = field(default_factory=lambda: reward_model.Config(epochs=4))
    skip_gold: bool = False
    skip_bag: bool = False
    out: Path | None = None


def bag_of_words(data: Snippets, splits: tuple[str, ...]) -> TfidfVectorizer:
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, token_pattern=r"[\w']+|[!?]")
    return vectorizer.fit(data.texts(*splits))


def differences(vectorizer, pairs):
    chosen = vectorizer.transform([feedback.normalise(p.chosen) for p in pairs])
    return chosen - vectorizer.transform([feedback.normalise(p.rejected) for p in pairs])


def bag_accuracy(data: Snippets, pairs, held_out) -> float:
    """Accuracy of Bradley-Terry on tf-idf differences; it sees both orders of each pair, so that neither side is favoured."""
    vectorizer = bag_of_words(data, ("gold", "proxy"))
    x = differences(vectorizer, pairs)
    y = np.r_[np.ones(x.shape[0]), np.zeros(x.shape[0])]
    model = LogisticRegressionCV(Cs=10, fit_intercept=False, max_iter=500, scoring="accuracy").fit(vstack([x, -x]), y)
    return float(np.mean(model.decision_function(differences(vectorizer, held_out)) > 0))


def ridge_correlation(data: Snippets) -> float:
    """Correlation of ridge regression on the gold split's mean ratings with the held-out raters' means."""
    vectorizer = bag_of_words(data, ("gold",))
    targets = {s: [np.mean(m.ratings) for m in data.by_split[s]] for s in ("gold", "eval")}
    model = RidgeCV(np.logspace(-2, 2, 13)).fit(vectorizer.transform(data.texts("gold")), targets["gold"])
    return float(np.corrcoef(model.predict(vectorizer.transform(data.texts("eval"))), targets["eval"])[0, 1])


def one_seed(config: Config, seed: int, base, data: Snippets) -> dict:
    pad_id = data.tokenizer.pad_token_id
    pairs = data.choices(config.pairs, "gold", "proxy", seed=seed)
    held_out = data.choices(4000, "eval", seed=1000 + seed)
    started = time.time()
    row = {"seed": seed}
    settings = replace(config.proxy, seed=seed)
    for state, _ in reward_model.train(settings, base, data.comparisons(pairs), pad_id=pad_id):
        pass
    row |= {"neural": reward_accuracy(state.model, data, held_out), "seconds": time.time() - started}
    row["neural_train"] = reward_accuracy(state.model, data, pairs[:2000])
    if not config.skip_bag:
        row["bag_of_words"] = bag_accuracy(data, pairs, held_out)
        row["vader"] = float(np.mean([vader_score(p.chosen) > vader_score(p.rejected) for p in held_out]))
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
    rows = []
    for seed in range(config.seeds):
        rows.append(one_seed(config, seed, base, data))
        print(json.dumps(rows[-1]), flush=True)
        if config.out:  # after every seed, so that no work is lost
            write_atomically(config.out, (json.dumps({"rows": rows}, indent=1) + "\n").encode())
    names = [n for n in rows[0] if n not in ("seed", "seconds")]
    spread = {n: {"mean": np.mean([r[n] for r in rows]), "std": np.std([r[n] for r in rows])} for n in names}
    result = {"pairs": config.pairs, "rows": rows, "summary": spread}
    if not config.skip_gold:
        result["ridge_correlation"] = ridge_correlation(data)
    print(json.dumps(result, indent=1))
    if config.out:
        write_atomically(config.out, (json.dumps(result, indent=1) + "\n").encode())


if __name__ == "__main__":
    main(tyro.cli(Config))
