"""Feedback and prompts of one's own go from a file, by one command each, to a model, and every row is accounted for."""

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from types import SimpleNamespace

import foreign
import numpy as np
import pytest
import tiny
from flax import nnx
from forms import DEMONSTRATIONS, FORMS, SAID, write

from rlhf_lesson.__main__ import main
from rlhf_lesson.models.checkpoint import load_model, save_model
from rlhf_lesson.models.gpt2 import GPT2, ModelConfig
from rlhf_lesson.models.heads import ScalarModel
from rlhf_lesson.models.pretrained import BASE, load_base
from rlhf_lesson.models.tokenizer import load_tokenizer
from rlhf_lesson.train.runs import read_metrics

SMALL = "--every 50 --epochs 1 --batch-tokens 1024 --held-out 0.3".split()


def call(*words):
    """What a command printed: its results, and what it said before on stderr."""
    said, told = io.StringIO(), io.StringIO()
    with redirect_stdout(said), redirect_stderr(told):
        main([str(word) for word in words])
    return json.loads(said.getvalue()), told.getvalue()


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The smallest language model of a longer context than the course's, and a reward model of it."""
    home = tmp_path_factory.mktemp("models")
    trunk = GPT2(ModelConfig(dim=8, layers=1, heads=2, context=160), rngs=nnx.Rngs(0))
    for name, model in {"base": trunk, "proxy": ScalarModel(trunk, rngs=nnx.Rngs(1))}.items():
        save_model(model, home / name)
        load_tokenizer(BASE).save_pretrained(home / name)
    return SimpleNamespace(home=home, base=home / "base", proxy=home / "proxy")


@pytest.mark.parametrize(("found", "rows"), FORMS.values(), ids=FORMS)
def test_every_form_of_feedback_trains_a_reward_model(models, tmp_path, found, rows):
    file = write(tmp_path / "mine.jsonl", rows)
    words = ["reward", "--data", file, "--base", models.base, *SMALL, "--out", tmp_path / "run"]
    said, told = call(*words)
    assert said["data"]["formats"] == {found: len(rows)} and said["records"] == len(rows)
    assert said["data"]["training"] + said["data"]["held_out"] == len(rows)
    assert f"{len(rows)} rows, format {found} ({len(rows)})" in told
    assert json.loads((tmp_path / "run" / "data.json").read_text())["rows"] == len(rows)
    assert isinstance(load_model(tmp_path / "run" / "model"), ScalarModel)


@pytest.mark.parametrize(("found", "rows"), DEMONSTRATIONS.values(), ids=DEMONSTRATIONS)
def test_every_form_of_demonstrations_fine_tunes(models, tmp_path, found, rows):
    file = write(tmp_path / "mine.json", rows)
    said, _ = call("sft", "--data", file, "--base", models.base, *SMALL, "--out", tmp_path / "run")
    assert said["data"]["formats"] == {found: len(rows)} and said["data"]["training"] <= len(rows)
    assert all(row["loss"] > 0.0 for row in read_metrics(tmp_path / "run"))


def test_a_reward_model_learns_from_a_file_what_was_preferred(models, tmp_path):
    rows = [{"prompt": f"film {i} ?", "chosen": "good " * 6, "rejected": f"bad {i}"} for i in range(40)]
    words = ["reward", "--data", write(tmp_path / "mine.csv", rows), "--base", models.base, "--held-out", 0.2]
    said, _ = call(
        *words, *"--every 50 --epochs 30 --batch-tokens 768 --learning-rate 1e-2".split(), "--out", tmp_path / "run"
    )
    assert said["records"] == 40 and said["accuracy"] > 0.9


def test_a_row_as_long_as_the_models_context_trains_and_a_longer_one_is_counted(models, tmp_path):
    rows = [{"prompt": "why ?", "chosen": "so " * n, "rejected": "no " * n} for n in (5, 120, 200)]
    file = write(tmp_path / "mine.jsonl", rows)
    words = ["reward", "--data", file, "--base", models.base, *SMALL[:-1], 0]
    said, told = call(*words, "--out", tmp_path / "run")
    assert said["data"]["training"] == 2 and f"{file}:3: 2" in told
    assert all(0.0 < row["loss"] < 5.0 for row in read_metrics(tmp_path / "run"))
    said, _ = call(*words, "--too-long", "cut", "--out", tmp_path / "cut")
    assert said["data"]["training"] == 3


def test_a_run_is_not_resumed_on_another_file_of_the_same_name(models, tmp_path):
    file = write(tmp_path / "mine.jsonl", FORMS["TRL standard"][1])
    words = ["reward", "--data", file, "--base", models.base, *SMALL, "--out", tmp_path / "run"]
    call(*words)
    write(file, FORMS["TRL standard"][1][:-2])
    with pytest.raises(SystemExit, match="data_sha256"):
        call(*words, "--resume")


