"""Two ways to make a wrong function out of a right one, for slips of any exercise."""

from collections.abc import Callable
from typing import Any


def changed(function: Callable, change: Callable[[Any], Any]) -> Callable:
    """The function with `change` applied to its answer: a mistake in the last step."""

    def wrong(*args, **kwargs):
        return change(function(*args, **kwargs))

    return wrong


def ignoring(function: Callable, name: str) -> Callable:
    """The function without one of its keyword arguments: whatever the caller asks for, the default stays."""

    def wrong(*args, **kwargs):
        return function(*args, **{key: value for key, value in kwargs.items() if key != name})

    return wrong
