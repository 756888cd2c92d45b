"""The explorer of best-of-n: its JavaScript against the library, in every world."""

import jax.numpy as jnp
import numpy as np
import pytest
from browser import twin

from rlhf_lesson import kl
from rlhf_lesson.widgets import best_of_n


@pytest.mark.parametrize("world", best_of_n.WORLDS)
def test_best_of_n_in_javascript_equals_the_library(chromium, double, world):
    outcomes = best_of_n.WORLDS[world]
    ref_logp, scores = jnp.log(jnp.asarray(outcomes["ref"])), jnp.asarray(outcomes["score"])
    counts = (1, 2, 7, 100, 1000)
    given = [ref_logp.tolist(), scores.tolist()]
    calls = [call for n in counts for call in (["bound", n], ["kl", *given, n], ["logprobs", *given, n])]
    found = iter(twin(chromium, "best_of_n", best_of_n.BestOfN().state(), calls))
    for n in counts:
        assert next(found) == pytest.approx(float(kl.best_of_n_kl_bound(n)), abs=1e-6)
        assert next(found) == pytest.approx(float(kl.best_of_n_kl(ref_logp, scores, n)), abs=1e-6)
        expected = kl.best_of_n_logprobs(ref_logp, scores, n)
        np.testing.assert_allclose(np.exp(next(found)), np.exp(expected), atol=1e-6)
