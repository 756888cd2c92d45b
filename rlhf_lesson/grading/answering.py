"""One call of a submission's function, in the worker: plain inputs made real, the call compiled where it can be, a plain answer.

worker.py reads the requests and sends what comes back. Nothing here knows what the right answer is.
"""

import importlib

import frames


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


def slope(function, place: int | None):
    """What `rlhf_lesson.course.examine.slope` gives: the gradient by the argument at this place, or the function itself."""

    def gradient(*args, **kwargs):
        import jax

        return jax.grad(lambda x: jax.numpy.sum(function(*args[:place], x, *args[place + 1 :], **kwargs)))(args[place])

    return function if place is None else gradient


def call(function, values, compiled: dict | None) -> tuple[dict, list[bytes]]:
    """The answer to one call; `compiled` keeps what jax.jit made of the function, None calls it as it is."""
    args, kwargs = real(values)
    result, body = function(*args, **kwargs) if compiled is None else quick(function, args, kwargs, compiled), []
    node = frames.pack(result, body)
    if sum(map(len, body)) > frames.BODY_LIMIT:
        raise frames.FrameError("too-large", "the answer is too large")
    return {"answer": node}, body


def quick(function, args, kwargs, compiled: dict):
    """The call under jax.jit, arrays and floats traced, else arrays alone, else as it is: only that may fail."""
    import jax
    import numpy as np

    leaves, tree = jax.tree.flatten((args, kwargs))
    arrays = np.ndarray | np.generic | jax.Array
    ways = compiled.setdefault("ways", [arrays | float, arrays])
    while ways:
        traced = [isinstance(x, ways[0]) for x in leaves]
        fixed = [None if t else x for x, t in zip(leaves, traced, strict=True)]

        def of_arrays(*arrays, traced=traced, fixed=fixed):
            values = iter(arrays)
            args, kwargs = jax.tree.unflatten(
                tree, [next(values) if t else x for x, t in zip(fixed, traced, strict=True)]
            )
            return function(*args, **kwargs)

        try:
            run = compiled.setdefault((tree, tuple(traced), repr(fixed)), jax.jit(of_arrays))
            return run(*(x for x, t in zip(leaves, traced, strict=True) if t))
        except MemoryError:  # filling it takes seconds: not once more
            raise
        except Exception:
            del ways[0]
    return function(*args, **kwargs)
