"""Attention in which neighbouring query heads share a head of keys and values; as many key heads as heads is plain attention.

A query that may read nothing gets the mean of all values: a row of padding must not turn into NaN.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.mistakes import changed
from rlhf_lesson.transformer import grouped_attention


def heads_of_one_text(
    rng: np.random.Generator,
    *,
    queries: int = 3,
    heads: int = 6,
    kv_heads: int = 2,
    blind: bool = False,
    strong: float = 1.5,
) -> Case:
    """Queries, keys, values and who may see what: everyone at least one of five keys; with `blind` the first sees none."""
    query = strong * rng.normal(size=(queries, heads, 4))
    keys, values = rng.normal(size=(2, 5, kv_heads, 4))
    may_see = rng.random((queries, 5)) < 0.5
    may_see[np.arange(queries), rng.integers(0, 5, queries)] = True
    may_see[:, 4] = False  # nobody sees the last
    may_see[:, 0] |= ~may_see.any(axis=1)
    if blind:
        may_see[0] = False
    return Case((*(x.astype(np.float32) for x in (query, keys, values)), may_see))


# ---- slips ---------------------------------------------------------------------------------------


def of_group(x, heads):
    """The head of keys or values that each query head reads, as it should be."""
    return jnp.repeat(x, heads // x.shape[1], axis=1)


def dealt_out(x, heads):
    """0, 1, 0, 1, ... in place of 0, 0, 1, 1, ..."""
    return jnp.tile(x, (1, heads // x.shape[1], 1))


def products(query, keys, may_see=None, hidden=-1e9):
    """(heads, query, key): scaled products; `hidden` stands where nothing may be read, if a mask is given."""
    scores = jnp.einsum("qhd,khd->hqk", query, of_group(keys, query.shape[1])) / query.shape[-1] ** 0.5
    return scores if may_see is None else jnp.where(may_see[None], scores, hidden)


def mixed(weights, values):
    """The values in these shares."""
    return jnp.einsum("hqk,khd->qhd", weights, of_group(values, len(weights)))


def by_weights(weights):
    """An answer whose weights are `weights(query, keys, may_see)`; all else in it is right."""
    return lambda query, keys, values, may_see: mixed(weights(query, keys, may_see), values)


def shared_by(share_keys, share_values=None):
    """An answer in which each query head gets its keys and values by another rule."""

    def answer(query, keys, values, may_see):
        heads = query.shape[1]
        return grouped_attention(query, share_keys(keys, heads), (share_values or share_keys)(values, heads), may_see)

    return answer


def scaled(factor):
    """An answer whose scores are `factor(head_dim, heads)` times too large."""

    def answer(query, keys, values, may_see):
        return grouped_attention(query * factor(query.shape[-1], query.shape[1]), keys, values, may_see)

    return answer


def zeros_for_the_blind(query, keys, values, may_see):
    """Nothing read, nothing given."""
    return jnp.where(may_see.any(-1)[:, None, None], grouped_attention(query, keys, values, may_see), 0.0)


# ---- right answers in other words ----------------------------------------------------------------


def attention_by_repeat(query, keys, values, may_see):
    group = query.shape[1] // keys.shape[1]
    keys, values = jnp.repeat(keys, group, axis=1), jnp.repeat(values, group, axis=1)
    scores = jnp.where(may_see, jnp.einsum("qhd,khd->hqk", query, keys) / jnp.sqrt(query.shape[-1]), -1e30)
    return jnp.einsum("hqk,khd->qhd", jax.nn.softmax(scores), values)


def attention_by_loop(query, keys, values, may_see):
    group = query.shape[1] // keys.shape[1]
    out = []
    for h in range(query.shape[1]):
        blind = ~may_see.any(-1, keepdims=True)
        scores = jnp.where(blind, 0.0, query[:, h] @ keys[:, h // group].T * query.shape[-1] ** -0.5)
        scores = jnp.where(may_see | blind, scores, -jnp.inf)
        shares = jnp.exp(scores - scores.max(-1, keepdims=True))
        out.append(shares / shares.sum(-1, keepdims=True) @ values[:, h // group])
    return jnp.stack(out, axis=1)


def attention_by_vmap(query, keys, values, may_see):
    group = query.shape[1] // keys.shape[1]

    def head(h):
        scores = query[:, h] @ keys[:, h // group].T / query.shape[-1] ** 0.5
        hidden = jnp.finfo(scores.dtype).min
        return jax.nn.softmax(jnp.where(may_see, scores, hidden), axis=-1) @ values[:, h // group]

    return jax.vmap(head, out_axes=1)(jnp.arange(query.shape[1]))


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="grouped_attention",
    minutes=25,
    difficulty=3,
    points=8,
    reference=grouped_attention,
    cases={
        "six query heads share two heads of keys": heads_of_one_text,
        "as many key heads as query heads is plain attention": lambda rng: heads_of_one_text(rng, heads=3, kv_heads=3),
        "one head of keys for all": lambda rng: heads_of_one_text(rng, kv_heads=1),
        "large products do not overflow": lambda rng: heads_of_one_text(rng, strong=100.0),
        "a query that sees nothing gets the mean of all values": lambda rng: heads_of_one_text(rng, blind=True),
        "one query, as when a text is written": lambda rng: heads_of_one_text(rng, queries=1, heads=4),
    },
    slips=(
        Slip(
            "heads are dealt out in turn",
            "Neighbours share: query head h reads key head h // (heads / kv_heads), so repeat, do not tile.",
            shared_by(dealt_out),
        ),
        Slip("the values are dealt out in turn", "Values go with their keys.", shared_by(of_group, dealt_out)),
        Slip(
            "all heads read the first head of keys",
            "Query head h reads key head h // (heads / kv_heads).",
            shared_by(lambda x, heads: x[:, :1]),
        ),
        Slip("the root is missing", "Divide the products by sqrt(head_dim).", scaled(lambda dim, heads: dim**0.5)),
        Slip(
            "divided by head_dim itself",
            "Divide by its root.",
            scaled(lambda dim, heads: dim**-0.5),
        ),
        Slip(
            "divided by the root of the model's width",
            "head_dim is the length of one head's query, not of all of them.",
            scaled(lambda dim, heads: heads**-0.5),
        ),
        Slip(
            "the mask is the wrong way round",
            "True means: may read.",
            lambda query, keys, values, may_see: grouped_attention(query, keys, values, ~may_see),
        ),
        Slip(
            "the mask is ignored",
            "Padding and later tokens must get weight 0.",
            lambda query, keys, values, may_see: grouped_attention(query, keys, values, jnp.ones_like(may_see)),
        ),
        Slip(
            "hidden products are set to 0",
            "exp(0) is 1: put a very negative number there.",
            by_weights(lambda query, keys, may_see: jax.nn.softmax(products(query, keys, may_see, 0.0))),
        ),
        Slip(
            "the mask is added",
            "Add a very negative number where nothing may be read, or choose with jnp.where.",
            by_weights(lambda query, keys, may_see: jax.nn.softmax(products(query, keys) + may_see[None])),
        ),
        Slip(
            "masked after the softmax",
            "Then the weights no longer sum to 1: mask the products.",
            by_weights(lambda query, keys, may_see: jax.nn.softmax(products(query, keys)) * may_see[None]),
        ),
        Slip(
            "the softmax runs over the queries",
            "The weights of one query sum to 1 over the keys.",
            by_weights(lambda query, keys, may_see: jax.nn.softmax(products(query, keys, may_see), axis=1)),
        ),
        Slip(
            "the softmax runs over the heads",
            "Each head has weights of its own, which sum to 1 over the keys.",
            by_weights(lambda query, keys, may_see: jax.nn.softmax(products(query, keys, may_see), axis=0)),
        ),
        Slip(
            "no softmax",
            "The products are no shares yet.",
            by_weights(lambda query, keys, may_see: products(query, keys, may_see, 0.0)),
        ),
        Slip(
            "minus infinity for the blind",
            "A row of minus infinities has softmax NaN: take a large negative number such as -1e9.",
            by_weights(lambda query, keys, may_see: jax.nn.softmax(products(query, keys, may_see, -jnp.inf))),
        ),
        Slip("zeros for the blind", "Equal products give equal shares: the mean of all values.", zeros_for_the_blind),
        Slip(
            "exponentials overflow",
            "jax.nn.softmax takes the largest product out first.",
            by_weights(
                lambda query, keys, may_see: (
                    jnp.exp(products(query, keys, may_see))
                    / jnp.exp(products(query, keys, may_see)).sum(-1, keepdims=True)
                )
            ),
        ),
        Slip(
            "the heads come out in another order",
            "After the groups the answer has the query's shape, head h where it was.",
            changed(grouped_attention, lambda y: y[:, ::-1]),
        ),
    ),
    hints=(
        "It is plain attention if you first give each query head its own copy of the keys and values that it reads.",
        "jnp.repeat(keys, heads // kv_heads, axis=1) gives the copies; products by jnp.einsum('qhd,khd->hqk', query, keys).",
        "scores = jnp.where(may_see[None], products / head_dim**0.5, -1e9); softmax over the keys; einsum('hqk,khd->qhd', ...)",
    ),
    right_answers=(attention_by_repeat, attention_by_loop, attention_by_vmap),
)
