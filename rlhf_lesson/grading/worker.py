"""The other side of the wall: forks one process for each run of a submission, walls it in, and answers calls with plain data.

Leaves out every expected value and every verdict: it gets inputs one call at a time and never learns whether an answer was
right. Started as `python -I -B worker.py FD`; it imports JAX once, starts no thread, and forks on each request (the zygote).
"""

import array
import ast
import builtins
import functools
import importlib.abc
import importlib.util
import json
import linecache
import os
import re
import select
import shutil
import signal
import socket
import sys
from collections.abc import Sequence

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import frames
import sandbox

sys.path.pop(0)

FASTER = "--xla_cpu_use_fusion_emitters=false"  # halves the time to compile
IN, OUT = 3, 4  # a fork's pipes
TEXT_LIMIT = 300  # characters of an exception's text
MAGIC = re.compile(r"^\s*(%|!|\?|.*\?\s*$)")


# ---- the zygote --------------------------------------------------------------------------------


def preload() -> None:
    """Imports what answers need, without starting JAX's backend: that would start threads, and a fork loses them."""
    import jax
    import jax.numpy
    import jax.scipy.special
    from flax import nnx  # noqa: F401 (what the package's model needs)

    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_disable_most_optimizations", True)  # answers are small: compiling costs more than running
    if len(os.listdir("/proc/self/task")) != 1:
        raise RuntimeError("importing JAX started threads: a fork would lose them")
    flags = os.environ["XLA_FLAGS"]
    os.environ["XLA_FLAGS"] = f"{flags} {FASTER}"
    if (pid := os.fork()) == 0:  # XLA ends a process that gives it a flag it does not know: so try in another
        os.dup2(os.open("/dev/null", os.O_WRONLY), 2)
        jax.numpy.zeros(1).block_until_ready()
        os._exit(0)
    if os.waitpid(pid, 0)[1]:
        os.environ["XLA_FLAGS"] = flags


def zygote(fd: int) -> None:
    """Serves requests on a socket: each brings four descriptors and the limits, and becomes a walled-in fork."""
    control = socket.socket(fileno=fd)
    preload()
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
            given = array.array("i")
            for _, _, data in ancillary:
                given.frombytes(data)
            pid = os.fork()
            if pid == 0:
                try:
                    become_worker(control, list(given), json.loads(message), rules, as_nobody)
                except BaseException as error:  # never back into the zygote's loop
                    os.write(2, f"{type(error).__name__}: {error}\n".encode())
                finally:
                    os._exit(70)
            for each in given:
                os.close(each)
            forks[fd := os.pidfd_open(pid)] = pid
            poll.register(fd, select.POLLIN)
            tell(control, {"pid": pid})


def tell(control: socket.socket, message: dict) -> None:
    control.sendall(json.dumps(message).encode() + b"\n")


def become_worker(control, given: list[int], request: dict, rules: int | None, as_nobody: bool) -> None:
    """In the fork: only its own pipes are left open, the walls go up, and calls are answered until the pipe closes."""
    os.setsid()
    high = [os.dup2(fd, 100 + i) for i, fd in enumerate(given)]
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
    """One request at a time: load an exercise, call it, or probe the walls."""
    namespace, compiled = {}, {}
    send({"id": 0, "walls": walls})
    while True:
        header, body = (read_exactly(n) for n in frames.LENGTHS.unpack(read_exactly(frames.LENGTHS.size)))
        request = json.loads(header)
        try:
            if request["op"] == "load":
                namespace, compiled = {}, {}
                answer, raw = load(request, namespace), []
            elif request["op"] == "probe":
                answer, raw = probe(request), []
            else:
                given = frames.unpack(request["args"], memoryview(body))
                place = request["gradient"]
                function = slope(namespace[request["name"]], place)
                answer, raw = call(function, given, compiled.setdefault(place, {}) if request["quick"] else None)
        except MemoryError:
            answer, raw = {"failure": "memory", "text": ""}, []
        except frames.FrameError as error:
            answer, raw = {"failure": error.kind, "text": str(error)}, []
        except BaseException as error:  # SystemExit and KeyboardInterrupt too: a submission may raise anything
            answer, raw = failed(error, "raised"), []
        send({"id": request["id"], **answer}, raw)


