"""Models of other people on the command line: one by its name on the hub trains, and one that cannot ends in a sentence."""

import foreign
import huggingface_hub
import pytest

from rlhf_lesson import commands
from rlhf_lesson.__main__ import main
from rlhf_lesson.data.examples import Example
from rlhf_lesson.models.checkpoint import load_model
from rlhf_lesson.models.pretrained import load_base


class FewRows:
    """Stands in for the course's snippets, which need a tokenizer of English."""

    def __init__(self, tokenizer, seed):
        pass

    def sft(self, *splits):
        return [Example([2, 5, 9 + i % 5, 7, 1], 1) for i in range(40)]


@pytest.fixture
def theirs(tmp_path):
    """A folder as transformers writes it, in two shards, with spare rows of the embedding."""
    stored = foreign.weights()
    name = "transformer.wte.weight"
    foreign.write(
        tmp_path / "theirs", stored | {name: stored[name][list(range(48)) + [0] * 16]}, shards=2, vocab_size=64
    )
    foreign.tokenizer().save_pretrained(tmp_path / "theirs")
    return tmp_path / "theirs"


def test_sft_starts_from_a_model_that_it_knows_by_its_name_on_the_hub(theirs, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name, **_: (asked.append(name), str(theirs))[1])
    monkeypatch.setattr(commands, "Snippets", FewRows)
    monkeypatch.chdir(tmp_path)
    main("sft --base owner/name --out run --epochs 6 --batch-tokens 320 --learning-rate 1e-2".split())
    assert asked == ["owner/name"]
    start, tuned = load_base(theirs)[0], load_model("run/model")
    assert tuned.config.vocab == 48
    tokens, mask = foreign.padded([[2, 5, 9, 7]], 4)
    assert tuned(tokens, mask)[0, 3, 1] - start(tokens, mask)[0, 3, 1] > 1.0, "it has learnt where its rows end"


def cut(folder):
    file = folder / "model-00002-of-00002.safetensors"
    file.write_bytes(file.read_bytes()[:900])


def end_as_pad(folder):
    foreign.tokenizer(pad_token="<end>").save_pretrained(folder)


@pytest.mark.parametrize(("damage", "why"), [(cut, "is cut short"), (end_as_pad, "as pad_token and as end")])
@pytest.mark.parametrize("command", ["sft --base", "reward --base", "ppo --policy"])
def test_what_cannot_be_trained_ends_in_a_sentence_before_anything_is_written(theirs, tmp_path, command, damage, why):
    damage(theirs)
    with pytest.raises(SystemExit) as end:
        main([*command.split(), str(theirs), "--out", str(tmp_path / "run")])
    assert str(end.value.code).startswith("rlhf_lesson: ") and why in end.value.code
    assert not (tmp_path / "run").exists()
