"""Labels of one's own: nothing confirmed is lost, undo is one more line, and agreement by hand, by formula and at its limits."""

import json
import os
import signal
import subprocess
import sys

import pytest
import tiny
from flax import nnx

from rlhf_lesson.data import formats, labels
from rlhf_lesson.data.formats import parse_vote
from rlhf_lesson.data.labels import Labelling
from rlhf_lesson.data.questions import Question, questions
from rlhf_lesson.data.records import Pair, Vote
from rlhf_lesson.data.snippets import Snippets
from rlhf_lesson.models.gpt2 import GPT2
from rlhf_lesson.models.pretrained import BASE
from rlhf_lesson.models.tokenizer import load_tokenizer
from rlhf_lesson.train import reward_model

ASKED = [Question("", f"first {i}", f"second {i}") for i in range(6)]


@pytest.fixture
def file(tmp_path):
    return tmp_path / "mine.jsonl"


def votes(file):
    return [vote.vote for vote in labels.read(file)]


# ---- the file ------------------------------------------------------------------------------------


def test_a_session_goes_on_where_the_file_ends(file):
    first = Labelling(ASKED, file)
    for vote in ("A", "B", "tie", "skip"):
        first.decide(vote)
    again = Labelling(ASKED, file)
    assert again.question == ASKED[4] and again.counts == {"A": 1, "B": 1, "tie": 1, "skip": 1, "total": 6}
    again.decide("B")
    again.decide("B")
    assert again.question is None
    with pytest.raises(ValueError, match="undo one"):
        again.decide("A")
    with pytest.raises(ValueError, match="A, B, tie or skip"):
        Labelling(ASKED, file.with_name("other.jsonl")).decide("left")


def test_undo_takes_back_one_decision_after_the_other_and_only_appends(file):
    session = Labelling(ASKED, file)
    for vote in ("A", "B"):
        session.decide(vote)
    before = file.read_bytes()
    assert session.undo() == ASKED[1] == session.question
    assert file.read_bytes().startswith(before) and votes(file) == ["A"]
    session.decide("tie")
    assert votes(file) == ["A", "tie"] == [v.vote for v in Labelling(ASKED, file).decided.values()]
    assert session.undo() and session.undo() and session.undo() is None
    assert votes(file) == [] and len(file.read_text().splitlines()) == 6


def test_my_choices_are_pairs_without_ties_and_skips(file):
    assert labels.my_choices(file) == []
    session = Labelling(ASKED, file)
    for vote in ("A", "B", "tie", "skip"):
        session.decide(vote)
    assert labels.my_choices(file) == [Pair("", "first 0", "second 0"), Pair("", "second 1", "first 1")]
    assert labels.my_choices(file, keep_ties=True)[2] == Pair("", "first 2", "second 2", tie=True)


def test_every_line_is_synced_before_the_call_returns(file, monkeypatch):
    synced = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (synced.append(file.read_text()), real(handle)))
    Labelling(ASKED, file).decide("A")
    assert json.loads(synced[0])["vote"] == "A"


def test_half_a_line_of_a_kill_is_left_out_and_then_cut(file):
    session = Labelling(ASKED, file)
    session.decide("A")
    whole = file.read_bytes()
    for torn in (whole[:-9], b'{"prompt"', "é".encode()[:1]):
        file.write_bytes(whole + torn)
        assert votes(file) == ["A"]
        Labelling(ASKED, file).decide("B")
        assert votes(file) == ["A", "B"] and file.read_bytes().count(b"\n") == 2


def test_a_last_line_without_its_newline_is_kept(file):
    Labelling(ASKED, file).decide("A")
    file.write_bytes(file.read_bytes().rstrip(b"\n"))
    assert votes(file) == ["A"]
    Labelling(ASKED, file).decide("B")
    assert votes(file) == ["A", "B"]


def test_a_bad_line_in_the_middle_is_told(file):
    Labelling(ASKED, file).decide("A")
    file.write_bytes(b'{"vote": "left"}\n' + file.read_bytes())
    with pytest.raises(ValueError, match=r"mine.jsonl:1: .*mend this line"):
        labels.read(file)


WRITER = """
import sys
from rlhf_lesson.data.labels import Labelling
from rlhf_lesson.data.questions import Question, questions
session = Labelling([Question("", f"first {i}", f"second {i} " + "x" * 500) for i in range(100_000)], sys.argv[1])
while True:
    session.decide("A")
    print(session.counts["A"], flush=True)
"""


def test_a_killed_process_loses_no_confirmed_label(file):
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(file)], stdout=subprocess.PIPE, text=True)
    for _ in range(30):
        writer.stdout.readline()
    os.kill(writer.pid, signal.SIGKILL)
    confirmed = [int(line) for line in writer.stdout.read().splitlines() if line]
    writer.wait()
    assert len(labels.labels(file)) in (max(confirmed, default=30), max(confirmed, default=30) + 1)


def test_export_and_import_in_the_format_of_votes(file, tmp_path):
    session = Labelling(ASKED, file, annotator="ann")
    for vote in ("A", "skip", "B", "tie"):
        session.decide(vote)
    session.undo()
    out = tmp_path / "out.jsonl"
    assert labels.export(file, out) == 2
    read, _ = formats.read(out, parse_vote)
    assert read == [Vote("", "first 0", "second 0", "A", "ann"), Vote("", "first 2", "second 2", "B", "ann")]
    other = tmp_path / "other.jsonl"
    assert labels.import_votes(out, other) == 2 and labels.labels(other) == read
    assert Labelling(ASKED, other, annotator="ann").question == ASKED[1]


# ---- questions -----------------------------------------------------------------------------------


# ---- agreement -----------------------------------------------------------------------------------


def test_a_reward_model_learns_from_my_labels(file, movies, optimised):
    data = Snippets(load_tokenizer(BASE), 0)
    session = Labelling(questions(24, sentences=movies), file)
    while session.question:
        session.decide("B" if len(session.question.response_b) > len(session.question.response_a) else "A")
    pairs = data.comparisons(labels.my_choices(file))
    base = GPT2(tiny.SHAPE._replace(vocab=len(data.tokenizer), context=96), rngs=nnx.Rngs(0))
    config = reward_model.Config(epochs=30, batch_tokens=4608, learning_rate=1e-2, dropout=0.0)
    first, *_, last = reward_model.train(config, base, pairs, pad_id=data.tokenizer.pad_token_id)
    assert len(pairs) == 24 and first[1]["loss"] > 0.4 > 0.2 > last[1]["loss"]
