"""Short film reviews drawn from a grammar whose words and patterns we wrote: cheap fluency, and words with a known tone.

Leaves out meaning beyond that: a review agrees with itself in tone, not in facts. The grammar is assets/film_grammar.txt.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

GRAMMAR = Path(__file__).parent / "assets" / "film_grammar.txt"
SLOT = re.compile(r"\{(\w+[+-]?)\}")
SECTIONS = {-2: "review-", -1: "contrast_to-", 0: "review0", 1: "contrast_to+", 2: "review+"}


@cache
def load_grammar() -> dict[str, list[str]]:
    """Sections of the grammar file: name -> lines; a line holds words and {slots} that name a section."""
    sections: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in GRAMMAR.read_text().splitlines():
        if line.startswith("["):
            lines = sections.setdefault(line.strip("[]"), [])
        elif line.strip() and not line.startswith("#"):
            lines.append(line.strip())
    return sections


def expand(pattern: str, rng: np.random.Generator) -> str:
    """Fills every slot with a random line of its section, until no slot is left; a line is not used twice in a review."""
    grammar, used = load_grammar(), set()
    while slot := SLOT.search(pattern):
        choices = [line for line in grammar[slot[1]] if line not in used] or grammar[slot[1]]
        line = choices[rng.integers(len(choices))]
        used.add(line)
        pattern = pattern[: slot.start()] + line + pattern[slot.end() :]
    return pattern


def mend(text: str) -> str:
    """Plurals in -ies and -es, a -> an before vowels, doubled full stops to one, and a full stop at the end."""
    text = re.sub(r"([^aeiou])ys\b", r"\1ies", text)
    text = re.sub(r"(ch|sh)s\b", r"\1es", text)
    text = re.sub(r"\ba (?=[aeiou](?!ne\b|nique|niver|s?e[rd]\b|uro))", "an ", text)
    text = re.sub(r"\ban (?=one |one-|unique|use|euro)", "a ", text)
    text = re.sub(r"\.\.(?!\.)", ".", text)
    return text if text[-1] in ".?!" else f"{text}."


def generate(rng: np.random.Generator, polarity: int) -> str:
    """One review of a tone from -2 (very negative) over 0 (mixed or neutral) to 2 (very positive)."""
    patterns = load_grammar()[SECTIONS[polarity]]
    return mend(expand(patterns[rng.integers(len(patterns))], rng))


def reviews(count: int, seed: int) -> Iterator[tuple[str, int]]:
    """`count` reviews with their tone, all five tones equally often; the same seed gives the same reviews."""
    rng = np.random.default_rng([seed, 42])
    for _ in range(count):
        polarity = int(rng.integers(-2, 3))
        yield generate(rng, polarity), polarity
