"""Our logits and scores beside those of transformers on the same files, and each beside float64; prints JSON.

PyTorch needs no place in our environment: name the Python of another one that has torch, transformers, gguf and accelerate.

    python -m venv .venv-torch && .venv-torch/bin/pip install torch transformers gguf accelerate
    python benchmarks/transformers_compare.py --torch .venv-torch/bin/python --gguf SmolLM2-135M-Instruct.Q4_1.gguf \
        > benchmarks/results/transformers.json

Both architectures, both kinds of file: folders that transformers wrote (tied or not, shards in bfloat16, reward models), folders
that we wrote, and a GGUF file, which both sides read with readers of their own.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np

SMALL = {"vocab_size": 96, "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}
GPT2 = SMALL | {"n_positions": 64, "n_embd": 48, "n_layer": 3, "n_head": 4}
LLAMA = SMALL | {"max_position_embeddings": 64, "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 3}
LLAMA |= {"num_attention_heads": 4, "rms_norm_eps": 1e-5, "initializer_range": 0.2}
TEXTS = [
    "The film is",
    "A wonderful story, but the end",
    'Movie review: "two hours of my life"\nThe reviewer thought the movie was',
]
GREEDY = 16  # tokens of a continuation


def tokens(vocab: int) -> np.ndarray:
    """Eight rows of 40 ids, none of them special."""
    return np.random.default_rng(0).integers(3, vocab, (8, 40)).astype(np.int32)


# ---- in the environment with torch ---------------------------------------------------------------


def make(folder: Path) -> None:
    """Small random models, as transformers writes them."""
    import torch
    import transformers as hf

    wanted = {
        "gpt2": (hf.GPT2LMHeadModel, hf.GPT2Config(**GPT2, initializer_range=0.2), torch.float32),
        "gpt2, bfloat16 in shards": (hf.GPT2LMHeadModel, hf.GPT2Config(**GPT2), torch.bfloat16),
        "gpt2 reward model": (hf.GPT2ForSequenceClassification, hf.GPT2Config(**GPT2, num_labels=1), torch.float32),
        "llama, tied": (hf.LlamaForCausalLM, llama(tie_word_embeddings=True), torch.float32),
        "llama, untied": (hf.LlamaForCausalLM, llama(), torch.float32),
        "llama, shared keys, wide heads": (
            hf.LlamaForCausalLM,
            llama(num_key_value_heads=2, head_dim=20),
            torch.float32,
        ),
        "llama, bfloat16 in shards": (hf.LlamaForCausalLM, llama(num_key_value_heads=1), torch.bfloat16),
        "llama reward model": (hf.LlamaForSequenceClassification, llama(num_labels=1), torch.float32),
    }
    for name, (kind, config, dtype) in wanted.items():
        torch.manual_seed(0)
        kind(config).to(dtype).save_pretrained(folder / "theirs" / name, max_shard_size="40KB")


def llama(**settings):
    """Sizes of a small Llama."""
    from transformers import LlamaConfig

    return LlamaConfig(**LLAMA, **settings)


def exact(model):
    """The same model in float64 throughout: transformers' norm and positions of a Llama cast to float32 by themselves."""
    import torch

    def normed(self, x):
        return self.weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon)

    def angles(self, x, position_ids):
        sizes = self.config
        width = getattr(sizes, "head_dim", None) or sizes.hidden_size // sizes.num_attention_heads
        speed = sizes.rope_parameters["rope_theta"] ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
        angle = (position_ids[..., None].double() * speed).repeat(1, 1, 2)
        return angle.cos(), angle.sin()

    for module in model.modules():
        if type(module).__name__ in ("LlamaRMSNorm", "LlamaRotaryEmbedding"):
            changed = normed if type(module).__name__ == "LlamaRMSNorm" else angles
            module.forward = changed.__get__(module)
    return model.double()


def compare(folder: Path, gguf: Path | None) -> None:
    """Reads every folder and what we computed from it; prints the gaps."""
    import torch
    import transformers as hf

    found = {"models": {}, "same greedy tokens": {}}
    for file in sorted(folder.glob("*/*.npz")):
        ours, name = np.load(file)["ours"], file.stem
        place = file.with_suffix("")
        kind = hf.AutoModelForSequenceClassification if ours.ndim == 1 else hf.AutoModelForCausalLM
        where = {"gguf_file": gguf.name} if gguf and name == "SmolLM2 from GGUF" else {}
        model = kind.from_pretrained(gguf.parent if where else place, dtype=torch.float32, **where).eval()
        rows = torch.tensor(tokens(model.config.vocab_size)).long()
        with torch.no_grad():  # in this order: the model is turned into float64 where it stands
            theirs = model(rows).logits.numpy().reshape(ours.shape)
            true = exact(model)(rows).logits.numpy().reshape(ours.shape)
        found["models"][f"{file.parent.name}/{name}"] = gaps(ours.astype(float), theirs.astype(float), true)
    for place in [folder / "ours" / "SmolLM2"] if gguf else []:
        words, model = hf.AutoTokenizer.from_pretrained(place), hf.AutoModelForCausalLM.from_pretrained(place)
        for text, row in json.loads((place.parent / "greedy.json").read_text(encoding="utf-8")).items():
            asked = words(words.bos_token + text, return_tensors="pt", add_special_tokens=False)
            theirs = model.generate(**asked, max_new_tokens=GREEDY, do_sample=False)[0, asked["input_ids"].shape[1] :]
            found["same greedy tokens"][words.decode(theirs)] = theirs.tolist() == row[: len(theirs)]
    print(json.dumps({"torch": torch.__version__, "transformers": hf.__version__, **found}))


