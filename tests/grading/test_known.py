"""What the list of known functions names is there, and it is not what may not be there."""

from importlib import import_module

from rlhf_lesson.grading import known


def test_nearly_all_that_is_listed_exists_under_its_name():
    """An older JAX may lack a few."""
    missing = [p for p in known.KNOWN if not hasattr(import_module(p.rpartition(".")[0]), p.rpartition(".")[2])]
    assert len(missing) <= 3, missing


def test_nothing_is_listed_that_calls_back_prints_or_looks_at_a_trace():
    words = "callback debug print core isscalar result_type eval_shape vectorize frompyfunc custom_root disable_jit array_repr"
    assert not [p for p in known.KNOWN if any(word in p for word in words.split())]
