"""What Windows and macOS do differently, imitated on Linux: missing modules and calls, another encoding, stricter file names."""

import ast
import os
import re
import subprocess
import sys
from pathlib import PurePosixPath

import pytest
from project import ROOT, TESTS

CODE = [file for folder in ("rlhf_lesson", "tools", "benchmarks", "chapters") for file in (ROOT / folder).rglob("*.py")]
BYTES = ("os", "tarfile", "gzip", "zipfile", "archive")  # whose `open` gives bytes


def without_encoding(call: ast.Call) -> bool:
    """Whether a call reads or writes text in whatever encoding the system prefers: cp1252 on Windows, before Python 3.15."""
    options = {word.arg: word.value for word in call.keywords}
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if "encoding" in options:
        return False
    if name == "open":
        method = isinstance(call.func, ast.Attribute)
        if method and isinstance(call.func.value, ast.Name) and call.func.value.id in BYTES:
            return False
        modes = [*call.args[0 if method else 1 :][:1], *filter(None, [options.get("mode")])]
        return not any(isinstance(mode, ast.Constant) and "b" in str(mode.value) for mode in modes)
    if name in ("run", "Popen", "check_output"):
        return "text" in options or "universal_newlines" in options
    return (name == "read_text" and not call.args) or (name == "write_text" and len(call.args) < 2)


def test_whoever_reads_or_writes_text_names_its_encoding():
    found = []
    for file in CODE:
        calls = (node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Call))
        found += [f"{file.relative_to(ROOT)}:{call.lineno}" for call in calls if without_encoding(call)]
    assert not found, f'write encoding="utf-8" in {found}'


@pytest.mark.parametrize("line", ['open("x")', 'p.open("w")', "p.read_text()", "p.write_text(t)", "run(c, text=True)"])
def test_the_test_above_sees_what_names_no_encoding(line):
    (call,) = (node for node in ast.walk(ast.parse(line)) if isinstance(node, ast.Call))
    assert without_encoding(call)


def test_file_names_are_good_on_every_system():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, encoding="utf-8")
    if listed.returncode:
        pytest.skip("this is no clone")
    names = listed.stdout.splitlines()
    assert len({name.casefold() for name in names}) == len(names), "two names differ in case only"
    for name in names:
        for part in PurePosixPath(name).parts:
            assert re.fullmatch(r"[\w. ()-]*[\w)-]", part, re.ASCII), f"{name}: a sign that Windows refuses in a name"
            assert part.split(".")[0].lower() not in ("con", "prn", "aux", "nul", "com1", "lpt1"), name
        assert len(name) <= 120, f"{name}: with a home folder in front it is too long for Windows"
    outside = [file for file in CODE if file.is_relative_to(ROOT / "rlhf_lesson") and "grading" not in file.parts]
    assert not [file for file in outside if re.search(r"[\"']/(tmp|var)\b", file.read_text(encoding="utf-8"))]


def test_all_but_the_graders_sandbox_works_where_linux_is_not(tmp_path):
    """In an ASCII locale, without the modules and calls that Windows lacks; in its own process, see elsewhere.py."""
    env = {**os.environ, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C", "PYTHONPATH": str(ROOT)}
    env |= {"RLHF_LESSON_CACHE": str(tmp_path / "cache"), "RLHF_LESSON_PROGRESS": str(tmp_path / "progress.json")}
    command = [sys.executable, "-X", "warn_default_encoding", str(TESTS / "elsewhere.py"), str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, encoding="utf-8", errors="replace")
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines()[-1] == "all of it works"
    assert "the grader's sandbox needs Linux" in done.stderr
