"""The heads that sit on a language model: a score or a value from its states, and a policy together with its critic.

The nets themselves are in gpt2.py and llama.py.
"""

from typing import Literal

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from rlhf_lesson.arrays import Scalar, last_token_state
from rlhf_lesson.logprobs import entropy, token_logprobs
from rlhf_lesson.models.decoder import Decoder, from_logits, response_slice


def mean_state(hidden: Float[Array, "batch time dim"], mask: Bool[Array, "batch time"]) -> Float[Array, "batch dim"]:
    """The mean state of each row's real tokens; 0 for a row of padding.

    Args:
      hidden: states.
      mask: True on real tokens.
    """
    count = jnp.maximum(jnp.sum(mask, axis=-1, keepdims=True), 1)
    return jnp.sum(jnp.where(mask[..., None], hidden, 0.0), axis=1) / count


class ScalarModel(nnx.Module):
    """A trunk with one linear head: a number per token (critic) or per response (reward model).

    `score = head(mean state of the real tokens)`, or with `pooling` "last" of the last one alone, as reward models of
    transformers and TRL are read; `normalised` folds a mean and a spread into the head's weights.
    """

    def __init__(self, trunk: Decoder, *, rngs: nnx.Rngs, pooling: Literal["mean", "last"] = "mean"):
        self.trunk = trunk
        self.pooling = pooling
        normal = nnx.initializers.normal((trunk.config.dim + 1) ** -0.5)
        self.head = nnx.Linear(trunk.config.dim, 1, kernel_init=normal, rngs=rngs)

    def values(self, tokens, mask) -> Float[Array, "batch time"]:
        """One number per token of `tokens`, padding (where `mask` is False) included: the critic's use."""
        return self.head(self.trunk.hidden(tokens, mask))[..., 0]

    def __call__(
        self,
        tokens: Int[Array, "batch time"],
        mask: Bool[Array, "batch time"],
        dropout_key: PRNGKeyArray | None = None,
    ) -> Float[Array, " batch"]:
        """One score per row, from the mean state over its real tokens: it beat the last token's on 8,000 pairs (LOG.md)."""
        return self.pooled_score(self.trunk.hidden(tokens, mask, dropout_key), mask)

    def pooled_score(self, hidden, mask) -> Float[Array, " batch"]:
        """The score from states that were computed already: the head of `hidden` pooled where `mask` is True."""
        if self.pooling == "last":
            return self.head(last_token_state(hidden, mask))[..., 0]
        return self.head(mean_state(hidden, mask))[..., 0]


class LowerScorer(ScalarModel):
    """A reward model that is one linear head on the frozen lower layers of its trunk: nothing but the head is ever learnt.

    A policy with the same frozen layers has their states already, so in a rollout this scorer costs one product.
    """

    def __call__(self, tokens, mask, dropout_key: PRNGKeyArray | None = None) -> Float[Array, " batch"]:
        """One score per row; the layers above the frozen ones are not run."""
        return self.pooled_score(self.trunk.lower(tokens, mask), mask)


class ActorCritic(nnx.Module):
    """A policy and its critic: a linear head on the policy's own trunk, or the net of its own that is passed as `critic`."""

    def __init__(self, policy: Decoder, critic: ScalarModel | None = None):
        self.policy = policy
        self.critic = critic
        if critic is None:  # zero start: the first advantages are the rewards themselves
            self.value_head = nnx.Linear(policy.config.dim, 1, kernel_init=nnx.initializers.zeros, rngs=nnx.Rngs(0))

    def response_outputs(
        self,
        tokens: Int[Array, "batch time"],
        mask: Bool[Array, "batch time"],
        prompt: int,
        lower: Float[Array, "batch time dim"] | None = None,
    ):
        """States and values (score units) of the response tokens: those of the position before each one."""
        states = response_states(self.policy, tokens, mask, prompt, lower)
        if self.critic is None:
            return states, self.value_head(states)[..., 0]
        return states, response_slice(self.critic.values(tokens, mask), prompt)


def response_states(
    policy: Decoder,
    tokens: Int[Array, "batch time"],
    mask: Bool[Array, "batch time"],
    prompt: int,
    lower: Float[Array, "batch time dim"] | None = None,
) -> Float[Array, "batch response dim"]:
    """A policy's states that predict the response tokens: those of the position before each one.

    Args:
      policy: the language model.
      tokens: prompt and response, token ids.
      mask: True on real tokens.
      prompt: tokens of the prompt, its padding included; at least 1.
      lower: what `policy.lower` gave for these tokens, so that it is not computed again.
    """
    return response_slice(policy.hidden(tokens, mask, lower=lower), prompt)


def response_logprobs(
    policy: Decoder,
    states: Float[Array, "batch response dim"],
    tokens: Int[Array, "batch response"],
    *,
    temperature: Scalar = 1.0,
) -> tuple[Float[Array, "batch response"], Float[Array, "batch response"]]:
    """Log-probability of each response token, and the entropy of the distribution that it was drawn from, both in nats.

    Args:
      policy: the language model.
      states: those that predict the tokens, see `response_states`.
      tokens: of the response; where they are padding, so are the results.
      temperature: the one the tokens were sampled at.
    """

    def of_logits(logits, chosen):
        return token_logprobs(logits, chosen, temperature=temperature), entropy(logits, temperature=temperature)

    return from_logits(policy, of_logits, states, tokens)
