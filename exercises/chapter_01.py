"""Exercises of chapter 01: write each body, then run `pytest exercises/`, or hand this file in."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from rlhf_lesson.arrays import Scalar


# exercise: token_logprobs
# 15 minutes, difficulty 2 of 3, 6 points
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
    raise NotImplementedError


# exercise: sequence_logprob
# 5 minutes, difficulty 1 of 3, 3 points
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
    raise NotImplementedError


# exercise: looks_ahead
# 10 minutes, difficulty 2 of 3, 4 points
def looks_ahead(slopes: Float[Array, "predicted read"]) -> Float[Array, ""]:
    """The largest influence of a later token on a prediction: exactly 0 for a language model that is causal.

        max_{s > t} |d log p(y_{t+1} | y_<=t) / d x_s|

    Args:
      slopes: row t: the derivatives of what is predicted at place t with respect to what is read at each place s.

    Returns:
      At least 0; 0 for a single place.
    """
    raise NotImplementedError


# exercise: entropy
# 10 minutes, difficulty 2 of 3, 5 points
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
    raise NotImplementedError


# exercise: keep_top_k
# 10 minutes, difficulty 1 of 3, 4 points
def keep_top_k(logits: Float[Array, "batch vocab"], k: int) -> Float[Array, "batch vocab"]:
    """Cuts a distribution to its k most probable tokens: every logit below the k-th largest becomes -inf.

    What is kept stays as it was: a softmax of the result shares the lost probability out.

    Args:
      logits: any unit; -inf is a token that cannot occur.
      k: how many to keep, at most the vocabulary; 0 keeps all.

    Source: Fan et al. 2018, arXiv:1805.04833, section 5.4 (top-k random sampling).
    """
    raise NotImplementedError


# exercise: keep_top_p
# 20 minutes, difficulty 3 of 3, 6 points
def keep_top_p(logits: Float[Array, "batch vocab"], p: float) -> Float[Array, "batch vocab"]:
    """Cuts a distribution to its nucleus: the smallest set of most probable tokens whose probability reaches p.

        a token stays if the tokens before it, from the most probable down, hold less than p

    So the token that carries the sum over p is kept, and the most probable one always. The others become -inf.

    Args:
      logits: log-probabilities up to a constant; -inf is a token that cannot occur.
      p: above 0; 1 keeps all.

    Source: Holtzman et al. 2020, arXiv:1904.09751 (nucleus sampling).
    """
    raise NotImplementedError


# exercise: sample_token
# 15 minutes, difficulty 2 of 3, 6 points
def sample_token(
    logits: Float[Array, "batch vocab"],
    key: PRNGKeyArray,
    *,
    temperature: Scalar = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
) -> Int[Array, " batch"]:
    """Draws one token per row from softmax(logits / temperature), cut to the top k and to the top p.

    The temperature comes first, then the top k, then the top p of what is left.

    Args:
      logits: unnormalised log-probabilities.
      key: a fresh random key; every row draws its own noise from it.
      temperature: > 0; 1 is the model's own distribution.
      top_k: keep this many tokens, 0 for all.
      top_p: keep the nucleus of this probability, 1 for all.

    Returns:
      One id per row, in [0, vocab).
    """
    raise NotImplementedError


# exercise: chunked_token_logprobs
# 25 minutes, difficulty 3 of 3, 8 points
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
    raise NotImplementedError
