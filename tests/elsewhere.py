"""Run by test_platforms.py: this process is made to look like Windows, then like macOS, and uses the package there.

Other people's packages ask the system what it is when they are first used: so everything is used once as it is, before.
"""

import importlib
import os
import pkgutil
import signal
import socket
import sys
import warnings
from pathlib import Path

import jax

MODULES = ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog", "crypt")
CALLS = {
    os: "fork forkpty killpg getuid geteuid getgid setsid mkfifo pidfd_open sched_getaffinity sched_setaffinity O_NOFOLLOW "
    "O_NONBLOCK O_PATH O_CLOEXEC wait waitid nice uname",
    signal: "SIGKILL SIGALRM SIGHUP SIGUSR1 setitimer alarm pthread_sigmask pidfd_send_signal",
    socket: "AF_UNIX send_fds recv_fds",
}
# They run inside the wall, beside each other, without the package.
SANDBOX = ("answering", "imports", "loading", "purity", "sandbox", "seccomp", "slices", "statements", "worker")


def become(system: str) -> None:
    """Takes away what the system does not have, and forgets what was imported of the course."""
    sys.platform = system
    if system == "win32":
        sys.modules.update(dict.fromkeys(MODULES))  # an import then says that there is no such module
        for module, names in CALLS.items():
            for name in names.split():
                if hasattr(module, name):
                    delattr(module, name)
    for name in [name for name in sys.modules if name.split(".")[0] == "rlhf_lesson"]:
        del sys.modules[name]


def import_everything() -> int:
    import rlhf_lesson

    found = [name for _, name, _ in pkgutil.walk_packages(rlhf_lesson.__path__, "rlhf_lesson.")]
    inside = {f"rlhf_lesson.grading.{name}" for name in SANDBOX}
    for name in found:
        if name not in inside:
            importlib.import_module(name)
    return len(found)


def use(folder: Path) -> None:
    """A lesson's way: a check, labels, a run with its log, models and notes on disk, a widget, the lessons, the command line."""
    from rlhf_lesson import arrays
    from rlhf_lesson.__main__ import main
    from rlhf_lesson.course import lab
    from rlhf_lesson.course.checks import check
    from rlhf_lesson.data import labels
    from rlhf_lesson.data.questions import Question
    from rlhf_lesson.models.checkpoint import load_model, save_model
    from rlhf_lesson.models.pretrained import load_base
    from rlhf_lesson.train import runs
    from rlhf_lesson.widgets.clip import Clip
    from rlhf_lesson.widgets.label import label

    assert check("masked_mean")(lambda *given, **named: arrays.masked_mean(*given, **named)).passed
    app = label(file=folder / "labels.jsonl", rules=folder / "rules.md", questions=[Question("", "café → 電影", "β")])
    app.hear({"do": "decide", "vote": "A", "number": 0, "seconds": 1.0})
    assert labels.read(folder / "labels.jsonl")[0].response_a == "café → 電影"
    model, _ = load_base()
    save_model(model, folder / "a model")
    load_model(folder / "a model")
    state = {"w": jax.numpy.zeros(2)}
    loop = [(state, {"step": 1, "steps": 1, "loss": 0.5})]
    list(runs.run(lambda _: iter(loop), folder / "run", config={"prompt": "β"}, like=state))
    assert runs.read_metrics(folder / "run")[0]["loss"] == 0.5
    assert "<img" in Clip().still()
    assert lab.lessons(folder / "lessons").is_dir()
    if sys.platform != "linux":
        try:
            main(["grade", str(folder)])
        except SystemExit as end:
            assert end.code == 4, end
        print("β → 電影")  # after `main` no letter ends a command, whatever the terminal can show


if __name__ == "__main__":
    warnings.filterwarnings("error", category=EncodingWarning, module="rlhf_lesson")
    place = Path(sys.argv[1])
    use(place / "linux")
    for system in ("win32", "darwin"):
        become(system)
        assert import_everything() > 80
        use(place / system)
    print("all of it works")
