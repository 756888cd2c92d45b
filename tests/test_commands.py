"""Every command of the command line on the smallest model and a corner of the real ratings: what it writes, resumes and refuses."""

import io
import json
import os
import signal
import subprocess
import sys
from contextlib import redirect_stdout
from types import SimpleNamespace

import pytest

from rlhf_lesson.__main__ import main
from rlhf_lesson.data import feedback
from rlhf_lesson.models.checkpoint import load_model
from rlhf_lesson.study import pretrain
from rlhf_lesson.train import ppo, reward_model, sft
from rlhf_lesson.train.runs import read_metrics

SETS = (feedback.MOVIES, feedback.AMAZON, feedback.NYT, feedback.TWEETS)
LOOPS = {  # command -> the loop that it runs, and where the command finds it
    "pretrain": (pretrain, "train"),
    "sft": (sft, "train"),
    "reward": (reward_model, "train"),
    "ppo": (ppo, "train"),
}


def call(*words) -> dict | None:
    """What a command prints, read as JSON."""
    said = io.StringIO()
    with redirect_stdout(said):
        main([str(word) for word in words])
    return json.loads(said.getvalue()) if said.getvalue() else None


def refusal(*words) -> str:
    """The one sentence with which a command ends instead of a traceback."""
    with pytest.raises(SystemExit) as end:
        call(*words)
    assert isinstance(end.value.code, str) and end.value.code.startswith("rlhf_lesson: ")
    return end.value.code


def write_corner(folder):
    """A cache of real sentences and ratings, few and so short that a loop compiles one or two widths."""
    real = feedback.fetch()
    folder.mkdir(parents=True)
    for name in SETS:
        truth, rated = (
            (real / f"{name}_{kind}.txt").read_text("utf-8-sig").splitlines()
            for kind in ("GroundTruth", "anonDataRatings")
        )
        kept, room = [], {"eval": 400, "gold": 120, "proxy": 120} if name == feedback.MOVIES else {"proxy": 20}
        for line in truth:
            place, text = feedback.split(f"{name}/{line.split(chr(9))[0]}"), line.split("\t")[2]
            if room.get(place, 0) and len(text) <= 34:
                room[place] -= 1
                kept.append(line)
        ids = {line.split("\t")[0] for line in kept}
        (folder / f"{name}_GroundTruth.txt").write_text("\n".join(kept), encoding="utf-8")
        ratings = [line for line in rated if line.split("\t")[0] in ids]
        (folder / f"{name}_anonDataRatings.txt").write_text("\n".join(ratings), encoding="utf-8")


