"""How values cross the pipe between judge and worker: a JSON header that describes them, and the arrays' raw bytes.

The judge trusts nothing that it reads: it reads with limits, and `unpack` builds nothing but NumPy arrays, numbers, strings,
None, tuples, lists and dicts, and for keys and the library's functions a note of what they are. A frame is

    u32 header length | u64 body length | header, UTF-8 JSON | body

No pickle anywhere, and no import but NumPy: the worker's side must be small.
"""

import itertools
import json
import math
import struct
from collections.abc import Iterator, Sequence
from types import FunctionType

import numpy as np

LENGTHS = struct.Struct("<IQ")
HEADER_LIMIT, BODY_LIMIT = 2**18, 2**20  # bytes of an answer; what is asked may be larger
DEPTH, NODES, NDIM = 8, 10_000, 8
LETTERS = 2**18  # of an array of strings: NumPy gives each string the room of the longest
DTYPES = frozenset(
    "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 bfloat16 float32 float64 complex64 complex128".split()
)
AT_A_LIMIT = (
    0.0,
    1.0,
)  # numbers that no quick call traces: Python's own division may stop there, a traced one gives infinity
ROWS = {bool: "bool", int: "int64", float: "float64"}  # a list of many such numbers crosses as one array


TOO_LARGE = f"the answer is larger than {BODY_LIMIT >> 20} MiB of arrays or {HEADER_LIMIT >> 10} KiB of other things"


class FrameError(Exception):
    """A frame that breaks the rules; `kind` is one of the judge's failures."""

    def __init__(self, kind: str, sentence: str):
        super().__init__(sentence)
        self.kind = kind


def pack(value, body: list[bytes], depth: int = 0, room: Iterator[int] | None = None):
    """A value as JSON-able nodes [type, ...]; its arrays' bytes are appended to `body`.

    Raises:
      FrameError: wrong-type, if it holds anything but arrays, numbers, strings, None, tuples, lists, sets, iterators and
        dicts of strings; too-large, if it holds too many of them.
    """
    room = iter(range(NODES)) if room is None else room
    if next(room, None) is None:
        raise FrameError("too-large", f"the answer holds more than {NODES:,} things: return them as one array")
    if depth > DEPTH:
        raise FrameError("wrong-type", f"the answer is nested more than {DEPTH} deep")
    if value is None or type(value) in (bool, str):
        return ["plain", value]
    if type(value) is int:
        return ["int", str(value)] if abs(value) < 2**200 else _refuse("an integer beyond all bounds")
    if type(value) is float:
        return ["float", value.hex()]
    if isinstance(value, set | frozenset | Iterator | range):
        value = list(itertools.islice(value, BODY_LIMIT))  # an iterator may never end
    if isinstance(value, tuple | list):
        name, kinds = "tuple" if isinstance(value, tuple) else "list", set(map(type, value))
        if len(value) > 8 and len(kinds) == 1 and (dtype := ROWS.get(kinds.pop())):
            try:
                return ["row", name, pack(np.array(value, dtype), body, depth + 1, room)]
            except OverflowError:
                pass  # an integer of more than 64 bits: one node each
        return [name, [pack(v, body, depth + 1, room) for v in value]]
    if isinstance(value, dict):
        if not all(type(k) is str for k in value):
            raise FrameError("wrong-type", "a dict's keys must be strings")
        return ["dict", [[k, pack(v, body, depth + 1, room)] for k, v in value.items()]]
    if isinstance(value, FunctionType) and value.__module__.startswith("rlhf_lesson."):
        return ["library", value.__module__, value.__name__]
    dtype = getattr(value, "dtype", None)
    if dtype is None or not hasattr(value, "shape"):
        return _refuse(f"a {type(value).__name__}")
    if str(dtype).startswith("key<"):  # a random key is its plain numbers and the name of its generator
        import jax

        data = pack(np.asarray(jax.random.key_data(value)), body, depth + 1, room)
        return ["key", str(jax.random.key_impl(value)), data]
    array = np.asarray(value)
    if array.dtype.kind == "U":
        _measure(array.shape, max(map(len, array.ravel()), default=0))
        return ["strings", list(array.shape), array.ravel().tolist()]
    if array.dtype.name not in DTYPES:
        return _refuse(f"an array of {array.dtype.name}")
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    array = np.ascontiguousarray(array).reshape(array.shape)
    body.append(array.tobytes())
    return ["array", array.dtype.name, list(array.shape)]


def _refuse(what: str):
    raise FrameError("wrong-type", f"the answer holds {what}: return arrays, numbers or strings")


def _measure(shape: Sequence[int], longest: int) -> None:
    """FrameError if strings of this number and length would be an array of many bytes."""
    if math.prod(shape) > NODES or math.prod(shape) * longest > LETTERS:
        raise FrameError("too-large", f"its strings have room for more than {LETTERS:,} letters")


