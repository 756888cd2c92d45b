"""What leaves the grader: inert in a spreadsheet and a browser, and of the shape that each platform documents.

Leaves out the marks themselves. The results are made by hand, in made_results.py; the student's page is in test_page.py.
"""

import copy
import csv
import io
import json

import jsonschema
import pytest

from grading.made_results import RESULTS, of_chapters
from rlhf_lesson.grading import outputs
from rlhf_lesson.grading.roster import Person, Roster

# https://gradescope-autograders.readthedocs.io/en/latest/specs/#output-format, written down as a schema
VISIBILITY = {"enum": ["hidden", "after_due_date", "after_published", "visible"]}
FORMAT = {"enum": ["text", "html", "simple_format", "md", "ansi"]}
NUMBER, STRING = {"type": "number"}, {"type": "string"}
TEST = {
    "type": "object",
    "properties": {
        "score": NUMBER,
        "max_score": NUMBER,
        "status": {"enum": ["passed", "failed"]},
        "name": STRING,
        "name_format": FORMAT,
        "number": STRING,
        "output": STRING,
        "output_format": FORMAT,
        "tags": {"type": "array", "items": STRING},
        "visibility": VISIBILITY,
        "extra_data": {"type": "object"},
    },
    "additionalProperties": False,
}
GRADESCOPE = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "score": NUMBER,
        "execution_time": NUMBER,
        "output": STRING,
        "output_format": FORMAT,
        "test_output_format": FORMAT,
        "test_name_format": FORMAT,
        "visibility": VISIBILITY,
        "stdout_visibility": VISIBILITY,
        "extra_data": {"type": "object"},
        "tests": {"type": "array", "items": TEST},
        "leaderboard": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"name": STRING, "value": {"type": ["number", "string"]}, "order": {"enum": ["asc", "desc"]}},
                "required": ["name", "value"],
                "additionalProperties": False,
            },
        },
    },
    "anyOf": [{"required": ["score"]}, {"required": ["tests"], "properties": {"tests": {"items": {"required": ["score"]}}}}],
    "additionalProperties": False,
}  # fmt: skip


# ---- a spreadsheet -------------------------------------------------------------------------------


def test_a_spreadsheet_reads_text_and_numbers_and_no_formula():
    """Excel and LibreOffice compute a field that begins so, quoted or not; openpyxl's own rule is Excel's file format's."""
    from openpyxl import Workbook

    sheet = Workbook().active
    table = list(csv.reader(io.StringIO(outputs.table(RESULTS).decode(), newline="")))
    assert len({len(row) for row in table}) == 1 and len(table) == len(RESULTS) + 1
    for row in table:
        sheet.append(row)
    for row in sheet.iter_rows():
        for cell in row:
            assert cell.data_type != "f", cell.value
            assert not str(cell.value or "").lstrip().startswith(("=", "+", "-", "@", "|", "%")), cell.value
            assert not set(str(cell.value or "")) & set("\t\r\n\0\x1b")
    assert [cell.value for cell in sheet["B"][1:]] == ["4.0"] * len(RESULTS)
    assert [cell.value for cell in sheet["F"][1:]] == [None] * len(RESULTS) or sheet["F"][0].value == "k1"


def test_without_the_care_a_formula_would_be_one():
    from openpyxl import Workbook

    sheet = Workbook().active
    sheet.append(["=1+1", outputs.inert("=1+1")])
    assert [cell.data_type for cell in sheet[1]] == ["f", "s"]


# ---- platforms -----------------------------------------------------------------------------------


@pytest.mark.parametrize("result", RESULTS, ids=range(len(RESULTS)))
def test_gradescopes_file_is_what_its_documentation_asks_for(result):
    made = json.loads(json.dumps(outputs.gradescope(result)))
    jsonschema.validate(made, GRADESCOPE)
    assert made["score"] == sum(t["score"] for t in made["tests"])
    assert {t["output_format"] for t in made["tests"]} == {"text"} == {made["output_format"], made["test_name_format"]}
    json.dumps(made).encode("utf-8")


@pytest.mark.parametrize(
    "change", [{"score": "4"}, {"visibility": "all"}, {"points": 4}, {"tests": [{"score": 1, "status": "ok"}]}]
)
def test_the_schema_refuses_what_gradescope_refuses(change):
    made = copy.deepcopy(outputs.gradescope(RESULTS[0])) | change
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(made, GRADESCOPE)


# ---- the office ----------------------------------------------------------------------------------


def read(table):
    return list(csv.DictReader(io.StringIO(table.decode(), newline="")))


