"""The office's list of students: whose a submission is, and who handed in nothing. It changes no mark.

Read from the CSV files that Canvas, Moodle and Gradescope export, or from one's own with the columns name, id and email. Nobody is
guessed: what fits none or several people is named, and left to the office.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

COLUMNS = {
    "name": ("name", "student", "full name", "student name"),
    "first": ("first name", "firstname", "given name"),
    "last": ("last name", "lastname", "surname", "family name"),
    "id": ("id number", "sid", "student id", "sis user id", "sis login id", "username", "id", "identifier"),
    "email": ("email", "email address", "e-mail", "mail"),
}  # the best one first: Canvas's own ID is a number that no office knows


class Person(NamedTuple):
    name: str
    id: str
    email: str


def folded(text: str) -> str:
    """A name for comparing: no case, no accents, no spaces or signs."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(c for c in plain if c.isalnum())


def names(person: Person) -> set[str]:
    """What a submission may be called: `Ann Lee`, `Lee, Ann`, Canvas's `leeann`, or what stands before the @ of the address."""
    last, comma, given = person.name.partition(",")
    words = person.name.split()
    turned = [" ".join(words[i:] + words[:i]) for i in range(len(words))]
    return {
        folded(way) for way in (*([given + last] if comma else turned), person.name, person.email.partition("@")[0])
    } - {""}


def read(path: Path) -> list[Person]:
    """The people of a CSV file.

    Raises:
      ValueError: the file is no CSV file with such columns, or two rows have one number or address; says which.
    """
    data = path.read_bytes()
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text: save the roster again as CSV UTF-8") from None
    head = text.lstrip().partition("\n")[0]
    rows = csv.DictReader(io.StringIO(text.lstrip(), newline=""), delimiter=max(",;\t", key=head.count))
    where = {folded(column): column for column in reversed(rows.fieldnames or [])}
    known = {what: [where[f] for n in some if (f := folded(n)) in where] for what, some in COLUMNS.items()}
    if not (known["name"] or known["last"]) or not (known["id"] or known["email"]):
        raise ValueError(
            f"{path} needs the columns name, id and email; it has {', '.join(rows.fieldnames or []) or 'none'}"
        )

    def cell(row: Mapping, what: str) -> str:
        return next((text for column in known[what] if (text := str(row.get(column) or "").strip())), "")

    people, seen = [], {}
    for row in rows:
        whole = cell(row, "name") or " ".join(filter(None, (cell(row, "first"), cell(row, "last"))))
        person = Person(whole, cell(row, "id"), cell(row, "email"))
        if not any(person) or whole == "Points Possible":  # the second row of Canvas's gradebook
            continue
        for key in filter(None, map(folded, (person.id, person.email))):
            if key in seen:
                raise ValueError(f"{path}, row {rows.line_num}: {person.id or person.email} is also in row {seen[key]}")
            seen[key] = rows.line_num
        people.append(person)
    if not people:
        raise ValueError(f"{path} names nobody: a head, then one row per student")
    return people


def owners(people: Sequence[Person], result: Mapping) -> list[Person]:
    """Who handed a submission in; empty if it fits nobody or several.

    The office's number or address decides; else the name, as the platform says it or with or without the number behind it.
    """
    said = [[p.get("sid", ""), p.get("email", ""), p.get("name", "")] for p in result.get("people") or ()]
    plain = re.sub(r"~\d+$", "", result["student"])
    found = []
    for ways in said or [[plain, re.sub(r"(_\d+)+$", "", plain)]]:
        certain = [[p for p in people if folded(way) in {folded(p.id), folded(p.email)} - {""}] for way in ways]
        named = [[p for p in people if folded(way) in names(p)] for way in ways]
        one = next((some[0] for some in (*certain, *named) if len(some) == 1), None)
        if one is None:
            return []
        found.append(one)
    return found


@dataclass
class Roster:
    """A roster beside a class's results."""

    people: Sequence[Person]
    results: Sequence[Mapping]
    of: dict[str, list[Person]] = field(init=False)  # by submission

    def __post_init__(self):
        self.of = {r["student"]: owners(self.people, r) for r in self.results}

    def whose(self, student: str) -> Person:
        """Name, number and address of a submission's people; empty where that is not certain."""
        some = self.of.get(student, [])
        return (
            Person(*("+".join(filter(None, column)) for column in zip(*some, strict=True)))
            if some
            else Person("", "", "")
        )

    @property
    def missing(self) -> list[Person]:
        """Who handed in nothing, in the roster's order."""
        there = {person for some in self.of.values() for person in some}
        return [person for person in self.people if person not in there]

    @property
    def unknown(self) -> list[str]:
        """Submissions that are nobody's, or could be several people's."""
        return sorted(student for student, some in self.of.items() if not some)
