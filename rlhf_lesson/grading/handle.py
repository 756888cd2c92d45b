"""The judge's handle on one worker: frames go in and come out under a clock and a cap, and the process ends when it is closed.

What comes out is more than bytes only after frames.py has measured it. The process that forks workers is in workers.py.
"""

import array
import contextlib
import json
import os
import select
import selectors
import signal
import socket
import time
from collections.abc import Sequence
from pathlib import Path

from rlhf_lesson.grading import frames

TICKS = os.sysconf("SC_CLK_TCK")  # in which the kernel counts a process' time
OUTPUT_KEPT, OUTPUT_LIMIT = 2**14, 2**25  # bytes of stdout and stderr that are kept, and that end a run
BOOT = 300.0  # seconds in which a zygote must be ready
EXCUSED = 120.0  # seconds, at most, that a worker may wait for a busy machine's cores on top of its limit
WHILE = 0.05  # seconds between two looks at how long a worker has waited
UNASKED = "an answer that nobody asked for"  # one sentence for every such flood: how much had come by then is chance


class Broken(Exception):
    """A run that gave no answer: `kind` is timeout, crashed, memory or too-large."""

    def __init__(self, kind: str, sentence: str):
        super().__init__(sentence)
        self.kind = kind


def coreless() -> float:
    """Seconds that this thread was ready to run and had no core; 0 on a kernel that does not count."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/thread-self/schedstat").read_text(encoding="utf-8").split()[1]) / 1e9
    return 0.0


class GraderError(Exception):
    """The judge's own failure: never a student's 0."""


class Worker:
    """One fork: `ask` sends a request and waits for its answer; `close` ends the process whatever it does."""

    def __init__(self, zygote, *, quick: bool = False):
        self.zygote, self.number, self.alive = zygote, 0, True
        self.delayed, self.looked, self.total, self.seen = 0.0, time.monotonic(), 0.0, {}  # see `waited`
        self.lag, self.left, self.ran = 0.0, self.looked, 0.0  # see `selected`
        self.killed = False  # whether it was ended from here
        self.note = self.lacks = ""  # which cell it took, and what that asks for and did not get
        self.output = {"stdout": b"", "stderr": b""}
        self.printed = 0
        pipes = [os.pipe() for _ in range(4)]  # requests, answers, stdout, stderr
        (their_in, self.requests), (self.answers, their_out), (out, their_stdout), (err, their_stderr) = pipes
        theirs = [their_in, their_out, their_stdout, their_stderr]
        request = {"folder": str(zygote.empty), "walls": zygote.walls, "limits": zygote.limits, "quick": quick}
        passed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", theirs))]
        zygote.control.settimeout(BOOT)
        zygote.control.sendmsg([json.dumps(request).encode()], passed)
        for fd in theirs:
            os.close(fd)
        self.files = {self.answers: "answers", out: "stdout", err: "stderr"}
        self.selector = selectors.DefaultSelector()
        for fd in self.files:
            os.set_blocking(fd, False)
            self.selector.register(fd, selectors.EVENT_READ)
        os.set_blocking(self.requests, False)
        self.inbox = bytearray()
        self.pid = zygote.hear("pid")["pid"]
        self.handle = os.pidfd_open(self.pid)
        try:
            self.walls = list(map(str, self.receive(time.monotonic() + BOOT)[0]["walls"]))
        except (Broken, frames.FrameError) as error:
            text = self.output["stderr"].decode(errors="replace")
            self.close()
            raise GraderError(f"a worker did not start: {error} {text}") from None

    def begin(self) -> None:
        """From here on, waiting for a core that others use does not count against an answer."""
        now, total, threads, ran = self.used()
        self.delayed, self.looked, self.total = 0.0, now, total
        self.lag, self.left, self.ran = 0.0, now, ran
        self.seen = {task: (now, total, *both) for task, both in threads.items()}

    @property
    def excused(self) -> float:
        """Seconds since `begin` that are not the answer's: its worker had no core, or its judge kept it waiting."""
        return self.delayed + self.lag

    def used(self) -> tuple[float, float, dict[str, tuple[float, float]], float]:
        """(now, processor seconds of all its threads, of each the seconds that it ran and had no core, those of all once more)."""
        now, total, threads = time.monotonic(), self.processor(), {}
        with contextlib.suppress(OSError, ValueError, IndexError):  # gone, or a kernel that does not count
            for task in Path(f"/proc/{self.pid}/task").iterdir():
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    ran, ready, *_ = (task / "schedstat").read_text(encoding="utf-8").split()
                    threads[task.name] = int(ran) / 1e9, int(ready) / 1e9
        return now, total, threads, self.processor()

    def processor(self) -> float:
        """Processor seconds of all its threads, those that have ended too."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            return sum(map(int, fields[11:13])) / TICKS
        return 0.0

    def waited(self) -> float:
        """Seconds since `begin` that a thread was ready to run and had no core, but for what its other threads ran meanwhile.

        So busy threads of its own buy no time. It is summed over short whiles, in each for the thread that waited longest. The
        kernel counts a wait when it is over: so each thread's share of waiting is taken over the time since it last ran.
        """
        now, total, threads, after = self.used()
        shares = []
        for task, (ran, ready) in threads.items():
            at, before, ran_then, ready_then = self.seen.get(task, (self.looked, self.total, 0.0, 0.0))
            if (ran, ready) != (ran_then, ready_then) and now > at:
                own = max(0.0, after - before - (ran - ran_then))
                shares.append((ready - ready_then - own) / (now - at))
                self.seen[task] = now, total, ran, ready
        if shares:
            self.delayed += min(1.0, max(0.0, *shares, 0.0)) * (now - self.looked)
            self.looked, self.total = now, total
        return self.delayed

    def selected(self, seconds: float) -> list[tuple[selectors.SelectorKey, int]]:
        """Waits for the pipes; other time is the judge's lag, unless the worker ran meanwhile: who takes its cores buys no time."""
        begin, before = time.monotonic(), coreless()
        found = self.selector.select(seconds)
        late, now, ran = coreless() - before, time.monotonic(), self.processor()
        blocked = now - begin - late
        self.lag += max(0.0, now - self.left - max(blocked, ran - self.ran))
        self.left, self.ran = now, ran
        return found

    def ask(self, header: dict, body: Sequence[bytes] = (), *, seconds: float) -> tuple[dict, memoryview]:
        """The answer to one request; Broken if none comes in time or the process ends, FrameError if it is forged."""
        self.number += 1
        end = time.monotonic() + seconds
        self.send(frames.frame({**header, "id": self.number}, body), end)
        answer, raw = self.receive(end)
        if answer.get("id") != self.number or isinstance(answer.get("id"), bool):
            raise frames.FrameError("crashed", UNASKED)
        return answer, raw

    def send(self, data: bytes, end: float) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self.requests, view) :]
            except BlockingIOError:
                self.selector.register(self.requests, selectors.EVENT_WRITE)
                self.turn(end)
                self.selector.unregister(self.requests)
                if self.inbox:  # nothing is asked yet: it is not gathered
                    raise frames.FrameError("crashed", UNASKED) from None
            except BrokenPipeError:
                raise self.ended() from None

    def receive(self, end: float) -> tuple[dict, memoryview]:
        size = frames.LENGTHS.size
        while len(self.inbox) < size:
            self.turn(end)
        header, body = frames.lengths(bytes(self.inbox[:size]))
        while len(self.inbox) < size + header + body:  # bounded by frames.lengths
            self.turn(end)
        if len(self.inbox) > size + header + body:
            raise frames.FrameError("crashed", UNASKED)
        whole = bytes(self.inbox)
        self.inbox.clear()
        return frames.header_of(whole[size : size + header]), memoryview(whole)[size + header :]

    def turn(self, end: float) -> None:
        """Takes in whatever is in the pipes, waiting at most until `end`, or until `requests` has room if that is watched."""
        if time.monotonic() - self.looked > WHILE:
            self.waited()
        left = end + min(EXCUSED, self.excused) - time.monotonic()
        if left <= 0:
            raise Broken("timeout", "it did not end in time")
        for key, _ in self.selected(min(left, WHILE)):
            if key.fd == self.requests:
                continue
            name = self.files[key.fd]
            try:
                data = os.read(key.fd, 1 << 16)
            except BlockingIOError:
                continue
            if name == "answers":
                if not data:
                    raise self.ended()
                self.inbox += data
                continue
            if not data:
                self.selector.unregister(key.fd)
            self.printed += len(data)
            room = OUTPUT_KEPT - len(self.output[name])
            self.output[name] += data[: max(0, room)]
            if self.printed > OUTPUT_LIMIT:
                raise Broken("too-large", f"it prints more than {OUTPUT_LIMIT >> 20} MiB")

    def ended(self) -> Broken:
        """Why the process is gone, as a failure."""
        status = self.close()
        text = self.output["stderr"]
        if status is not None and os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            if self.killed:
                return Broken("crashed", "the process closed its answers' pipe")
            if (
                number == signal.SIGKILL
                or b"MemoryError" in text
                or b"bad_alloc" in text
                or b"RESOURCE_EXHAUSTED" in text
            ):
                return Broken("memory", "the process was ended for want of memory")
            if number == signal.SIGXCPU:
                return Broken("timeout", "it used up its processor time")
            return Broken("crashed", f"the process was ended by {signal.Signals(number).name}")
        return Broken("crashed", "the process ended itself")

    def close(self) -> int | None:
        """Ends the process and returns its status; safe to call twice."""
        if not self.alive:
            return None
        self.alive = False
        os.close(self.requests)
        if not self.gone():
            self.killed = True
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.handle, signal.SIGKILL)
        if not self.zygote.walls:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        status = self.zygote.hear("ended", self.pid)["status"]
        os.close(self.handle)
        self.selector.close()
        for fd in self.files:
            os.close(fd)
        return status

    def gone(self, seconds: float = 0.2) -> bool:
        """Whether the process has ended by itself, given a moment to do so: its status says why."""
        return bool(select.select([self.handle], [], [], seconds)[0])
