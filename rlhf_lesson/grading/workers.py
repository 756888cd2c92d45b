"""The process that forks workers, as the judge sees it: started once per thread, asked for forks, closed with all it started.

It is called the zygote, as in Android: everything is imported there once, and each fork starts from it. One worker's handle is in
handle.py; what is asked, and whether an answer is right, is in marking.py.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rlhf_lesson.grading import frames
from rlhf_lesson.grading.handle import BOOT, Broken, GraderError, Worker

LAYERS = {"rlimits", "landlock", "seccomp"}
WORKER = Path(__file__).with_name("worker.py")
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "JAX_PLATFORMS": "cpu",
    "JAX_DEFAULT_MATMUL_PRECISION": "float32",  # as the references, see rlhf_lesson/precision.py
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NPROC": "1",  # XLA's thread pools
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


class Zygote:
    """One trusted process with JAX imported that forks workers; used by one thread at a time."""

    def __init__(self, *, walls: bool = True, limits: dict | None = None):
        self.walls, self.limits = walls, limits or {}
        try:
            os.close(os.pidfd_open(os.getpid()))
        except (OSError, AttributeError) as error:
            raise GraderError(
                f"this machine can't hold on to a process (pidfd_open: {error}): Linux 5.3 or newer can"
            ) from None
        self.folder = Path(tempfile.mkdtemp(prefix="grade-"))
        self.empty = self.folder / "empty"
        self.empty.mkdir()
        self.empty.chmod(0o555)
        self.folder.chmod(0o755)
        self.control, theirs = socket.socketpair()
        environment = {**ENVIRONMENT, "HOME": str(self.empty), "TMPDIR": str(self.empty)}
        command = [sys.executable, "-I", "-B", "-W", "ignore", str(WORKER), str(theirs.fileno())]
        with open(self.folder / "zygote.log", "wb") as log:
            self.process = subprocess.Popen(
                command,
                env=environment,
                cwd=self.empty,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        theirs.close()
        self.pending = b""
        self.messages = []
        try:
            self.hear("ready")
        except GraderError:
            log = (self.folder / "zygote.log").read_text(errors="replace", encoding="utf-8")[-600:]
            self.close()
            raise GraderError(f"the worker process did not start: {log}") from None

    def hear(self, what: str, pid: int | None = None) -> dict:
        """The zygote's next word of a kind: ready, pid, or ended (of one fork). It is trusted, and never late."""
        end = time.monotonic() + BOOT
        while True:
            for i, message in enumerate(self.messages):
                if what in message and (pid is None or message[what] == pid):
                    return self.messages.pop(i)
            self.control.settimeout(max(0.01, end - time.monotonic()))
            try:
                part = self.control.recv(4096)
            except TimeoutError:
                part = b""
            if not part:
                raise GraderError("the workers' parent process ended or hangs")
            *lines, self.pending = (self.pending + part).split(b"\n")
            self.messages += map(json.loads, lines)

    def fork(self, *, quick: bool = False) -> Worker:
        """A worker; a `quick` one compiles with flags that save time and may break right code: what fails there proves nothing."""
        return Worker(self, quick=quick)

    def close(self) -> None:
        self.control.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> "Zygote":
        return self

    def __exit__(self, *_) -> None:
        self.close()


def self_test(zygote: Zygote) -> dict[str, bool]:
    """Which attempts the walls stop, tried by a real worker; GraderError if even an honest sum fails."""
    secret = Path(frames.__file__).parents[1] / "course" / "exercise.py"
    if not secret.is_file():
        raise GraderError(f"{secret} is not there, so the self-test can't show that it may not be read")
    worker = zygote.fork()
    request = {"op": "probe", "secret": str(secret), "judge": os.getpid(), "folder": str(zygote.empty)}
    try:
        answer, _ = worker.ask(request, seconds=BOOT)
    except (Broken, frames.FrameError) as error:
        raise GraderError(f"the sandbox's self-test broke off: {error} {worker.output['stderr'][-300:]!r}") from error
    finally:
        worker.close()
    if answer.get("computes") is not True:
        raise GraderError(f"JAX does not work inside the sandbox: {answer}")
    return {**dict.fromkeys(sorted(LAYERS), False), **dict.fromkeys(worker.walls, True), **answer["held"]}
