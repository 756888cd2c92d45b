"""Prepares a release: `make release` checks, tests, builds the wheel and makes the annotated tag. It pushes nothing.

The version is in rlhf_lesson/__init__.py. A class's notebooks are pinned to a tag, so a tag must never be wrong.
"""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from rlhf_lesson import __version__

ROOT = Path(__file__).resolve().parent.parent
MARK = "Does this change a mark?"


def entry(changelog: str, version: str) -> str | None:
    """The text of a version in the change log, with its heading; None if there is none."""
    parts = re.split(r"^(?=## )", changelog, flags=re.MULTILINE)
    return next((part for part in parts if part.startswith(f"## [{version}]")), None)


def refusals(version: str, *, changelog: str, address: str, changes: str, tags: list[str]) -> list[str]:
    """Every reason not to release, as a sentence that says what to do; empty if all is well.

    Args:
      version: the package's version, without "v".
      changelog: the text of CHANGELOG.md.
      address: the repository's address in pyproject.toml.
      changes: what `git status --porcelain` prints.
      tags: the names of the tags that exist.
    """
    text = entry(changelog, version)
    reasons = {
        f"the tree has changes that are not committed: commit or stash them\n{changes.rstrip()}": bool(changes.strip()),
        f"the tag v{version} exists: raise __version__ in rlhf_lesson/__init__.py": f"v{version}" in tags,
        "the address in pyproject.toml still says OWNER: put the account's name there, then run `make notebooks`": (
            "OWNER" in address
        ),
        f"CHANGELOG.md has no entry for {version}: write one": text is None,
    }
    if text is not None:
        heading = text.splitlines()[0]
        reasons[
            f"CHANGELOG.md has no date for {version}: write it in place of {heading!r}'s last word"
        ] = not re.search(r"\d{4}-\d\d-\d\d$", heading)
        reasons[f"CHANGELOG.md does not say of {version}: {MARK}"] = MARK not in text
    return [reason for reason, applies in reasons.items() if applies]


def git(*words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=ROOT, check=True, capture_output=True, text=True, encoding="utf-8"
    ).stdout


def main() -> None:
    reasons = refusals(
        __version__,
        changelog=(ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
        address=tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"],
        changes=git("status", "--porcelain"),
        tags=git("tag", "--list").split(),
    )
    if reasons:
        sys.exit("no release:\n" + "\n".join(f"- {reason}" for reason in reasons))
    for command in (
        [sys.executable, "tools/build.py", "--check"],
        ["make", "test"],
        ["make", "test-slow"],
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", "dist", "."],
    ):
        print("$", *command, flush=True)
        subprocess.run(command, cwd=ROOT, check=True)
    git("tag", "--annotate", f"v{__version__}", "--message", f"rlhf_lesson {__version__}")
    print(f"The tag v{__version__} is made, and the wheel is in dist/. Now push the branch and the tag:")
    print(f"  git push origin HEAD v{__version__}")


if __name__ == "__main__":
    main()
