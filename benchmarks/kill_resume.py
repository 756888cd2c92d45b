"""Kills a tiny PPO run with kill -9 at random moments, resumes it, and compares it with a run never killed.

Leaves out power cuts. `python benchmarks/kill_resume.py [KILLS] [SEED]` prints {"kills", "equal", ...} as JSON.
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
    """Every kill has a run of its own, at a moment drawn evenly from its first row to its last.

    Returns:
      kills: runs killed before their last row; equal: of them, resumed to the same rows and bits; in_a_write: killed
      with a half-made file in the folder; rows: how many of the iterations each had logged.
    """
    draw, equal, in_a_write, rows = random.Random(seed), 0, 0, []
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
            time.sleep(draw.uniform(0, span))
            child.kill()
            child.wait()
            logged = len(read_metrics(killed))
            if logged == ITERATIONS:  # it was faster
                continue
            rows.append(logged)
            in_a_write += any(killed.glob("*.tmp"))
            equal += start(killed).wait() == 0 and outcome(killed) == whole
            if len(rows) == kills:
                break
    return {"kills": len(rows), "equal": equal, "in_a_write": in_a_write, "rows": rows}


if __name__ == "__main__":
    print(json.dumps(main(*map(int, sys.argv[1:]))))
