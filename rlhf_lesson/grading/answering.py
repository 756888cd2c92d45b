"""One call of a submission's function, in the worker: plain inputs made real, the call made in one mode, a plain answer.

worker.py reads the requests and sends what comes back. Nothing here knows what the right answer is, and the modes are those
of `rlhf_lesson.course.examine`: "plain" as a learner calls it, "compiled" as a training loop does.
"""

import importlib
import json
from copy import deepcopy

import frames

MOST = 400  # operations of a common program: the compiler's time grows faster than a long program, as of a loop written out


def real(value):
    """Random keys become JAX's own again, and names of the library's functions these functions; all else is as it came."""
    if isinstance(value, frames.Library):
        return getattr(importlib.import_module(value.module), value.name)
    if isinstance(value, frames.Key):
        import jax

        return jax.random.wrap_key_data(jax.numpy.asarray(value.data), impl=value.name)
    if isinstance(value, list | tuple):
        return type(value)(map(real, value))
    if isinstance(value, dict):
        return {k: real(v) for k, v in value.items()}
    return value.copy() if hasattr(value, "copy") else value  # writeable, as a learner's own array would be


def prepared(value, traceable: bool):
    """What `rlhf_lesson.course.examine.prepared` gives: JAX's arrays where a loop would compile the function."""
    import jax
    import numpy as np

    if isinstance(value, jax.Array):
        return value
    return jax.numpy.asarray(value) if traceable and isinstance(value, np.ndarray | np.generic) else deepcopy(value)


def slope(function, place: int | None):
    """What `rlhf_lesson.course.examine.slope` gives: the gradient by the argument at this place, or the function itself."""

    def gradient(*args, **kwargs):
        import jax

        return jax.grad(lambda x: jax.numpy.sum(function(*args[:place], x, *args[place + 1 :], **kwargs)))(args[place])

    return function if place is None else gradient


def call(function, values, mode: str, *, traceable: bool, compiled: dict) -> tuple[dict, list[bytes]]:
    """The answer to one call; `compiled` keeps what jax.jit made of the function.

    Args:
      function: what is called.
      values: its arguments and its keywords, as they came.
      mode: "plain", "compiled" with its arrays traced, or "quick": compiled with numbers traced too where that can be.
      traceable: whether its arrays are JAX's.
      compiled: empty at first; one dict for each function and mode.
    """
    args, kwargs = made(values, traceable)
    return packed(function(*args, **kwargs) if mode == "plain" else jitted(function, args, kwargs, mode, compiled))


def together(function, places: list[int | None], calls: list, compiled: dict) -> tuple[dict, list[bytes]]:
    """The answers to several calls that one program makes: to compile it takes far less time than one for each.

    Args:
      function: what is called, or its gradient by the argument at a call's place.
      places: one for each call.
      calls: of each its arguments and its keywords, as they came. Numbers are traced; if that fails, so do all calls.
      compiled: empty at first.
    """
    import jax

    slopes = [slope(function, place) for place in places]

    def all_of_them(*calls):
        return [each(*args, **kwargs) for each, (args, kwargs) in zip(slopes, calls, strict=True)]

    compiled.setdefault("ways", [jax.Array | float])
    return packed(jitted(all_of_them, [made(values, True) for values in calls], {}, "quick", compiled, MOST))


def made(values, traceable: bool) -> tuple[list, dict]:
    """Arguments and keywords of a call as a learner would have them."""
    args, kwargs = real(values)
    return [prepared(a, traceable) for a in args], {k: prepared(v, traceable) for k, v in kwargs.items()}


def packed(result) -> tuple[dict, list[bytes]]:
    body: list[bytes] = []
    node = frames.pack(result, body)
    if sum(map(len, body)) > frames.BODY_LIMIT or len(json.dumps(node)) > frames.HEADER_LIMIT - 1000:
        raise frames.FrameError("too-large", frames.TOO_LARGE)
    return {"answer": node}, body


def jitted(function, args, kwargs, mode: str, compiled: dict, most: int | None = None):
    """The call under jax.jit; ValueError if it has more than `most` operations."""
    import jax

    leaves, tree = jax.tree.flatten((args, kwargs))
    ways = compiled.setdefault("ways", [jax.Array | float, jax.Array] if mode == "quick" else [jax.Array])
    while True:
        traced = [isinstance(x, ways[0]) and not (isinstance(x, float) and x in frames.AT_A_LIMIT) for x in leaves]
        fixed = [None if t else x for x, t in zip(leaves, traced, strict=True)]

        def of_arrays(*arrays, traced=traced, fixed=fixed):
            values = iter(arrays)
            args, kwargs = jax.tree.unflatten(
                tree, [next(values) if t else x for x, t in zip(fixed, traced, strict=True)]
            )
            return function(*args, **kwargs)

        try:
            run = compiled.setdefault((tree, tuple(traced), repr(fixed)), jax.jit(of_arrays))
            arrays = [x for x, t in zip(leaves, traced, strict=True) if t]
            if most and len(run.trace(*arrays).jaxpr.eqns) > most:  # the call after it does not trace anew
                raise ValueError("too long for a common program")
            return run(*arrays)
        except MemoryError:  # filling it takes seconds: not once more
            raise
        except Exception:
            if len(ways) == 1:
                raise
            del ways[0]
