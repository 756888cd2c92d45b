"""The project's files agree with each other, and say nothing of any one machine."""

import re
import subprocess
import sys
import tomllib

import pytest
from project import ROOT, script


def tracked_texts():
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    for name in names:
        try:
            yield name, (ROOT / name).read_text()
        except (UnicodeDecodeError, FileNotFoundError):
            continue


def test_the_conda_file_is_what_pyproject_says():
    assert (ROOT / "environment.yml").read_text() == script("tools/sync_env.py").environment(), "run `make env`"


def test_an_installation_has_every_package_and_the_results_that_chapters_show():
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    packages = {".".join(file.parent.relative_to(ROOT).parts) for file in (ROOT / "rlhf_lesson").rglob("__init__.py")}
    assert set(told["packages"]) == packages | {"rlhf_lesson.results", "rlhf_lesson.notebooks"}
    results = {file.name for file in (ROOT / told["package-dir"]["rlhf_lesson.results"]).glob("*.json")}
    shown = [re.findall(r'measured\("(\w+)"', file.read_text()) for file in (ROOT / "chapters").glob("*.py")]
    assert {f"{name}.json" for names in shown for name in names} <= results


@pytest.mark.parametrize("name", ["README.md", "docs/instructors.md"])
def test_the_numbers_of_readme_and_docs_are_those_of_the_results_files(name):
    assert (ROOT / name).read_text() == script("tools/sync_readme.py").synced(name), "run `python tools/sync_readme.py`"


def test_the_range_of_python_versions_is_the_same_everywhere():
    oldest, newest = "3.11", "3.14"
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"] == f">={oldest}"
    assert "(3, 11) <= sys.version_info[:2] <= (3, 14)" in (ROOT / "Makefile").read_text()
    for name in ("README.md", "CONTRIBUTING.md"):
        assert f"Python {oldest} to {newest}" in (ROOT / name).read_text(), name
    assert f'python-version: ["{oldest}", "{newest}"]' in (ROOT / ".github" / "workflows" / "ci.yml").read_text()


def test_no_registry_host_and_no_machine_path_stands_in_the_tree():
    hosts = re.compile("(pypi|pythonhosted|npmjs|debian)" + r"\.org|(^|[^A-Za-z.])/(work|root|home|farm)/[a-z.]")
    found = [
        f"{name}: {m[0]}" for name, text in tracked_texts() if name != "LICENSE" for m in [hosts.search(text)] if m
    ]
    assert not found, found


def test_importing_the_package_loads_neither_torch_nor_transformers():
    code = "import sys, rlhf_lesson, rlhf_lesson.train.ppo; print([m for m in ('torch', 'transformers') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_ships_is_small():
    base = ROOT / "rlhf_lesson" / "assets" / "base"
    assert sum(f.stat().st_size for f in base.rglob("*") if f.is_file()) <= 12e6


def test_every_benchmark_that_computes_settles_how_products_are_rounded():
    """Only `python -m rlhf_lesson` and `setup()` did: on a GPU the benchmarks computed by TF32, and SmolLM2's PPO stopped."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "benchmarks").glob("*.py")}
    runs = {name for name, text in texts.items() if "tyro.cli(Config)" in text}
    computing = {name for name in runs if "rlhf_lesson.study" in texts[name] or "rlhf_lesson.train" in texts[name]}
    assert len(computing) >= 10
    assert not [name for name in computing if "    chips.prepare()\n    main(" not in texts[name]]
