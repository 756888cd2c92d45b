"""What became of a file's rows: how many of each kind, and where they stand.

A command prints it before it trains, and keeps it in the run's folder.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rlhf_lesson.disk import write_atomically

SHOWN = 3  # places that are printed of each kind; the file has all


@dataclass
class Report:
    """What became of a file's rows: how many of each kind, and where they stand."""

    source: str
    rows: int
    found: dict[str, int]  # rows of each format
    training: int = 0
    held_out: int = 0
    places: dict[str, list[str]] = field(default_factory=dict)  # kind -> "file:line", perhaps with what is wrong
    notes: list[str] = field(default_factory=list)
    sha256: str = ""  # of all rows, so that a resumed run can tell that a file has changed

    def add(self, kind: str, places: Iterable[str]) -> None:
        """Counts the rows of a `kind` by their `places`; a kind without rows is told with a 0."""
        self.places.setdefault(kind, []).extend(places)

    def counts(self) -> dict[str, Any]:
        """The numbers alone."""
        kinds = {kind: len(places) for kind, places in self.places.items()}
        return {"rows": self.rows, "formats": self.found, **kinds, "training": self.training, "held_out": self.held_out}

    def write(self, path: Path) -> None:
        """Writes the numbers, and every place, to a JSON file at `path`."""
        everything = {"source": self.source, **self.counts(), "notes": self.notes, "places": self.places}
        write_atomically(
            path, (json.dumps(everything, indent=1, ensure_ascii=False) + "\n").encode(errors="backslashreplace")
        )

    def __str__(self) -> str:
        formats = ", ".join(f"{name} ({count})" for name, count in self.found.items())
        lines = [f"{self.source}: {self.rows} rows, format {formats}"]
        for kind, places in self.places.items():
            lines.append(f"  {len(places)} {kind}")
            lines += [f"    {place}" for place in places[:SHOWN]]
            lines += [f"    ... and {len(places) - SHOWN} more"] if len(places) > SHOWN else []
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join([*lines, f"  {self.training} rows to train on, {self.held_out} held out"])


def only_lower_case(tokenizer) -> bool:
    """Whether a tokenizer has no piece of several letters with a capital among them, as the one that ships.

    Args:
      tokenizer: of a model.
    """
    special = set(tokenizer.all_special_tokens)
    return not any(
        len(piece) > 1 and re.search("[A-Z]", piece) for piece in tokenizer.get_vocab() if piece not in special
    )
