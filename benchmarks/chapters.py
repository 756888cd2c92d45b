"""Measures seconds and memory of every solved chapter on this machine; the set-up cell then shows them before a chapter runs.

`python benchmarks/chapters.py [00_jax_warmup ...]` adds to benchmarks/results/chapters.json. RLHF_SCALE chooses the preset.
XLA_FLAGS=--xla_force_host_platform_device_count=8 makes eight devices of one CPU. `--keep FOLDER` saves the chapters with their
outputs in FOLDER, so that you can look at every figure.
"""

import argparse
import json
import platform
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "benchmarks" / "results" / "chapters.json"
PROBE = """import json, os, resource, time, jax, rlhf_lesson as rl
chip = jax.default_backend() + (f" x {jax.device_count()}" if jax.device_count() > 1 else "")
print(json.dumps([chip, rl.scale(quick="quick", full="full"), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                  time.process_time(), jax.devices()[0].device_kind, jax.__version__, os.cpu_count()]))"""


def measure(path: Path, keep: Path | None) -> tuple[str, str, dict]:
    """(platform, preset, numbers) of one run in a fresh kernel, including its start; memory is the kernel's peak."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(new_code_cell(PROBE))
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        NotebookClient(notebook, timeout=3600, resources={"metadata": {"path": folder}}).execute()
        seconds = time.perf_counter() - start
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, keep / path.name)
    chip, preset, megabytes, cpu, kind, jax_version, cores = json.loads(notebook.cells[-1].outputs[0].text)
    about = {"device": kind, "cores": cores, "jax": jax_version, "machine": platform.machine()}
    return (
        chip,
        preset,
        {"seconds": round(seconds, 1), "cpu_seconds": round(cpu, 1), "megabytes": round(megabytes), **about},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("chapters", nargs="*")
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    for path in sorted((ROOT / "solutions").glob("*.ipynb")):
        if options.chapters and path.stem not in options.chapters:
            continue
        chip, preset, numbers = measure(path, options.keep)
        table = json.loads(OUT.read_text(encoding="utf-8")) if OUT.is_file() else {}
        table.setdefault(path.stem, {}).setdefault(chip, {})[preset] = numbers
        OUT.write_text(json.dumps(table, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        print(path.stem, chip, preset, numbers)


if __name__ == "__main__":
    main()
