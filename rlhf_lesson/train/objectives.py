"""What a reward model's scores should agree with: choices, rankings, ratings or labels; one function each.

They are arguments of `reward_model.train`, and the losses in them are arguments in turn.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rlhf_lesson import losses
from rlhf_lesson.data.examples import Comparison, Labelled, Rated


def objective_of(examples: Sequence[Comparison | Rated | Labelled]) -> Callable:
    """The objective that fits the data: ratings, labels, pairs (Bradley-Terry), or longer rankings (Plackett-Luce).

    Args:
      examples: of one kind, with the same number of responses each; at least one.

    Returns:
      (scores, target) -> loss per row, as `reward_model.train` takes it.
    """
    if isinstance(examples[0], Rated | Labelled):
        return rating_objective if isinstance(examples[0], Rated) else label_objective
    return bradley_terry_objective if len(examples[0].responses) == 2 else plackett_luce_objective


def expect(k: int, scores: Float[Array, "rows k"], examples: str) -> None:
    """Refuses rows that an objective would learn something else from, without a word.

    Args:
      k: responses of each example that the objective is for.
      scores: one per response.
      examples: what they are called, for the message.

    Raises:
      ValueError: there are more or fewer responses: pass objective=objective_of(examples).
    """
    if scores.shape[1] != k:
        raise ValueError(
            f"this objective is for {examples}, and these examples have {scores.shape[1]} response(s) each:"
            " pass objective=objective_of(examples)"
        )


def bradley_terry_objective(scores: Float[Array, "rows k"], target, loss=losses.bradley_terry_loss):
    """The `loss` of pairs: of two `scores` the first is the chosen one's; `target` is not used."""
    expect(2, scores, "pairs")
    return loss(scores[:, 0], scores[:, 1])


def plackett_luce_objective(scores: Float[Array, "rows k"], target, loss=losses.plackett_luce_loss):
    """The `loss` of rankings: the `scores` of the responses, best first; `target` is not used."""
    best_first = jnp.arange(scores.shape[1])
    return jax.vmap(lambda row: loss(row, best_first))(scores)


def rating_objective(scores: Float[Array, "rows k"], target: Float[Array, " rows"]):
    """Half the squared error of the `scores` to the `target`, the raters' mean."""
    expect(1, scores, "ratings")
    return 0.5 * (scores[:, 0] - target) ** 2


def label_objective(scores: Float[Array, "rows k"], target: Float[Array, " rows"], loss=losses.bradley_terry_loss):
    """The `loss` of labels by their `scores`: a good response (`target` 1) should win against a score of 0, a bad one lose."""
    expect(1, scores, "labels")
    side = jnp.where(target > 0.5, scores[:, 0], -scores[:, 0])
    return loss(side, jnp.zeros_like(side))
