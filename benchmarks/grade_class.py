"""How long a class takes to grade: makes submissions of its own (right, slightly wrong, hostile, bad files) and times the command.

    python benchmarks/grade_class.py --students 300 --exercises 35 --out benchmarks/results/grade_class.json

Leaves out how right the marks are, which tests/test_grading*.py show. Beyond the exercises that
exist come copies under other names.
"""

import argparse
import dataclasses
import inspect
import json
import os
import random
import resource
import tempfile
import time
from pathlib import Path

import jax

from rlhf_lesson.checkpoint import write_atomically
from rlhf_lesson.grading import library, run
from rlhf_lesson.specs import EXERCISES

PRELUDE = "import jax\nimport jax.numpy as jnp\nimport numpy as np\nfrom jaxtyping import Array, Bool, Float, Int\n"


def copies(count):
    """`count` exercises with the text of a right answer each."""
    real = [e for e in EXERCISES.values() if library.home(e)]
    found = {}
    for i in range(count):
        exercise = real[i % len(real)]
        name = exercise.name if i < len(real) else f"{exercise.name}_{i // len(real)}"
        text = inspect.getsource(exercise.reference).replace(f"def {exercise.name}(", f"def {name}(", 1)
        found[name] = dataclasses.replace(exercise, name=name), f"# exercise: {name}\n{text}"
    return found


def submission(asked, rng):
    """A student who gets 85 of 100 right, leaves 5 out, and fails the rest in one of four ways."""
    cells = [PRELUDE]
    for name, (_, text) in asked.items():
        chance = rng.random()
        wrong = (
            f"def {name}(*args, **kwargs):\n    return jnp.mean(args[0]) * 1.1",
            f"def {name}(*args, **kwargs):\n    raise ValueError('not yet')",
            f"def {name}(*args, **kwargs):\n    return",
            f"def {name}(*args, **kwargs)\n    pass",
        )
        if chance < 0.85:
            cells.append(text)
        elif chance < 0.95:
            cells.append(f"# exercise: {name}\n{rng.choice(wrong)}")
    code = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": c} for c in cells]
    return json.dumps({"cells": code, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--students", type=int, default=300)
    parser.add_argument("--exercises", type=int, default=35)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    asked, rng = copies(options.exercises), random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        handed_in = Path(folder, "class")
        handed_in.mkdir()
        for i in range(options.students):
            (handed_in / f"student{i:03}.ipynb").write_text(submission(asked, rng))
        begin = time.perf_counter()
        exercises = {name: exercise for name, (exercise, _) in asked.items()}
        code = run.grade(handed_in, Path(folder, "out"), b"a benchmark's key", exercises, jobs=options.jobs)
        seconds = time.perf_counter() - begin
    own, forks = (resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    results = {
        "students": options.students,
        "exercises": options.exercises,
        "jobs": options.jobs,
        "cores": os.cpu_count(),
        "jax": jax.__version__,
        "exit_code": code,
        "seconds": round(seconds, 1),
        "seconds_per_submission": round(seconds / options.students, 3),
        "cpu_seconds": round(own.ru_utime + own.ru_stime + forks.ru_utime + forks.ru_stime, 1),
        "judge_peak_mb": own.ru_maxrss // 1024,
        "largest_worker_mb": forks.ru_maxrss // 1024,
    }
    print(json.dumps(results, indent=1))
    if options.out:
        write_atomically(options.out, (json.dumps(results, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
