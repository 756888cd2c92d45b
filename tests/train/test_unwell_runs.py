"""A run that goes wrong: nothing that is not finite is saved, and it stops at the findings that its user named."""

import jax.numpy as jnp
import numpy as np
import pytest
from train.test_runs import Config, counting, go

from rlhf_lesson.train.runs import read_metrics, run


@pytest.mark.parametrize(("at", "kept"), [(8, 5), (10, 5), (3, 0)])
def test_what_is_not_finite_is_never_saved_and_the_last_checkpoint_is_named(tmp_path, at, kept):
    def loses_its_weights(state):
        for (weight, step), row, _ in counting(Config())(state):
            yield (weight * jnp.nan if row["step"] >= at else weight, step), row

    def loses_its_loss(state):
        for state, row, _ in counting(Config())(state):
            yield state, {**row, "loss": float("inf") if row["step"] == at else row["loss"]}

    for name, loop in {"weights": loses_its_weights, "loss": loses_its_loss}.items():
        with pytest.raises(ValueError, match="finite") as error:
            list(run(loop, tmp_path / name, config=Config(), progress=False))
        assert (f"The checkpoint of iteration {kept} is kept in" in str(error.value)) == bool(kept)
        assert all(np.isfinite(row["loss"]) for row in read_metrics(tmp_path / name))
        first, *_ = go(tmp_path / name, resume=True)
        assert first[1]["step"] == kept + (not kept) and np.isfinite(first[0][0]).all()


def collapsing(state):
    """A loop whose replies never end, and from its third iteration on hardly a ratio is left unclipped."""
    for state, row, _ in counting(Config())(state):
        yield state, {**row, "missing_end": 1.0, "length": 8.0, "clip_fraction": 0.3 * row["step"]}


def test_a_run_stops_at_the_first_finding_or_at_one_that_is_named_and_can_go_on(tmp_path, capsys):
    for name, step in (("any", 1), ("clipped", 2)):
        with pytest.raises(ValueError, match=f"stopped after iteration {step}, which is saved"):
            list(run(collapsing, tmp_path / name, config=Config(), stop_on=(name,)))
        assert [row["step"] for row in read_metrics(tmp_path / name)] == list(range(1, step + 1))
        rest = list(run(collapsing, tmp_path / name, config=Config(), resume=True, progress=False))
        assert [row["step"] for _, row in rest] == list(range(step, 11))
    said = capsys.readouterr().err
    assert said.count("iteration 1: No response ever ends") == 2 and said.count("iteration 2: Over half of") == 1
    with pytest.raises(ValueError, match="no finding is called 'hunch': there are any, not-finite"):
        list(run(collapsing, tmp_path / "new", config=Config(), stop_on=["hunch"]))
