"""The filter's program, run by hand: what it allows, what it denies, and that no jump leaves it."""

import importlib
import os
import struct
from pathlib import Path

import pytest

from rlhf_lesson.grading import frames

PID = 4321


@pytest.fixture
def seccomp(monkeypatch):
    """The module as the worker imports it: beside the others, without the package."""
    monkeypatch.syspath_prepend(str(Path(frames.__file__).parent))
    module = importlib.import_module("seccomp")
    if module.COLUMN is None:
        pytest.skip("the filter is written for x86-64 and aarch64")
    return module


def decided(seccomp, number, *args, read_only=False):
    """What the program returns for a system call, by a small interpreter of its four instructions."""
    words = list(struct.iter_unpack("<HBBI", seccomp.program(PID, read_only=read_only)))
    memory = struct.pack("<iIQ6Q", number, seccomp.ARCH, 0, *(*args, *[0] * (6 - len(args))))
    value, at = 0, 0
    while True:
        code, jump_if, jump_else, k = words[at]
        at += 1
        if code == 0x20:
            value = struct.unpack_from("<I", memory, k)[0]
        elif code == 0x06:
            return k
        else:
            at += jump_if if (value == k if code == 0x15 else value & k) else jump_else


def test_computing_is_allowed_and_everything_unnamed_denied(seccomp):
    for name in ("read", "write", "mmap", "futex"):
        assert decided(seccomp, seccomp.ALLOWED[name][seccomp.COLUMN]) == seccomp.ALLOW
    for number in (41, 59, 57, 198, 999):  # socket, execve, fork; socket on aarch64; none at all
        if number not in [row[seccomp.COLUMN] for row in seccomp.ALLOWED.values()]:
            assert decided(seccomp, number) & 0xFFFF0000 == seccomp.DENY


def test_threads_may_start_and_processes_may_not(seccomp):
    clone = seccomp.CHECKED["clone"][seccomp.COLUMN]
    assert decided(seccomp, clone, seccomp.CLONE_THREAD | 0x100) == seccomp.ALLOW
    assert decided(seccomp, clone, 0x11) & 0xFFFF0000 == seccomp.DENY


def test_a_signal_goes_to_the_worker_itself_only(seccomp):
    tgkill = seccomp.CHECKED["tgkill"][seccomp.COLUMN]
    assert decided(seccomp, tgkill, PID) == seccomp.ALLOW
    assert decided(seccomp, tgkill, PID + 1) & 0xFFFF0000 == seccomp.DENY


def test_where_landlock_is_missing_no_file_is_opened_for_writing_or_made(seccomp):
    for name, place in seccomp.OPENING.items():
        if (number := seccomp.ALLOWED[name][seccomp.COLUMN]) != seccomp.NEVER:
            for flags in (os.O_WRONLY, os.O_RDWR, os.O_CREAT, os.O_RDONLY | os.O_TRUNC, os.O_WRONLY | os.O_APPEND):
                args = [0] * place + [flags | os.O_CLOEXEC]
                assert decided(seccomp, number, *args, read_only=True) & 0xFFFF0000 == seccomp.DENY
                assert decided(seccomp, number, *args) == seccomp.ALLOW, "there Landlock says what may be written"
            reading = [0] * place + [os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY]
            assert decided(seccomp, number, *reading, read_only=True) == seccomp.ALLOW


@pytest.mark.parametrize("read_only", [False, True])
def test_no_jump_leaves_the_program(seccomp, read_only):
    words = list(struct.iter_unpack("<HBBI", seccomp.program(PID, read_only=read_only)))
    assert words[-1][0] == 0x06, "it ends by denying"
    for at, (code, jump_if, jump_else, _) in enumerate(words):
        assert code not in (0x15, 0x45) or at + 1 + max(jump_if, jump_else) < len(words)
