"""The form of the widgets' JavaScript: lines that fit on a screen, broken where the formatter breaks them."""

import subprocess

import pytest
from project import ROOT

from rlhf_lesson.widgets import look


def test_no_line_of_javascript_is_longer_than_120_characters():
    lines = [(file.name, line) for file in look.STATIC.glob("*.js") for line in file.read_text("utf-8").splitlines()]
    assert lines and [(name, line) for name, line in lines if len(line) > 120] == []


def test_the_formatter_finds_nothing_to_change():
    deno = pytest.importorskip("deno", reason='the JavaScript formatter is missing: pip install -e ".[test]"')
    check = subprocess.run([deno.find_deno_bin(), "fmt", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert check.returncode == 0, f"run `.venv/bin/deno fmt`:\n{check.stderr}"


def test_a_widgets_parts_stand_in_front_of_it():
    text = look.script("simulator")
    assert text.index("const maths = {") < text.index("export default")
    assert all(file.read_text("utf-8") in text for file in look.STATIC.glob("simulator*.js"))
