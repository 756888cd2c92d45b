"""A small context-free grammar that writes one-sentence film reviews with a known polarity, for pretraining a tiny model.

Its reviews know no real films and no real people, and mean nothing beyond their polarity.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

GRAMMAR = Path(__file__).parents[1] / "assets" / "film_grammar.txt"
SIGNS = {-2: "--", -1: "-", 0: "0", 1: "+", 2: "++"}
SLOT = re.compile(r"\{([^{}]+)\}")
MARK = re.compile(r"<([^<>]+)>")
FORMS = {  # what a mark becomes after <m>, <f> or <p>, which mark the hero as he, she or they
    "his": ("his", "her", "their"),
    "he": ("he", "she", "they"),
    "him": ("him", "her", "them"),
    "himself": ("himself", "herself", "themselves"),
    "is": ("is", "is", "are"),
    "has": ("has", "has", "have"),
    "s": ("s", "s", ""),
    "es": ("es", "es", ""),
    "ies": ("ies", "ies", "y"),
}
ARTICLE = re.compile(r"\ban? (?=([a-z]+))")
SOUNDS_LIKE_VOWEL = re.compile(r"(?!one\b|once|use|usu|uni[^nm]|unite|eu|ut[ei])[aeiou]|hour|honest|honour|heir")
MAY_REPEAT = frozenset(
    "about after again before being could every itself never other rather there these those "
    "where which while whose would".split()
)


@cache
def load_grammar() -> dict[str, list[list[str]]]:
    """Each section's entries, every entry cut into literal text (even places) and slot names (odd places)."""
    grammar: dict[str, list[list[str]]] = {}
    section: list[list[str]] = []
    for line in GRAMMAR.read_text(encoding="ascii").splitlines():
        line = line.strip()
        if line.startswith("["):
            section = grammar.setdefault(line[1:-1], [])
        elif line and not line.startswith("#"):
            section.append(SLOT.split("" if line == "~" else line))
    return grammar


def resolve(slot: str, sign: str, grammar: dict[str, list[list[str]]]) -> tuple[str, str]:
    """The section that a slot names and the sign inside it: `x*` keeps the sign, `x!` turns it, `x+` sets it.

    Args:
      slot: a name with its mark.
      sign: the polarity around the slot, from "--" to "++".
      grammar: of `load_grammar`.

    Returns:
      A key of the grammar, and a sign.
    """
    name = slot.rstrip("+-0*!")
    mark = slot[len(name) :]
    if mark == "!":
        sign = {"+": "-", "-": "+", "0": "0"}[sign[0]]
    elif mark not in ("", "*"):
        sign = mark
    if not mark and name in grammar:
        return name, sign
    return next(key for key in (name + sign, name + sign[0], name) if key in grammar), sign


def _expand(slot: str, sign: str, rng: np.random.Generator, grammar: dict) -> str:
    """Writes out one slot, drawing uniformly among the entries of its section."""
    section, sign = resolve(slot, sign, grammar)
    entries = grammar[section]
    parts = entries[int(rng.random() * len(entries))]
    if len(parts) == 1:
        return parts[0]
    return "".join(_expand(p, sign, rng, grammar) if i % 2 else p for i, p in enumerate(parts))


def _inflect(text: str) -> str:
    """Turns marks such as `<his>` and `return<s>` into words that agree with the last hero named."""
    who = 0

    def form(match: re.Match) -> str:
        nonlocal who
        if (mark := match[1]) in ("m", "f", "p"):
            who = "mfp".index(mark)
            return ""
        return FORMS[mark][who]

    return MARK.sub(form, text)


def tidy(text: str) -> str:
    """A written-out review with its words in agreement, its spaces in order, and `a` or `an` as the next word wants."""
    text = re.sub(r" +([,.?;:]|$)", r"\1", re.sub(r" {2,}", " ", _inflect(text))).strip()
    return ARTICLE.sub(lambda m: "an " if SOUNDS_LIKE_VOWEL.match(m[1]) else "a ", text)


def _reads_well(text: str) -> bool:
    """Whether a text has 6 to 45 words, and no long word twice."""
    words = [word for word in re.findall(r"[a-z]{5,}", text) if word not in MAY_REPEAT]
    return 6 <= text.count(" ") + 1 <= 45 and len(words) == len(set(words))


def generate(rng: np.random.Generator, polarity: int) -> str:
    """One review, drawn again until it has a readable length and repeats no long word.

    Args:
      rng: source of the random choices.
      polarity: from -2 (a pan) to 2 (a rave).

    Returns:
      One sentence in lower case.
    """
    grammar = load_grammar()
    while not _reads_well(text := tidy(_expand("review*", SIGNS[polarity], rng, grammar))):
        pass
    return text


def reviews(count: int, seed: int) -> Iterator[tuple[str, int]]:
    """Reviews with their polarities, which are drawn evenly from -2 to 2.

    Args:
      count: how many reviews.
      seed: the same seed gives the same texts.

    Yields:
      (text, polarity).
    """
    rng = np.random.default_rng(seed)
    for polarity in rng.integers(-2, 3, size=count):
        yield generate(rng, int(polarity)), int(polarity)