ANN = of_chapters("Ann Lee_4401", ("gae", 6, 4.0, ""), ("k1", 5, 1.0, "raised"), ("k2", 5, 2.5, "raised"))
EMPTY = of_chapters("bob", ("gae", 6, 0.0, "missing"), ("k1", 5, 0.0, "missing"), ("k2", 5, 0.0, "missing"))
LOST = of_chapters("li", *(("gae", 6, 0.0, "unreadable"),) * 3, unreadable="hw.rar is no notebook")


def test_each_chapter_has_its_subtotal_and_an_open_mark_leaves_it_empty():
    half = of_chapters("cy", ("gae", 6, 4.0, ""), ("k1", 5, 0.0, "grader-error"), ("k2", 5, 2.0, "raised"))
    ann, cy = read(outputs.table([ANN, half]))
    assert (ann["chapter 05"], ann["chapter 06"], ann["points"]) == ("3.5", "4.0", "7.5")
    assert (cy["chapter 05"], cy["chapter 06"], cy["k1"], cy["note"]) == ("", "4.0", "", "some marks are open")


def test_a_0_says_whether_it_was_unreadable_empty_or_wrong():
    wrong = of_chapters("cy", ("gae", 6, 0.0, "wrong-value"))
    notes = [row["note"] for row in read(outputs.table([LOST, EMPTY, wrong]))]
    assert notes == ["Not readable, so nothing was marked: hw.rar is no notebook", "No answer was found in it.", ""]


def test_numbers_and_addresses_stand_beside_the_points_and_who_is_missing_comes_last():
    people = [Person("Lee, Ann", "007", "ann@uni.example"), Person("Dan Ode", "=9", "dan@uni.example")]
    ann, bob, dan = read(outputs.table([ANN, EMPTY], Roster(people, [ANN, EMPTY])))
    assert (ann["id"], ann["email"], ann["points"]) == ("007", "ann@uni.example", "7.5")
    assert bob["id"] == "" and bob["note"] == "No answer was found in it. It fits nobody in the roster, or several."
    assert (dan["student"], dan["name"], dan["id"], dan["points"]) == ("", "Dan Ode", "'=9", "")
    assert dan["note"] == "handed in nothing"


def test_a_name_keeps_the_joiner_that_its_script_needs():
    name = "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627"
    assert outputs.clean(name) == name


# ---- platforms again -----------------------------------------------------------------------------


@pytest.mark.parametrize("show", ["visible", "after_due_date", "after_published"])
def test_points_are_shown_when_the_instructor_says_so_and_what_was_found_at_once(show):
    made = outputs.gradescope(ANN, show=show)
    jsonschema.validate(made, GRADESCOPE)
    assert {t["visibility"] for t in made["tests"]} == {show} and made["visibility"] == "visible"
    assert made["output"] == "Answers found: 3 of 3."


def test_an_open_mark_is_no_0_and_where_all_are_open_there_is_no_score():
    some = outputs.gradescope(of_chapters("cy", ("gae", 6, 4.0, ""), ("k1", 5, 0.0, "grader-error")))
    assert [t["name"] for t in some["tests"]] == ["gae"] and "Still open, and not counted here: k1." in some["output"]
    assert "score" not in outputs.gradescope(of_chapters("cy", ("k1", 5, 0.0, "grader-error")))


def test_classroom_50_gets_whole_points_that_add_up_to_the_rounded_sum():
    marks = [(f"e{i}", 5, points, "raised") for i, points in enumerate((3.4, 1.4, 2.35, 3.0))]
    made = outputs.classroom50(of_chapters("ann", *marks))
    assert [t["score"] for t in made["tests"]] == [4, 1, 2, 3] and made["score"] == 10  # 10.15; floors give 9
    assert outputs.whole([0.5]) == [1] and outputs.whole([0.0, 4.0]) == [0, 4] and outputs.whole([]) == []


def test_outside_github_classroom_50_gets_no_broken_address(monkeypatch):
    for name in ("COMMIT_URL", "RELEASE_URL", "REVIEW_URL", "GITHUB_REPOSITORY", "GITHUB_SHA", "SUBMISSION_TAG"):
        monkeypatch.delenv(name, raising=False)
    made = outputs.classroom50(ANN)
    texts = [made[k] for k in ("classroom", "assignment", "submission", "commit", "release", "review")]
    assert set(texts) == {"graded outside GitHub"}
    monkeypatch.setenv("GITHUB_REPOSITORY", "course/ann")
    monkeypatch.setenv("GITHUB_SHA", "abc")
    assert outputs.classroom50(ANN)["commit"].endswith("github.com/course/ann/commit/abc")


def test_a_missing_answer_is_said_once_and_not_for_each_property():
    assert outputs.words(EMPTY["exercises"][0]) == outputs.SENTENCES["missing"]
