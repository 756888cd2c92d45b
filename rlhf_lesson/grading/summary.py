"""A class at a glance: subtotals, what most got wrong, whose hand-in could not be read, who is missing.

It is summary.json, and the last lines that `grade` prints. What is written about one student is in outputs.py and page.py.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from rlhf_lesson.grading.outputs import chapters, is_open
from rlhf_lesson.grading.roster import Roster


def summary(results: Sequence[Mapping], roster: Roster | None = None) -> dict:
    """What the class can do and what it misunderstood; with a roster, also who is missing."""
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
    subtotals: dict[int, list[tuple[float | None, float]]] = {}
    for r in results:
        for chapter, sums in chapters(r).items():
            subtotals.setdefault(chapter, []).append(sums)
    office = (
        {"missing": [" ".join(filter(None, p)) for p in roster.missing], "not_in_roster": roster.unknown}
        if roster
        else {}
    )
    return {
        "submissions": len(results),
        "unreadable": sum(bool(r["unreadable"]) for r in results),
        "not_readable": sorted(r["student"] for r in results if r["unreadable"]),
        "open": sorted(r["student"] for r in results if is_open(r)),
        **office,
        "chapters": {str(chapter): averaged(sums) for chapter, sums in sorted(subtotals.items())},
        "exercises": exercises,
    }


def averaged(sums: Sequence[tuple[float | None, float]]) -> dict:
    """One chapter's subtotals over the class; open ones do not count."""
    points = [p for p, _ in sums if p is not None]
    return {"mean_points": round(sum(points) / max(1, len(points)), 2), "out_of": max(out_of for _, out_of in sums)}


def ending(summary: Mapping) -> str:
    """The summary as lines for a terminal."""
    counts = (summary["submissions"], summary["unreadable"], len(summary["open"]))
    rows = ["{} submissions, {} unreadable, {} with open marks".format(*counts)]
    rows += [f"  not readable: {name}" for name in summary["not_readable"][:20]]
    rows += [f"  handed in nothing: {name}" for name in summary.get("missing", ())]
    rows += [f"  fits nobody in the roster, or several: {name}" for name in summary.get("not_in_roster", ())]
    for name, e in summary["exercises"].items():
        slip = next(iter(e["slips"].items()), None)
        most = f"; most frequent slip: {slip[0]} ({slip[1]})" if slip else ""
        rows.append(f"  {name:<24} {e['right']:>4} right of {e['tried']:>4} tried{most}")
    return "\n".join(rows)
