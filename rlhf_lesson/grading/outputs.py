"""The same results for every reader: a spreadsheet, Gradescope, Classroom 50, JUnit, JSON lines, and a page for the student.

Every string that came from a submission has gone through `clean` before it gets here, and each writer
escapes it once more in its own way.
"""

import csv
import io
import json
import os
import re
import unicodedata
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

from rlhf_lesson.grading.marks import SENTENCES

LONGEST = 600  # characters of any one string
ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])|\x9b[0-?]*[ -/]*[@-~]")
JOINERS = "\u200c\u200d"
FORMULA = ("=", "+", "-", "@", "|", "%")
POLICY = "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'"
STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --paper: #fff; --soft: #5a5a5a; --line: #c8c8c8; }
@media (prefers-color-scheme: dark) { :root { --ink: #ececec; --paper: #161616; --soft: #adadad; --line: #4a4a4a; } }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 48rem; margin: 2rem auto; padding: 0 1rem;
  color: var(--ink); background: var(--paper); }
article { border-top: 1px solid var(--line); padding: .5rem 0; }
pre { overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; color: var(--soft); }
li.held::marker { content: "✓ "; } li.broken::marker { content: "✗ "; }
@media print { body { color: #000; background: #fff; } article { break-inside: avoid; } }
"""


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


def table(results: Sequence[Mapping]) -> bytes:
    """scores.csv: one row per student, one column per exercise; an open mark is empty."""
    names = list(dict.fromkeys(m["exercise"] for r in results for m in r["exercises"]))
    text = io.StringIO()
    rows = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    rows.writerow([*map(inert, ("student", "points", "out of", *names)), "note"])
    for r in results:
        marks = {m["exercise"]: "" if m["kind"] == "grader-error" else m["points"] for m in r["exercises"]}
        note = " ".join(
            [*filter(None, [r["unreadable"]]), *r["notes"], "some marks are open" if is_open(r) else ""]
        ).strip()
        rows.writerow(
            [inert(v) for v in (r["student"], r["points"], r["out_of"], *(marks.get(n, "") for n in names), note)]
        )
    return text.getvalue().encode("utf-8")


def is_open(result: Mapping) -> bool:
    return any(m["kind"] == "grader-error" for m in result["exercises"])


def lines(results: Iterable[Mapping]) -> bytes:
    return "".join(json.dumps(r, sort_keys=True) + "\n" for r in results).encode()


def words(mark: Mapping) -> str:
    """What a student reads about one exercise."""
    if not mark["kind"]:
        return "All properties hold."
    failed = [p for p in mark["parts"] if p["hidden"]]
    hidden = [f"{p['must_hold']}: {', '.join(f'{n} × {k}' for k, n in p['hidden'].items())}" for p in failed]
    return "\n".join([mark["message"] or SENTENCES[mark["kind"]], *hidden])


def gradescope(result: Mapping) -> dict:
    """results.json as Gradescope's autograder reads it; students see text, never markup of their own."""
    tests = [
        {
            "name": m["exercise"],
            "name_format": "text",
            "score": m["points"],
            "max_score": m["out_of"],
            "status": "failed" if m["kind"] else "passed",
            "output": words(m),
            "output_format": "text",
            "visibility": "visible",
        }
        for m in result["exercises"]
    ]
    return {
        "score": result["points"],
        "execution_time": round(result["seconds"]),
        "output": "\n".join(filter(None, [result["unreadable"], *result["notes"]])),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": tests,
    }


def classroom50(result: Mapping) -> dict:
    """result.json for Classroom 50: whole points, the rest of the record from its runner's environment."""
    tests = [
        {"test-name": m["exercise"], "passed": not m["kind"], "score": int(m["points"]), "max-score": int(m["out_of"])}
        for m in result["exercises"]
    ]
    server, repository = (os.environ.get(k, "") for k in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY"))
    commit = f"{server}/{repository}/commit/{os.environ.get('GITHUB_SHA', '')}"
    tag = os.environ.get("SUBMISSION_TAG", "")
    return {
        "schema": "classroom50/result/v1",
        "classroom": os.environ.get("CLASSROOM", ""),
        "assignment": os.environ.get("ASSIGNMENT", ""),
        "submission": tag,
        "commit": os.environ.get("COMMIT_URL", commit),
        "release": os.environ.get("RELEASE_URL", f"{server}/{repository}/releases/tag/{tag}"),
        "review": os.environ.get("REVIEW_URL", commit),
        "datetime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "score": sum(t["score"] for t in tests),
        "max-score": sum(t["max-score"] for t in tests),
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


def page(result: Mapping) -> bytes:
    """The student's feedback as one HTML file: no script runs in it, nothing is loaded."""
    import base64
    import hashlib

    style = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    parts = []
    for m in result["exercises"]:
        properties = "".join(
            f'<li class="{"broken" if p["hidden"] else "held"}">{escape(p["must_hold"])}'
            f"{escape(''.join(f' ({n} × {k})' for k, n in p['hidden'].items()))}: {p['points']:g} of {p['out_of']:g}</li>"
            for p in m["parts"]
        )
        shown = "\n".join(f"{k:<9} {v}" for k, v in m["shown"].items())
        points = "open" if m["kind"] == "grader-error" else format(m["points"], "g")
        title = f"{escape(m['exercise'])}: {points} of {m['out_of']:g}"
        message = f"<p>{escape(m['message'])}</p>" if m["message"] else ""
        case = f"<p>A case that check() shows:</p><pre>{escape(shown)}</pre>" if shown else ""
        parts.append(f"<article><h2>{title}</h2>{message}{case}<ul>{properties}</ul></article>")
    notes = "".join(f"<p>{escape(n)}</p>" for n in filter(None, [result["unreadable"], *result["notes"]]))
    title = f"{escape(result['student'])}: {result['points']:g} of {result['out_of']:g} points"
    policy = escape(POLICY.format(style=style))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>'
        f"<style>{STYLE}</style></head><body><main><h1>{title}</h1>{notes}{''.join(parts)}"
        f"<p>Hidden cases are named by their kind and number only.</p></main></body></html>\n"
    ).encode()


def summary(results: Sequence[Mapping]) -> dict:
    """What the class can do and what it misunderstood."""
    by_name: dict[str, list[Mapping]] = {}
    for r in results:
        for m in r["exercises"]:
            by_name.setdefault(m["exercise"], []).append(m)
    exercises = {}
    for name, marks in by_name.items():
        tried = [m for m in marks if m["kind"] not in ("missing", "unreadable", "grader-error")]
        broken = Counter(p["must_hold"] for m in tried for p in m["parts"] if p["hidden"])
        exercises[name] = {
            "tried": len(tried),
            "right": sum(not m["kind"] for m in marks),
            "mean_points": round(sum(m["points"] for m in tried) / max(1, len(tried)), 2),
            "out_of": marks[0]["out_of"],
            "slips": dict(Counter(m["slip"] for m in tried if m["slip"]).most_common(5)),
            "broken_properties": dict(broken.most_common(5)),
            "kinds": dict(Counter(m["kind"] for m in marks if m["kind"]).most_common()),
        }
    return {
        "submissions": len(results),
        "unreadable": sum(bool(r["unreadable"]) for r in results),
        "open": sorted(r["student"] for r in results if is_open(r)),
        "exercises": exercises,
    }


def ending(summary: Mapping) -> str:
    """The summary as lines for a terminal."""
    rows = [
        f"{summary['submissions']} submissions, {summary['unreadable']} unreadable, {len(summary['open'])} with open marks"
    ]
    for name, e in summary["exercises"].items():
        slip = next(iter(e["slips"].items()), None)
        most = f"; most frequent slip: {slip[0]} ({slip[1]})" if slip else ""
        rows.append(f"  {name:<24} {e['right']:>4} right of {e['tried']:>4} tried{most}")
    return "\n".join(rows)
