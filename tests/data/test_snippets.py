"""The film snippets: disjoint splits, cut between words, and the same for everybody."""

import numpy as np
import pytest

from rlhf_lesson.data.examples import whole
from rlhf_lesson.data.snippets import PROMPT, Snippets, split_at_words
from rlhf_lesson.models.pretrained import BASE
from rlhf_lesson.models.tokenizer import load_tokenizer


@pytest.fixture(scope="module")
def data():
    return Snippets(load_tokenizer(BASE), 0)


def test_no_text_is_in_two_splits(data):
    gold, proxy, held_out = (set(data.texts(split)) for split in ("gold", "proxy", "eval"))
    assert gold and proxy and held_out and len(gold & held_out) <= 5  # a handful of reviews are there twice
    ids = [{m.id for m in part} for part in data.by_split.values()]
    assert not ids[0] & ids[1] and not ids[0] & ids[2] and not ids[1] & ids[2]


def test_prompt_and_completion_are_the_ids_of_the_whole_text(data):
    texts = [text for text in data.texts("eval")[:50] if " " in text]
    rows = {tuple(row) for row in whole(data.tokenizer, texts)}
    cuts = split_at_words(data.tokenizer, texts, seed=0)
    assert cuts and all(tuple(prompt + rest) in rows for prompt, rest in cuts)
    assert all(len(prompt) <= PROMPT for prompt, _ in cuts)


def test_prompts_are_the_beginnings_of_the_sft_examples(data):
    examples, prompts = data.sft("eval"), data.prompts("eval")
    for i in (0, 7, 100):
        prompt = np.asarray(prompts.tokens[i])[np.asarray(prompts.mask[i])].tolist()
        assert prompt == list(examples[i].tokens[: examples[i].prompt])
    assert len(data.held_out_prompts(5).tokens) == 5


def test_comparisons_are_the_normalised_texts_chosen_first(data):
    pairs = data.choices(20, "proxy", seed=0)
    rows = data.comparisons(pairs)
    texts = [data.tokenizer.decode(row.responses[0], skip_special_tokens=True).strip() for row in rows]
    assert all(text == text.lower() for text in texts) and len(set(texts)) > 10
    with pytest.raises(ValueError, match="tie"):
        data.comparisons([pairs[0]._replace(tie=True)])
