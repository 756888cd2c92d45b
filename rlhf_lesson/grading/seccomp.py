"""Which system calls a worker may make, as a program for the kernel's filter (seccomp), on x86-64 and aarch64.

sandbox.py hands it to the kernel. Nothing is imported but the standard library, since it runs in the worker's process.
"""

import errno
import platform
import struct

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
OPENING = {"openat": 2, "open": 1}  # which of their arguments holds the flags
WRITING = 0o1 | 0o2 | 0o100 | 0o1000 | 0o2000  # O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_APPEND
ALLOW, DENY = 0x7FFF0000, 0x00050000


def _statement(code: int, k: int, jt: int = 0, jf: int = 0) -> bytes:
    return struct.pack("<HBBI", code, jt, jf, k)


def program(pid: int, *, read_only: bool = False) -> bytes:
    """The filter: what ALLOWED names, threads but no processes, harmless ioctls; signals only to itself; else EPERM.

    `read_only`: no file may be opened for writing, or made; for kernels where Landlock does not see to that.
    """
    opening = OPENING if read_only else {}

    def load(offset: int) -> bytes:
        return _statement(0x20, offset)

    def give(action: int) -> bytes:
        return _statement(0x06, action)

    def equal(number: int, jump_if: int, jump_else: int) -> bytes:
        return _statement(0x15, number & 0xFFFFFFFF, jump_if, jump_else)

    def argument(place: int, high: int = 0) -> bytes:
        return load(16 + 8 * place + 4 * high)

    deny = give(DENY | errno.EPERM)
    lines = [load(4), equal(ARCH, 1, 0), deny, load(0)]
    for name, numbers in ALLOWED.items():
        if numbers[COLUMN] != NEVER and name not in opening:
            lines += [equal(numbers[COLUMN], 0, 1), give(ALLOW)]

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
    blocks |= {
        name: [argument(place), _statement(0x45, WRITING, 0, 1), deny, give(ALLOW)] for name, place in opening.items()
    }
    for name, block in blocks.items():
        if (number := (CHECKED | ALLOWED)[name][COLUMN]) != NEVER:
            lines += [equal(number, 0, len(block)), *block]
    return b"".join([*lines, deny])