def gaps(ours: np.ndarray, theirs: np.ndarray, true: np.ndarray) -> dict:
    """Largest differences; for logits those of the log-probs too."""

    def logp(x):
        x = x - x.max(axis=-1, keepdims=True)
        return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))

    def largest(prefix, ours, theirs, true):
        pairs = {"ours - theirs": (ours, theirs), "ours - float64": (ours, true), "theirs - float64": (theirs, true)}
        return {f"{prefix}: {name}": float(np.abs(a - b).max()) for name, (a, b) in pairs.items()}

    if ours.ndim == 1:
        return {"spread of scores": float(true.std()), **largest("scores", ours, theirs, true)}
    root = {
        f"logits, root mean square: {n} - float64": float(((x - true) ** 2).mean() ** 0.5)
        for n, x in (("ours", ours), ("theirs", theirs))
    }
    probabilities = largest("log-probs", *map(logp, (ours, theirs, true)))
    return {"spread of logits": float(true.std()), **largest("logits", ours, theirs, true), **root, **probabilities}


# ---- in our environment --------------------------------------------------------------------------


def measure(folder: Path, gguf: Path | None) -> None:
    """Our numbers from every folder that transformers wrote; the same models in folders of ours; SmolLM2."""
    import jax
    import jax.numpy as jnp

    from rlhf_lesson.data.prompts import make_prompts
    from rlhf_lesson.models.checkpoint import load_model, save_model
    from rlhf_lesson.models.generate import generate
    from rlhf_lesson.models.gguf_file import read_gguf
    from rlhf_lesson.models.heads import ScalarModel
    from rlhf_lesson.models.tokenizer import encode

    run = jax.jit(lambda model, rows: model(rows, jnp.ones(rows.shape, bool)))

    def write(model, place: Path):
        place.parent.mkdir(exist_ok=True)
        rows = tokens(getattr(model, "trunk", model).config.vocab)
        np.savez(place.parent / f"{place.name}.npz", ours=np.asarray(run(model, rows)))

    for place in sorted((folder / "theirs").iterdir()):
        model = load_model(place)
        write(model, place)
        if not isinstance(model, ScalarModel):  # our reward models have names of their own for their head
            save_model(model, folder / "ours" / place.name)
            write(model, folder / "ours" / place.name)
    if gguf:
        model, tokenizer = load_model(gguf), read_gguf(gguf)[1]
        save_model(model, folder / "ours" / "SmolLM2", tokenizer=tokenizer)
        for place in (folder / "ours" / "SmolLM2", folder / "theirs" / "SmolLM2 from GGUF"):
            write(model, place)
        pad, end = tokenizer.pad_token_id, tokenizer.eos_token_id
        rows = [[tokenizer.bos_token_id, *ids] for ids in encode(tokenizer, TEXTS)]
        asked = make_prompts(rows, max(map(len, rows)), pad_id=pad)
        drawn = generate(model, *asked, jax.random.key(0), response=GREEDY, end_id=end, pad_id=pad, top_k=1)
        answers = {text: row[mask].tolist() for text, row, mask in zip(TEXTS, *map(np.asarray, drawn[:2]), strict=True)}
        (folder / "ours" / "greedy.json").write_text(json.dumps(answers), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--torch", help="Python of an environment with torch, transformers, gguf and accelerate")
    parser.add_argument("--gguf", type=Path, help="a GGUF file of a Llama")
    parser.add_argument(
        "--there", nargs=2, metavar=("DO", "FOLDER"), help=argparse.SUPPRESS
    )  # this file, in that environment
    args = parser.parse_args()
    gguf = args.gguf and args.gguf.resolve()
    if args.there:
        what, place = args.there
        make(Path(place)) if what == "make" else compare(Path(place), gguf)
        sys.exit()
    with tempfile.TemporaryDirectory() as work:
        file = ["--gguf", str(gguf)] if gguf else []
        plain = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        there = [args.torch, __file__, *file, "--there"]
        subprocess.run([*there, "make", work], check=True, env=plain)
        measure(Path(work), gguf)
        told = subprocess.run(
            [*there, "compare", work], check=True, env=plain, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        ).stdout
        print(json.dumps({"jax": version("jax"), **json.loads(told)}, indent=1))
