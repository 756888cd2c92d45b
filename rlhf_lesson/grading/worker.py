"""The other side of the wall: forks one process for each run of a submission, walls it in, and answers calls with plain data.

loading.py finds the function in a submission, answering.py calls it. No expected value and no verdict ever comes here: the worker
gets inputs and never learns whether an answer was right.

Started as `python -I -B worker.py FD`; it imports JAX once, starts no
thread, and forks on each request (the zygote).
"""

import array
import contextlib
import functools
import gc
import json
import os
import select
import shutil
import signal
import socket
import sys
from collections.abc import Sequence

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import frames
import purity
import sandbox
from answering import call, slope, together
from loading import failed, load

sys.path.pop(0)

# For a first look only: compiles in half the time, and without algsimp, which turns values * mask into a choice, no wrong answer
# comes out right by being compiled. Some right ones break by it: they are asked again without these flags.
QUICK = "--xla_disable_hlo_passes=algsimp --xla_cpu_use_fusion_emitters=false --xla_allow_excess_precision=false"
ONE_THREAD = "--xla_cpu_parallel_codegen_split_count=1"  # compiles in one thread: the same program, sooner
IN, OUT = 3, 4  # a fork's pipes


# ---- the zygote --------------------------------------------------------------------------------


def preload() -> str:
    """Imports what answers need, without starting JAX's backend: that would start threads, and a fork loses them.

    Returns the compiler's flags for a quick first look.
    """
    import jax
    import jax.numpy
    import jax.scipy.special
    from flax import nnx  # noqa: F401 (what the package's model needs)

    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_disable_most_optimizations", True)  # answers are small: compiling costs more than running
    if len(os.listdir("/proc/self/task")) != 1:
        raise RuntimeError("importing JAX started threads: a fork would lose them")
    plain = os.environ["XLA_FLAGS"]
    quick = f"{plain} {ONE_THREAD} {QUICK}"
    if (pid := os.fork()) == 0:  # XLA ends a process that gives it a flag it does not know: so try in another
        os.environ["XLA_FLAGS"] = quick
        os.dup2(os.open("/dev/null", os.O_WRONLY), 2)
        jax.numpy.zeros(1).block_until_ready()
        os._exit(0)
    known = os.waitpid(pid, 0)[1] == 0
    os.environ["XLA_FLAGS"] = f"{plain} {ONE_THREAD}" if known else plain
    gc.freeze()  # what is imported by now never goes: no fork need look at it again
    # compiling makes many objects that stay: looking for others took a tenth of its time
    gc.set_threshold(50_000, 20, 100)
    with contextlib.suppress(ImportError, AttributeError):  # JAX's own affair: without it all is as right, and slower
        from jax._src.interpreters import mlir

        mlir.make_ir_context = functools.cache(mlir.make_ir_context)  # once for a fork, not for each program
    return quick if known else plain


def zygote(fd: int) -> None:
    """Serves requests on a socket: each brings four descriptors and the limits, and becomes a walled-in fork."""
    control = socket.socket(fileno=fd)
    quick = preload()
    rules, as_nobody = sandbox.landlock_rules(), sandbox.may_nobody_read()
    tell(control, {"ready": True})
    poll, forks = select.poll(), {}
    poll.register(control, select.POLLIN | select.POLLRDHUP)
    while True:
        for fd, _ in poll.poll():
            if fd in forks:
                poll.unregister(fd)
                os.close(fd)
                pid = forks.pop(fd)
                tell(control, {"ended": pid, "status": os.waitpid(pid, 0)[1]})
                continue
            message, ancillary, *_ = control.recvmsg(4096, socket.CMSG_SPACE(16))
            if not message:  # the judge is gone: so is everything it started
                for pid in forks.values():
                    os.kill(pid, signal.SIGKILL)
                shutil.rmtree(os.path.dirname(os.getcwd()), ignore_errors=True)  # the judge's temporary folder
                return
            descriptors = array.array("i")
            for _, _, data in ancillary:
                descriptors.frombytes(data)
            pid = os.fork()
            if pid == 0:
                try:
                    request = json.loads(message)
                    if request["quick"]:
                        os.environ["XLA_FLAGS"] = quick  # read when the backend starts, in this fork
                    become_worker(control, list(descriptors), request, rules, as_nobody)
                except BaseException as error:  # never back into the zygote's loop
                    os.write(2, f"{type(error).__name__}: {error}\n".encode())
                finally:
                    os._exit(70)
            for each in descriptors:
                os.close(each)
            forks[fd := os.pidfd_open(pid)] = pid
            poll.register(fd, select.POLLIN)
            tell(control, {"pid": pid})


def tell(control: socket.socket, message: dict) -> None:
    control.sendall(json.dumps(message).encode() + b"\n")


