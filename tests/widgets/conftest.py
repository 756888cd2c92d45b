"""What the tests of widgets share: widgets switched on, the base model, and float64 as JavaScript counts."""

import jax
import pytest
from flax import nnx

from rlhf_lesson.models.heads import ScalarModel
from rlhf_lesson.models.pretrained import load_base
from rlhf_lesson.widgets import score


@pytest.fixture(autouse=True)
def widgets(monkeypatch):
    monkeypatch.delenv("RLHF_NO_WIDGETS", raising=False)


@pytest.fixture(scope="module")
def base():
    return load_base()


@pytest.fixture
def double():
    """float64, as JavaScript counts."""
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


@pytest.fixture(scope="module")
def scorers(base):
    """A reward model that nothing has trained, and the judge: enough to score any text."""
    model, tokenizer = base
    return {
        "proxy": score.reward_scorer(ScalarModel(model, rngs=nnx.Rngs(0)), tokenizer),
        "judge": score.judge_scorer,
    }
