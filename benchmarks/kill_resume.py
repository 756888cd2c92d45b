"""Kills a tiny PPO run with kill -9 at random moments, resumes it, and compares it with an uninterrupted run.

Power cuts are not tested. `python benchmarks/kill_resume.py [KILLS] [SEED]` prints {"kills", "equal", ...} as JSON.
"""

import json
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from train.test_runs import ITERATIONS, outcome, start, wait_for_rows

from rlhf_lesson.train.runs import read_metrics


def main(kills: int = 20, seed: int = 0) -> dict:
    """Every kill hits a new run, at a random moment between its first row and its last.

    Returns:
      kills: number of runs killed before their last row; equal: how many of them ended with the same rows and bits after
      resuming; in_a_write: how many left a half-written file in the folder; rows: the iterations that each had logged.
    """
    rng = random.Random(seed)
    equal = 0
    in_a_write = 0
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start(folder / "warm-up").wait()  # fills the cache of compiled programs
        child = start(folder / "whole")
        wait_for_rows(folder / "whole", 1, child)
        begin = time.perf_counter()
        wait_for_rows(folder / "whole", ITERATIONS, child)
        span = time.perf_counter() - begin
        assert child.wait() == 0
        whole = outcome(folder / "whole")
        for attempt in range(10 * kills):
            killed = folder / f"killed-{attempt}"
            child = start(killed)
            wait_for_rows(killed, 1, child)
            time.sleep(rng.uniform(0, span))
            child.kill()
            child.wait()
            logged = len(read_metrics(killed))
            if logged == ITERATIONS:  # it finished before the kill
                continue
            rows.append(logged)
            in_a_write += any(killed.glob("*.tmp"))
            equal += start(killed).wait() == 0 and outcome(killed) == whole
            if len(rows) == kills:
                break
    return {"kills": len(rows), "equal": equal, "in_a_write": in_a_write, "rows": rows}


if __name__ == "__main__":
    print(json.dumps(main(*map(int, sys.argv[1:]))))
