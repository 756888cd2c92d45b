"""A fresh machine is set up by make alone, or told in a sentence what it lacks; conda users get pyproject's packages."""

import os
import re
import shutil
import subprocess
import tomllib

import pytest
from packaging.requirements import Requirement
from project import ROOT, script

from rlhf_lesson.data import feedback

OWNED = ("jupyterlab", "jax", "flax", "optax", "ipywidgets", "matplotlib", "transformers")
EXTRAS = ("notebooks", "test")
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def make(*words):
    env = {name: value for name, value in os.environ.items() if "MAKE" not in name}  # of the `make test` around us
    return subprocess.run(["make", *words], cwd=ROOT, env=env, capture_output=True, text=True)


@pytest.mark.parametrize("name", OWNED)
def test_the_conda_file_names_a_package_with_pyprojects_bounds(name):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["notebooks"]
    (bounded,) = [w for w in wanted if re.fullmatch(rf"{name}[<>=!~].*", w)]
    assert f"      - {bounded}\n" in (ROOT / "environment.yml").read_text()


def test_the_conda_file_installs_this_folder_with_notebooks_and_tests():
    assert (ROOT / "environment.yml").read_text().endswith("      - -e .[notebooks,test]\n")


def pins() -> list[Requirement]:
    return [Requirement(line) for line in script("tools/lock.py").pins(LOCK)]


@pytest.mark.parametrize("system", ["linux", "win32", "darwin"])
@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
def test_the_lock_has_one_version_of_each_package_that_pyproject_allows(python, system):
    here = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": system}
    locked: dict[str, list[str]] = {}
    for pin in pins():
        if pin.marker is None or pin.marker.evaluate(here):
            locked.setdefault(pin.name.lower(), []).append(str(pin.specifier).removeprefix("=="))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(w for extra in EXTRAS for w in project["optional-dependencies"][extra])]
    for each in map(Requirement, wanted):
        versions = locked.get(each.name.lower(), [])
        assert len(versions) == 1, f"{each.name}: {versions} in the lock; run `make lock`"
        assert each.specifier.contains(versions[0], prereleases=True), (
            f"{each} is locked at {versions[0]}: run `make lock`"
        )


def test_the_lock_has_hashes_and_names_no_host():
    assert "://" not in LOCK and LOCK.count("--hash=sha256:") > len(pins())
    assert feedback.SHA256 in LOCK, "the ratings lie in an archive whose hash the package knows too"


@needs_make
@pytest.mark.parametrize("word", ["demo", "test", "lint", "pretrain", "lab", "benchmarks", "env", "lock", "clean"])
def test_make_knows_the_word(word):
    assert make("--dry-run", word).returncode == 0


@needs_make
@pytest.mark.parametrize("missing, said", [("version", "3.11 to 3.14"), ("venv", "has no venv module")])
def test_make_says_what_the_machine_lacks(tmp_path, missing, said):
    python = tmp_path / "python"
    fails = "version_info" if missing == "version" else "ensurepip"
    python.write_text(f'#!/bin/sh\ncase "$2" in *{fails}*) exit 1;; esac\n')
    python.chmod(0o755)
    done = make("lint", f"PYTHON={python}", f"VENV={tmp_path / 'venv'}")
    assert done.returncode != 0 and said in done.stdout
    assert not (tmp_path / "venv").exists()
