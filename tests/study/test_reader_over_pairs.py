"""The benchmark of the reader: the penalty is chosen on training pairs alone, and states are kept by what they are of."""

from types import SimpleNamespace

import numpy as np
import pytest
from project import ROOT, script


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    made = script("benchmarks/reader.py")
    monkeypatch.setattr(made, "PRIOR", (0.1, 1000.0))
    return made


def test_the_folds_choose_a_weak_penalty_for_sure_choices_and_a_strong_one_for_coins(bench):
    x = np.random.default_rng(0).normal(size=(80, 4)).astype(np.float32)
    sure = np.where(x[:, :1] > 0, x, -x)
    assert bench.prior_by_folds(sure) == 0.1
    assert bench.prior_by_folds(x) == 1000.0


def test_states_are_read_once_and_found_again_by_their_texts(bench, monkeypatch, tmp_path):
    read = []

    def read_states(model, tokenizer, texts, *, layers):
        read.append(texts)
        return np.array([[[len(text)]] for text in texts])

    monkeypatch.setattr(bench, "smollm2", lambda: (None, None))
    monkeypatch.setattr(bench, "read_states", read_states)
    config = SimpleNamespace(part=2, states=tmp_path)
    texts = ["ccc", "a", "bb", "a"]
    for _ in range(2):
        found = bench.states_of(config, texts, (24,))
        assert {text: states.item() for text, states in found.items()} == {"a": 1.0, "bb": 2.0, "ccc": 3.0}
    assert read == [["a", "bb"], ["ccc"]]
    bench.states_of(config, texts, (12,))
    assert len(read) == 4
