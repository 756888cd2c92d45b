"""A chain of tiny random models with the course's tokenizer and data: live PPO on it is real PPO, in seconds."""

from pathlib import Path

from flax import nnx

from rlhf_lesson.data.snippets import Snippets
from rlhf_lesson.models.checkpoint import save_model
from rlhf_lesson.models.gpt2 import GPT2, ModelConfig
from rlhf_lesson.models.heads import ScalarModel
from rlhf_lesson.models.pretrained import BASE
from rlhf_lesson.models.tokenizer import load_tokenizer
from rlhf_lesson.study.chain import Chain

SHAPE = ModelConfig(dim=16, layers=1, heads=2)


def chain() -> Chain:
    scorers = {
        n: ScalarModel(GPT2(SHAPE, rngs=nnx.Rngs(i)), rngs=nnx.Rngs(i + 9)) for i, n in enumerate(("proxy", "gold"))
    }
    return Chain(Snippets(load_tokenizer(BASE), 0), GPT2(SHAPE, rngs=nnx.Rngs(5)), scorers, {})


def base(folder: Path) -> Path:
    """A folder with such a model, for a chain to start from: a program of its size compiles in a second, the course's in ten."""
    save_model(GPT2(SHAPE, rngs=nnx.Rngs(5)), folder, tokenizer=load_tokenizer(BASE))
    return folder