def become_worker(control, descriptors: list[int], request: dict, rules: int | None, as_nobody: bool) -> None:
    """In the fork: only its own pipes are left open, the walls go up, and calls are answered until the pipe closes."""
    os.setsid()
    high = [os.dup2(fd, 100 + i) for i, fd in enumerate(descriptors)]
    keep = None if rules is None else os.dup2(rules, 110)
    os.chdir(request["folder"])
    os.closerange(3, 100)
    os.closerange(111, 4096)
    for fd, at in zip(high, (IN, OUT, 1, 2), strict=True):
        os.dup2(fd, at)
        os.close(fd)
    os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    os.closerange(5, 100)
    limits = sandbox.Limits()
    vars(limits).update(request["limits"])
    if request["walls"]:
        walls = sandbox.wall_in(keep, as_nobody=as_nobody, limits=limits)
    else:
        sandbox.limit(limits)
        walls = ["rlimits"]
    control.detach()
    serve(walls)


# ---- answering ---------------------------------------------------------------------------------


def read_exactly(count: int) -> bytes:
    parts = []
    while count:
        part = os.read(IN, min(count, 1 << 20))
        if not part:
            os._exit(0)
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def send(header: dict, body: Sequence[bytes] = ()) -> None:
    view = memoryview(frames.frame(header, body))
    while view:
        view = view[os.write(OUT, view) :]


def serve(walls: list[str]) -> None:
    """One request at a time: read or load an exercise, call it, or probe the walls."""
    import jax

    jax.jit(lambda x: x + 1)(
        0.0
    )  # the backend and the compiler start now, behind the walls and before an answer's clock
    namespace, compiled = {}, {}  # compiled: by mode, and by the gradient's place
    send({"id": 0, "walls": walls})
    while True:
        header, body = (read_exactly(n) for n in frames.LENGTHS.unpack(read_exactly(frames.LENGTHS.size)))
        request = json.loads(header)
        try:
            if request["op"] == "load":
                namespace, compiled = {}, {}
                answer, raw = load(request, namespace), []
            elif request["op"] == "read":
                answer, raw = {"pure": purity.plainly_pure(request)}, []
            elif request["op"] == "probe":
                answer, raw = probe(request), []
            elif request["op"] == "together":
                calls, kept = frames.unpack(request["args"], memoryview(body)), compiled.setdefault("together", {})
                answer, raw = together(namespace[request["name"]], request["gradients"], calls, kept)
            else:
                inputs = frames.unpack(request["args"], memoryview(body))
                place, mode = request["gradient"], request["mode"]
                function = slope(namespace[request["name"]], place)
                kept = compiled.setdefault((mode, place), {})
                answer, raw = call(function, inputs, mode, traceable=request["traceable"], compiled=kept)
        except MemoryError:
            answer, raw = {"failure": "memory", "text": ""}, []
        except frames.FrameError as error:
            answer, raw = {"failure": error.kind, "text": str(error)}, []
        except BaseException as error:  # SystemExit and KeyboardInterrupt too: a submission may raise anything
            answer, raw = failed(error, "raised"), []
        send({"id": request["id"], **answer}, raw)


# ---- the self-test -----------------------------------------------------------------------------


def probe(request: dict) -> dict:
    """Tries what must fail and what must work; the judge refuses hidden cases unless all is as it should be."""

    def stopped(attempt) -> bool:
        try:
            attempt()
        except (OSError, RuntimeError):
            return True
        return False

    def touch(path: str) -> None:
        open(path, "w", encoding="utf-8").close()
        os.remove(path)

    import jax.numpy as jnp
    import numpy as np

    attempts = {
        "read": lambda: open(request["secret"], encoding="utf-8").read(),
        "read_passwords": lambda: open("/etc/passwd", encoding="utf-8").read(),
        "write": lambda: touch("left-behind"),
        "write_elsewhere": lambda: touch("/var/tmp/left-behind-by-a-worker"),
        "rename": lambda: os.rename(request["folder"], request["folder"]),
        "chmod": lambda: os.chmod(request["folder"], 0o555),
        "tcp": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
        "udp": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        "unix": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM),
        "signal": lambda: os.kill(request["judge"], 0),
        "fork": lambda: os.fork() or os._exit(0),
        "execute": lambda: os.posix_spawn("/bin/true", ["true"], {}),
        "look": lambda: open(f"/proc/{request['judge']}/environ", "rb").read(),
    }
    held = {name: stopped(attempt) for name, attempt in attempts.items()}
    return {"held": held, "computes": float(np.asarray(jnp.sum(jnp.ones(3)))) == 3.0}


if __name__ == "__main__":
    zygote(int(sys.argv[1]))
