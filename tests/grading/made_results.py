"""Results made by hand from the ugliest strings that a submission can hold: what the tests of the writers share."""

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


def a_mark(name, points, kind, text, chapter=None):
    part = {"must_hold": "padding is never read", "points": points, "out_of": 4.0, "hidden": {kind: 2} if kind else {}}
    shown = {"input": text, "got": text, "expected": "1.0"}
    mark = {"exercise": name, "points": points, "out_of": 4.0, "kind": kind, "message": text, "slip": ""}
    where = {} if chapter is None else {"chapter": chapter}
    return {**mark, **where, "parts": [part], "shown": shown, "seconds": 0.5}


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


def of_chapters(student, *marks, **more):
    """A readable result of (exercise, chapter, points, kind) marks of 4 points each; `more` goes on top."""
    made = [a_mark(name, points, kind, "", chapter) for name, chapter, points, kind in marks]
    whole = {"student": student, "unreadable": "", "notes": [], "exercises": made, "seconds": 1.0}
    return {**whole, "points": sum(m["points"] for m in made), "out_of": 4.0 * len(made), **more}
