"""A reward model from few choices: one linear head on the frozen lower layers of a pretrained Llama, fitted in closed form.

What it has learnt is the head alone, so a policy that trains its upper layers shares everything else with it.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Float

from rlhf_lesson import bradley_terry
from rlhf_lesson.data.examples import Comparison
from rlhf_lesson.models.heads import LowerScorer, mean_state
from rlhf_lesson.models.llama import Llama
from rlhf_lesson.study.reader import states_of_rows


@jax.jit
def _pooled(model: Llama, tokens, mask):
    """The mean state of the real tokens after the frozen layers."""
    return mean_state(model.lower(tokens, mask), mask)


def pooled_states(
    model: Llama, rows: Sequence[Sequence[int]], *, pad_id: int, batch_tokens: int = 1024
) -> Float[np.ndarray, "rows dim"]:
    """The mean state of each text after the frozen layers; progress is shown where it takes more than 5 seconds.

    Args:
      model: its config says how many layers are frozen, at least 1.
      rows: token ids; equal rows are computed once.
      pad_id: the padding token.
      batch_tokens: padded tokens per compiled call.
    """
    if not model.config.frozen:
        raise ValueError("no layer is frozen: set it first, `model.config = model.config._replace(frozen=22)`")
    place = {row: i for i, row in enumerate(dict.fromkeys(map(tuple, rows)))}
    unique = [list(row) for row in place]

    def of_batch(tokens, mask):
        return [_pooled(model, tokens, mask)]

    states = states_of_rows(of_batch, unique, model, kinds=1, pad_id=pad_id, batch_tokens=batch_tokens)
    return states[[place[tuple(row)] for row in rows], 0]


def fit_lower_head(
    model: Llama,
    comparisons: Sequence[Comparison],
    *,
    pad_id: int,
    ridge: float = 1000.0,
    fit: Callable = bradley_terry.linear_bradley_terry,
) -> LowerScorer:
    """A reward model whose head makes the choices most likely, see `bradley_terry.linear_bradley_terry`.

    Args:
      model: the pretrained net, with its frozen layers; it is left as it was.
      comparisons: chosen first.
      pad_id: the padding token.
      ridge: penalty on the weights of the standardised states; 300 to 3,000 do about equally well here.
      fit: (differences, ridge=...) -> weights.

    Returns:
      The scorer, its score in nats of log-odds; normalise it before PPO.
    """
    rows = [row for comparison in comparisons for row in comparison.responses]
    states = pooled_states(model, rows, pad_id=pad_id)
    std = states.std(0) + 1e-6
    pairs = states.reshape(len(comparisons), 2, -1) / std
    weights = fit(jnp.asarray(pairs[:, 0] - pairs[:, 1]), ridge=ridge) / std
    scorer = LowerScorer(model, rngs=nnx.Rngs(0))
    scorer.head.kernel[...] = jnp.asarray(weights)[:, None]
    scorer.head.bias[...] = jnp.asarray(-float(states.mean(0) @ np.asarray(weights)))[None]
    return scorer
