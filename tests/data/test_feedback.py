"""The human ratings: what was counted in the files, splits, choices of real raters, and how the archive is guarded."""

import hashlib
import io
import re
import tarfile
from itertools import pairwise
from types import SimpleNamespace

import pytest

from rlhf_lesson.data import download, feedback
from rlhf_lesson.data.feedback import AMAZON, MOVIES, NYT, TWEETS, Sentence, normalise, pairs, rankings


def load(name):
    try:
        return feedback.load(name)
    except ValueError as error:
        pytest.skip(f"the ratings need one fetch: {error}")


@pytest.fixture(scope="module")
def movies():
    return load(MOVIES)


def unalike(count, ratings=(-1.0, 1.0)):
    return [Sentence(f"a/{i + 1}", f"text {i}", (ratings[i % len(ratings)],), "a") for i in range(count)]


# --- the files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "count", "words", "ratings"),
    [
        (MOVIES, 10_605, 200_063, 18.7),
        (AMAZON, 3_708, 61_029, 20.0),
        (NYT, 5_190, 90_600, 20.0),
        (TWEETS, 4_200, 57_201, 38.0),
    ],
)
def test_the_four_sets_have_the_sizes_that_were_counted_once(name, count, words, ratings):
    sentences = load(name)
    assert len(sentences) == len({s.id for s in sentences}) == count
    assert (
        abs(sum(len(s.text.split()) for s in sentences) - words) <= 1
    )  # counted as Latin-1: one letter read as a space
    assert sum(len(s.ratings) for s in sentences) / count == pytest.approx(ratings, abs=0.05)
    assert {r for s in sentences for r in s.ratings} <= set(range(-4, 5))


@pytest.mark.parametrize("name", [MOVIES, AMAZON, NYT, TWEETS])
def test_no_text_holds_an_entity_a_byte_order_mark_or_a_wrongly_decoded_letter(name):
    for sentence in load(name):
        assert sentence.text
        assert not any(
            odd in sentence.id + sentence.text for odd in ("&amp;", "&lt;", "\ufeff", "\u00c3", "\u00e2\u0080")
        )


def test_texts_are_ordinary_ones_after_normalising(movies):
    for text in map(normalise, (s.text for s in movies)):
        assert text == text.lower() == text.strip()
        assert not any(odd in text for odd in ("  ", "''", "`", " ,", " ;", "( "))


@pytest.mark.parametrize(
    ("raw", "tidy"),
    [
        ("It 's good , is n't it ?", "it's good, isn't it?"),
        ("The ''Conan'' of our\u2019s", 'the "conan" of our\'s'),
        ('he said " never " and " now " .', 'he said "never" and "now".'),
        ("''Bad'' is the word for ''Bad Company,'' yes", '"bad" is the word for "bad company," yes'),
        ("slow    again    and long .", "slow - again - and long."),
        ("word--word \u2014 end --> no", "word - word - end --> no"),
        ("costs $ 40 ( cheap )", "costs $40 (cheap)"),
        ("well . . . no \u2026", "well ... no ..."),
        ("@anonymous thanks :) http://url_removed", "@you thanks :) a link"),
    ],
)
def test_odd_spelling_is_made_ordinary(raw, tidy):
    assert normalise(raw) == tidy
    assert normalise(tidy) == tidy


def test_the_mean_is_the_raters_mean():
    assert Sentence("a/1", "t", (1.0, 2.0, -4.0, 0.0), "a").mean == -0.25  # (1 + 2 - 4 + 0) / 4


def test_an_unknown_set_is_an_error_that_names_the_four():
    with pytest.raises(ValueError, match="MOVIES, AMAZON, NYT or TWEETS"):
        feedback.load("books")


# --- choices -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("one_person", "ties", "agreement"), [(False, 0.147, 0.897), (True, 0.315, 0.841)])
def test_one_raters_choice_agrees_with_the_crowd_as_often_as_was_counted(movies, one_person, ties, agreement):
    """To 0.01. Two sentences of one page are more alike than two of any page: more ties, less agreement."""
    mean = {s.text: s.mean for s in movies}
    drawn = pairs(movies, 20_000, seed=0, keep_ties=True, one_person=one_person)
    decided = [p for p in drawn if not p.tie]
    assert 1 - len(decided) / len(drawn) == pytest.approx(ties, abs=0.01)
    assert sum(mean[p.chosen] > mean[p.rejected] for p in decided) / len(decided) == pytest.approx(agreement, abs=0.01)


