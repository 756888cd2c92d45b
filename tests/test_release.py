"""A release is refused for every reason that would make its tag wrong, and the version stands in one place."""

import re
import tomllib

import pytest
from project import ROOT, script

import rlhf_lesson

release = script("tools/release.py")
DATED = "# Changes\n\n## [1.2.0] - 2027-01-31\n\nDoes this change a mark? No.\n\n## [1.1.0] - 2026-12-01\n\nOlder.\n"


def refusals(**changes):
    ready = {"changelog": DATED, "address": "https://github.com/someone/rlhf-lesson", "changes": "", "tags": ["v1.1.0"]}
    return release.refusals("1.2.0", **{**ready, **changes})


def test_a_tree_that_is_ready_is_released():
    assert refusals() == []


@pytest.mark.parametrize(
    "change, words",
    [
        ({"changes": " M rlhf_lesson/kl.py\n"}, "not committed.*rlhf_lesson/kl.py"),
        ({"tags": ["v1.1.0", "v1.2.0"]}, "the tag v1.2.0 exists"),
        ({"address": "https://github.com/OWNER/rlhf-lesson"}, "OWNER"),
        ({"changelog": DATED.replace("[1.2.0]", "[1.3.0]")}, "no entry for 1.2.0"),
        ({"changelog": DATED.replace("2027-01-31", "unreleased")}, "no date for 1.2.0"),
        ({"changelog": DATED.replace("change a mark", "matter")}, "does not say of 1.2.0"),
    ],
)
def test_a_tree_that_is_not_ready_is_refused_with_the_one_reason(change, words):
    (reason,) = refusals(**change)
    assert re.search(words, reason, re.DOTALL)


def test_an_entry_ends_where_the_next_version_begins():
    assert release.entry(DATED, "1.2.0").strip().endswith("No.")
    assert release.entry(DATED, "9.9.9") is None


def test_the_version_stands_in_the_package_and_everything_else_reads_or_repeats_it():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" in project["project"]["dynamic"] and "version" not in project["project"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "rlhf_lesson.__version__"}
    (cited,) = re.findall(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert cited == rlhf_lesson.__version__, "CITATION.cff names another version than rlhf_lesson/__init__.py"
    assert release.entry((ROOT / "CHANGELOG.md").read_text(), rlhf_lesson.__version__), "CHANGELOG.md has no such entry"


def test_every_version_in_the_change_log_says_whether_it_changes_a_mark():
    changelog = (ROOT / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## \[(.+?)\]", changelog, re.MULTILINE)
    assert versions and all(release.MARK in release.entry(changelog, version) for version in versions)
