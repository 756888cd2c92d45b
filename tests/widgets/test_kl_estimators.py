"""The explorer of KL estimators: its JavaScript against the library, in both directions."""

import jax.numpy as jnp
import numpy as np
import pytest
from browser import twin

from rlhf_lesson import kl
from rlhf_lesson.widgets import kl_estimators


@pytest.mark.parametrize("direction", kl_estimators.DIRECTIONS)
def test_kl_estimators_in_javascript_equal_the_library(chromium, double, direction):
    widget = kl_estimators.KLEstimators(direction=direction, distance=1.7)
    logp, ref_logp = (np.asarray(x).tolist() for x in widget.distributions(1.7))
    calls = [["policy", kl_estimators.REF_LOGITS, kl_estimators.DIRECTIONS[direction], 1.7]]
    calls += [["exactKl", logp, ref_logp]]
    for sampler in (logp, ref_logp):
        calls += [["moments", name, logp, ref_logp, sampler] for name in kl_estimators.ESTIMATORS]
    found = twin(chromium, "kl_estimators", widget.state(), calls)
    np.testing.assert_allclose(found[0], logp, atol=1e-6)
    assert found[1] == pytest.approx(float(kl.exact_kl(jnp.asarray(logp), jnp.asarray(ref_logp))), abs=1e-6)
    for i, sampler in enumerate(("policy", "reference")):
        widget.sampler = sampler
        for j, name in enumerate(kl_estimators.ESTIMATORS):
            answer = found[2 + 3 * i + j]
            assert (answer["mean"], answer["std"]) == pytest.approx(widget.moments(1.7)[name], abs=1e-6)
