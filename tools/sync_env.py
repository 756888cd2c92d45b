"""Writes environment.yml from pyproject.toml, so that conda users get the same packages; a test compares the two."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
OWNED = ("jupyterlab", "jax", "flax", "optax", "ipywidgets", "matplotlib", "transformers")


def environment() -> str:
    """The text of environment.yml: conda installs Python and pip, and pip installs everything else within pyproject's bounds."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["notebooks"]
    bounds = {re.split(r"[<>=!~ ]", w)[0]: w for w in wanted}
    lines = ["# made by tools/sync_env.py from pyproject.toml", "name: rlhf-lesson"]
    lines += [
        "channels:",
        "  - conda-forge",
        "  - nodefaults",
        "dependencies:",
        "  - python=3.12",
        "  - pip",
        "  - pip:",
    ]
    lines += [f"      - {bounds[name]}" for name in OWNED]
    return "\n".join([*lines, "      - -e .[notebooks,test]"]) + "\n"


if __name__ == "__main__":
    (ROOT / "environment.yml").write_text(environment(), encoding="utf-8")
