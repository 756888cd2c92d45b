"""What leaves the grader: inert in a spreadsheet and a browser, and of the shape that each platform documents.

Leaves out the marks themselves. The results here are made by hand from the ugliest strings that a submission can hold.
"""

import copy
import csv
import io
import json

import jsonschema
import pytest

from rlhf_lesson.grading import outputs

SCRIPT = (
    "<script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\"><svg onload=alert(1)>"
)
STYLE = "</style><style>body{display:none}</style><link rel=stylesheet href=http://127.0.0.1:9/x.css><base href=//x>"
FORMULAS = (
    "=1+1",
    "+1",
    "-1",
    "@SUM(1)",
    '=HYPERLINK("http://x","y")',
    "\t=1",
    "\r=1",
    " =cmd|' /C calc'!A0",
    "|x",
    "%0A=1",
)
UGLY = f"{SCRIPT}{STYLE}\x1b[2J\u202e\ud800\0<iframe srcdoc='{SCRIPT}'></iframe><form action=http://127.0.0.1:9>"

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


def a_mark(name, points, kind, text):
    part = {"must_hold": "padding is never read", "points": points, "out_of": 4.0, "hidden": {kind: 2} if kind else {}}
    shown = {"input": text, "got": text, "expected": "1.0"}
    mark = {"exercise": name, "points": points, "out_of": 4.0, "kind": kind, "message": text, "slip": ""}
    return {**mark, "parts": [part], "shown": shown, "seconds": 0.5}


def a_result(student, text):
    marks = [
        a_mark("masked_mean", 0.0, "raised", text),
        a_mark("gae", 4.0, "", ""),
        a_mark("k1", 0.0, "grader-error", text),
    ]
    whole = {"format": "rlhf_lesson/result/1", "student": student, "digest": "", "stamp": "", "suite": 1, "seeds": ""}
    whole |= {
        "unreadable": text,
        "notes": [text, text],
        "exercises": marks,
        "seconds": 1.25,
        "points": 4.0,
        "out_of": 12.0,
    }
    return outputs.cleaned(whole)


RESULTS = [a_result(name, UGLY + name) for name in (*FORMULAS, UGLY, "Ünïcode", "")]


# ---- a browser -----------------------------------------------------------------------------------


def test_feedback_runs_and_loads_nothing_in_a_browser(chromium, tmp_path):
    asked, blocked, dialogs = [], [], []
    page = chromium.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.on("console", lambda message: blocked.append(message.text))
    for i, result in enumerate(RESULTS):
        file = tmp_path / f"{i}.html"
        file.write_bytes(outputs.page(result))
        page.goto(file.as_uri())
        page.wait_for_timeout(50)
        assert page.title() != "owned" and "points" in page.title()
        assert page.evaluate("document.querySelectorAll('script, img, svg, iframe, form, link, base').length") == 0
        assert page.evaluate("getComputedStyle(document.body).maxWidth") == "768px", "its own style is let through"
        assert page.locator("article").count() == 3 and page.locator("body").is_visible()
        assert asked == [file.as_uri()], "it loads nothing"
        asked.clear()
    assert not dialogs and not blocked, blocked


def test_the_pages_policy_stops_a_script_that_got_in(chromium, tmp_path):
    whole = outputs.page(RESULTS[0]).decode().replace("<main>", f"<main>{SCRIPT}<p style='color:red'>x</p>")
    (tmp_path / "injected.html").write_text(whole)
    page, blocked = chromium.new_page(), []
    page.on("console", lambda message: blocked.append(message.text))
    page.goto((tmp_path / "injected.html").as_uri())
    page.wait_for_timeout(200)
    assert page.title() != "owned"
    assert sum("Content Security Policy" in text for text in blocked) >= 3


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