def test_dpo_trains_on_pairs_and_rankings_in_a_file(models, tmp_path):
    for name, count in (("UltraFeedback binarized", 12), ("rankings", 36)):
        file = write(tmp_path / "mine.jsonl", FORMS[name][1])
        said, _ = call("dpo", "--data", file, "--policy", models.base, *SMALL, "--out", tmp_path / name)
        assert said["data"]["training"] + said["data"]["held_out"] == count
        assert isinstance(load_model(tmp_path / name / "model"), GPT2)
    with pytest.raises(SystemExit, match="give a file with --data"):
        call("dpo", "--policy", models.base, "--out", tmp_path / "none")


@pytest.mark.parametrize("command", ["ppo", "grpo", "reinforce"])
def test_a_policy_trains_on_prompts_of_ones_own_against_a_reward_model_of_ones_own(models, tmp_path, command):
    file = write(tmp_path / "asked.jsonl", [{"prompt": q} for q, _, _ in SAID])
    batch = {"ppo": 4, "grpo": 2, "reinforce": 4}[command]
    words = [command, "--prompts", file, "--policy", models.base, "--proxy", models.proxy, "--held-out", 0.3]
    said, told = call(*words, "--batch", batch, "--iterations", 2, "--response", 6, "--out", tmp_path / "run")
    assert said["data"]["training"] + said["data"]["held_out"] == 12 and "format prompt (12)" in told
    assert said["prompts_measured"] == said["data"]["held_out"] and abs(said["kl_nats"]) < 5.0
    assert len(read_metrics(tmp_path / "run")) == 2
    assert load_base(tmp_path / "run" / "model")[0].config.context == 160


@pytest.mark.parametrize(("command", "make"), [("ppo", tiny.model), ("grpo", tiny.llama), ("reinforce", tiny.llama)])
def test_a_classifier_with_another_tokenizer_reads_the_answers_as_text(models, tmp_path, command, make):
    score = {"score.weight": np.random.default_rng(0).normal(size=(1, 32)).astype(np.float32)}
    theirs = foreign.write(
        tmp_path / "theirs", foreign.weights(make(context=64)) | score, **longer(make), pad_token_id=0
    )
    foreign.tokenizer().save_pretrained(theirs)
    file = write(tmp_path / "asked.jsonl", [{"prompt": q} for q, _, _ in SAID])
    words = [command, "--prompts", file, "--policy", models.base, "--proxy", theirs, "--gold", models.proxy]
    batch = {"ppo": 4, "grpo": 2, "reinforce": 4}[command]
    small = ["--batch", batch, "--iterations", 2, "--response", 6, "--held-out", 0.3]
    said, told = call(*words, *small, "--out", tmp_path / "run")
    assert f"{theirs} has another tokenizer than the policy: it reads the responses as text" in told
    assert np.isfinite([said["proxy_before"], said["proxy_after"], said["gold_after"]]).all()
    rows = read_metrics(tmp_path / "run")
    assert len(rows) == 2 and all("score/gold" in row and "score/proxy" not in row for row in rows)


def longer(make):
    """Settings of a context of 64 tokens."""
    return {"n_positions": 64} if make is tiny.model else {"max_position_embeddings": 64}


def test_a_command_that_cannot_learn_from_a_file_names_the_one_that_can(models, tmp_path):
    file = write(tmp_path / "mine.jsonl", DEMONSTRATIONS["Alpaca"][1])
    with pytest.raises(SystemExit, match="use `sft --data`"):
        call("reward", "--data", file, "--base", models.base, "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_bad_row_is_named_and_left_out_or_stops(models, tmp_path):
    file = write(
        tmp_path / "mine.jsonl", [*FORMS["TRL standard"][1], {"prompt": "p", "chosen": "same", "rejected": "same"}]
    )
    words = ["reward", "--data", file, "--base", models.base, *SMALL, "--out", tmp_path / "run"]
    with pytest.raises(SystemExit, match=r"mine.jsonl:13: .*identical"):
        call(*words, "--bad-rows", "stop")
    assert f"{file}:13: 'chosen' and 'rejected' are identical" in call(*words)[1]


def test_an_option_that_would_be_ignored_is_refused_and_a_changed_one_is_named(models, tmp_path):
    for words in (["sft"], ["reward"], ["ppo"], ["grpo"], ["reinforce"]):
        with pytest.raises(SystemExit, match=f"with --{'data' if words[0] in ('sft', 'reward') else 'prompts'}"):
            call(*words, "--normalise", "--out", tmp_path / "none")
    file = write(tmp_path / "mine.jsonl", FORMS["TRL standard"][1])
    words = ["reward", "--data", file, "--base", models.base, *SMALL, "--out", tmp_path / "run"]
    with pytest.raises(SystemExit, match="--gold is the course's own ratings"):
        call(*words, "--gold")
    call(*words)
    with pytest.raises(SystemExit, match=r"\(split_seed was 0, now 5, data_sha256 was"):
        call(*words, "--split-seed", 5, "--resume")