@pytest.fixture(scope="module")
def lesson(tmp_path_factory):
    """The whole chain by its commands; `words[name]` starts a command, `said[name]` is what it printed."""
    home = tmp_path_factory.mktemp("lesson")
    write_corner(home / "cache" / "hutto_2014")
    base, sft, proxy, gold = (home / name / "model" for name in ("pretrain", "sft", "reward", "gold"))
    sizes = "--vocab 700 --dim 16 --layers 1 --heads 2 --human-epochs 1 --film-reviews 0 --grammar-reviews 30".split()
    small, scorers = ["--every", 2, "--batch-tokens", 768], ["--proxy", proxy, "--gold", gold]
    words = {
        "pretrain": ["pretrain", *small, *sizes],
        "sft": ["sft", *small, "--base", base],
        "reward": ["reward", *small, "--base", base, "--pairs", 60, "--epochs", 1],
        "gold": ["reward", "--gold", *small, "--base", base, "--epochs", 1],
        "ppo": ["ppo", "--policy", sft, *scorers, "--every", 2, "--iterations", 5, "--batch", 8, "--epochs", 1],
        "bestofn": ["bestofn", "--policy", sft, *scorers, "--pool", 4, "--prompts", 16],
        "eval": ["eval", "--policy", home / "ppo" / "model", "--reference", sft, *scorers, "--prompts", 64],
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RLHF_LESSON_CACHE", str(home / "cache"))
        trained = ("pretrain", "sft", "reward", "gold", "ppo")
        said = {name: call(*words[name], "--out", home / name) for name in trained}
        said |= {name: call(*words[name]) for name in ("bestofn", "eval")}
        yield SimpleNamespace(home=home, words=words, said=said)


@pytest.mark.parametrize("name", ["pretrain", "sft", "reward", "gold", "ppo"])
def test_a_training_command_leaves_a_run_and_a_model(lesson, name):
    folder = lesson.home / name
    rows = read_metrics(folder)
    assert [row["step"] for row in rows] == list(range(1, int(rows[0]["steps"]) + 1))
    assert len((folder / "metrics.csv").read_text().splitlines()) == len(rows) + 1
    assert json.loads((folder / "run.json").read_text())["loop"] == lesson.words[name][0]
    model = load_model(folder / "model")
    assert hasattr(model, "trunk") == (name in ("reward", "gold"))
    assert (folder / "model" / "tokenizer.json").is_file()


def test_pretrain_lowers_its_loss_and_writes_a_card(lesson):
    card = json.loads((lesson.home / "pretrain" / "model" / "card.json").read_text())
    assert card["config"]["dim"] == 16 and card["parameters"] < 50_000
    assert card["nats_per_token"] < card["loss_curve"][0] - 0.05  # from the logarithm of 700 pieces, 6.55
    assert len(card["samples_at_0.7"]) == 50
    assert lesson.said["pretrain"]["bits_per_byte"] == card["bits_per_byte"]


def test_sft_starts_from_the_base_that_it_is_given(lesson):
    start = lesson.said["pretrain"]["nats_per_token"]
    assert lesson.said["sft"]["val_loss"] < start + 0.3
    assert load_model(lesson.home / "sft" / "model").config.dim == 16


def test_reward_says_how_often_it_agrees_with_people(lesson):
    for name in ("reward", "gold"):
        assert 0.3 < lesson.said[name]["accuracy_single_rater"] < 0.9
        assert -1.0 < lesson.said[name]["correlation_with_raters"] < 1.0
    settings = [json.loads((lesson.home / name / "run.json").read_text())["gold"] for name in ("reward", "gold")]
    assert settings == [False, True]


def test_best_of_n_counts_up_to_the_pool_and_its_reward_rises(lesson):
    rows = lesson.said["bestofn"]["bestofn"]
    assert [row["n"] for row in rows] == [1, 2, 4]
    assert rows[0]["proxy"] < rows[1]["proxy"] < rows[2]["proxy"]
    assert rows[0]["kl"] == 0.0 and set(rows[0]) == {"n", "kl", "proxy", "gold", "judge"}


def test_ppo_and_eval_report_the_same_numbers(lesson):
    ppo, evaluation = lesson.said["ppo"], lesson.said["eval"]
    assert {key for key in ppo if key != "model"} == set(evaluation)
    assert set(evaluation) >= {"ppo.proxy_gain", "ppo.gold_gain", "ppo.judge_gain", "ppo.win_rate_gold", "ppo.kl_nats"}
    assert evaluation["ppo.kl_nats"] != 0.0


def test_eval_of_a_policy_against_itself_finds_nothing(lesson):
    words = list(lesson.words["eval"])
    words[words.index("--policy") + 1] = lesson.home / "sft" / "model"
    said = call(*words)
    assert said["ppo.proxy_gain"] == said["ppo.gold_gain"] == said["ppo.kl_nats"] == 0.0
    assert said["ppo.win_rate_gold"] == 0.5


def test_data_fetch_counts_what_lies_in_the_cache(lesson):
    said = call("data", "fetch")
    assert said["folder"] == str(lesson.home / "cache" / "hutto_2014")
    assert [said[name] for name in SETS] == [289, 20, 20, 20]


@pytest.mark.parametrize("name", LOOPS)
def test_ctrl_c_then_resume_ends_like_a_run_never_stopped(lesson, name, monkeypatch):
    whole, stopped = lesson.home / name, lesson.home / f"{name} stopped"
    module, loop = LOOPS[name]
    train, stop_at = getattr(module, loop), 3

    def interrupted(*args, **options):
        for item in train(*args, **options):
            if item[1]["step"] == stop_at:
                signal.raise_signal(signal.SIGINT)
            yield item

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module, loop, interrupted)
        call(*lesson.words[name], "--out", stopped)
    assert len(read_metrics(stopped)) == stop_at < len(read_metrics(whole))
    assert not (stopped / "model").exists()

    assert "pass --resume" in refusal(*lesson.words[name], "--out", stopped)
    said = call(*lesson.words[name], "--out", stopped, "--resume")
    assert said == {**lesson.said[name], "model": said["model"]} if "model" in said else said == lesson.said[name]
    without_seconds = [[{**row, "seconds": 0} for row in read_metrics(folder)] for folder in (whole, stopped)]
    assert without_seconds[0] == without_seconds[1]
    weights = [(folder / "model" / "model.safetensors").read_bytes() for folder in (whole, stopped)]
    assert weights[0] == weights[1]


