"""Files of a submission are opened one by one, with a cap, and no link, pipe or deep folder ends the reading."""

import os

import pytest

from rlhf_lesson.grading.files import Budget, Entry, Spent, Unreadable, cap, counts, in_folder, kind, read, whole


def test_a_file_is_read_up_to_its_cap_and_a_larger_one_is_refused(tmp_path):
    file = tmp_path / "a.py"
    file.write_bytes(b"x" * 100)
    assert read(file, 100) == b"x" * 100 and read(file, 9) == b"x" * 9
    large = Entry("a.py", lambda most: b"x" * min(most, 2 << 20))
    with pytest.raises(Unreadable, match=r"a\.py is larger than 1 MB"):
        whole(large, Budget())


def test_a_link_and_a_pipe_are_not_opened(tmp_path):
    (tmp_path / "link.py").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe.py")
    with pytest.raises(Unreadable, match="a link"):
        read(tmp_path / "link.py", 10)
    with pytest.raises(Unreadable, match="not a regular file"):
        read(tmp_path / "pipe.py", 10)


KINDS = {
    "notebook": ("a.ipynb", "A.IPYNB", "a.ipynb.txt", "a.Ipynb.json"),
    "module": ("a.py", "A.PY", "a.py.txt"),
    "archive": ("a.zip", "a.tar.gz", "a.TGZ", "a.tar.xz", "a.tar.bz2", "a.tar"),
    "page": ("onlinetext.html", "ann/text.html"),
    "": ("a.pdf", "a.txt", "a.json", "a.rar", "ipynb", "context.html"),
}


def test_a_name_tells_what_may_hold_answers_in_any_case():
    for what, names in KINDS.items():
        assert [kind(name) for name in names] == [what] * len(names) and all(counts(n) == bool(what) for n in names)
    assert cap("a.py") < cap("a.ipynb") < cap("a.zip")


def test_a_budget_is_spent_once_for_all_and_says_of_what():
    budget = Budget(files=2)
    budget.take("files", 2, "a.py")
    with pytest.raises(Spent, match="more than 2 files: from b"):
        budget.take("files", 1, "b.py")
    with pytest.raises(Spent, match="more than 50 MB of files"):
        budget.take("bytes", 51 << 20, "b.py")


def test_a_folder_of_1100_folders_in_each_other_is_read_as_far_as_is_sensible(tmp_path):
    (tmp_path / "a.py").write_text("x = 1")
    here, descriptor = 1100, os.open(tmp_path, os.O_RDONLY)
    for _ in range(here):  # their path is longer than the system takes
        os.mkdir("d", dir_fd=descriptor)
        inner = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    try:
        found = in_folder(tmp_path)
        assert [e.path for e in found if not e.problem] == ["a.py"]
        assert [e.problem for e in found if e.problem] == ["folders more than 40 deep were left: d"]
    finally:
        for _ in range(here):  # pytest's own way of removing them recurses
            outer = os.open("..", os.O_RDONLY, dir_fd=descriptor)
            os.rmdir("d", dir_fd=outer)
            os.close(descriptor)
            descriptor = outer
        os.close(descriptor)


def test_tools_folders_are_passed_over_and_an_empty_folder_is_seen(tmp_path):
    for name in (".venv/lib/x.py", "__pycache__/y.py", ".git/z.py", "work/a.py", "work/._a.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "nothing").mkdir()
    assert sorted(e.path for e in in_folder(tmp_path)) == ["nothing/", "work/a.py"]
