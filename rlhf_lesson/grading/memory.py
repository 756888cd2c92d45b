"""Keeps the judge's own process small: slips are computed operation by operation, and JAX keeps a program of each."""

import ctypes
import gc
import mmap
from pathlib import Path

import jax

ROOM = 400  # MB that a judge's process may grow by until compiled programs are let go


def resident() -> int:
    """Memory of this process, in MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * mmap.PAGESIZE >> 20


class Memory:
    """How large this process was, and what to do when it has grown."""

    def __init__(self, room: int = ROOM):
        self.room, self.small = room, resident()

    def grown(self) -> bool:
        return resident() > self.small + self.room

    def let_go(self) -> None:
        """Drops what JAX has compiled, and gives the freed memory back to the system, which C's allocator would keep."""
        jax.clear_caches()
        gc.collect()
        getattr(ctypes.CDLL(None), "malloc_trim", lambda _: 0)(0)  # glibc's; other C libraries have none
        self.small = resident()
