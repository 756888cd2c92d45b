"""Every format is read and written back unchanged, and every kind of bad row is told with its file and line."""

import json
from functools import partial

import pytest

from rlhf_lesson.data import chats
from rlhf_lesson.data.formats import parse_pair, parse_ranking, parse_rating, parse_vote, read, write
from rlhf_lesson.data.records import Demonstration, Pair, Ranking, Rating, Vote

PAIR = {"prompt": "p", "chosen": "good", "rejected": "bad"}
RANKING = {"prompt": "p", "responses": ["x", "y", "z"], "ranking": [1, 0, 2]}
RATING = {"prompt": "p", "response": "r", "rating": 4, "annotator": "ann"}
VOTE = {"prompt": "p", "response_a": "x", "response_b": "y", "vote": "B", "annotator": 3}
DIALOGUE = "\n\nHuman: Hi\n\nAssistant: Hello.\n\nHuman: Tell me more\n\nAssistant:"
TALK = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]


def file_of(tmp_path, *rows, name="data.jsonl"):
    path = tmp_path / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def without(row, key):
    return {k: v for k, v in row.items() if k != key}


# --- round trips ---------------------------------------------------------------------------------------------------

ROUND_TRIPS = {
    "pairs": (parse_pair, [Pair("p", "good", "bad"), Pair("", "x", "y", tie=True)], None),
    "rankings": (parse_ranking, [Ranking("p", ("x", "y", "z"), (1, 0, 2))], None),
    "ratings": (parse_rating, [Rating("p", "r", 4.5, "ann")], None),
    "votes": (parse_vote, [Vote("p", "x", "y", v, "bob") for v in ("A", "B", "tie")], None),
    "instructions": (
        chats.parse_instruction,
        [Demonstration("### Instruction:\nSay é.\n\n### Response:\n", "é\nand more")],
        chats.instruction_row,
    ),
    "chats": (chats.parse_chat, [Demonstration(DIALOGUE, " Gladly.")], chats.chat_row),
    "implicit pairs": (chats.parse_implicit, [Pair(DIALOGUE, " Gladly.", " Go away.")], chats.implicit_row),
    "conversations": (chats.parse_conversation, [Pair(DIALOGUE, " Gladly.", " Go away.")], chats.conversation_row),
}


@pytest.mark.parametrize("name", ["data.jsonl", "data.jsonl.gz"])
@pytest.mark.parametrize(("parse", "records", "as_row"), ROUND_TRIPS.values(), ids=ROUND_TRIPS)
def test_what_is_written_is_read_back_unchanged(tmp_path, parse, records, as_row, name):
    write(tmp_path / name, records, *([as_row] if as_row else []))
    assert read(tmp_path / name, parse) == (records, [])


# --- what the formats mean -----------------------------------------------------------------------------------------


class Templated:
    """A tokenizer with a chat template; `opening` is what it writes to open a reply."""

    def __init__(self, opening="<assistant>"):
        self.opening = opening

    def apply_chat_template(self, messages, *, tokenize, add_generation_prompt):
        assert not tokenize
        if messages[0]["role"] == "system":
            raise RuntimeError("system role not supported")
        return "".join(f"<{m['role']}>{m['content']}" for m in messages) + self.opening * add_generation_prompt


# --- bad rows ------------------------------------------------------------------------------------------------------