@pytest.mark.parametrize(("name", "low", "high"), [(MOVIES, 0.25, 0.5), (AMAZON, -0.03, 0.03), (NYT, -0.03, 0.03)])
def test_a_column_is_one_person_for_a_page_of_movies_and_nobody_elsewhere(name, low, high):
    """How far column k lies above the crowd on one sentence predicts its place on the next, in the movie set only."""
    as_read = sorted(load(name), key=lambda s: [int(number) for number in re.findall(r"\d+", s.id)])
    both = [(a, b) for a, b in pairwise(as_read[:3000]) if len(a.ratings) == len(b.ratings)]
    together = sum((x - a.mean) * (y - b.mean) for a, b in both for x, y in zip(a.ratings, b.ratings, strict=True))
    assert low < together / sum((x - a.mean) ** 2 for a, _ in both for x in a.ratings) < high


def test_all_sentences_of_a_page_have_equally_many_raters(movies):
    counts = {}
    for sentence in movies:
        counts.setdefault(sentence.page, set()).add(len(sentence.ratings))
    assert len(counts) == 10_605 / feedback.PAGE
    assert all(len(sizes) == 1 for sizes in counts.values())


def test_the_same_seed_draws_the_same_pairs_and_another_seed_others(movies):
    assert pairs(movies, 5, seed=1) == pairs(movies, 5, seed=1) != pairs(movies, 5, seed=2)


def test_the_better_rated_text_is_chosen_and_ties_are_drawn_again():
    drawn = pairs(unalike(10), 50, seed=0)
    assert len(drawn) == 50
    assert not any(p.tie for p in drawn)
    assert all(int(p.chosen.split()[1]) % 2 == 1 for p in drawn)  # odd texts are rated 1, even ones -1


def test_kept_ties_are_marked():
    assert all(p.tie for p in pairs(unalike(10, ratings=(2.0,)), 5, seed=0, keep_ties=True))


def test_no_pair_holds_one_text_twice():
    twice = [Sentence(f"a/{i}", text, (float(i),), "a") for i, text in enumerate(["same", "same", "other"])]
    assert all(p.chosen != p.rejected for p in pairs(twice, 20, seed=0))


@pytest.mark.parametrize("sentences", [[], unalike(1), unalike(4, ratings=(0.0,))], ids=["none", "one", "all tied"])
def test_nothing_to_compare_is_an_error_and_no_endless_loop(sentences):
    with pytest.raises(ValueError, match="pass more sentences"):
        pairs(sentences, 2, seed=0)


def test_rankings_put_the_best_first_without_ties():
    sentences = unalike(12, ratings=(3.0, -2.0, 0.0, 1.0))
    rating = {s.text: s.ratings[0] for s in sentences}
    for drawn in rankings(sentences, 10, 4, seed=0):
        assert [rating[drawn.responses[i]] for i in drawn.ranking] == [3.0, 1.0, 0.0, -2.0]


# --- how the files get here ----------------------------------------------------------------------------------------


@pytest.fixture
def pip(monkeypatch):
    """A pip that downloads what we tell it to, and counts its calls."""
    state = SimpleNamespace(calls=[], archive=b"not the archive")

    def run(command, **_):
        state.calls.append(command)
        with open(f"{command[command.index('-d') + 1]}/vaderSentiment-3.3.2.tar.gz", "wb") as file:
            file.write(state.archive)
        return SimpleNamespace(returncode=0, stderr="")

    monkeypatch.setattr(download.subprocess, "run", run)
    return state


def tar(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def archive_with(monkeypatch):
    """An archive that passes for the real one: its eight files, and two that were smuggled in."""
    inner = tar({f"hutto_ICWSM_2014/{name}": name.encode() for name in feedback.FILES} | {"../../evil.txt": b"evil"})
    archive = tar({feedback.INNER: inner, "/etc/evil": b"evil"})
    monkeypatch.setattr(feedback, "SHA256", hashlib.sha256(archive).hexdigest())
    return archive


def test_a_tampered_archive_is_refused_and_leaves_nothing(pip, tmp_path):
    with pytest.raises(ValueError, match="another hash"):
        feedback.fetch(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_only_the_eight_named_files_leave_the_archive(pip, tmp_path, monkeypatch):
    pip.archive = archive_with(monkeypatch)
    folder = feedback.fetch(tmp_path)
    assert {p.name: p.read_text() for p in folder.iterdir()} == {name: name for name in feedback.FILES}
    assert list(tmp_path.iterdir()) == [folder]


def test_the_second_fetch_calls_no_pip(pip, tmp_path, monkeypatch):
    pip.archive = archive_with(monkeypatch)
    assert feedback.fetch(tmp_path) == feedback.fetch(tmp_path)
    assert len(pip.calls) == 1
    assert "--require-hashes" in pip.calls[0]


def test_half_a_cache_is_fetched_again(pip, tmp_path, monkeypatch):
    pip.archive = archive_with(monkeypatch)
    (feedback.fetch(tmp_path) / feedback.FILES[3]).unlink()
    assert (feedback.fetch(tmp_path) / feedback.FILES[3]).is_file()
    assert len(pip.calls) == 2
