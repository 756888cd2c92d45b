"""The base model that ships: read with its tokenizer, and a folder without a model says so."""

import sys

import pytest

from rlhf_lesson.models.pretrained import hub_folder, load_base


def test_the_model_that_ships_comes_with_a_tokenizer_of_its_size():
    model, tokenizer = load_base()
    assert model.config.vocab == len(tokenizer) and tokenizer.pad_token_id == 0


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"has no config\.json"):
        load_base(tmp_path)


def test_a_model_by_name_says_what_to_install_where_the_hub_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ValueError, match=r'pip install "rlhf-lesson\[hub\]"'):
        hub_folder("somebody/something")
