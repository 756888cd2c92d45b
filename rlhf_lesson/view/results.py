"""Where the committed results files are, which the widgets of measured runs draw from.

Each file says at its top which benchmark makes it.
"""

import json
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
PLACES = (PACKAGE.parent / "benchmarks" / "results", PACKAGE / "results")  # a checkout; an installed package


def measured(name: str, file: Path | str | None = None, *, made_by: str):
    """The content of a results file such as "gallery".

    Args:
      name: of the results.
      file: another file of the same form.
      made_by: the benchmark that makes them, for the error message.

    Raises:
      ValueError: there is no such file: run the command in the message.
    """
    places = [Path(file)] if file else [place / f"{name}.json" for place in PLACES]
    for place in places:
        if place.is_file():
            return json.loads(place.read_text(encoding="utf-8"))
    raise ValueError(f"no results in {places[0]}: run `python benchmarks/{made_by}` in a checkout, or give a file=")
