"""The review grammar: repeatable, balanced, tidy and nearly always new.

Leaves out whether the reviews are good reading: that was judged by eye.
"""

import re
from collections import Counter

import numpy as np
import pytest

from rlhf_lesson.data.film_grammar import SIGNS, generate, load_grammar, resolve, reviews, tidy


@pytest.fixture(scope="module")
def drawn():
    return list(reviews(5_000, seed=1))


def test_the_same_seed_gives_the_same_text():
    assert list(reviews(50, seed=3)) == list(reviews(50, seed=3))
    assert list(reviews(50, seed=3)) != list(reviews(50, seed=4))


def test_polarities_are_drawn_evenly(drawn):
    counts = Counter(polarity for _, polarity in drawn)
    assert set(counts) == set(SIGNS)
    assert min(counts.values()) > 0.85 * len(drawn) / 5


def test_reviews_have_no_leftover_marks_double_spaces_or_capitals(drawn):
    for text, _ in drawn:
        assert re.fullmatch(r"[a-z0-9 ,.;:?'-]+", text), text
        assert not re.search(r"  | [,.;:?]|[,.;:]{2}", text), text
        assert text[-1] in ".?", text


def test_no_word_is_said_twice_running(drawn):
    for text, _ in drawn:
        assert not re.search(r"\b(\w+) \1\b", text), text


def test_articles_agree_with_the_next_sound(drawn):
    assert tidy("a apple, an pear, a hour, an university, a unhappy one") == (
        "an apple, a pear, an hour, a university, an unhappy one"
    )
    for text, _ in drawn:
        assert not re.search(r"\ba [aei]|\ban [^aeiouh]", text.replace("a eu", "")), text


def test_reviews_have_six_to_forty_five_words(drawn):
    lengths = [len(text.split()) for text, _ in drawn]
    assert min(lengths) >= 6 and max(lengths) <= 45
    assert 15 < np.mean(lengths) < 22


def test_nearly_all_reviews_are_unique(drawn):
    assert len({text for text, _ in drawn}) > 0.95 * len(drawn)


def test_the_vocabulary_is_wide(drawn):
    assert len({word for text, _ in drawn for word in re.findall(r"[a-z'-]+", text)}) > 2_000


def test_raves_and_pans_use_different_words():
    rng = np.random.default_rng(0)
    raves = " ".join(generate(rng, 2) for _ in range(500))
    pans = " ".join(generate(rng, -2) for _ in range(500))
    assert "triumph" in raves and "triumph" not in pans
    assert "fiasco" in pans and "fiasco" not in raves


def test_every_slot_exists_and_every_section_is_reachable():
    grammar = load_grammar()
    seen, todo = set(), [("review*", sign) for sign in SIGNS.values()]
    while todo:
        slot = todo.pop()
        if slot not in seen:
            seen.add(slot)
            section, sign = resolve(*slot, grammar)  # StopIteration would mean a slot with no section
            todo += [(name, sign) for entry in grammar[section] for name in entry[1::2]]
    assert {resolve(*slot, grammar)[0] for slot in seen} == set(grammar)
