"""Files of a submission are read once, with a cap, and an archive never leaves its own folder."""

import io
import os
import zipfile

import pytest

from rlhf_lesson.grading.files import Unreadable, cap, counts, members, read, sound


def archive(**files):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as made:
        for name, text in files.items():
            made.writestr(name.replace("__", "/").replace("_py", ".py"), text)
    data.seek(0)
    return data


def test_a_file_is_read_up_to_its_cap_and_a_larger_one_is_refused(tmp_path):
    file = tmp_path / "a.py"
    file.write_bytes(b"x" * 100)
    assert read(file, 100) == b"x" * 100
    with pytest.raises(Unreadable, match=r"a\.py is larger"):
        read(file, 99)


def test_a_link_and_a_pipe_are_not_opened(tmp_path):
    (tmp_path / "link.py").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe.py")
    with pytest.raises(Unreadable, match="a link"):
        read(tmp_path / "link.py", 10)
    with pytest.raises(Unreadable, match="not a regular file"):
        read(tmp_path / "pipe.py", 10)


@pytest.mark.parametrize("name", ["/etc/passwd", "../up.py", "a/../../up.py", "C:/x.py", "\\\\host\\x.py"])
def test_a_member_outside_the_archive_is_refused(name):
    with pytest.raises(Unreadable, match="outside itself"):
        sound(name)


def test_leftovers_of_platforms_are_passed_over_and_paths_are_made_plain():
    assert sound("__MACOSX/a.py") is None and sound("a/._b.py") is None and sound("./a//b.py") == "a/b.py"
    assert counts("a.ipynb") and counts("a.tar.gz") and not counts("a.pdf")
    assert cap("a.py") < cap("a.ipynb") < cap("a.zip")


def test_members_are_the_files_that_may_hold_answers():
    found = dict(members("a.zip", archive(one_py="1", folder__two_py="2", notes="3"), entries=9, inflated=100))
    assert found == {"one.py": b"1", "folder/two.py": b"2"}


def test_too_many_members_and_too_much_text_are_refused():
    with pytest.raises(Unreadable, match="more than 1 files"):
        list(members("a.zip", archive(one_py="1", two_py="2"), entries=1, inflated=100))
    with pytest.raises(Unreadable, match="unpacks to more than"):
        list(members("a.zip", archive(one_py="1" * 1000), entries=9, inflated=100))
    with pytest.raises(Unreadable, match="broken archive"):
        list(members("a.zip", io.BytesIO(b"PK nothing"), entries=9, inflated=100))
