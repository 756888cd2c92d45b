"""The walls around a worker, put up by the worker itself before its first thread: rlimits, Landlock, seccomp.

Leaves out bubblewrap, containers and other systems than Linux on x86-64 and aarch64: there `wall_in` returns fewer layers, and
the judge refuses hidden cases. Every layer binds the calling process and all its threads for good; none needs root.
It is safe against accidents and motivated students, not against holes in the kernel.
"""

import ctypes
import errno
import os
import platform
import resource
import struct
import sys
import sysconfig
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
MACHINE = platform.machine()
COLUMN = {"x86_64": 0, "aarch64": 1}.get(MACHINE)
ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}.get(MACHINE)
NEVER = -1

# What Python, NumPy and XLA need to compute: number on x86-64, number on aarch64.
ALLOWED = {
    "futex": (202, 98), "read": (0, 63), "write": (1, 64), "mmap": (9, 222), "munmap": (11, 215), "mprotect": (10, 226),
    "madvise": (28, 233), "brk": (12, 214), "mremap": (25, 216), "clock_gettime": (228, 113), "sched_yield": (24, 124),
    "openat": (257, 56), "open": (2, NEVER), "close": (3, 57), "fstat": (5, 80), "newfstatat": (262, 79),
    "stat": (4, NEVER), "lstat": (6, NEVER), "statx": (332, 291), "lseek": (8, 62), "pread64": (17, 67), "readv": (19, 65),
    "writev": (20, 66), "getdents64": (217, 61), "getdents": (78, NEVER), "access": (21, NEVER), "faccessat": (269, 48),
    "faccessat2": (439, 439), "readlink": (89, NEVER), "readlinkat": (267, 78), "getcwd": (79, 17), "fstatfs": (138, 44),
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "sigaltstack": (131, 132),
    "rt_sigpending": (127, 136), "rt_sigtimedwait": (128, 137), "pause": (34, NEVER), "restart_syscall": (219, 128),
    "select": (23, NEVER), "pselect6": (270, 72), "poll": (7, NEVER), "ppoll": (271, 73), "pipe": (22, NEVER),
    "pipe2": (293, 59), "dup": (32, 23), "dup2": (33, NEVER), "dup3": (292, 24), "eventfd2": (290, 19),
    "epoll_create1": (291, 20), "epoll_ctl": (233, 21), "epoll_wait": (232, NEVER), "epoll_pwait": (281, 22),
    "nanosleep": (35, 101), "clock_nanosleep": (230, 115), "clock_getres": (229, 114), "gettimeofday": (96, 169),
    "time": (201, NEVER), "times": (100, 153), "alarm": (37, NEVER), "setitimer": (38, 103), "getitimer": (36, 102),
    "getpid": (39, 172), "gettid": (186, 178), "getppid": (110, 173), "getuid": (102, 174), "geteuid": (107, 175),
    "getgid": (104, 176), "getegid": (108, 177), "getpgrp": (111, NEVER), "getpgid": (121, 155), "getsid": (124, 156),
    "getrusage": (98, 165), "getrlimit": (97, 163), "sysinfo": (99, 179), "uname": (63, 160), "getcpu": (309, 168),
    "sched_getaffinity": (204, 123), "sched_getparam": (143, 121), "sched_getscheduler": (145, 120),
    "set_robust_list": (273, 99), "set_tid_address": (218, 96), "rseq": (334, 293), "membarrier": (324, 283),
    "arch_prctl": (158, NEVER), "getrandom": (318, 278), "umask": (95, 166), "exit": (60, 93), "exit_group": (231, 94),
    "mincore": (27, 232), "mlock": (149, 228), "munlock": (150, 229), "fadvise64": (221, 223),
}  # fmt: skip
CHECKED = {
    "clone": (56, 220), "clone3": (435, 435), "prctl": (157, 167), "ioctl": (16, 29), "fcntl": (72, 25),
    "prlimit64": (302, 261), "tgkill": (234, 131),
}  # fmt: skip
CLONE_THREAD = 0x10000
ALLOW, DENY = 0x7FFF0000, 0x00050000


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
    """A folder's rights: to read it whole or, where a hole lies in it, to list it and to read all beside the hole."""
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


# ---- seccomp: which system calls ---------------------------------------------------------------


def _statement(code: int, k: int, jt: int = 0, jf: int = 0) -> bytes:
    return struct.pack("<HBBI", code, jt, jf, k)


def seccomp_program(pid: int) -> bytes:
    """The filter: what ALLOWED names, threads but no processes, harmless ioctls; signals only to itself; else EPERM."""
    load = lambda at: _statement(0x20, at)  # noqa: E731
    give = lambda action: _statement(0x06, action)  # noqa: E731
    equal = lambda k, jt, jf: _statement(0x15, k & 0xFFFFFFFF, jt, jf)  # noqa: E731
    argument = lambda i, high=0: load(16 + 8 * i + 4 * high)  # noqa: E731
    deny = give(DENY | errno.EPERM)
    program = [load(4), equal(ARCH, 1, 0), deny, load(0)]
    for numbers in ALLOWED.values():
        if numbers[COLUMN] != NEVER:
            program += [equal(numbers[COLUMN], 0, 1), give(ALLOW)]

    def one_of(i, values):
        block = [argument(i)]
        for value in values:
            block += [equal(value, 0, 1), give(ALLOW)]
        return [*block, deny]

    blocks = {
        "clone": [argument(0), _statement(0x45, CLONE_THREAD, 0, 1), give(ALLOW), deny],
        "clone3": [give(DENY | errno.ENOSYS)],
        "prctl": one_of(0, (15, 16, 0x53564D41)),
        "ioctl": one_of(1, (0x5401, 0x5413, 0x541B, 0x5450, 0x5451)),
        "fcntl": one_of(1, (0, 1, 2, 3, 4, 1030)),
        "prlimit64": [
            argument(0),
            equal(0, 0, 5),
            argument(2),
            equal(0, 0, 3),
            argument(2, 1),
            equal(0, 0, 1),
            give(ALLOW),
            deny,
        ],
        "tgkill": one_of(0, (pid,)),
    }
    for name, block in blocks.items():
        program += [equal(CHECKED[name][COLUMN], 0, len(block)), *block]
    return b"".join([*program, deny])


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
    program = seccomp_program(os.getpid())
    buffer = ctypes.create_string_buffer(program, len(program))
    fprog = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer)), 16)
    if LIBC.prctl(22, 2, fprog, 0, 0) == 0:
        walls.append("seccomp")
    return walls