def test_resuming_with_other_settings_is_refused_by_name(lesson):
    said = refusal(*lesson.words["reward"], "--out", lesson.home / "reward", "--resume", "--learning-rate", 0.5)
    assert "learning_rate was 0.0005, now 0.5" in said


def test_resuming_with_another_model_under_the_same_path_is_refused(lesson):
    weights = lesson.home / "pretrain" / "model" / "model.safetensors"
    before = weights.read_bytes()
    try:
        weights.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
        said = refusal(*lesson.words["sft"], "--out", lesson.home / "sft", "--resume")
    finally:
        weights.write_bytes(before)
    assert "content of base was" in said and "use another folder" in said


def test_diagnose_reads_the_folder_of_any_run(lesson):
    for name in ("sft", "reward", "ppo"):
        said = call("diagnose", lesson.home / name)
        assert said["iterations"] == len(read_metrics(lesson.home / name)) and "not-finite" not in said["findings"]
    assert "holds no metrics.jsonl" in refusal("diagnose", lesson.home)
    assert "no finding is called 'hunch'" in refusal(
        *lesson.words["ppo"], "--out", lesson.home / "refused", "--stop-on", "hunch"
    )


@pytest.mark.parametrize(
    ("name", "option", "folder", "why"),
    [
        ("sft", "--base", "nowhere", "nowhere has no config.json and model.safetensors"),
        ("reward", "--base", "gold/model", "holds a reward model: give a folder that `pretrain`, `sft` or `ppo` made"),
        ("ppo", "--policy", "nowhere", "nowhere has no config.json and model.safetensors"),
        ("ppo", "--proxy", "sft/model", "without a reward head: give a folder that `reward` made"),
        ("eval", "--policy", "nowhere", "nowhere has no config.json and model.safetensors"),
        ("eval", "--reference", "reward", "reward has no config.json and model.safetensors"),
        ("bestofn", "--policy", "gold/model", "holds a reward model"),
        ("bestofn", "--gold", "untold/model", "no tokenizer.json"),
    ],
)
def test_a_wrong_folder_is_named_and_the_right_one_described(lesson, name, option, folder, why):
    home, words = lesson.home, [*lesson.words[name]]
    copy = home / "untold" / "model"  # without its tokenizer
    copy.mkdir(parents=True, exist_ok=True)
    for file in (home / "gold" / "model").glob("[cm]*"):
        (copy / file.name).write_bytes(file.read_bytes())
    words[words.index(option) + 1] = home / folder
    said = refusal(*words, *(["--out", home / "refused"] if name not in ("eval", "bestofn") else []))
    assert why in said and str(home / folder) in said
    assert not (home / "refused").exists()


def test_a_run_cannot_be_made_where_a_file_lies(lesson):
    (lesson.home / "file").write_text("mine")
    assert "file" in refusal(*lesson.words["sft"], "--out", lesson.home / "file")
    assert (lesson.home / "file").read_text() == "mine"


def test_the_shell_sees_one_sentence_and_a_code_and_no_traceback(tmp_path):
    words = [sys.executable, "-m", "rlhf_lesson", "ppo", "--policy", str(tmp_path), "--out", str(tmp_path / "out")]
    done = subprocess.run(
        words, capture_output=True, text=True, env={**os.environ, "JAX_PLATFORMS": "cpu"}, check=False
    )
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.splitlines()[-1].startswith(f"rlhf_lesson: {tmp_path} has no config.json")
    assert "Traceback" not in done.stderr
