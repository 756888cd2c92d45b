"""The order and the splits of the ratings: any first rows are a random sample, and no text is on two sides."""

from rlhf_lesson.data.feedback import MOVIES, Sentence, by_split, normalise, split

# --- splits --------------------------------------------------------------------------------------------------------


def test_a_sentence_never_changes_its_split():
    parts = [split(f"movieReviewSnippets/{i}") for i in range(1, 9)]
    assert parts == ["gold"] * 5 + ["proxy", "eval", "proxy"]


def test_splits_are_disjoint_and_never_move(movies):
    parts = by_split(movies)
    assert {name: len(part) for name, part in parts.items()} == {"gold": 4741, "proxy": 4823, "eval": 1041}
    assert sum(split(s.id) != name for name, part in parts.items() for s in part) == 2  # texts that are there twice


def test_two_sentences_with_one_text_are_never_in_two_splits(movies):
    gold, proxy, held_out = ({normalise(s.text) for s in part} for part in by_split(movies).values())
    assert not gold & proxy and not gold & held_out and not proxy & held_out
    copies = [
        Sentence(f"movieReviewSnippets/{i}", text, (1.0,), MOVIES) for i, text in ((7, "A  film."), (1, "a film ."))
    ]
    assert [split(s.id) for s in copies] == ["eval", "gold"]
    assert by_split(copies) == {"gold": copies, "proxy": [], "eval": []}


# --- the order -----------------------------------------------------------------------------------------------------


def test_the_first_sentences_are_a_random_sample_and_not_the_praise_that_the_file_begins_with(movies):
    """Within four standard errors of the share of positive sentences; the file's own first 500 are all positive."""
    for part in (movies, *by_split(movies).values()):
        share = sum(s.mean > 0 for s in part) / len(part)
        for count in (32, 128, 256, 500):
            positive = sum(s.mean > 0 for s in part[:count]) / count
            assert abs(positive - share) < 4 * (share * (1 - share) / count) ** 0.5
    as_in_the_file = sorted(movies, key=lambda s: int(s.id.rpartition("/")[2]))
    assert sum(s.mean > 0 for s in as_in_the_file[:500]) > 450


def test_the_order_is_the_same_for_everybody(movies):
    assert [s.id.rpartition("/")[2] for s in movies[:3]] == ["10105", "8272", "9238"]
