"""Which pairs to ask raters about: by doubt, by what a label would teach, or at random.

Who answers is in data/raters.py, and what is learnt from the answers in study/iterate.py.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from rlhf_lesson.data.batches import check_rows, next_width, pad, widths_up_to
from rlhf_lesson.models.heads import ScalarModel


def choice_entropy(first_wins: Float[Array, "members pairs"]) -> Float[Array, " pairs"]:
    """How unsure the members are of the choice, taken together: entropy of their mean probability, in nats.

    High both where the models do not know and where no rater could know: near-equal texts stay a coin toss however
    many labels they get. Needs one reward model only.

    Args:
      first_wins: probability of each member that a rater takes the first text, in [0, 1].

    Returns:
      From 0 to log 2.

    Source: uncertainty sampling, Lewis and Gale 1994, arXiv:cmp-lg/9407020.
    """
    return _entropy(jnp.mean(first_wins, axis=0))


def information_gain(first_wins: Float[Array, "members pairs"]) -> Float[Array, " pairs"]:
    """How much the members disagree: what a label would teach about which of them is right (BALD), in nats.

        H(mean_m p_m) - mean_m H(p_m)

    0 where all are equally unsure, so it spends nothing on coin tosses; 0 everywhere for a single member.

    Args:
      first_wins: probability of each member that a rater takes the first text, in [0, 1].

    Returns:
      From 0 to log 2.

    Source: Houlsby et al. 2011, arXiv:1112.5745, eq. 2.
    """
    return choice_entropy(first_wins) - jnp.mean(_entropy(first_wins), axis=0)


def _entropy(p: Float[Array, "..."]) -> Float[Array, "..."]:
    return jax.scipy.special.entr(p) + jax.scipy.special.entr(1.0 - p)


def dropout_scores(
    model: ScalarModel, pairs: Sequence[tuple[list[int], list[int]]], key: PRNGKeyArray, members: int, *, pad_id: int
) -> Float[np.ndarray, "members pairs 2"]:
    """Scores of pairs by thinned copies of one reward model: an ensemble for the price of one training.

    Each member drops the same activations for all texts (at the rate that the model was trained with), so that it is one
    function, and a disagreement of two members is not the chance of two draws.

    Args:
      model: the reward model, trained with dropout.
      pairs: token ids of the first and the second text of each.
      key: decides which activations each member drops.
      members: how many thinned copies.
      pad_id: the padding token.

    Returns:
      Scores of both texts of each pair by each member, in the model's units.

    Raises:
      ValueError: `check_rows` refuses a text.

    Source: dropout as an ensemble, Gal and Ghahramani 2016, arXiv:1506.02142; for BALD, Gal et al. 2017, arXiv:1703.02910.
    """
    texts = [row for pair in pairs for row in pair]
    check_rows(texts, model.trunk.config)
    width = next_width(max(map(len, texts)), widths_up_to(model.trunk.config.context))
    rows = min(64, len(texts))
    batches = [pad(texts[i : i + rows], rows, width, pad_id=pad_id) for i in range(0, len(texts), rows)]
    scores = [
        np.concatenate([_thinned(model, *batch, jax.random.clone(one)) for batch in batches])
        for one in jax.random.split(key, members)
    ]
    return np.stack(scores)[:, : len(texts)].reshape(members, -1, 2)


@jax.jit
def _thinned(model: ScalarModel, tokens, mask, key) -> Float[Array, " rows"]:
    return jax.vmap(lambda row, real: model(row[None], real[None], key)[0])(tokens, mask)


def most(value: Float[Array | np.ndarray, " pairs"], count: int) -> Int[np.ndarray, " count"]:
    """Indices of the pairs with the highest values.

    Args:
      value: of each pair.
      count: how many pairs to take.

    Returns:
      The highest first; of equal values the earlier.
    """
    return np.argsort(-np.asarray(value), kind="stable")[:count]


def by_information(
    first_wins: Float[Array, "members pairs"], count: int, key: PRNGKeyArray
) -> Int[np.ndarray, " count"]:
    """Active selection with an ensemble: the pairs with the highest `information_gain`.

    Args:
      first_wins: probability of each member that a rater takes the first text.
      count: how many pairs to ask about.
      key: not used; every way of selection takes one.

    Returns:
      Indices of the pairs, the most informative first.
    """
    return most(information_gain(first_wins), count)


def by_entropy(first_wins: Float[Array, "members pairs"], count: int, key: PRNGKeyArray) -> Int[np.ndarray, " count"]:
    """Active selection with a single reward model: the pairs with the highest `choice_entropy`.

    Args:
      first_wins: probability of each member that a rater takes the first text.
      count: how many pairs to ask about.
      key: not used; every way of selection takes one.

    Returns:
      Indices of the pairs, the least certain first.
    """
    return most(choice_entropy(first_wins), count)


def at_random(first_wins: Float[Array, "members pairs"], count: int, key: PRNGKeyArray) -> Int[np.ndarray, " count"]:
    """The control that every active selection needs: as many pairs, drawn at random from the same candidates.

    Args:
      first_wins: only the number of its pairs counts.
      count: how many pairs to ask about.
      key: of the draw.

    Returns:
      Indices of different pairs.
    """
    return np.asarray(jax.random.permutation(key, first_wins.shape[1]))[:count]
