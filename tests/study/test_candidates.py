"""Candidates for labels: pairs of responses by different writers, the noise of who labels them, and what the labels say."""

import jax
import numpy as np
import tiny
import tiny_chain

from rlhf_lesson.data.feedback import Sentence
from rlhf_lesson.data.snippets import Snippets
from rlhf_lesson.study.candidates import Candidates, agreement_with_gold, ask, candidates, rater_temperature, together
from rlhf_lesson.study.iterate import Config
from rlhf_lesson.study.reader import Reader
from rlhf_lesson.train import ppo

SAMPLING = Config(batch=64, ppo=ppo.Config(response=8)).sampling


class Numbers:  # stands for a tokenizer: one number per token
    pad_token_id, eos_token_id = tiny.PAD, tiny.END

    def decode(self, ids, skip_special_tokens):
        return " ".join(map(str, ids))


class Film(Snippets):
    """Rated texts that are numbers."""

    def __init__(self, movies: list[Sentence], numbers: list[str]):
        self.by_split, self.numbers = {"eval": movies}, numbers

    def texts(self, *splits: str) -> list[str]:
        return self.numbers


def test_a_pair_holds_one_response_of_each_writer_and_pools_are_joined_with_their_scores():
    fast, slow = tiny.model(layers=1), tiny.model(layers=1)
    fast.ln_f.bias[...] = 200.0 * fast.wte.embedding[...][tiny.END]  # nearly always ends at once
    given = (fast, {"gold": tiny.scorer(5, layers=1)}, tiny.prompts(16))
    pool = candidates((slow, fast), *given, jax.random.key(0), Numbers(), **SAMPLING)
    first, second = (np.mean([len(pair[side]) for pair in pool.rows]) for side in (0, 1))
    assert first > second
    three = candidates((slow, slow, slow), *given, jax.random.key(1), Numbers(), **SAMPLING)
    assert len(three.rows) == len(three.scores["gold"]) > 32, "three pairs a prompt"
    both = together([pool, three])
    np.testing.assert_array_equal(both.scores["gold"][len(pool.rows) :], three.scores["gold"])


def test_the_noise_of_raters_is_found_in_the_unit_of_a_gold_that_reads_text_too(monkeypatch):
    rng = np.random.default_rng(0)
    movies = [Sentence(str(i), str(i), tuple(rng.normal(i / 20, 1.0, 8)), "film") for i in range(100)]
    monkeypatch.setattr(Reader, "__call__", lambda self, texts: np.array([3.0 * float(text) for text in texts]))
    reader = tiny_chain.reader()
    whole, third = (
        rater_temperature(Film(movies, [str(i / 20 / part) for i in range(100)]), reader) for part in (1, 3)
    )
    assert whole > 0
    np.testing.assert_allclose(third, whole / 3, rtol=1e-6)


def test_pairs_of_equal_responses_are_never_candidates():
    certain = tiny.model(layers=1)
    certain.ln_f.bias[...] = 200.0 * certain.wte.embedding[...][tiny.END]  # nearly always ends at once
    scorers, key = {"gold": tiny.scorer(5, layers=1)}, jax.random.key(0)
    pool = candidates((certain, certain), certain, scorers, tiny.prompts(64), key, Numbers(), **SAMPLING)
    assert len(pool.rows) < 48 and all(a != b for a, b in pool.rows)
    assert pool.scores["gold"].shape == (len(pool.rows), 2)


def test_the_preferred_response_stands_first_and_agreement_counts_orders():
    pool = Candidates([([i, 1], [i, 2]) for i in range(4)], {"gold": np.array([[9.0, 0], [0, 9], [9, 0], [0, 9]])})
    asked = ask(pool, np.array([0, 1, 3]), jax.random.key(0), temperature=0.01)
    assert [c.responses[0] for c in asked] == [[0, 1], [1, 2], [3, 2]]
    wrong_once = np.array([[1.0, 0], [1, 0], [1, 0], [0, 1]])
    assert agreement_with_gold(wrong_once, pool.scores["gold"]) == 0.75
