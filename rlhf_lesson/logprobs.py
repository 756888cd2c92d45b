"""From a model's logits to log-probabilities and entropies of tokens and responses, in float32.
The model, and the slice of its logits that predicts a response, are in models/decoder.py."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from rlhf_lesson.arrays import Scalar


def token_logprobs(
    logits: Float[Array, "*batch time vocab"],
    tokens: Int[Array, "*batch time"],
    *,
    temperature: Scalar = 1.0,
) -> Float[Array, "*batch time"]:
    """Log-probability of each token under the logits that stand at the same place.

        z = logits / temperature
        log p(token_t) = z_t[token_t] - logsumexp_v z_t[v]

    Nothing is shifted here: logits at t must already be the ones that predict token t. The cast to
    float32 comes first, because a log-ratio in bfloat16 is wrong in its third digit.

    Args:
      logits: any float type; a constant added to one row of `vocab` changes nothing.
      tokens: ids in [0, vocab); any other gives NaN, such as -100, the field's "ignore this label".
      temperature: the one the tokens were sampled at, above 0. Use the same for policy, old policy
        and reference, or the KL is not 0 where the two models are equal.

    Returns:
      float32, at most 0, in nats. Not masked: padding holds the log-probability of the pad id.

    Source: softmax with temperature; Holtzman et al. 2020, arXiv:1904.09751, section 5.2.
    """
    scaled = logits.astype(jnp.float32) / temperature
    ids = jnp.where(tokens < 0, logits.shape[-1], tokens)  # else a negative id would count from the end
    chosen = jnp.take_along_axis(scaled, ids[..., None], axis=-1)[..., 0]  # (*B, T)
    return chosen - jax.nn.logsumexp(scaled, axis=-1)


def chunked_token_logprobs(
    hidden: Float[Array, "tokens dim"],
    head: Float[Array, "vocab dim"],
    targets: Int[Array, " tokens"],
    *,
    chunk: int,
    temperature: Scalar = 1.0,
) -> Float[Array, " tokens"]:
    """`token_logprobs` straight from the hidden states, never holding more than `chunk` logit rows.

        log p(target_t) = token_logprobs(hidden_t head^T, target_t)

    Equal to the plain form up to float32 rounding, gradients too. The backward pass computes each
    chunk's logits a second time (`jax.checkpoint`) instead of keeping them: memory falls from
    tokens x vocab to chunk x vocab, for one more matrix product.

    Args:
      hidden: the model's last hidden states; flatten batch and time into `tokens`.
      head: the output head, or the embedding table where the two are tied.
      targets: ids in [0, vocab).
      chunk: rows of logits alive at once, from 1 up; need not divide `tokens`.
      temperature: as in `token_logprobs`.

    Returns:
      float32, at most 0, in nats.

    Source: gradient checkpointing, Chen et al. 2016, arXiv:1604.06174, section 3.
    """
    tokens, dim = hidden.shape
    padding = -tokens % chunk
    hidden = jnp.pad(hidden, ((0, padding), (0, 0))).reshape(-1, chunk, dim)
    targets = jnp.pad(targets, (0, padding)).reshape(-1, chunk)

    @jax.checkpoint
    def one_chunk(rows):
        states, ids = rows
        logits = jnp.matmul(states, head.T, preferred_element_type=jnp.float32)  # (chunk, V)
        return token_logprobs(logits, ids, temperature=temperature)

    return jax.lax.map(one_chunk, (hidden, targets)).reshape(-1)[:tokens]


def sequence_logprob(logp: Float[Array, "*batch time"], mask: Bool[Array, "*batch time"]) -> Float[Array, "*batch"]:
    """Log-probability of a whole response: the sum over its real tokens.

        log p(y) = sum_t m_t log p(y_t | y_<t)

    An empty response has log-probability 0. It is a sum, not a mean: DPO's `kl_coef` means what the
    paper says only for sums.

    Args:
      logp: log p(y_t | y_<t), in nats.
      mask: m_t, True on real tokens.

    Returns:
      At most 0, in nats per response.

    Source: the chain rule of probability; Rafailov et al. 2023, arXiv:2305.18290, section 3.
    """
    return jnp.sum(jnp.where(mask, logp, 0.0), axis=-1)


def entropy(logits: Float[Array, "*batch vocab"], *, temperature: Scalar = 1.0) -> Float[Array, "*batch"]:
    """Entropy of the whole next-token distribution, exact rather than estimated from a sample.

        H = -sum_v p_v log p_v,      p = softmax(logits / temperature)

    A logit of -inf is a token that cannot occur, and adds 0 (0 log 0 = 0).

    Args:
      logits: any float type.
      temperature: as in `token_logprobs`.

    Returns:
      float32, in nats per token, between 0 (certain) and log(vocab) (uniform).

    Source: Shannon 1948, "A mathematical theory of communication", section 6.
    """
    logp = jax.nn.log_softmax(logits.astype(jnp.float32) / temperature, axis=-1)
    return -jnp.sum(jnp.exp(logp) * jnp.where(jnp.isneginf(logp), 0.0, logp), axis=-1)
