"""The walls around a worker, put up by the worker itself before its first thread: rlimits, Landlock, seccomp.

They need Linux on x86-64 or aarch64; elsewhere `wall_in` returns fewer layers, and the judge refuses hidden cases. Every layer
binds the calling process and all its threads for good; none needs root.
It is safe against accidents and motivated students, not against holes in the kernel.
"""

import ctypes
import os
import resource
import struct
import sys
import sysconfig
from pathlib import Path

from seccomp import COLUMN, MACHINE, program  # beside this file: the worker starts without the package

LIBC = ctypes.CDLL(None, use_errno=True)


class Limits:
    """What one worker may use; the judge sends other numbers if it wants them."""

    address_space = 4 << 30  # bytes: JAX crashes below 1.5 GiB
    data = 2 << 30  # bytes of private memory
    files = 128
    cpu = 600  # seconds; the judge's clock strikes long before


def limit(limits: type[Limits] | Limits = Limits) -> None:
    """The kernel's own limits: memory, CPU, open files; no file may grow, no core is dumped."""
    for what, most in {
        resource.RLIMIT_AS: limits.address_space,
        resource.RLIMIT_DATA: limits.data,
        resource.RLIMIT_NOFILE: limits.files,
        resource.RLIMIT_CPU: limits.cpu,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_MEMLOCK: 0,
    }.items():
        hard = resource.getrlimit(what)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))


def become_nobody() -> str:
    """Root gives up its powers for good: user nobody if it may read Python's files, else root without capabilities."""
    if os.geteuid() != 0:
        return "user"
    nobody = 65534
    try:
        os.setgroups([])
        os.setresgid(nobody, nobody, nobody)
        os.setresuid(nobody, nobody, nobody)
        return "nobody"
    except OSError:
        return "root"


def may_nobody_read() -> bool:
    """Whether user nobody could read the interpreter's library and packages (not if they lie in root's home)."""
    for path in (sysconfig.get_paths()["stdlib"], sysconfig.get_paths()["purelib"]):
        path = Path(path).resolve()
        if not all(p.stat().st_mode & 0o005 == 0o005 for p in (path, *path.parents)):
            return False
    return True


def drop_capabilities() -> None:
    """Root's powers beyond its files, all gone: a file of root's may still be read, and Landlock sees to that."""
    for capability in range(64):
        LIBC.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
    header, data = struct.pack("<Ii", 0x20080522, 0), bytes(24)
    number = {"x86_64": 126, "aarch64": 91}[MACHINE]  # capset
    _call(number, ctypes.create_string_buffer(header), ctypes.create_string_buffer(data))


def _call(number: int, *args) -> int:
    result = LIBC.syscall(ctypes.c_long(number), *args)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


# ---- Landlock: which files ---------------------------------------------------------------------

WRITE, READ, LIST = 1 << 1, 1 << 2, 1 << 3  # a file, a file, a folder


def packages() -> set[Path]:
    """The folders that hold installed packages."""
    known = {sysconfig.get_paths()["purelib"], sysconfig.get_paths()["platlib"]}
    known |= {p for p in sys.path if p.endswith(("site-packages", "dist-packages"))}
    return {Path(p).resolve() for p in known if os.path.isdir(p)}


def hidden() -> set[Path]:
    """What no worker may read, wherever it was installed: this course's own code, so its solutions and slips."""
    own = {p for folder in packages() for p in folder.iterdir() if p.name.startswith(("rlhf_lesson", "__editable__"))}
    return own | {Path(__file__).resolve().parents[1]}


def around(path: Path, holes: set[Path]) -> list[tuple[Path, int]]:
    """A folder's rights: to read it whole or, where a hole is in it, to list it and to read all beside the hole."""
    if path in holes or not path.exists():
        return []
    if path.is_dir() and any(hole.is_relative_to(path) for hole in holes):
        return [(path, LIST), *(right for p in path.iterdir() for right in around(p, holes))]
    return [(path, READ | LIST)]


def readable() -> list[tuple[Path, int]]:
    """What a worker may read: the interpreter, the packages but this course's own, and the system's libraries."""
    system = (
        "/lib /lib64 /usr/lib /usr/lib64 /usr/local/lib /usr/share/zoneinfo /etc/ld.so.cache /dev/urandom /dev/zero"
    )
    machine = "/proc/cpuinfo /proc/meminfo /sys/devices/system/cpu /sys/devices/system/node"
    library = Path(sys.base_prefix, "lib")
    own = [sysconfig.get_paths()["stdlib"], *library.glob("*.so*"), *packages()]
    paths = {Path(p).resolve() for p in (*system.split(), *machine.split(), *own)}
    return [right for path in sorted(paths) for right in around(path, hidden())]


def landlock_rules() -> int | None:
    """A ruleset's descriptor, made once and inherited by every fork; None where the kernel has no Landlock."""
    version = LIBC.syscall(444, None, 0, 1) if COLUMN is not None else 0
    if version < 1:
        return None
    handled = (1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)) - 1
    attributes = struct.pack(
        "<QQQ", handled, 3 if version >= 4 else 0, 3 if version >= 6 else 0
    )  # no TCP, no signals out
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    rules = _call(444, ctypes.create_string_buffer(attributes, 24), size, 0)
    for path, access in (*readable(), (Path("/dev/null"), READ | WRITE)):
        try:
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            rule = struct.pack("<Qi", access if path.is_dir() else access & ~LIST, fd)
            _call(445, rules, 1, ctypes.create_string_buffer(rule, len(rule)), 0)
        finally:
            os.close(fd)
    return rules


def no_new_privileges() -> None:
    if LIBC.prctl(38, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "PR_SET_NO_NEW_PRIVS")


def wall_in(rules: int | None, *, as_nobody: bool, limits: Limits | type[Limits] = Limits) -> list[str]:
    """Puts up every wall the machine has; returns their names. Must run while the process has one thread."""
    limit(limits)
    walls = ["rlimits"]
    LIBC.prctl(1, 9, 0, 0, 0)  # PR_SET_PDEATHSIG: die with the zygote
    if os.geteuid() == 0 and COLUMN is not None:
        if as_nobody:
            walls.append(become_nobody())
        else:
            drop_capabilities()
            walls.append("no capabilities")
        LIBC.prctl(1, 9, 0, 0, 0)  # a change of user clears it
    if COLUMN is None:
        return walls
    no_new_privileges()
    if rules is not None:
        _call(446, rules, 0)
        os.close(rules)
        walls.append("landlock")
    filter_ = program(os.getpid(), read_only=rules is None)  # without Landlock, seccomp alone keeps files as they are
    buffer = ctypes.create_string_buffer(filter_, len(filter_))
    fprog = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", len(filter_) // 8, ctypes.addressof(buffer)), 16)
    if LIBC.prctl(22, 2, fprog, 0, 0) == 0:
        walls.append("seccomp")
    return walls