def unpack(node, body: memoryview):
    """The value of nodes that may be forged; every size is checked before it is used.

    Raises:
      FrameError: crashed, since an honest worker never sends such a frame.
    """
    reader = _Reader(body)
    try:
        value = reader.value(node, depth=0)
        if reader.position != len(body):
            raise ValueError("bytes left over")
    except (ValueError, TypeError, OverflowError, RecursionError, MemoryError) as error:
        raise FrameError("crashed", "the worker's answer is no answer") from error
    return value


class _Reader:
    """Builds values from nodes; remembers how far the bytes are used up and how many nodes there were."""

    def __init__(self, body: memoryview):
        self.body = body
        self.position = 0
        self.nodes = 0

    def value(self, node, depth: int):
        self.nodes += 1
        if self.nodes > NODES or depth > DEPTH + 2 or not isinstance(node, list) or not node:
            raise ValueError("nodes")
        match node:
            case ["plain", None | bool() | str() as v]:
                return v
            case ["int", str(v)] if len(v) < 64:
                return int(v)
            case ["float", str(v)] if len(v) < 64:
                return float.fromhex(v)
            case ["tuple", list(v)]:
                return tuple(self.value(n, depth + 1) for n in v)
            case ["list", list(v)]:
                return [self.value(n, depth + 1) for n in v]
            case ["dict", list(v)]:
                if not all(isinstance(p, list) and len(p) == 2 and isinstance(p[0], str) for p in v):
                    raise ValueError("dict")
                return {k: self.value(n, depth + 1) for k, n in v}
            case ["array", str(name), shape]:
                return self.array(name, shape)
            case ["row", "tuple" | "list" as name, ["array", *_] as n]:
                row = self.value(n, depth + 1)
                if row.ndim != 1 or row.dtype.name not in ROWS.values():
                    raise ValueError("row")
                return tuple(row.tolist()) if name == "tuple" else row.tolist()
            case ["strings", list(shape), list(v)] if len(shape) <= NDIM and all(type(s) is str for s in v):
                if not all(type(n) is int and 0 <= n <= NODES for n in shape) or len(v) != math.prod(shape):
                    raise ValueError("strings")
                _measure(shape, max(map(len, v), default=0))
                return np.array(v, dtype=str).reshape(shape)
            case ["key", str(name), data] if name in ("fry", "threefry2x32", "rbg", "unsafe_rbg"):
                return Key(name, self.value(data, depth + 1))
            case ["library", str(module), str(name)] if len(module) + len(name) < 100:
                return Library(module, name)
        raise ValueError("node")

    def array(self, name: str, shape) -> np.ndarray:
        if name not in DTYPES or not isinstance(shape, list) or len(shape) > NDIM:
            raise ValueError("array")
        if not all(type(n) is int and 0 <= n <= BODY_LIMIT for n in shape):
            raise ValueError("array")
        dtype = np.dtype(name) if name != "bfloat16" else _bfloat16()
        size = math.prod(shape) * dtype.itemsize
        if size > len(self.body) - self.position:
            raise ValueError("size")
        values = np.frombuffer(self.body[self.position : self.position + size], dtype).reshape(shape)
        self.position += size
        return values


def _bfloat16() -> np.dtype:
    import ml_dtypes  # JAX's own: NumPy has no such numbers

    return np.dtype(ml_dtypes.bfloat16)


class Key:
    """A random key as plain numbers; the worker makes it real again with `jax.random.wrap_key_data`."""

    def __init__(self, name: str, data: np.ndarray):
        self.name, self.data = "threefry2x32" if name == "fry" else name, data


class Library:
    """A function of the package, an input of another one, by its name; the worker takes it from its own copy."""

    def __init__(self, module: str, name: str):
        self.module, self.name = module, name


def frame(header: dict, body: Sequence[bytes] = ()) -> bytes:
    """One frame's bytes."""
    text, raw = json.dumps(header).encode(), b"".join(body)
    return LENGTHS.pack(len(text), len(raw)) + text + raw


def lengths(prefix: bytes) -> tuple[int, int]:
    """Both lengths; FrameError too-large beyond the limits."""
    header, body = LENGTHS.unpack(prefix)
    if header > HEADER_LIMIT or body > BODY_LIMIT:
        raise FrameError("too-large", TOO_LARGE)
    return header, body


def _no_constant(name: str):
    raise ValueError(name)


def header_of(raw: bytes) -> dict:
    """The header, a JSON object; FrameError crashed if it is anything else."""
    try:
        header = json.loads(raw.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError, MemoryError) as error:
        raise FrameError("crashed", "the worker's answer is no answer") from error
    if not isinstance(header, dict):
        raise FrameError("crashed", "the worker's answer is no answer")
    return header
