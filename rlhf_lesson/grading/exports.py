"""Whose a file is: how Canvas, Moodle and Gradescope name what a class handed in, and how people arrange it themselves.

It sees paths only; of all files it opens Gradescope's list of names. Every entry ends up with somebody.
"""

import html
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import yaml

from rlhf_lesson.grading.files import KIND, Entry, Unreadable, counts, hidden

CANVAS = re.compile(
    r"^(?P<student>(?P<before>LATE_)?anon_[A-Za-z0-9]{5}|[^_]+?(?:_(?!LATE_)[^_\d][^_]*)*?(?P<late>_LATE)?_\d+)"
    r"_(?:(?P<file>\d+)_(?P<name>.+)|(?P<text>(?:text|link)\.html))$",
    re.I,
)
MOODLE = re.compile(r"^(?P<student>.+?)_assignsubmission_(?:file|[a-z]+)(?:_(?P<name>.*))?$")
LATE = re.compile(r"(?<=[ _-])LATE$")
METADATA = {"submission_metadata.yml", "submission_metadata.yaml"}
AROUND = re.compile(
    r"^(all[ _-]?)?(submissions|students|class(es)?|hand[ _-]?ins|homeworks?|assignments?|downloads?|exports?)[ _-]?\d*$",
    re.I,
)  # a folder around a class
OWN = re.compile(r"^(\d\d_|chapter_|notebooks$|exercises$|solutions$|chapters$|rlhf_lesson$)")  # the course's own names


@dataclass
class HandIn:
    """What one student, or one group, handed in."""

    student: str
    entries: list[Entry] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    people: list[dict[str, str]] = field(default_factory=list)  # name, sid, email, where the platform says so
    source: str = ""  # the name under which its platform handed it over


def first(path: str) -> str:
    return path.partition("/")[0]


def canvas(names: Sequence[str]) -> dict[str, re.Match]:
    """The names that are Canvas's. It gives a number to a file only once: `week_1_2_ann.py`, `week_1_2_bob.py` are not its."""
    found = {name: match for name in dict.fromkeys(names) if (match := CANVAS.match(name))}
    times = Counter((m["student"], m["file"] or m["text"]) for m in found.values())
    return {name: m for name, m in found.items() if times[m["student"], m["file"] or m["text"]] == 1}


def platform(names: Sequence[str]) -> bool:
    """Whether the names that lie together are a platform's download: most of them are of its kind."""
    found = canvas(names)
    return not METADATA.isdisjoint(names) or 2 * sum(bool(MOODLE.match(n)) or n in found for n in names) > len(names)


def parent(entries: Sequence[Entry], name: str, *, archive: bool) -> str:
    """The folder that lies around a whole class, such as `submissions/` or `assignment_9_export/`; "" if there is none.

    Args:
      entries: with paths.
      name: of the folder or archive that holds them, without its ending.
      archive: whether it is an archive: on disk, an only folder with folders inside is a student's, who may sit alone.
    """
    inside = [e.path.partition("/")[2] for e in entries if "/" in e.path]
    roots = {first(e.path) for e in entries if "/" in e.path}
    names = sorted({first(path) for path in inside} - {""})
    if len(roots) != 1 or not names or (not archive and any(e.problem for e in entries)):  # which may hide more names
        return ""
    (root,), alone = roots, len(inside) == len(entries)
    if MOODLE.match(root) or CANVAS.match(root) or any(e.path in METADATA for e in entries):
        return ""
    folders = {first(path) for path in inside if "/" in path} == set(names)
    several = (
        archive and alone and len(names) > 1 and not any(OWN.match(n) for n in names) and (folders or root == name)
    )
    return f"{root}/" if root.endswith("_export") or platform(names) or AROUND.match(root) or several else ""


def below(folder: str, entries: Sequence[Entry]) -> list[Entry]:
    """The entries without the folder around most of them; what lies beside it stays."""
    inside = [Entry(e.path.removeprefix(folder), e.read, e.problem) for e in entries]
    return [e for e in inside if e.path]


