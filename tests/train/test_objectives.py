"""Each objective is what its data mean, and refuses data of another kind with the one that fits."""

import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from rlhf_lesson.data.rows import Comparison, Labelled, Rated
from rlhf_lesson.train import objectives, reward_model

PAIR, TRIPLE = Comparison(([3, 4], [5, 6])), Comparison(([3, 4], [5, 6], [7, 8]))
CONFIG = reward_model.Config(epochs=1, batch_tokens=128)


def test_a_good_response_should_win_against_a_score_of_zero():
    loss = objectives.label_objective(jnp.array([[1.0], [1.0]]), jnp.array([1.0, 0.0]))
    np.testing.assert_allclose(loss, [np.log1p(np.exp(-1.0)), np.log1p(np.exp(1.0))], rtol=1e-6)


@pytest.mark.parametrize(
    ("rows", "name"),
    [
        ([PAIR], "bradley_terry_objective"),
        ([TRIPLE], "plackett_luce_objective"),
        ([Rated([3], 1.0)], "rating_objective"),
        ([Labelled([3], 1.0)], "label_objective"),
    ],
)
def test_the_objective_follows_from_the_rows(rows, name):
    assert objectives.objective_of(rows) is getattr(objectives, name)


@pytest.mark.parametrize(
    ("rows", "objective"),
    [
        ([TRIPLE] * 4, objectives.bradley_terry_objective),
        ([Rated([3, 4], 1.0)] * 4, objectives.bradley_terry_objective),
        ([PAIR] * 4, objectives.rating_objective),
        ([PAIR] * 4, objectives.label_objective),
    ],
)
def test_rows_of_another_kind_are_refused(rows, objective):
    with pytest.raises(ValueError, match="pass objective=objective_of"):
        next(reward_model.train(CONFIG, tiny.model(), rows, pad_id=tiny.PAD, objective=objective))


def test_a_triple_among_pairs_is_refused():
    with pytest.raises(ValueError, match=r"\[2, 3\] responses"):
        next(reward_model.train(CONFIG, tiny.model(), [PAIR, TRIPLE], pad_id=tiny.PAD))
