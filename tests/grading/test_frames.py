"""What crosses the pipe comes out as it went in, and a forged frame builds nothing."""

import jax
import numpy as np
import pytest

from rlhf_lesson.arrays import masked_mean
from rlhf_lesson.grading.frames import FrameError, Key, Library, frame, header_of, lengths, pack, unpack

VALUES = [
    None,
    True,
    "text",
    -(2**70),
    0.1,
    float("inf"),
    (1, [2.5, "x"], {"a": None}),
    np.arange(6, dtype=np.float32).reshape(2, 3),
    np.array(3, np.int8),
    np.array(["ab", "c"]),
]


def through(value):
    body: list[bytes] = []
    node = pack(value, body)
    return unpack(node, memoryview(b"".join(body)))


@pytest.mark.parametrize("value", VALUES, ids=str)
def test_a_value_comes_out_as_it_went_in(value):
    again = through(value)
    assert type(again) is type(value)
    np.testing.assert_array_equal(again, value) if isinstance(value, np.ndarray) else None
    assert isinstance(value, np.ndarray) or again == value


def test_keys_and_the_librarys_functions_cross_as_notes_of_what_they_are():
    key, function = through((jax.random.key(3), masked_mean))
    assert isinstance(key, Key) and key.name == "threefry2x32"
    np.testing.assert_array_equal(key.data, jax.random.key_data(jax.random.key(3)))
    assert isinstance(function, Library) and function.name == "masked_mean"


def test_sets_iterators_and_ranges_cross_as_lists():
    assert (
        sorted(through({2, 1})) == [1, 2] and through(x for x in "ab") == ["a", "b"] and through(range(3)) == [0, 1, 2]
    )
    assert pack(iter(int, 1), [])[0] == "row", "one without end is cut off, and is then too large to be sent"


@pytest.mark.parametrize("long", [[*range(40_000)], tuple(float(i) for i in range(9)), [True] * 12, [2**70, *range(9)]])
def test_a_long_row_of_numbers_crosses_as_one_array(long):
    again = through(long)
    assert again == long and type(again) is type(long) and type(again[0]) is type(long[0])


def test_many_small_things_and_wide_strings_are_refused_by_count():
    for many in (
        [[]] * 20_000,
        [np.zeros(0)] * 20_000,
        np.array(["x" * 30_000, *[""] * 300]),
        np.array(["x"] * 20_000),
    ):
        with pytest.raises(FrameError) as refusal:
            pack(many, [])
        assert refusal.value.kind == "too-large"


def test_a_forged_array_of_strings_takes_no_memory():
    wide = ["strings", [3501], [""] * 3500 + ["x" * 200_000]]  # 2.8 GB, if it were built
    ragged = ["strings", [2], ["a", ["b"]]]
    for node in (wide, ragged, ["strings", [3], ["a"]], ["strings", [10**9, 0], []]):
        with pytest.raises(FrameError):
            unpack(node, memoryview(b""))


def test_bfloat16_crosses_as_it_is():
    again = through(jax.numpy.arange(3, dtype="bfloat16"))
    assert again.dtype.name == "bfloat16" and again.astype(np.float32).tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("value", [object(), {1: 2}, lambda: 1, np.array([None]), 2**300])
def test_anything_else_is_refused(value):
    with pytest.raises(FrameError) as refusal:
        pack(value, [])
    assert refusal.value.kind == "wrong-type"


@pytest.mark.parametrize(
    "node",
    [
        ["array", "float32", [1 << 40]],
        ["array", "float32", [-1]],
        ["array", "object", [1]],
        ["array", "float32", [1] * 9],
        ["int", "9" * 100],
        ["float", "x"],
        ["dict", [["a"]]],
        ["library", "m" * 99, "n"],
        ["key", "unknown", ["plain", 1]],
        ["no such type", 1],
        [],
        7,
    ],
    ids=str,
)
def test_a_forged_node_is_a_crash_and_builds_nothing(node):
    with pytest.raises(FrameError) as refusal:
        unpack(node, memoryview(b""))
    assert refusal.value.kind == "crashed"


def test_bytes_that_belong_to_no_array_and_too_much_nesting_are_refused():
    with pytest.raises(FrameError):
        unpack(["plain", None], memoryview(b"left over"))
    deep = ["plain", None]
    for _ in range(50):
        deep = ["list", [deep]]
    with pytest.raises(FrameError):
        unpack(deep, memoryview(b""))


def test_a_frame_says_its_lengths_and_its_header_is_an_object():
    whole = frame({"id": 1}, [b"abc", b"d"])
    header, body = lengths(whole[:12])
    assert header_of(whole[12 : 12 + header]) == {"id": 1} and whole[12 + header :] == b"abcd" and body == 4
    for forged in (b"[1]", b"{", b"NaN", b'{"a": NaN}', b"\xff"):
        with pytest.raises(FrameError):
            header_of(forged)
    with pytest.raises(FrameError, match="larger than 1 MiB"):
        lengths(frame({}, [])[:4] + (2**40).to_bytes(8, "little"))
