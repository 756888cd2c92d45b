"""Time that a machine's other processes took from a test, so that limits can be tested on a busy machine too.

Leaves out what sharing a physical core costs: that is no waiting, but makes the seconds of work more, as `LATE` allows for.
"""

from contextlib import contextmanager
from pathlib import Path

from project import SLOWER

from rlhf_lesson.grading.handle import Worker

# Seconds after its limit in which an answer that does not end must be over, and its failure explained.
LATE = 2 * SLOWER


def delay(pid="self") -> float:
    """Seconds that a process' threads were ready and had no core."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[1]) for task in tasks) / 1e9


@contextmanager
def others():
    """Gives a function that says how long this process and the workers that it asked waited for a core."""
    waits, waited, before = [], Worker.waited, delay()

    def noted(worker):
        earlier = worker.delayed
        waits.append(waited(worker) - earlier)
        return worker.delayed

    Worker.waited = noted
    try:
        yield lambda: sum(waits) + delay() - before
    finally:
        Worker.waited = waited
