"""How long it takes to grade a class: makes submissions (right answers, and four kinds of wrong ones) and times the grader.

    python benchmarks/grade_class.py --students 300 --exercises 35 --out benchmarks/results/grade_class.json

The exercises are drawn at random from all chapters. A right answer is the solution or one of the exercise's three right answers in
other words, so that the class is no copy of the library. Whether the marks are correct is tested in tests/grading/.
"""

import argparse
import json
import os
import random
import resource
import sys
import tempfile
import threading
import time
from pathlib import Path

import jax

from rlhf_lesson.course.specs import EXERCISES
from rlhf_lesson.disk import write_atomically
from rlhf_lesson.grading import library, run

ROOT = Path(__file__).resolve().parent.parent
IMPORTS = """import functools
import math
from functools import partial
import jax
import jax.numpy as jnp
import numpy as np"""


def sample_exercises(count, rng):
    """`count` of the course's exercises in the course's order, and of each the cells of its right answers."""
    sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests")]
    from build import exercise_cells, function
    from grading import answer_cells

    def in_other_words(name, number):
        helpers, answer = answer_cells.cells(name, number)
        mark, _, rest = answer.partition("\n")
        return f"{mark}\n{IMPORTS}\n{helpers}\n{rest}"

    chosen = set(rng.sample(sorted(EXERCISES), count))
    exercises = {name: exercise for name, exercise in EXERCISES.items() if name in chosen}
    imports = {name: f"from {library.home(exercise)} import {name}" for name, exercise in exercises.items()}
    solutions = {name: exercise_cells(function(i), "solutions")[0] for name, i in imports.items()}
    return exercises, {
        name: [solution, *(in_other_words(name, i) for i in range(3))] for name, solution in solutions.items()
    }


def submission(cells, rng):
    """A student who answers 85 % of the exercises correctly, omits 5 %, and fails the rest in one of four ways."""
    texts = []
    for name, right in cells.items():
        chance = rng.random()
        wrong = (
            f"import jax.numpy as jnp\ndef {name}(*args, **kwargs):\n    return jnp.mean(args[0]) * 1.1",
            f"def {name}(*args, **kwargs):\n    raise ValueError('not yet')",
            f"def {name}(*args, **kwargs):\n    return",
            f"def {name}(*args, **kwargs)\n    pass",
        )
        if chance < 0.85:
            texts.append(rng.choice(right))
        elif chance < 0.95:
            texts.append(f"# exercise: {name}\n{rng.choice(wrong)}")
    code = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": c} for c in texts]
    return json.dumps({"cells": code, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def resident(pid):
    """Memory of a process and its children in MB, with shared pages counted once (PSS); 0 if the process has ended."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as file:
            own = sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
        with open(f"/proc/{pid}/task/{pid}/children", encoding="utf-8") as file:
            started = list(map(int, file.read().split()))
        for task in os.listdir(f"/proc/{pid}/task"):
            if task != str(pid):
                with open(f"/proc/{pid}/task/{task}/children", encoding="utf-8") as file:
                    started += map(int, file.read().split())
        return own / 1024 + sum(map(resident, started))
    except OSError:
        return 0.0


def watch(peak, stop):
    """Records the peak memory of this process and its children, measured twice per second."""
    while not stop.wait(0.5):
        peak[0] = max(peak[0], resident(os.getpid()))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--students", type=int, default=300)
    parser.add_argument("--exercises", type=int, default=35)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "grade_class.json")
    options = parser.parse_args()
    rng = random.Random(0)
    exercises, cells = sample_exercises(options.exercises, rng)
    peak = [0.0]
    stop = threading.Event()
    watcher = threading.Thread(target=watch, args=(peak, stop), daemon=True)
    with tempfile.TemporaryDirectory() as folder:
        handed_in = Path(folder, "class")
        handed_in.mkdir()
        for i in range(options.students):
            (handed_in / f"student{i:03}.ipynb").write_text(submission(cells, rng), encoding="utf-8")
        load = os.getloadavg()[0]
        begin = time.perf_counter()
        watcher.start()
        code = run.grade(handed_in, Path(folder, "out"), b"a benchmark's key", exercises, jobs=options.jobs)
        seconds = time.perf_counter() - begin
        stop.set()
        watcher.join()
    own = resource.getrusage(resource.RUSAGE_SELF)
    workers = resource.getrusage(resource.RUSAGE_CHILDREN)
    results = {
        "students": options.students,
        "exercises": options.exercises,
        "jobs": options.jobs,
        "cores": os.cpu_count(),
        "jax": jax.__version__,
        "exit_code": code,
        "seconds": round(seconds, 1),
        "seconds_per_submission": round(seconds / options.students, 3),
        "judge_cpu_seconds": round(own.ru_utime + own.ru_stime, 1),
        "workers_cpu_seconds": round(workers.ru_utime + workers.ru_stime, 1),
        "load_before_and_after": [round(load, 1), round(os.getloadavg()[0], 1)],
        "peak_mb_of_all_processes": round(peak[0]),
        "judge_peak_mb": own.ru_maxrss // 1024,
        "largest_worker_mb": workers.ru_maxrss // 1024,
    }
    print(json.dumps(results, indent=1))
    write_atomically(options.out, (json.dumps(results, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
