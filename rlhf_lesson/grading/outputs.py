"""The same results for every reader: a spreadsheet, Gradescope, Classroom 50, JUnit, JSON lines; page.py writes the student's.

Every string that came from a submission has gone through `clean` before it gets here, and each writer
escapes it once more in its own way.
"""

import csv
import io
import json
import math
import os
import re
import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rlhf_lesson.grading.marks import SENTENCES
from rlhf_lesson.grading.roster import Roster

LONGEST = 600  # characters of any one string
ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])|\x9b[0-?]*[ -/]*[@-~]")
JOINERS = "\u200c\u200d"
NOT_FROM_GITHUB = "graded outside GitHub"  # in place of an address that nobody gave
FORMULA = ("=", "+", "-", "@", "|", "%")


def clean(text: Any, most: int = LONGEST) -> str:
    """A string from a submission, harmless and short: no control, escape, direction or half characters, one line.

    The two joiners stay: names in Persian and in the scripts of India are written with them.
    """
    text = ANSI.sub("", str(text)[: 4 * most])
    text = "".join(" " if c in "\n\r\t\u2028\u2029" else c for c in text)
    kept = "".join(c if unicodedata.category(c)[0] != "C" or c in JOINERS else "\ufffd" for c in text)  # Cc Cf Cs Co Cn
    kept = kept.replace("\ufffd" * 2, "\ufffd")
    return kept if len(kept) <= most else kept[: most - 1] + "…"


def cleaned(value: Any) -> Any:
    """`clean` on every string inside."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {clean(k, 200): cleaned(v) for k, v in value.items()}
    return [cleaned(v) for v in value] if isinstance(value, list | tuple) else value


def inert(value: Any) -> str:
    """A spreadsheet's cell that is never a formula."""
    text = str(value)
    return f"'{text}" if not isinstance(value, int | float) and text.lstrip().startswith(FORMULA) else text


def chapters(result: Mapping) -> dict[int, tuple[float | None, float]]:
    """Points and possible points by chapter; the points are None while a mark of it is open."""
    sums: dict[int, tuple[float | None, float]] = {}
    for m in result["exercises"]:
        if (chapter := m.get("chapter")) is not None:
            points, out_of = sums.get(chapter, (0.0, 0.0))
            known = points is not None and m["kind"] != "grader-error"
            sums[chapter] = (round(points + m["points"], 2) if known else None, out_of + m["out_of"])
    return dict(sorted(sums.items()))


def note(result: Mapping) -> str:
    """What scores.csv says beside the numbers: a 0 that comes from an unreadable or empty hand-in is told from a wrong answer."""
    empty = all(m["kind"] == "missing" for m in result["exercises"])
    why = unreadable(result) or ("No answer was found in it." if empty else "")
    return " ".join(filter(None, [why, *result["notes"], "some marks are open" if is_open(result) else ""]))


def table(results: Sequence[Mapping], roster: Roster | None = None) -> bytes:
    """scores.csv: a row per student, a column per chapter and exercise; an open mark is empty. Who handed in nothing comes last."""
    names = list(dict.fromkeys(m["exercise"] for r in results for m in r["exercises"]))
    numbers = sorted({chapter for r in results for chapter in chapters(r)})
    text = io.StringIO()
    rows = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    known = ("name", "id", "email") if roster else ()
    columns = ("points", "out of", *(f"chapter {n:02d}" for n in numbers), *names)
    rows.writerow([*map(inert, ("student", *known, *columns)), "note"])
    for r in results:
        marks = {m["exercise"]: "" if m["kind"] == "grader-error" else m["points"] for m in r["exercises"]}
        sums = {chapter: "" if points is None else points for chapter, (points, _) in chapters(r).items()}
        points = (r["points"], r["out_of"], *(sums.get(n, "") for n in numbers), *(marks.get(n, "") for n in names))
        person = roster.whose(r["student"]) if roster else ()
        beside = "" if not roster or any(person) else "It fits nobody in the roster, or several."
        rows.writerow([inert(v) for v in (r["student"], *person, *points, " ".join(filter(None, [note(r), beside])))])
    for person in roster.missing if roster else ():
        rows.writerow([inert(v) for v in ("", *person, *("" for _ in columns), "handed in nothing")])
    return text.getvalue().encode("utf-8")


def is_open(result: Mapping) -> bool:
    return any(m["kind"] == "grader-error" for m in result["exercises"])


def lines(results: Iterable[Mapping]) -> bytes:
    return "".join(json.dumps(r, sort_keys=True) + "\n" for r in results).encode()


def words(mark: Mapping) -> str:
    """What a student reads about one exercise."""
    if not mark["kind"]:
        return "All properties hold."
    if mark["kind"] in ("missing", "unreadable"):
        return mark["message"] or SENTENCES[mark["kind"]]
    failed = [p for p in mark["parts"] if p["hidden"]]
    hidden = [f"{p['must_hold']}: {', '.join(f'{n} × {k}' for k, n in p['hidden'].items())}" for p in failed]
    return "\n".join([mark["message"] or SENTENCES[mark["kind"]], *hidden])


