"""The script for a lent GPU or TPU works before one is lent: with tiny nets, on this machine's CPU."""

import json
import subprocess
import sys

import pytest
from project import ROOT

SCRIPT = ROOT / "benchmarks" / "accelerator.py"


def measured(out, part: str) -> dict:
    """The card's table after a call that measures these parts with tiny nets."""
    command = [sys.executable, SCRIPT, "--smoke", "--only", part, "--out", out]
    subprocess.run([str(word) for word in command], check=True, cwd=ROOT, capture_output=True)
    ((card, parts),) = json.loads(out.read_text(encoding="utf-8")).items()
    assert card.startswith("cpu ("), "no card's name stands over its numbers"
    return parts


@pytest.mark.slow
@pytest.mark.parametrize("part, promised", [
    ("checks", {"answers", "rejected"}),
    ("speed/benchmark/ours", {"ppo_seconds", "tokens_per_second", "first_ppo_seconds", "peak_megabytes"}),
    ("precision", {"float32", "tensorfloat32", "bfloat16"}),
])  # fmt: skip
def test_a_part_is_measured_once_and_a_second_call_leaves_it(tmp_path, part, promised):
    first = measured(tmp_path / "a.json", part)
    assert all(promised <= set(row) for row in first.values())
    assert measured(tmp_path / "a.json", part) == first


@pytest.mark.slow
def test_a_part_that_failed_says_why_and_is_measured_again(tmp_path):
    out = tmp_path / "a.json"
    (name,) = measured(out, "checks")
    table = json.loads(out.read_text(encoding="utf-8"))
    (card,) = table
    out.write_text(json.dumps({card: {name: {"failed": "as if"}}}), encoding="utf-8")
    assert "answers" in measured(out, "checks")[name]