plus = lambda row, **changes: {**row, **changes}  # noqa: E731
BAD = {
    "missing prompt": (parse_pair, without(PAIR, "prompt"), "no 'prompt'"),
    "missing chosen": (parse_pair, without(PAIR, "chosen"), "no 'chosen'"),
    "prompt of a wrong type": (parse_pair, plus(PAIR, prompt=3), "'prompt' is int, not str"),
    "row of a wrong type": (parse_pair, [1, 2], "the row is a list"),
    "empty chosen": (parse_pair, plus(PAIR, chosen="  "), "empty 'chosen'"),
    "identical responses": (parse_pair, plus(PAIR, chosen="bad "), "identical"),
    "ranking with a repeat": (parse_ranking, plus(RANKING, ranking=[0, 0, 2]), "no permutation of 0 to 2"),
    "ranking too short": (parse_ranking, plus(RANKING, ranking=[0, 1]), "no permutation"),
    "ranking from 1": (parse_ranking, plus(RANKING, ranking=[1, 2, 3]), "no permutation"),
    "ranking of true and false": (parse_ranking, plus(RANKING, ranking=[True, False, 2]), "no permutation"),
    "ranking of one": (parse_ranking, plus(RANKING, responses=["x"], ranking=[0]), "fewer than two"),
    "ranking of the same text": (parse_ranking, plus(RANKING, responses=["x", "x", "z"]), "identical"),
    "ranking with an empty response": (
        parse_ranking,
        plus(RANKING, responses=["x", "", "z"]),
        r"empty 'responses\[1\]'",
    ),
    "ranked numbers": (parse_ranking, plus(RANKING, responses=["x", 5, "z"]), r"'responses\[1\]' is int"),
    "rating above the scale": (parse_rating, plus(RATING, rating=6), "off the scale 1 to 5"),
    "rating below the scale": (
        partial(parse_rating, scale=(-4, 4)),
        plus(RATING, rating=-4.5),
        "off the scale -4 to 4",
    ),
    "rating that is no number": (parse_rating, plus(RATING, rating=float("nan")), "off the scale"),
    "rating in words": (parse_rating, plus(RATING, rating="good"), "'rating' is str, not int or float"),
    "rating true": (parse_rating, plus(RATING, rating=True), "'rating' is bool"),
    "rating by nobody": (parse_rating, without(RATING, "annotator"), "no 'annotator'"),
    "unknown vote": (parse_vote, plus(VOTE, vote="C"), "unknown vote 'C'"),
    "vote on one text": (parse_vote, plus(VOTE, response_b="x"), "identical"),
    "empty instruction": (chats.parse_instruction, {"instruction": "", "response": "r"}, "empty 'instruction'"),
    "empty response": (chats.parse_instruction, {"instruction": "i", "response": "\n"}, "empty 'response'"),
    "implicit identical": (chats.parse_implicit, {"chosen": "a b", "rejected": "a b"}, "identical"),
    "implicit empty": (chats.parse_implicit, {"chosen": DIALOGUE, "rejected": DIALOGUE + " x"}, "empty 'chosen'"),
    "chat without reply": (chats.parse_chat, {"messages": TALK[:1]}, "last by the assistant"),
    "chat of strings": (chats.parse_chat, {"messages": ["hi"]}, "holds a str"),
    "chat of an unknown role": (chats.parse_chat, {"messages": [{"role": "x", "content": "y"}]}, "unknown role 'x'"),
    "chat with an empty message": (
        chats.parse_chat,
        {"messages": [{"role": "user", "content": ""}]},
        "empty 'content'",
    ),
    "talk without a prompt": (chats.parse_conversation, {"chosen": TALK, "rejected": TALK[1:]}, "a prompt and two"),
    "talk that is text": (chats.parse_conversation, PAIR, "'chosen' is str, not list"),
    "template that refuses": (
        partial(chats.parse_chat, tokenizer=Templated()),
        {"messages": [{"role": "system", "content": "s"}, *TALK]},
        "refuses these messages: system role",
    ),
    "template that cannot be cut": (
        partial(chats.parse_chat, tokenizer=Templated("<reply>")),
        {"messages": TALK},
        "no prompt can be cut off",
    ),
}


@pytest.mark.parametrize(("parse", "row", "what"), BAD.values(), ids=BAD)
def test_a_bad_row_is_told_with_its_file_and_line(tmp_path, parse, row, what):
    path = file_of(tmp_path, row)
    with pytest.raises(ValueError, match=f"data.jsonl:1: .*{what}"):
        read(path, parse)


def test_good_rows_come_back_with_the_problems_when_bad_ones_are_skipped(tmp_path):
    path = file_of(tmp_path, PAIR, plus(PAIR, chosen=""), plus(PAIR, prompt="q"), without(PAIR, "rejected"))
    pairs, problems = read(path, parse_pair, skip_bad=True)
    assert [p.prompt for p in pairs] == ["p", "q"]
    assert [p.where for p in problems] == [f"{path}:2", f"{path}:4"]


def test_the_error_shows_ten_rows_and_counts_all(tmp_path):
    path = file_of(tmp_path, PAIR, *[plus(PAIR, chosen="")] * 13)
    with pytest.raises(ValueError, match=r"13 bad rows of 14") as caught:
        read(path, parse_pair)
    assert str(caught.value).count("data.jsonl:") == 10
    assert "and 3 more" in str(caught.value)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (b'{"prompt": "caf\xe9"}', "not UTF-8"),
        (b'{"prompt": "p",', "bad JSON"),
        (b"prompt,chosen,rejected", "bad JSON"),
    ],
)
def test_a_line_that_cannot_be_read_is_told_and_the_next_one_still_read(tmp_path, line, what):
    path = tmp_path / "data.jsonl"
    path.write_bytes(line + b"\n" + json.dumps(PAIR).encode())
    pairs, problems = read(path, parse_pair, skip_bad=True)
    assert pairs == [Pair("p", "good", "bad")]
    assert problems[0].where == f"{path}:1"
    assert what in problems[0].what


def test_a_repeated_id_is_told_with_the_place_of_the_first(tmp_path):
    path = file_of(tmp_path, plus(PAIR, id=7), plus(PAIR, id=8), plus(PAIR, id=7))
    pairs, problems = read(path, parse_pair, skip_bad=True)
    assert len(pairs) == 2
    assert problems == [(f"{path}:3", f"id 7 is already the id of {path}:1")]


def test_a_prompt_longer_than_the_context_is_told(tmp_path):
    path = file_of(tmp_path, plus(PAIR, prompt="one two three"), plus(PAIR, prompt="one two three four"))
    words = lambda text: len(text.split())  # noqa: E731
    pairs, problems = read(path, parse_pair, skip_bad=True, max_prompt=3, count_tokens=words)
    assert len(pairs) == 1
    assert problems == [(f"{path}:2", "the prompt has 4 tokens, more than 3: shorten it")]


def test_a_limit_without_a_way_to_count_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="go together"):
        read(file_of(tmp_path, PAIR), parse_pair, max_prompt=3)


def test_a_missing_or_empty_source_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="no file or folder"):
        read(tmp_path / "nowhere.jsonl", parse_pair)
    with pytest.raises(ValueError, match="no rows"):
        read(file_of(tmp_path), parse_pair)


# --- data sets by name ---------------------------------------------------------------------------------------------