def unreadable(result: Mapping) -> str:
    """Why there is no answer to mark, told apart from a wrong one; empty if the submission could be read."""
    return f"Not readable, so nothing was marked: {result['unreadable']}" if result["unreadable"] else ""


def answers_found(result: Mapping) -> str:
    """How many of the asked exercises have an answer; it says nothing about whether they are right."""
    kinds = [m["kind"] for m in result["exercises"]]
    count = sum(kind not in ("missing", "unreadable") for kind in kinds)
    return "" if result["unreadable"] else f"Answers found: {count} of {len(kinds)}."


def still_open(result: Mapping) -> str:
    """Which marks are open, since the grader itself failed there; empty if none is."""
    names = [m["exercise"] for m in result["exercises"] if m["kind"] == "grader-error"]
    reason = next((m["message"] for m in result["exercises"] if m["kind"] == "grader-error"), "")
    return f"Still open, and not counted here: {', '.join(names)}. {reason}" if names else ""


def gradescope(result: Mapping, *, show: str = "visible") -> dict:
    """results.json as Gradescope's autograder reads it; students see text, never markup of their own.

    An open mark is left out and named, so that it is no 0; where all are open, there is no score. `show` says when students see
    their points; whether the submission could be read they see at once.
    """
    marked = [m for m in result["exercises"] if m["kind"] != "grader-error"]
    tests = [
        {
            "name": m["exercise"],
            "name_format": "text",
            "score": m["points"],
            "max_score": m["out_of"],
            "status": "failed" if m["kind"] else "passed",
            "output": words(m),
            "output_format": "text",
            "visibility": show,
        }
        for m in marked
    ]
    return {
        **({"score": result["points"]} if marked else {}),
        "execution_time": round(result["seconds"]),
        "output": "\n".join(
            filter(None, [unreadable(result), answers_found(result), still_open(result), *result["notes"]])
        ),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": tests,
    }


def whole(points: Sequence[float]) -> list[int]:
    """Each rounded down or up so that the sum is the rounded sum: whoever lost most by rounding down gets a point more."""
    floors = [math.floor(p) for p in points]
    more = math.floor(sum(points) + 0.5) - sum(floors)
    first = sorted(range(len(points)), key=lambda i: floors[i] - points[i])[:more]
    return [floor + (i in first) for i, floor in enumerate(floors)]


def classroom50(result: Mapping) -> dict:
    """result.json for Classroom 50: whole points, the rest of the record from its runner's environment, no text empty."""
    marked = result["exercises"]
    points, most = whole([m["points"] for m in marked]), whole([m["out_of"] for m in marked])
    tests = [
        {"test-name": m["exercise"], "passed": not m["kind"], "score": score, "max-score": out_of}
        for m, score, out_of in zip(marked, points, most, strict=True)
    ]
    server, repository = (os.environ.get(k, "") for k in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY"))
    tag, sha = (os.environ.get(k, "") for k in ("SUBMISSION_TAG", "GITHUB_SHA"))
    here = f"{server or 'https://github.com'}/{repository}"
    commit = os.environ.get("COMMIT_URL") or (f"{here}/commit/{sha}" if repository and sha else NOT_FROM_GITHUB)
    release = os.environ.get("RELEASE_URL") or (f"{here}/releases/tag/{tag}" if repository and tag else NOT_FROM_GITHUB)
    return {
        "schema": "classroom50/result/v1",
        "classroom": os.environ.get("CLASSROOM") or NOT_FROM_GITHUB,
        "assignment": os.environ.get("ASSIGNMENT") or NOT_FROM_GITHUB,
        "submission": tag or NOT_FROM_GITHUB,
        "commit": commit,
        "release": release,
        "review": os.environ.get("REVIEW_URL") or commit,
        "datetime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "score": sum(points),
        "max-score": sum(most),
        "tests": tests,
    }


def junit(results: Sequence[Mapping]) -> bytes:
    """One suite per student, one case per exercise; an open mark is an error, a wrong answer a failure."""
    root = ET.Element("testsuites", name="rlhf_lesson")
    for r in results:
        kinds = [m["kind"] for m in r["exercises"]]
        count = {"tests": len(kinds), "errors": kinds.count("grader-error")}
        count["failures"] = sum(bool(k) for k in kinds) - count["errors"]
        suite = ET.SubElement(root, "testsuite", name=r["student"], **{k: str(v) for k, v in count.items()})
        for m in r["exercises"]:
            about = dict(classname=r["student"], name=m["exercise"], time=str(m["seconds"]))
            case = ET.SubElement(suite, "testcase", **about)
            if m["kind"]:
                tag = "error" if m["kind"] == "grader-error" else "failure"
                ET.SubElement(case, tag, type=m["kind"], message=clean(m["message"])).text = words(m)
    return ET.tostring(root, encoding="utf-8", xml_declaration=True)