def failed(error: BaseException, kind: str) -> dict:
    """An exception as data; whatever its own methods do, this returns."""
    try:
        name = "missing" if isinstance(error, NotImplementedError) else kind
        kind = "memory" if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in type(error).__name__ else name
        text = f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"
    except BaseException:
        return {"failure": kind, "text": "an exception that can't be shown"}
    return {"failure": str(kind), "text": "".join(c if c.isprintable() else "?" for c in str(text)[:TEXT_LIMIT])}


def real(value):
    """Random keys become JAX's own again, and names of the library's functions these functions; all else is as it came."""
    if isinstance(value, frames.Library):
        return getattr(importlib.import_module(value.module), value.name)
    if isinstance(value, frames.Key):
        import jax

        return jax.random.wrap_key_data(jax.numpy.asarray(value.data), impl=value.name)
    if isinstance(value, list | tuple):
        return type(value)(map(real, value))
    if isinstance(value, dict):
        return {k: real(v) for k, v in value.items()}
    return value.copy() if hasattr(value, "copy") else value  # writeable, as a learner's own array would be


def slope(function, place: int | None):
    """What `rlhf_lesson.exercise.slope` gives: the gradient by the argument at this place, or the function itself."""

    def gradient(*args, **kwargs):
        import jax

        return jax.grad(lambda x: jax.numpy.sum(function(*args[:place], x, *args[place + 1 :], **kwargs)))(args[place])

    return function if place is None else gradient


def call(function, given, compiled: dict | None) -> tuple[dict, list[bytes]]:
    """The answer to one call; `compiled` keeps what jax.jit made of the function, None calls it as it is."""
    args, kwargs = real(given)
    result, body = function(*args, **kwargs) if compiled is None else quick(function, args, kwargs, compiled), []
    node = frames.pack(result, body)
    if sum(map(len, body)) > frames.BODY_LIMIT:
        raise frames.FrameError("too-large", "the answer is too large")
    return {"answer": node}, body


def quick(function, args, kwargs, compiled: dict):
    """The call under jax.jit, arrays and floats traced; as it is once that failed. A failure here is never held against it."""
    import jax
    import numpy as np

    leaves, tree = jax.tree.flatten((args, kwargs))
    traced = [isinstance(x, np.ndarray | np.generic | jax.Array | float) for x in leaves]
    fixed = [None if t else x for x, t in zip(leaves, traced, strict=True)]
    if compiled.get("eager"):
        return function(*args, **kwargs)

    def of_arrays(*arrays):
        given = iter(arrays)
        args, kwargs = jax.tree.unflatten(tree, [next(given) if t else x for x, t in zip(fixed, traced, strict=True)])
        return function(*args, **kwargs)

    try:
        run = compiled.setdefault((tree, tuple(traced), repr(fixed)), jax.jit(of_arrays))
        return run(*(x for x, t in zip(leaves, traced, strict=True) if t))
    except Exception:
        compiled["eager"] = True
        return function(*args, **kwargs)


# ---- loading a submission ----------------------------------------------------------------------