def people_of(entry: Entry) -> dict[str, list[dict[str, str]]]:
    """Gradescope's submitters by folder: name, sid and email of each. Its results and history are not parsed."""
    text, kept = entry.read(50 << 20).decode("utf-8", "replace"), []
    for line in text.split("\n"):
        if line[:1].strip() and not line.startswith(("-", "#")):
            kept.append(line)
            inside = False
        elif re.match(r"^  :?\w+:", line):
            inside = line.strip() == ":submitters:"
            kept += [line] if inside else []
        elif kept and inside:
            kept.append(line)
    try:
        found = yaml.load("\n".join(kept), Loader=yaml.BaseLoader)  # every value as its text: a sid keeps its zeros
        return {
            folder: [
                {k: str(each.get(f":{k}") or "") for k in ("name", "sid", "email")} for each in about[":submitters"]
            ]
            for folder, about in found.items()
            if isinstance(about, dict) and isinstance(about.get(":submitters"), list)
        }
    except (yaml.YAMLError, AttributeError, TypeError, RecursionError):
        raise Unreadable(f"{entry.path} can't be read: the folders' own names are used") from None


def label(people: Sequence[dict[str, str]]) -> str:
    """A student's or group's name as the other platforms write it: `Ann Lee_123+Bob Ray_124`."""
    return "+".join("_".join(filter(None, (p["name"], p["sid"] or p["email"]))) for p in people)


def stem(name: str) -> str:
    """A file's name without what says its kind."""
    return KIND.sub("", name) if counts(name) else re.sub(r"(?<=.)\.[A-Za-z0-9]{1,5}$", "", name)


def hand_ins(entries: Sequence[Entry]) -> list[HandIn]:
    """A class's entries by student, every one of them with somebody, in the order of their names."""
    known, notes, files = {}, [], []
    for e in sorted(entries, key=lambda e: e.path):
        if e.path in METADATA:
            try:
                known = people_of(e)
            except Unreadable as error:
                notes.append(str(error))
        elif not hidden(first(e.path)) and first(e.path) != "course.key":
            files.append(e)
    from_canvas = canvas([first(e.path) for e in files])
    folders = {first(e.path) for e in files if "/" in e.path}
    loose = [e.path for e in files if "/" not in e.path and counts(e.path)]
    owner = {stem(path): path for path in reversed(loose)}  # the file to which a `.pdf` of the same name belongs
    found: dict[tuple[str, str], HandIn] = defaultdict(lambda: HandIn("", notes=[*notes]))
    for e in files:
        name, _, rest = e.path.partition("/")
        if match := MOODLE.match(name):
            key, student, path = ("moodle", match["student"]), match["student"], rest or match["name"] or name
        elif match := from_canvas.get(name):
            late = match["late"] or match["before"]
            student = match["student"].replace(late, "", 1) if late else match["student"]
            key, path = ("canvas", student), rest or match["name"] or match["text"] or name
            if late and "late, as Canvas says" not in found[key].notes:
                found[key].notes.append("late, as Canvas says")
        elif name in folders:
            student, path = label(known.get(name, [])) or name, rest
            key = ("folder", name)
            found[key].people = known.get(name, [])
        else:
            student, path = stem(name), name
            whose = ("folder", student) if student in folders else ("file", owner.get(student, student))
            key = ("file", name) if counts(name) else whose
        found[key].student, found[key].source = found[key].student or student, found[key].source or name
        if path and not path.endswith("/"):
            found[key].entries.append(Entry(path, e.read, e.problem))
        elif e.problem:
            found[key].entries.append(e)
    for folder in known.keys() - folders:  # handed in, and nothing was in it
        found["folder", folder] = HandIn(label(known[folder]) or folder, people=known[folder])
    for each in found.values():
        if LATE.search(each.student):
            each.student = LATE.sub("", each.student).rstrip(" _-")
            each.notes.append("late, as its name says")
    return sorted(found.values(), key=lambda h: h.student)


def around(entries: Sequence[Entry], name: str) -> bool:
    """Whether an archive that lies alone in a folder is the platform's download, and not a student's."""
    return bool(AROUND.match(name)) or platform(sorted({first(e.path) for e in entries}))


def page_text(page: str) -> str:
    """The text of a page, a line for each paragraph."""
    text = re.sub(r"<(?:p|br|div|pre|li|tr)\b[^<>]*>", "\n", page, flags=re.I)
    return html.unescape(re.sub(r"<[^<>]*>", "", text)).replace("\xa0", " ")
