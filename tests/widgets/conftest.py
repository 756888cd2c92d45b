"""What the tests of widgets share: widgets switched on, the base model, and float64 as JavaScript counts."""

import jax
import pytest

from rlhf_lesson.models.pretrained import load_base


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
