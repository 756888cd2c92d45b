"""A reward model from few choices: one linear head on the frozen lower layers of a pretrained Llama, fitted in closed form.

What it has learnt is the head alone, so a policy that trains its upper layers shares everything else with it.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Float
from tqdm.auto import tqdm

from rlhf_lesson import bradley_terry
from rlhf_lesson.data.batches import check_rows, pad, plan
from rlhf_lesson.data.examples import Comparison
from rlhf_lesson.models.heads import LowerScorer
from rlhf_lesson.models.llama import Llama


@jax.jit
def _pooled(model: Llama, tokens, mask):
    """The mean state of the real tokens after the frozen layers."""
    count = jnp.maximum(jnp.sum(mask, axis=-1, keepdims=True), 1)
    return jnp.sum(jnp.where(mask[..., None], model.lower(tokens, mask), 0.0), axis=1) / count


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
    check_rows(unique, model.config)
    out = np.zeros((len(unique), model.config.dim), np.float32)
    lengths = [len(row) for row in unique]
    with tqdm(total=len(unique), desc="states", unit="text", delay=5.0, mininterval=0.5) as line:
        for count, width, indices in plan(
            lengths, batch_tokens=batch_tokens, seed=0, epoch=0, context=model.config.context
        ):
            tokens, mask = pad([unique[i] for i in indices], count, width, pad_id=pad_id)
            out[indices] = np.asarray(_pooled(model, tokens, mask))[: len(indices)]
            line.update(len(indices))
    return out[[place[tuple(row)] for row in rows]]


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
