"""Real people's ratings of real sentences: fetched once by pip, hash-checked, offline afterwards, and pairs drawn from them.

Leaves out every other data set: formats.py reads yours. The data: Hutto & Gilbert, ICWSM 2014, as shipped in the
source distribution of vaderSentiment 3.3.2 (MIT); none of it stands in this repository.
"""

import ast
import hashlib
import html
import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

MOVIES, AMAZON, NYT, TWEETS = "movieReviewSnippets", "amazonReviewSnippets", "nytEditorialSnippets", "tweets"
REQUIREMENT = "vaderSentiment==3.3.2"
SHA256 = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
INNER = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
FILES = [f"{name}_{kind}.txt" for name in (MOVIES, AMAZON, NYT, TWEETS) for kind in ("GroundTruth", "anonDataRatings")]


class Sentence(NamedTuple):
    """A sentence and what every rater said of it, from -4 (very negative) to 4 (very positive)."""

    id: str
    text: str
    ratings: tuple[float, ...]
    source: str


class Pair(NamedTuple):
    """One rater's choice between two texts; `tie` where that rater saw no difference (then the order means nothing)."""

    prompt: str
    chosen: str
    rejected: str
    tie: bool


def cache_folder() -> Path:
    """RLHF_LESSON_CACHE, else the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("RLHF_LESSON_CACHE") or Path(base) / "rlhf_lesson")


def unpack(archive: bytes) -> dict[str, bytes]:
    """The eight rating files of the source distribution, by name, after its hash was checked.

    Raises:
      ValueError: the archive is not the one that the course was written for.
    """
    if hashlib.sha256(archive).hexdigest() != SHA256:
        raise ValueError(f"the archive of {REQUIREMENT} has another hash than expected: delete it and fetch again")
    with tarfile.open(fileobj=io.BytesIO(archive)) as outer:
        inner = outer.extractfile(INNER).read()
    with tarfile.open(fileobj=io.BytesIO(inner)) as tar:
        return {name: tar.extractfile(f"hutto_ICWSM_2014/{name}").read() for name in FILES}


def fetch(cache: Path | None = None) -> Path:
    """Folder of the rating files; downloads them with pip the first time only.

    Raises:
      ValueError: they can't be had; says which command to run.
    """
    folder = Path(cache or cache_folder()) / "hutto_2014"
    if all((folder / name).is_file() for name in FILES):
        return folder
    with tempfile.TemporaryDirectory() as temporary:
        wanted = Path(temporary) / "requirements.txt"
        wanted.write_text(f"{REQUIREMENT} --hash=sha256:{SHA256}\n")
        options = ["--no-deps", "--no-binary", ":all:", "--require-hashes", "-d", temporary, "-r", str(wanted)]
        done = subprocess.run(
            [sys.executable, "-m", "pip", "download", *options], capture_output=True, text=True, check=False
        )
        archives = list(Path(temporary).glob("*.tar.gz"))
        if done.returncode or not archives:
            raise ValueError(
                "the human ratings are not here yet and pip could not fetch them (it needs the network once): run"
                f" `python -m rlhf_lesson data fetch` when online. pip said: {done.stderr.strip()[-300:]}"
            )
        contents = unpack(archives[0].read_bytes())
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        part = folder / f"{name}.{os.getpid()}.tmp"
        part.write_bytes(content)
        os.replace(part, folder / name)
    return folder


def load(name: str, cache: Path | None = None) -> list[Sentence]:
    """All sentences of one of the four sets, with every single rating."""
    folder = fetch(cache)
    truth, ratings = (
        (folder / f"{name}_{kind}.txt").read_bytes().removeprefix(b"\xef\xbb\xbf").decode("latin-1").splitlines()
        for kind in ("GroundTruth", "anonDataRatings")
    )
    given = {row[0]: tuple(map(float, ast.literal_eval(row[-1]))) for row in (line.split("\t") for line in ratings)}
    rows = (line.split("\t", 2) for line in truth)
    return [Sentence(f"{name}/{i}", html.unescape(text).strip(), given[i], name) for i, _, text in rows]


TIDY = [  # what makes one spelling of each thing, so that the small vocabulary is spent on words
    (r"[\u2018\u2019`\u0091\u0092]", "'"),
    (r"''|[\u201c\u201d\u0093\u0094]", '"'),
    (r"[\u2013\u2014\u0096\u0097]|    ", " - "),
    (r"\u2026|\.\s?\.\s?\.+", "..."),
    (r"https?://\S+|www\.\S+", "a link"),
    (r"@\w+", "@you"),
    (r"\s+", " "),
    (r" (?=[,;:!?)]|\.(?!\.))", ""),
]


def normalise(text: str) -> str:
    """Lower case, plain quotes and dashes, single spaces: how every text reaches the model."""
    for pattern, replacement in TIDY:
        text = re.sub(pattern, replacement, text)
    return text.strip().lower()


def split(sentence_id: str) -> str:
    """"gold", "proxy" (45 % each) or "eval" (10 %), fixed for ever by a hash of the id."""
    place = int.from_bytes(hashlib.sha256(sentence_id.encode()).digest()[:4], "big") / 2**32
    return "gold" if place < 0.45 else "proxy" if place < 0.9 else "eval"


def pairs(sentences: Sequence[Sentence], count: int, *, seed: int, keep_ties: bool = False) -> list[Pair]:
    """Random pairs of sentences, each decided by ONE randomly drawn rating of either.

    The published ratings are anonymous columns, so "one rater" means one person's rating of each sentence; a tie is a
    pair that got the same number twice. Ties are drawn again unless `keep_ties`.

    Args:
      sentences: at least two.
      count: pairs to return.
      seed: fixes the draw.
      keep_ties: return ties too, marked, instead of drawing again.
    """
    rng = np.random.default_rng(seed)
    out: list[Pair] = []
    while len(out) < count:
        a, b = (sentences[i] for i in rng.choice(len(sentences), 2, replace=False))
        column = rng.random()  # the same column of both where they have as many ratings
        first, second = (s.ratings[int(column * len(s.ratings))] for s in (a, b))
        tie = first == second
        if not tie or keep_ties:
            chosen, rejected = (b, a) if second > first else (a, b)
            out.append(Pair("", chosen.text, rejected.text, tie))
    return out
