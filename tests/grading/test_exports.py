"""Whose a file is: the downloads of Canvas, Moodle and Gradescope as they come, and what people make of them by hand."""

import time

import pytest
from project import SLOWER

from rlhf_lesson.grading.exports import hand_ins, label, page_text, parent
from rlhf_lesson.grading.files import Entry


def entries(*paths):
    return [Entry(path, lambda most: METADATA.encode()) for path in paths]


def by_student(*paths):
    return {h.student: sorted(e.path for e in h.entries) for h in hand_ins(entries(*paths))}


METADATA = """---
submission_1:
  :submitters:
  - :name: "M\\xFCller, J\\xF6rg"
    :sid: '0042'
    :email: joerg@school.org
  :created_at: 2026-11-01 10:00:00.000000000 Z
  :results:
    output: "submission_7:\\n  :submitters: forged"
    tests: !ruby/hash:Odd {name: x}
submission_2:
  :submitters:
  - :name: Ann Lee
    :sid: '7'
    :email: ann@school.org
  - :name: Bob Ray
    :sid:
    :email: bob@school.org
submission_3:
  :submitters:
  - :name: Eve
    :sid: '9'
    :email: eve@school.org
  :history:
  - :id: 4
"""
JOERG, PAIR = "Müller, Jörg_0042", "Ann Lee_7+Bob Ray_bob@school.org"


def test_gradescopes_names_sids_emails_and_groups_are_read_and_nobody_is_left_out():
    found = hand_ins(
        entries("submission_metadata.yml", "submission_1/gae.ipynb", "submission_2/a.py", "submission_5/b.py")
    )
    people = {h.student: h.people for h in found}
    assert set(people) == {JOERG, PAIR, "Eve_9", "submission_5"}
    assert people[JOERG] == [{"name": "Müller, Jörg", "sid": "0042", "email": "joerg@school.org"}]
    assert [p["name"] for p in people[PAIR]] == ["Ann Lee", "Bob Ray"] and not people["submission_5"]
    assert label(people[PAIR]) == PAIR and {h.student: len(h.entries) for h in found}["Eve_9"] == 0


@pytest.mark.parametrize("text", ["submission_1: [", "[" * 9000, "submission_1:\n  :submitters: 7\n", "", "\x00"])
def test_metadata_that_cannot_be_read_leave_the_folders_names(text):
    broken = [Entry("submission_metadata.yml", lambda most: text.encode()), *entries("submission_1/gae.py")]
    assert [h.student for h in hand_ins(broken)] == ["submission_1"]


def test_moodles_folders_flat_files_text_fields_and_groups_are_one_student_each():
    assert by_student(
        "Ann Lee_1_assignsubmission_file_/gae.ipynb",
        "Ann Lee_1_assignsubmission_onlinetext_/onlinetext.html",
        "Müller, Jörg_44_assignsubmission_file_Copy of 00_jax_warmup.ipynb",
        "Müller, Jörg_44_assignsubmission_onlinetext_onlinetext.html",
        "Eve: Prof_3_assignsubmission_file/work/gae.py",
        "Default group_assignsubmission_file/gae.py",
        "Participant 12_assignsubmission_comments/x.html",
    ) == {
        "Ann Lee_1": ["gae.ipynb", "onlinetext.html"],
        "Müller, Jörg_44": ["Copy of 00_jax_warmup.ipynb", "onlinetext.html"],
        "Eve: Prof_3": ["work/gae.py"],
        "Default group": ["gae.py"],
        "Participant 12": ["x.html"],
    }


def test_canvas_files_are_grouped_by_student_and_late_ones_say_so():
    names = ["leeann_12_345_gae.ipynb", "leeann_12_346_notes.pdf", "müllerjörg_LATE_13_347_00_jax_warmup-1.ipynb"]
    names += [
        "raybob_14_text.html",
        "raybob_14_348_a.py",
        "anon_Ab1xZ_349_b.py",
        "LATE_anon_Qw2er_350_b.py",
        "van_berg_LATE_15_351_b.py",
    ]
    found = {h.student: ([e.path for e in h.entries], h.notes) for h in hand_ins(entries(*names))}
    late = ["late, as Canvas says"]
    assert found == {
        "leeann_12": (["gae.ipynb", "notes.pdf"], []),
        "müllerjörg_13": (["00_jax_warmup-1.ipynb"], late),
        "raybob_14": (["a.py", "text.html"], []),
        "anon_Ab1xZ": (["b.py"], []),
        "anon_Qw2er": (["b.py"], late),
        "van_berg_15": (["b.py"], late),
    }


def test_names_that_only_look_like_canvas_are_everybodys_own():
    assert set(by_student("week_1_2_ann.ipynb", "week_1_2_bob.ipynb")) == {"week_1_2_ann", "week_1_2_bob"}


def test_people_arrange_a_class_by_hand():
    assert by_student(
        "ann/gae.py", "bob.ipynb", "bob.pdf", "dan.docx", "ann.pdf", "fay.IPYNB", "gil_LATE/x.py", "hal/"
    ) == {
        "ann": ["ann.pdf", "gae.py"],
        "bob": ["bob.ipynb", "bob.pdf"],
        "dan": ["dan.docx"],
        "fay": ["fay.IPYNB"],
        "gil": ["x.py"],
        "hal": [],
    }
    assert sorted(h.student for h in hand_ins(entries("ann.ipynb", "ann.py"))) == ["ann", "ann"]


AROUND = {  # what lies in an archive called class.zip -> the folder around the class
    ("submissions/bob_1_2_gae.ipynb", "submissions/eve_3_4_gae.ipynb"): "submissions/",
    ("submissions/ann.ipynb", "submissions/eve.ipynb", "readme.txt"): "submissions/",
    ("week one/Bob_1_assignsubmission_file_/a.py", "week one/Eve_2_assignsubmission_file_/a.py"): "week one/",
    ("assignment_9_export/submission_metadata.yml", "assignment_9_export/submission_1/a.py"): "assignment_9_export/",
    ("class/ann.py", "class/bob.py"): "class/",
    ("spring/ann/a.py", "spring/bob/a.py"): "spring/",
    ("ann/notebooks/00_jax_warmup.ipynb", "ann/exercises/chapter_00.py", "ann/README.md"): "",
    ("ann/gae.py", "ann/notes.txt"): "",
    ("ann/a.py", "bob/a.py"): "",
    ("Bob_1_assignsubmission_file_/a.py", "Bob_1_assignsubmission_file_/b.py"): "",
}


@pytest.mark.parametrize("paths", AROUND)
def test_a_folder_around_a_class_is_told_from_a_students(paths):
    assert parent(entries(*paths), "class", archive=True) == AROUND[paths]


def test_a_text_field_is_read_line_by_line():
    page = "<p># exercise: gae<br>def gae(a):<br/>&nbsp; &nbsp; return a &lt; 1</p><p>done</p>"
    assert page_text(page).split("\n")[1:] == ["# exercise: gae", "def gae(a):", "    return a < 1", "done"]


@pytest.mark.parametrize(
    "name", ["_" * 60_000, " -" * 30_000, "a_" * 30_000 + "1", "LATE_" * 12_000, "x_assignsubmission_" * 3000]
)
def test_a_name_of_60000_letters_costs_no_time(name):
    begin = time.process_time()
    assert len(hand_ins(entries(name + "/a.py"))) == 1
    assert time.process_time() - begin < SLOWER
