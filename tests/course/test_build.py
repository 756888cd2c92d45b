"""Notebooks, exercises and solutions are what chapters/ says, and nothing of the building reaches a learner."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from project import ROOT, script

build = script("tools/build.py")


def test_a_rebuild_leaves_no_difference():
    assert not [str(path) for path in build.differences()], "run `make notebooks`"


def test_check_fails_for_a_changed_a_missing_and_a_stale_file(tmp_path):
    shutil.copytree(ROOT / "chapters", tmp_path / "chapters")
    wanted = build.built(tmp_path)
    assert set(build.differences(tmp_path)) == set(wanted)  # nothing is there yet
    for path, text in wanted.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    assert build.differences(tmp_path) == {}
    changed, stale = min(wanted), Path("notebooks", "77_gone.ipynb")
    (tmp_path / changed).write_text("other")
    (tmp_path / stale).write_text("{}")
    assert build.differences(tmp_path) == {changed: wanted[changed], stale: None}


def test_check_is_a_command_that_changes_nothing():
    done = subprocess.run([sys.executable, "tools/build.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_a_stub_is_signature_and_docstring_and_no_body():
    gae = build.function("from rlhf_lesson.advantages import gae")
    assert gae.stub.startswith("def gae(\n    rewards:") and gae.stub.endswith('"""\n    raise NotImplementedError')
    assert "delta_t = r_t + discount * V_{t+1} - V_t" in gae.stub and "lax.scan" not in gae.stub
    assert "lax.scan" in gae.text


def test_a_stub_imports_what_its_signature_and_its_author_need():
    gae = build.function("from rlhf_lesson.advantages import gae")
    block = "import jax\nimport jax.numpy as jnp\nfrom jaxtyping import Array, Bool, Float"
    assert build.import_block(gae.stub_needs) == block


def test_a_helper_that_is_part_of_the_answer_is_only_in_the_solution(tmp_path, monkeypatch):
    (tmp_path / "rlhf_lesson").mkdir()
    helped = 'WIDTH = 3\n\ndef twice(x):\n    return 2 * x\n\ndef helped(x=WIDTH):\n    """Twice x."""\n    return twice(x)\n'
    (tmp_path / "rlhf_lesson" / "helped.py").write_text(helped)
    monkeypatch.setattr(build, "ROOT", tmp_path)
    found = build.function("from rlhf_lesson.helped import helped")
    assert build.import_block(found.stub_needs) == "from rlhf_lesson.helped import WIDTH"
    assert build.import_block(found.needs) == "from rlhf_lesson.helped import WIDTH, twice"


def test_an_earlier_exercise_may_be_used():
    found = build.function("from rlhf_lesson.arrays import masked_whiten")
    assert "from rlhf_lesson.arrays import masked_mean" in build.import_block(found.stub_needs)


def test_an_exercise_without_docstring_is_refused(tmp_path, monkeypatch):
    (tmp_path / "rlhf_lesson").mkdir()
    (tmp_path / "rlhf_lesson" / "bare.py").write_text("def bare(x):\n    return x\n")
    monkeypatch.setattr(build, "ROOT", tmp_path)
    with pytest.raises(ValueError, match="bare is an exercise and needs a docstring"):
        build.function("from rlhf_lesson.bare import bare")


def test_the_address_stands_in_pyproject_alone():
    address = build.REPOSITORY.removeprefix("https://github.com/")
    for source in (ROOT / "chapters").glob("*.py"):
        assert address not in source.read_text() and "colab.research" not in source.read_text()
        made = json.loads((ROOT / "notebooks" / f"{source.stem}.ipynb").read_text())
        title, setup = "".join(made["cells"][0]["source"]), "".join(made["cells"][1]["source"])
        assert f"github/{address}/blob/{build.TAG}/notebooks/{source.stem}.ipynb" in title
        assert f"git+{build.REPOSITORY}@{build.TAG}" in setup
        assert build.TAG == f"v{__import__('rlhf_lesson').__version__}"
