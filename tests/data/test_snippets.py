"""The film snippets: disjoint splits, cut between words, and the same for everybody."""

import numpy as np
import pytest

from rlhf_lesson.data.examples import whole
from rlhf_lesson.data.snippets import PROMPT, Snippets, split_at_words
from rlhf_lesson.models.pretrained import BASE
from rlhf_lesson.models.tokenizer import load_tokenizer
from rlhf_lesson.study import pretrain


@pytest.fixture(scope="module")
def data():
    return Snippets(load_tokenizer(BASE), 0)


def test_no_text_is_in_two_splits(data):
    gold, proxy, held_out = (set(data.texts(split)) for split in ("gold", "proxy", "eval"))
    assert gold and proxy and held_out and not gold & held_out and not proxy & held_out and not gold & proxy
    ids = [{m.id for m in part} for part in data.by_split.values()]
    assert not ids[0] & ids[1] and not ids[0] & ids[2] and not ids[1] & ids[2]


def test_prompt_and_completion_are_the_ids_of_the_whole_text(data):
    texts = [text for text in data.texts("eval")[:50] if " " in text]
    rows = {tuple(row) for row in whole(data.tokenizer, texts)}
    cuts = split_at_words(data.tokenizer, texts, seed=0)
    assert cuts and all(tuple(prompt + rest) in rows for prompt, rest in cuts)
    assert all(len(prompt) <= PROMPT for prompt, _ in cuts)


def test_a_tokenizer_without_a_space_before_the_first_word_is_cut_at_the_same_words(data):
    from tokenizers import ByteLevelBPETokenizer
    from transformers import PreTrainedTokenizerFast

    texts = data.texts("eval")[:30]
    bpe = ByteLevelBPETokenizer(add_prefix_space=False)
    bpe.train_from_iterator(texts, vocab_size=400, special_tokens=["<end>", "<begin>"])
    other = PreTrainedTokenizerFast(tokenizer_object=bpe._tokenizer, eos_token="<end>", bos_token="<begin>")
    cuts = split_at_words(other, texts, seed=0, most=50)
    assert [other.decode(prompt[1:] + rest[:-1]) for prompt, rest in cuts] == texts
    assert all(other.decode(rest[:-1]).startswith(" ") for _, rest in cuts), "the cut is before a space"


def test_prompts_are_the_beginnings_of_the_sft_examples(data):
    examples, prompts = data.sft("eval"), data.prompts("eval")
    for i in (0, 7, 100):
        prompt = np.asarray(prompts.tokens[i])[np.asarray(prompts.mask[i])].tolist()
        assert prompt == list(examples[i].tokens[: examples[i].prompt])
    assert len(data.held_out_prompts(5).tokens) == 5


def test_the_first_held_out_prompts_begin_praise_and_blame_alike(data):
    """They used to be the file's first, which all come from positive reviews. 16 of 32 to within three standard errors."""
    beginnings = [tokens[mask].tolist() for tokens, mask in zip(*data.held_out_prompts(32), strict=True)]
    rows = [rated for rated in data.rated("eval") if len(rated.response) > 3]
    means = [next(r.target for r in rows if list(r.response[: len(start)]) == start) for start in beginnings]
    assert 8 <= sum(mean > 0 for mean in means) <= 24


def test_several_splits_come_mixed_so_that_the_first_are_of_each(data):
    first = data.texts("proxy", "gold")[:200]
    assert data.texts("gold", "proxy")[:200] == first
    assert 60 < len(set(first) & set(data.texts("gold"))) < 140


def test_the_base_model_has_read_no_held_out_text_in_its_pretraining(data):
    read, held_out = pretrain.human_texts()
    assert set(held_out) == set(data.texts("eval")) and not set(read) & set(held_out)


def test_comparisons_are_the_normalised_texts_chosen_first(data):
    pairs = data.choices(20, "proxy", seed=0)
    rows = data.comparisons(pairs)
    texts = [data.tokenizer.decode(row.responses[0], skip_special_tokens=True).strip() for row in rows]
    assert all(text == text.lower() for text in texts) and len(set(texts)) > 10
    with pytest.raises(ValueError, match="tie"):
        data.comparisons([pairs[0]._replace(tie=True)])
