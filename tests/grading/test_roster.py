"""A roster is read from each platform's export, and nobody's submission is guessed."""

import pytest

from rlhf_lesson.grading.roster import Person, Roster, owners, read

ANN = Person("Ann Lee", "1001", "ann.lee@uni.example")
ROSTERS = {
    "ours": "name,id,email\nAnn Lee,1001,ann.lee@uni.example\n",
    "a German Excel's": "\ufeffName;ID;E-Mail\r\nAnn Lee;1001;ann.lee@uni.example\r\n",
    "Gradescope's": "First Name,Last Name,SID,Email,Role\nAnn,Lee,1001,ann.lee@uni.example,Student\n",
    "Moodle's": "First name,Last name,ID number,Email address\nAnn,Lee,1001,ann.lee@uni.example\n",
    "with empty lines": "name\tid\temail\n\nAnn Lee\t1001\tann.lee@uni.example\n\t\t\n",
}
CANVAS = 'Student,ID,SIS User ID,SIS Login ID,Section\n    Points Possible,,,,\n"Lee, Ann",77,1001,al1,A\n'


def handed(student, **more):
    return {"student": student, **more}


@pytest.mark.parametrize("text", ROSTERS.values(), ids=ROSTERS)
def test_every_platforms_columns_are_read(tmp_path, text):
    (tmp_path / "roster.csv").write_text(text, encoding="utf-8")
    assert read(tmp_path / "roster.csv") == [ANN]


def test_canvas_gradebook_gives_the_offices_number_and_not_canvas_own(tmp_path):
    (tmp_path / "roster.csv").write_text(CANVAS, encoding="utf-16")
    assert read(tmp_path / "roster.csv") == [Person("Lee, Ann", "1001", "")]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "needs the columns name, id and email; it has none"),
        (b"name,mark\nAnn,4\n", "needs the columns name, id and email; it has name, mark"),
        (b"name,id\nAnn,1\nBob,1\n", "row 3: 1 is also in row 2"),
        (b"name,id\n", "names nobody"),
        ("name,id\nMüller,1\n".encode("latin-1"), "not UTF-8"),
    ],
)
def test_a_roster_that_cannot_be_used_is_said(tmp_path, content, sentence):
    (tmp_path / "roster.csv").write_bytes(content)
    with pytest.raises(ValueError, match=sentence):
        read(tmp_path / "roster.csv")


@pytest.mark.parametrize(
    "student",
    ["Ann Lee_4401", "leeann_55", "annlee", "1001", "ann.lee", "ann.lee@uni.example", "Ánn  LEE~2", "Lee, Ann"],
)
def test_each_platforms_way_of_naming_finds_its_person(student):
    people = [ANN, Person("Bo Ray", "4401", "bo@uni.example"), Person("Cy Fox", "55", "cy@uni.example")]
    assert owners(people, handed(student)) == [ANN], "a platform's own number is not taken for the office's"


def test_what_the_platform_says_comes_before_the_name_and_a_group_has_several():
    people = [ANN, Person("Ann Lee", "1002", "al@uni.example"), Person("Bo Ray", "1003", "bo@uni.example")]
    said = [{"name": "Ann Lee", "sid": "1002", "email": ""}, {"name": "", "sid": "", "email": "bo@uni.example"}]
    assert owners(people, handed("submission_7", people=said)) == people[1:]
    whose = Roster(people, [handed("g", people=said)]).whose("g")
    assert (whose.name, whose.id) == ("Ann Lee+Bo Ray", "1002+1003")


def test_a_name_of_two_people_or_of_nobody_is_left_to_the_office():
    people = [ANN, Person("Ann Lee", "1002", "al@uni.example")]
    roster = Roster(people, [handed("Ann Lee_4401"), handed("al"), handed("eve")])
    assert roster.unknown == ["Ann Lee_4401", "eve"] and roster.missing == [ANN]
    assert roster.whose("eve") == ("", "", "")
