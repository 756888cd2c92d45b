"""A result is read back as it was written, under a name that no student's name can break."""

import pytest

from rlhf_lesson.grading.results import slug, stored, totalled


@pytest.mark.parametrize("name", ["ann", "ann~2", "ann@school.org"])
def test_a_plain_name_is_its_own_file_name(name):
    assert slug(name) == name


@pytest.mark.parametrize("name", ["../../etc", "=1+1", "a/b", "", "." * 9, "x" * 300, "\ud800"])
def test_any_other_name_gets_a_safe_one_of_its_own(name):
    safe = slug(name)
    assert safe and "/" not in safe and not safe.startswith(".") and len(safe) < 100
    assert safe != slug(name + "?")


def test_points_are_added_and_a_torn_or_foreign_file_is_no_result(tmp_path):
    result = totalled({"exercises": [{"points": 1.25, "out_of": 4}, {"points": 2.5, "out_of": 8}]})
    assert (result["points"], result["out_of"]) == (3.75, 12)
    torn = tmp_path / "torn.json"
    torn.write_text('{"format": "rlhf_lesson/res')
    assert stored(torn) is None and stored(tmp_path / "missing.json") is None
    torn.write_text('{"format": "something else"}')
    assert stored(torn) is None
    torn.write_text('{"format": "rlhf_lesson/result/1"}')
    assert stored(torn) == {"format": "rlhf_lesson/result/1"}