class Library(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """`rlhf_lesson` as this exercise may see it: modules from the judge's text, without the answers still to be given."""

    def __init__(self, texts: dict[str, str]):
        self.texts = texts

    def find_spec(self, name, path=None, target=None):
        if name == "rlhf_lesson" or name.startswith("rlhf_lesson."):
            if name != "rlhf_lesson" and name not in self.texts:
                raise ImportError(f"{name} is not part of what an answer may use")
            package = any(module.startswith(f"{name}.") for module in self.texts)
            return importlib.util.spec_from_loader(name, self, is_package=package)
        return None

    def exec_module(self, module):
        module.__file__ = f"/library/{module.__name__.replace('.', '/')}.py"  # no such file: its text came by the pipe
        exec(compile(self.texts.get(module.__name__, ""), f"<{module.__name__}>", "exec"), module.__dict__)


def parse(text: str) -> ast.Module:
    """A cell's tree; IPython's magics are dropped if it does not parse as it stands."""
    try:
        return ast.parse(text)
    except SyntaxError:
        return ast.parse("\n".join("" if MAGIC.match(line) else line for line in text.split("\n")))


def bound(statement: ast.stmt) -> set[str]:
    """The names that a statement binds at the top level."""
    names = set()
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    for node in ast.walk(statement):
        if isinstance(node, ast.alias):
            names.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
    return names


def used(statement: ast.AST) -> set[str]:
    """The names it reads, those in its quoted annotations left out."""
    return {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def registers(statement: ast.stmt) -> set[str]:
    """The functions that a statement completes: `@f.defjvp`, or `f.defvjp(forward, backward)`."""
    calls = getattr(statement, "decorator_list", [getattr(statement, "value", None)])
    calls = [c.func if isinstance(c, ast.Call) else c for c in calls]
    made = [c.value for c in calls if isinstance(c, ast.Attribute) and c.attr in ("defjvp", "defjvps", "defvjp")]
    return {n.id for n in made if isinstance(n, ast.Name)}


def helps(statement: ast.stmt) -> bool:
    """Whether a statement of another cell may be run for its names: imports, definitions, plain assignments."""
    if registers(statement):
        return True
    if isinstance(statement, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef):
        return True
    plain = isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None
    return plain and not any(isinstance(n, ast.Call | ast.Await | ast.Yield) for n in ast.walk(statement.value))


@functools.cache
def pieces(text: str) -> list[tuple[ast.stmt, set[str], set[str]]]:
    """What a cell of helpers offers: statements with the names that each binds and uses; none if it is broken."""
    try:
        return [(s, bound(s) | registers(s), used(s)) for s in parse(text).body if helps(s)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []  # a broken cell costs the exercise that it is about, not its neighbours


def load(request: dict, namespace: dict) -> dict:
    """Runs what the exercise's own cell says, after just those imports, helpers and earlier answers that it uses."""
    name, cells = request["name"], request["cells"]
    for module in [m for m in sys.modules if m == "rlhf_lesson" or m.startswith("rlhf_lesson.")]:
        del sys.modules[module]
    sys.meta_path[:] = [f for f in sys.meta_path if type(f) is not Library]
    sys.meta_path.insert(0, Library(request["library"]))
    try:
        own = parse(cells[request["own"]]).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return failed(error, "does-not-parse")
    body = [s for s in own if not isinstance(s, ast.Expr) or registers(s)]
    dropped = [s for s in own if s not in body and not isinstance(s.value, ast.Constant)]
    wanted = set().union(*map(used, body), {name}) if body else {name}
    body = [s for s in body if not isinstance(s, ast.Import | ast.ImportFrom) or bound(s) & (wanted | {"*"})]
    earlier = request["earlier"]
    taken = {name, *earlier}
    around = [p for i, cell in enumerate(cells) if i != request["own"] for p in pieces(cell) if not p[1] & taken]
    needed, grew = set(wanted), True
    while grew:
        helpers = [p for p in around if p[1] & (needed | {"*"})]
        more = needed.union(*(p[2] for p in helpers))
        needed, grew = more, more != needed
    siblings = set(request["siblings"])
    namespace.update(__name__="submission", __builtins__=builtins)
    for each in sorted(needed & set(earlier)):
        try:
            namespace[each] = getattr(importlib.import_module(earlier[each]), each)
        except Exception:
            continue
    for statement, *_ in helpers:
        try:
            run([statement], "<your other cells>", namespace, siblings)
        except Exception:
            continue  # if the answer needs it, its call will say so
    source = f"<exercise {name}>"
    linecache.cache[source] = (len(cells[request["own"]]), None, cells[request["own"]].splitlines(True), source)
    try:
        run(body, source, namespace, siblings)
    except BaseException as error:
        return failed(error, "import-failed")
    if name not in namespace:
        return {"failure": "missing", "text": f"the cell defines no {name}"}
    if not callable(namespace[name]):
        return {"failure": "not-callable", "text": f"{name} is a {type(namespace[name]).__name__}"}
    return {"loaded": True, "dropped": len(dropped)}


def run(statements: list[ast.stmt], source: str, namespace: dict, siblings: set[str]) -> None:
    """Executes statements; an import from the submission's own modules is met by the names that are there already."""
    kept = []
    for s in statements:
        if isinstance(s, ast.ImportFrom) and (s.level or (s.module or "").split(".")[-1] in siblings):
            kept += [ast.parse(f"{a.asname} = {a.name}").body[0] for a in s.names if a.asname and a.asname != a.name]
        else:
            kept.append(s)
    exec(compile(ast.Module(kept, []), source, "exec"), namespace)


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
        open(path, "w").close()
        os.remove(path)

    import jax.numpy as jnp
    import numpy as np

    attempts = {
        "read": lambda: open(request["secret"]).read(),
        "read_passwords": lambda: open("/etc/passwd").read(),
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
