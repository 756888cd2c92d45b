"""How often a reward model that `reward --data` makes of other people's pairs agrees with them on pairs it has not seen.

    python benchmarks/own_feedback.py harmless.jsonl.gz --out benchmarks/results/own_feedback.json

Every split holds out other prompts and trains with another seed. The interval is that of a bootstrap over pairs, since a pair may
be held out in several splits. Two rules that read nothing, "the longer one wins" and a bag of words on the same pairs, show how
much there is to learn. The texts themselves are not kept, only numbers.
"""

import json
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import tyro
from jaxtyping import Float
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression

from rlhf_lesson import chips, commands
from rlhf_lesson.data import own, uses
from rlhf_lesson.data.examples import Comparison
from rlhf_lesson.disk import write_atomically
from rlhf_lesson.models.pretrained import BASE, load_base
from rlhf_lesson.train import reward_model


@dataclass(frozen=True)
class Config:
    data: tyro.conf.Positional[Path]  # a file of pairs, for instance of hh-rlhf
    splits: int = 5
    base: Path = BASE
    handling: own.Handling = field(default_factory=lambda: own.Handling(normalise=True, too_long="cut", held_out=0.3))
    reward: reward_model.Config = field(default_factory=reward_model.Config)
    resamples: int = 2000  # of the held-out pairs
    out: Path | None = None


def wins(margins: Float[np.ndarray, " pairs"]) -> Float[np.ndarray, " pairs"]:
    """1 where the chosen response scores higher, 0 where the other one does, 0.5 where neither does."""
    return (margins > 0) + 0.5 * (margins == 0)


def bag_of_words(training: list[Comparison], held_out: list[Comparison], vocab: int) -> Float[np.ndarray, " pairs"]:
    """Margins of Bradley-Terry on tf-idf features of the tokens; the shared prompt cancels in the difference."""

    def counts(rows: list[Comparison], which: int) -> csr_matrix:
        texts = [row.responses[which] for row in rows]
        pointers = np.cumsum([0, *map(len, texts)])
        ids = np.concatenate([np.asarray(text) for text in texts])
        return csr_matrix((np.ones(len(ids)), ids, pointers), shape=(len(texts), vocab))

    weigh = TfidfTransformer(sublinear_tf=True).fit(counts(training, 0) + counts(training, 1))
    fit, test = (weigh.transform(counts(rows, 0)) - weigh.transform(counts(rows, 1)) for rows in (training, held_out))
    sign = np.where(np.arange(len(training)) % 2, 1, -1)
    model = LogisticRegression(C=1.0, fit_intercept=False, max_iter=1000).fit(fit.multiply(sign[:, None]).tocsr(), sign)
    return test @ model.coef_[0]


def one_split(config: Config, split: int) -> tuple[dict, list[tuple], dict[str, Float[np.ndarray, " pairs"]]]:
    """Numbers of one split, the held-out pairs, and on which of them each way of choosing was right."""
    handling = replace(config.handling, split_seed=split)
    settings = replace(config.reward, seed=split)
    with tempfile.TemporaryDirectory() as folder:
        made = commands.Reward(
            out=Path(folder), base=config.base, data=config.data, handling=handling, config=settings
        ).run()
        model, tokenizer = load_base(Path(made["model"]))
    training, held_out, _ = own.prepare(
        commands.source_of(config.data), uses.REWARD, handling, tokenizer, context=model.trunk.config.context
    )
    texts = [text for row in held_out for text in row.responses]
    scores = reward_model.score(model, texts, pad_id=tokenizer.pad_token_id).reshape(-1, 2)
    longer = np.array([len(row.responses[0]) - len(row.responses[1]) for row in held_out], float)
    right = {
        "reward_model": wins(scores[:, 0] - scores[:, 1]),
        "bag_of_words": wins(bag_of_words(training, held_out, len(tokenizer))),
        "longer": wins(longer),
    }
    numbers = {"split": split, "pairs": len(held_out), "printed": made["accuracy"]}
    numbers |= {name: float(each.mean()) for name, each in right.items()}
    return numbers | {"data": made["data"]}, [tuple(map(tuple, row.responses)) for row in held_out], right


def intervals(
    pairs: list[tuple], right: list[dict[str, Float[np.ndarray, " pairs"]]], resamples: int
) -> dict[str, dict[str, float]]:
    """Each accuracy over all splits, and what two of them differ by, with 95 % of a bootstrap over different pairs."""
    place = {pair: i for i, pair in enumerate(dict.fromkeys(pairs))}
    of = np.array([place[pair] for pair in pairs])
    rng = np.random.default_rng(0)
    times = rng.multinomial(len(place), np.full(len(place), 1 / len(place)), resamples)  # of each pair
    together = {name: np.concatenate([each[name] for each in right]) for name in right[0]}
    together["reward_model_minus_longer"] = together["reward_model"] - together["longer"]
    together["reward_model_minus_bag_of_words"] = together["reward_model"] - together["bag_of_words"]
    summary = {}
    for name, value in together.items():
        low, high = np.quantile([np.average(value, weights=drawn[of]) for drawn in times], [0.025, 0.975])
        summary[name] = {"mean": float(value.mean()), "low": float(low), "high": float(high)}
    return summary


def main(config: Config) -> None:
    """All splits; what is known so far is written after each."""
    rows, pairs, right = [], [], []
    for split in range(config.splits):
        numbers, held_out, each = one_split(config, split)
        rows.append(numbers)
        pairs += held_out
        right.append(each)
        summary = intervals(pairs, right, config.resamples)
        result = {"file": config.data.name, "different_pairs": len(set(pairs)), "accuracy": summary, "splits": rows}
        print(json.dumps(result if split == config.splits - 1 else numbers, indent=1), flush=True)
        if config.out:
            write_atomically(config.out, (json.dumps(result, indent=1) + "\n").encode())


if __name__ == "__main__":
    chips.prepare()
    main(tyro.cli(Config))
