"""Makes the pool that ships with the simulator: the SFT policy's responses to a dozen held-out prompts, with all scores.

    python benchmarks/pool.py

Sampling and scoring take about a quarter of an hour on two cores, and the reader another twenty minutes or more; reward models,
samples and what has been read of them are kept in `runs`, so an interrupted call continues where it stopped. Measurements of
the proxies are written to `results`.
"""

import io
import json
import time
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
import tyro

from rlhf_lesson import chips
from rlhf_lesson.data.prompts import Prompts
from rlhf_lesson.disk import write_atomically
from rlhf_lesson.models.checkpoint import load_model, save_model
from rlhf_lesson.models.generate import generate
from rlhf_lesson.models.heads import ScalarModel
from rlhf_lesson.models.tokenizer import decode
from rlhf_lesson.models.vader import vader_score
from rlhf_lesson.seeds import stage_key
from rlhf_lesson.study import pool
from rlhf_lesson.study.chain import Chain, trained_chain
from rlhf_lesson.study.evaluate import reward_accuracy
from rlhf_lesson.study.pool import Proxy
from rlhf_lesson.study.pool_runs import SAMPLING, few_prompts, score_rows, trained_proxy
from rlhf_lesson.study.reader import Reader
from rlhf_lesson.train.progress import bar


@dataclass(frozen=True)
class Config:
    size: int = 2048  # responses per prompt
    batch: int = 256  # per compiled call
    read_at_once: int = 1024  # texts that gold reads before they are saved
    pairs: tuple[int, ...] = (250, 1000, 5000)
    noise: tuple[float, ...] = (0.0, 0.3)  # share of labels that are flipped
    seed: int = 0
    runs: Path = Path("runs/pool")
    out: Path = pool.ASSET
    results: Path = Path("benchmarks/results/pool.json")


def proxies(config: Config, chain: Chain) -> dict[Proxy, object]:
    """One reward model for each number of pairs and share of noise, kept on disk."""
    models = {}
    for wanted in (Proxy(pairs, noise) for pairs in config.pairs for noise in config.noise):
        home = config.runs / pool.column(wanted).replace(" ", "_")
        if not (home / "model.safetensors").is_file():
            for model, _ in bar(pool.column(wanted), trained_proxy(chain, wanted)):
                pass
            save_model(model, home)
        models[wanted] = load_model(home)
    return models


def samples(config: Config, chain: Chain, prompts: Prompts) -> dict[str, np.ndarray]:
    """Tokens, mask and log-prob of every response, prompt by prompt, kept on disk."""
    file = config.runs / "samples.npz"
    if not file.is_file():
        tokenizer = chain.data.tokenizer
        parts = []
        for i, tokens in enumerate(prompts.tokens):
            batch_tokens = np.repeat(tokens[None], config.batch, axis=0)
            batch_mask = np.repeat(prompts.mask[i][None], config.batch, axis=0)
            for j in range(config.size // config.batch):
                key = jax.random.fold_in(jax.random.fold_in(stage_key(config.seed, "pool of the simulator"), i), j)
                responses = generate(
                    chain.sft,
                    batch_tokens,
                    batch_mask,
                    key,
                    end_id=tokenizer.eos_token_id,
                    pad_id=tokenizer.pad_token_id,
                    **SAMPLING,
                )
                parts.append(jax.tree.map(np.asarray, responses))
            print(f"sampled prompt {i + 1} of {len(prompts.tokens)}", flush=True)
        whole = jax.tree.map(lambda *x: np.concatenate(x), *parts)
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, tokens=whole.tokens, mask=whole.mask, logp=whole.logp.sum(1))
    return dict(np.load(file))


def gold_scores(config: Config, gold: ScalarModel | Reader, rows: list, texts: list[str], *, pad_id: int) -> np.ndarray:
    """Gold's score of every response, kept on disk after every `read_at_once` of them, since a reader takes its time."""
    if not isinstance(gold, Reader):
        return score_rows({"gold": gold}, rows, pad_id=pad_id)["gold"]
    file = config.runs / "read.npy"  # holds as many as were read: delete it with the samples
    done = np.load(file) if file.is_file() else np.zeros(0, np.float32)
    while len(done) < len(texts):
        more = gold(texts[len(done) : len(done) + config.read_at_once])
        done = np.concatenate([done, np.asarray(more, np.float32)])
        whole = io.BytesIO()
        np.save(whole, done)
        write_atomically(file, whole.getvalue())
        print(f"read {len(done)} of {len(texts)}", flush=True)
    return done


def main(config: Config) -> None:
    started = time.time()
    chain = trained_chain()
    tokenizer = chain.data.tokenizer
    prompts = few_prompts(chain.data)
    responses = samples(config, chain, prompts)
    models = proxies(config, chain)
    prompt_texts = decode(tokenizer, prompts.tokens, prompts.mask)
    prompt_rows = [tokens[mask].tolist() for tokens, mask in zip(prompts.tokens, prompts.mask, strict=True)]
    owners = np.repeat(np.arange(len(prompt_texts)), config.size)  # which prompt each response continues
    rows = [
        prompt_rows[i] + tokens[mask].tolist()
        for i, tokens, mask in zip(owners, responses["tokens"], responses["mask"], strict=True)
    ]
    scores = {"logp": responses["logp"], **score_rows(models, rows, pad_id=tokenizer.pad_token_id)}
    whole = [tokenizer.decode(row, skip_special_tokens=True).strip() for row in rows]
    scores["gold"] = gold_scores(config, chain.scorers["gold"], rows, whole, pad_id=tokenizer.pad_token_id)
    scores["judge"] = np.array([vader_score(text) for text in whole], np.float32)
    texts = [" ".join(text[len(prompt_texts[i]) :].split("\n")) for i, text in zip(owners, whole, strict=True)]
    shape = (len(prompt_texts), config.size)
    content = pool.pack(
        prompt_texts,
        np.array(texts, object).reshape(shape).tolist(),
        {name: np.asarray(values).reshape(shape) for name, values in scores.items()},
        judge={"mean": float(scores["judge"].mean()), "std": float(scores["judge"].std())},
        sampling={**SAMPLING, "seed": config.seed},
    )
    write_atomically(config.out, content)
    write_atomically(
        config.results, (json.dumps(report(config, chain, models, content, whole), indent=1) + "\n").encode()
    )
    print(f"{config.out}: {len(content)} bytes, {time.time() - started:.0f} s")


def report(config: Config, chain: Chain, models: dict, content: bytes, whole: list[str]) -> dict:
    """How far the proxies agree with raters and gold, and the shares of distinct responses and of copied training sentences."""
    held_out = chain.data.choices(2000, "eval", seed=config.seed)
    packed = pool.Pool(content)
    known = set(chain.data.texts("gold", "proxy", "eval"))
    gold = packed.scores("gold")
    rows = []
    for name in packed.proxies:
        within = [float(np.corrcoef(a, b)[0, 1]) for a, b in zip(packed.scores(name), gold, strict=True)]
        accuracy = reward_accuracy(models[name], chain.data, held_out)
        rows.append(
            {**name._asdict(), "accuracy_single_rater": accuracy, "correlation_with_gold": float(np.mean(within))}
        )
    return {
        "bytes": len(content),
        "prompts": packed.prompts,
        "responses_a_prompt": packed.size,
        "distinct_responses": len(set(whole)) / len(whole),
        "verbatim_training_sentences": float(np.mean([text in known for text in whole])),
        "proxies": rows,
    }


if __name__ == "__main__":
    chips.prepare()
    main(tyro.cli(Config))
