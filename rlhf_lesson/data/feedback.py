"""Real people's ratings of real sentences: fetched once by pip, hash-checked, offline afterwards, and pairs drawn from them.

Data sets of your own are read by data/formats.py. The data: Hutto & Gilbert, ICWSM 2014, as shipped in the source distribution
of vaderSentiment 3.3.2 (MIT); none of it is stored in this repository.

Who is a rater? Each sentence has a list of ratings without names. In MOVIES the k-th rating comes from one and the same person
throughout each run of 15 sentences (a PAGE): how much harsher than the crowd column k is on the first half of a page predicts
the second half (correlation 0.69; 0.0 for any other column). Across pages, and in the other three sets, the order carries no
information.
"""

import ast
import hashlib
import io
import os
import re
import tarfile
from collections.abc import Sequence
from html import unescape
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rlhf_lesson.data.download import pip_download
from rlhf_lesson.data.records import Pair, Ranking
from rlhf_lesson.disk import cache_folder

MOVIES, AMAZON, NYT, TWEETS = "movieReviewSnippets", "amazonReviewSnippets", "nytEditorialSnippets", "tweets"
REQUIREMENT = "vaderSentiment==3.3.2"
SHA256 = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
INNER = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
FILES = [f"{name}_{kind}.txt" for name in (MOVIES, AMAZON, NYT, TWEETS) for kind in ("GroundTruth", "anonDataRatings")]
PAGE = 15  # movie sentences that one group of raters read in one go


class Sentence(NamedTuple):
    """A sentence and every rater's rating of it, from -4 (very negative) to 4 (very positive)."""

    id: str
    text: str
    ratings: tuple[float, ...]
    source: str

    @property
    def mean(self) -> float:
        """What the crowd thinks: the mean of all ratings."""
        return sum(self.ratings) / len(self.ratings)

    @property
    def page(self) -> str:
        """Sentences of one page were rated by the same people in the same order; where that is unknown, a page has one sentence."""
        return f"page {(int(self.id.rpartition('/')[2]) - 1) // PAGE}" if self.source == MOVIES else self.id


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    if file is None:
        raise ValueError(f"{name} of the archive of {REQUIREMENT} is not a file: delete the archive and fetch it again")
    return file.read()


def unpack(archive: bytes) -> dict[str, bytes]:
    """The eight rating files of the source distribution, by name.

    Raises:
      ValueError: the archive has another hash than expected: delete it and fetch it again.
    """
    if hashlib.sha256(archive).hexdigest() != SHA256:
        raise ValueError(f"the archive of {REQUIREMENT} has another hash than expected: delete it and fetch again")
    with tarfile.open(fileobj=io.BytesIO(archive)) as outer:
        inner = _member(outer, INNER)
    with tarfile.open(fileobj=io.BytesIO(inner)) as tar:
        return {name: _member(tar, f"hutto_ICWSM_2014/{name}") for name in FILES}


def fetch(cache: Path | None = None) -> Path:
    """The folder of the rating files, which are downloaded with pip the first time only; `cache` is where to.

    Raises:
      ValueError: pip could not fetch them: the message names the command to run when online.
    """
    folder = Path(cache or cache_folder()) / "hutto_2014"
    if all((folder / name).is_file() for name in FILES):
        return folder
    archive = pip_download(REQUIREMENT, SHA256, kind="source", what="the human ratings", command="data fetch")
    contents = unpack(archive)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / f"{name}.{os.getpid()}").write_bytes(content)
        os.replace(folder / f"{name}.{os.getpid()}", folder / name)
    return folder


def place(words: str) -> float:
    """A number from 0 to 1 that depends on nothing but these words: the same for everybody, and for ever."""
    return int.from_bytes(hashlib.sha256(words.encode()).digest()[:4], "big") / 2**32


def load(name: str, cache: Path | None = None) -> list[Sentence]:
    """All sentences of one of the four sets, with every single rating (some texts were escaped twice).

    They come in a fixed order by a hash of their id, so that the first n of them are a random sample. The files' own order would
    not do: that of the movie set is sorted, the praise first, and 32 held-out prompts from its top are all beginnings of praise.
    The published means are not used: those of 196 tweets are not the mean of the published ratings.

    Args:
      name: MOVIES, AMAZON, NYT or TWEETS of this module.
      cache: folder for downloads; None is `disk.cache_folder()`.

    Raises:
      ValueError: there is no set of this name, or it could not be fetched; the message says what to do.
    """
    if f"{name}_GroundTruth.txt" not in FILES:
        raise ValueError(f"no data set {name!r}: take MOVIES, AMAZON, NYT or TWEETS of this module")
    folder = fetch(cache)
    truth, rated = (
        [line.split("\t") for line in (folder / f"{name}_{kind}.txt").read_text("utf-8-sig").splitlines()]
        for kind in ("GroundTruth", "anonDataRatings")
    )
    ratings = {i: tuple(map(float, ast.literal_eval(numbers))) for i, _, _, numbers in rated}
    sentences = [Sentence(f"{name}/{i}", unescape(unescape(text)).strip(), ratings[i], name) for i, _, text in truth]
    return sorted(sentences, key=lambda sentence: place(f"order of {sentence.id}"))


