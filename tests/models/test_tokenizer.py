"""The tokenizer: every text comes back, and pad, end and begin are three tokens."""

import foreign
import numpy as np
import pytest

from rlhf_lesson.models.tokenizer import decode, encode, load_tokenizer, train_tokenizer

ODD = [
    "a good film .",
    "Ærlig talt – naïve, 100% «déjà vu»…",
    "日本語の映画 🎬🍿 e\u0301",
    "two  spaces, a\ttab and a\nnew line",
    "<pad is not <end, and [MASK] is text",
    "\u200bzero width \x00 and a null",
]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(["a good film and a bad film"] * 50, vocab=290)


@pytest.mark.parametrize("text", ODD)
def test_any_text_comes_back(tokenizer, text):
    ids = encode(tokenizer, [text])
    assert decode(tokenizer, ids, [np.ones(len(ids[0]), bool)]) == [text]


def test_only_the_spaces_around_a_text_are_lost(tokenizer):
    ids = encode(tokenizer, ["  a film  "])
    assert decode(tokenizer, ids, [np.ones(len(ids[0]), bool)]) == ["a film"]


def test_a_text_starts_like_a_word_within_a_text(tokenizer):
    whole, start, rest = encode(tokenizer, ["a good film", "a good", "film"])
    assert whole == start + rest


def test_pad_end_and_begin_are_0_1_and_2_and_are_not_decoded(tokenizer):
    special = tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.bos_token_id
    assert special == (0, 1, 2) and tokenizer.padding_side == "left"
    (ids,) = encode(tokenizer, ["a film"])
    assert not set(ids) & set(special)
    assert decode(tokenizer, [[0, 2, *ids, 1]], [[False, True] + [True] * (len(ids) + 1)]) == ["a film"]


def test_masked_tokens_are_left_out(tokenizer):
    (ids,) = encode(tokenizer, ["a film"])
    assert decode(tokenizer, [ids + ids], [[False] * len(ids) + [True] * len(ids)]) == ["a film"]


def test_frequent_words_become_one_token_and_no_texts_give_no_ids(tokenizer):
    assert [len(ids) for ids in encode(tokenizer, ["film", "zq"])] == [1, 3]
    assert encode(tokenizer, []) == []


def test_a_saved_tokenizer_gives_the_same_ids(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    again = load_tokenizer(tmp_path)
    assert encode(again, ODD) == encode(tokenizer, ODD) and again.pad_token_id == 0


def test_the_hubs_gpt2_gets_the_end_token_that_its_files_leave_out(tmp_path):
    foreign.tokenizer(eos_token=None, bos_token=None).save_pretrained(tmp_path)
    assert load_tokenizer(tmp_path).eos_token is None
    file = tmp_path / "tokenizer.json"
    file.write_text(file.read_text().replace("w17", "<|endoftext|>"))
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.eos_token_id == tokenizer.bos_token_id == 17


def test_a_broken_tokenizer_is_named_with_its_folder(tmp_path):
    foreign.tokenizer().save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_text('{"version": ')
    with pytest.raises(ValueError, match="its tokenizer cannot be read") as refusal:
        load_tokenizer(tmp_path)
    assert str(tmp_path) in str(refusal.value)