TIDY = [  # one spelling of each thing, so that the small vocabulary is spent on words
    (r"[\u2018\u2019`\u00b4]", "'"),
    (r"''|[\u201c\u201d]", '"'),
    (r"\s*[\u2013\u2014]\s*|\s*-{2,}(?![->])\s*|(?<=\S) {3,}(?=\S)", " - "),  # the movie set lost its dashes
    (r"\u2026|\.\s?\.\s?\.+", "..."),
    (r"https?://\S+|www\.\S+", "a link"),
    (r"@\w+", "@you"),
    (r"\s+", " "),
    (r"(?<=\w) (?=(?:n't|'(?:s|re|ve|ll|d|m))\b)", ""),  # it 's -> it's
    (r'(?<![^\s(])" ([^"]+) "', r'"\1"'),
    (r"(?<!\w)' (.+?) '(?!\w)", r"'\1'"),
    (r"(?<=[(\[$]) (?=\w)", ""),
    (r" (?=[,;:!?.](?:\s|$)|[)\]]+[,;:!?.]*(?:\s|$))", ""),  # leaves :) and ... alone
]


def normalise(text: str) -> str:
    """Lower case, plain quotes and dashes, ordinary spacing: how every text reaches the model."""
    for pattern, replacement in TIDY:
        text = re.sub(pattern, replacement, text)
    return text.strip().lower()


SPLITS = ("gold", "proxy", "eval")


def split(sentence_id: str) -> str:
    """The split of an id, "gold", "proxy" (45 % each) or "eval" (10 %): fixed for ever. Of sentences ask `by_split`."""
    at = place(sentence_id)
    if at < 0.45:
        return "gold"
    return "proxy" if at < 0.9 else "eval"


def by_split(sentences: Sequence[Sentence]) -> dict[str, list[Sentence]]:
    """The sentences of each split, "gold", "proxy" and "eval", in their order. This is what *held out* means in this course:

    - **Texts are held out.** No model has learnt from a text of "eval": neither a policy nor a reward model, nor the base model
      in its pretraining, which reads every other sentence of the four sets. Two sentences with the same normalised text are one
      text: the first of the three splits that holds a copy gets them all, so that no training text is in "eval" under another id.
    - **Raters and films are not held out.** The same people rated the sentences of a page, some for training, others for "eval",
      and the two halves of one review may fall on both sides. The models see neither page nor rater. But "held-out raters" would
      be wrong: what is measured is the ratings *of held-out texts*.
    """
    texts = [normalise(sentence.text) for sentence in sentences]
    home: dict[str, str] = {}
    for sentence, text in zip(sentences, texts, strict=True):
        name = split(sentence.id)
        home[text] = min(name, home.get(text, name), key=SPLITS.index)
    parts: dict[str, list[Sentence]] = {name: [] for name in SPLITS}
    for sentence, text in zip(sentences, texts, strict=True):
        parts[home[text]].append(sentence)
    return parts


def _rated(sentences: Sequence[Sentence], count: int, k: int, *, seed: int, one_person: bool, keep_ties: bool = False):
    """`count` times: k random texts, and one rating of each from the same column."""
    rng = np.random.default_rng(seed)
    pages: dict[str, list[Sentence]] = {}
    for sentence in sentences:
        pages.setdefault(sentence.page if one_person else "", []).append(sentence)
    groups = [group for group in pages.values() if len(group) >= k]
    for _ in range(1000 * count if groups else 0):
        group = groups[rng.integers(len(groups))]
        some = [group[i] for i in rng.choice(len(group), k, replace=False)]
        column = rng.random()  # on one page: one person
        ratings = [s.ratings[int(column * len(s.ratings))] for s in some]
        if len({s.text for s in some}) == k and (keep_ties or len(set(ratings)) == k):
            yield [s.text for s in some], ratings
    raise ValueError(f"hardly any {k} of these sentences differ in text and rating: pass more sentences or a smaller k")


def pairs(
    sentences: Sequence[Sentence], count: int, *, seed: int, keep_ties: bool = False, one_person: bool = False
) -> list[Pair]:
    """Random pairs of sentences, each decided by ONE randomly drawn rating of each sentence.

    Of random movie pairs about 14.5 % tie (the same number twice); of the rest 89.7 % agree with the crowd's mean. The
    two ratings usually come from two different people. With `one_person` both come from one reader: such sentences were
    on one page and are alike, so 32 % tie and only 84 % of the rest agree (77 % if two readers of a page are mixed).

    Args:
      sentences: at least two that differ.
      count: how many pairs.
      seed: of the pairs and of the ratings that decide them.
      keep_ties: return ties too, marked, instead of drawing again.
      one_person: only pairs that one person rated (MOVIES only).

    Returns:
      Pairs without a prompt, the sentence with the higher rating first.

    Raises:
      ValueError: hardly any of the sentences differ: pass more of them.
    """
    ratings = islice(_rated(sentences, count, 2, seed=seed, one_person=one_person, keep_ties=keep_ties), count)
    return [
        Pair("", b, a) if second > first else Pair("", a, b, first == second) for (a, b), (first, second) in ratings
    ]


def rankings(
    sentences: Sequence[Sentence], count: int, k: int, *, seed: int, one_person: bool = False
) -> list[Ranking]:
    """Sets of k random sentences, each put in order by one rating of every sentence; drawn again where any two tie.

    There are only 9 different ratings: k from 2 to 5 is quick, and a larger k picks sentences that are easy to order.

    Args:
      sentences: at least k that differ.
      count: how many rankings.
      k: sentences of each ranking, from 2 up.
      seed: of the sets and of the ratings that order them.
      one_person: only sets that one person rated (MOVIES only).

    Returns:
      Rankings without a prompt.

    Raises:
      ValueError: hardly any k of the sentences differ: pass more of them or a smaller k.
    """
    sets = islice(_rated(sentences, count, k, seed=seed, one_person=one_person), count)
    return [Ranking("", tuple(texts), tuple(sorted(range(k), key=lambda i: -ratings[i]))) for texts, ratings in sets]
