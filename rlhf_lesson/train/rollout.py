"""What the loops on samples share: one compiled program from prompts to a rollout, its reward, and its row in the log.

Shaping the reward and estimating advantages belong to each loop's update, so that any Python function can score in between.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from rlhf_lesson.arrays import Scalar, masked_mean
from rlhf_lesson.data.prompts import Prompts
from rlhf_lesson.logprobs import sequence_logprob
from rlhf_lesson.models.decoder import Decoder
from rlhf_lesson.models.generate import generate
from rlhf_lesson.models.heads import ActorCritic, LowerScorer, response_logprobs, response_states
from rlhf_lesson.models.tokenizer import decode


class Rollout(NamedTuple):
    """A batch of sampled responses and what was measured on them; every (B, R) array is 0 on padding."""

    tokens: Int[Array, "batch time"]  # prompt and response
    mask: Bool[Array, "batch time"]
    response_mask: Bool[Array, "batch response"]
    logp: Float[Array, "batch response"]
    ref_logp: Float[Array, "batch response"]
    values: Float[Array, "batch response"]
    has_end: Bool[Array, " batch"]  # False: cut off by the length limit
    scores: dict[str, Float[Array, " batch"]]  # by scorer, in its own units
    stats: dict[str, Float[Array, ""]]
    lower: Float[Array, "batch time dim"] | None = None  # states after the frozen layers, where the policy has such

    @property
    def prompt(self) -> int:
        """Tokens of the prompt, its padding included; the same in every row."""
        return self.tokens.shape[1] - self.response_mask.shape[1]


Reward = str | Callable[[Rollout], Sequence[float]]  # a scorer's name, or a function that gives one number per response


@partial(jax.jit, static_argnames=("response", "end_id", "pad_id"))
def collect(
    actor_critic: ActorCritic,
    reference: Decoder,
    scorers: Mapping[str, Callable],
    prompts: Prompts,
    key: PRNGKeyArray,
    *,
    response: int,
    end_id: int,
    pad_id: int,
    temperature: Scalar = 1.0,
) -> Rollout:
    """Samples a response to each prompt and measures it under policy, critic, reference and every scorer.

    Log-probs are recomputed by the same forward pass that training uses; the sampler's own serve as a check
    (`stats["sampler_gap"]`, row 2 of docs/checklist.md). All of them are taken at the
    sampling temperature (row 3).

    Args:
      actor_critic: the policy with its critic.
      reference: the frozen policy that the KL is measured from.
      scorers: name -> pytree that maps (tokens, mask) to one score per row, for example reward models.
      prompts: left-padded.
      key: fresh for every call.
      response: length limit in tokens.
      end_id: end token.
      pad_id: padding token.
      temperature: > 0.

    Returns:
      The rollout; its stats are "kl" (nats per response), "entropy" (nats per token), "length" (tokens per response) and
      "sampler_gap" (nats).
    """
    sampled = generate(
        actor_critic.policy,
        prompts.tokens,
        prompts.mask,
        key,
        response=response,
        end_id=end_id,
        pad_id=pad_id,
        temperature=temperature,
    )
    length = prompts.tokens.shape[1]
    tokens = jnp.concatenate([prompts.tokens, sampled.tokens], axis=1)  # (B, P+R)
    mask = jnp.concatenate([prompts.mask, sampled.mask], axis=1)
    lower = actor_critic.policy.lower(tokens, mask)  # of a frozen part, which the reference shares
    states, values = actor_critic.response_outputs(tokens, mask, length, lower)
    ref_states = response_states(reference, tokens, mask, length, lower)
    logp, surprise = response_logprobs(actor_critic.policy, states, sampled.tokens, temperature=temperature)
    ref_logp, _ = response_logprobs(reference, ref_states, sampled.tokens, temperature=temperature)

    def on_real_tokens(per_token):
        return jnp.where(sampled.mask, per_token, 0.0)

    logp, ref_logp = on_real_tokens(logp), on_real_tokens(ref_logp)
    return Rollout(
        tokens=tokens,
        mask=mask,
        response_mask=sampled.mask,
        logp=logp,
        ref_logp=ref_logp,
        values=on_real_tokens(values),
        has_end=jnp.any(sampled.mask & (sampled.tokens == end_id), axis=1),
        scores={name: _scored(scorer, tokens, mask, lower) for name, scorer in scorers.items()},
        stats={
            "kl": jnp.mean(sequence_logprob(logp - ref_logp, sampled.mask)),  # nats per response
            "entropy": masked_mean(surprise, sampled.mask),  # nats per token
            "length": jnp.mean(jnp.sum(sampled.mask, axis=1).astype(jnp.float32)),
            "sampler_gap": jnp.max(jnp.abs(logp - sampled.logp)),
        },
        lower=lower,
    )


def _scored(scorer: Callable, tokens, mask, lower) -> Float[Array, " batch"]:
    if isinstance(scorer, LowerScorer) and lower is not None:
        return scorer.pooled_score(lower, mask)  # the trunk's states, which the policy shares
    return scorer(tokens, mask)


# ---- the reward --------------------------------------------------------------------------------


def check_reward(reward: Reward, scorers: Mapping[str, Callable]) -> None:
    """Refuses a reward that no scorer gives, before anything is sampled.

    Args:
      reward: a scorer's name, or a Python function of the rollout, which is always accepted.
      scorers: those of the run, by name.

    Raises:
      ValueError: no scorer has this name; the message lists those there are.
    """
    if isinstance(reward, str) and reward not in scorers:
        raise ValueError(f"no scorer is called {reward!r}: there are {sorted(scorers)}")


def score_of(rollout: Rollout, reward: Reward) -> Float[Array, " batch"]:
    """The score that a loop optimises, one number per response, before any KL penalty.

    One number that is not finite would turn every weight into NaN, so all scores are checked here, before the update: those of
    the scorers too, which are computed inside the compiled rollout.

    Args:
      rollout: the responses and what every scorer gave them.
      reward: the name of the scorer, or a Python function of the rollout that returns one number per response.

    Returns:
      Scores in the units of the scorer or of the function.

    Raises:
      ValueError: a score is NaN, infinite or no number, or there is not one per response; says which row.
    """
    rows = len(rollout.tokens)
    for name, values in rollout.scores.items():
        check_scores(values, rows, f"scorer {name!r}")
    if isinstance(reward, str):
        return rollout.scores[reward]
    return jnp.asarray(check_scores(reward(rollout), rows, "the reward function"))


def check_scores(values: Any, rows: int, giver: str) -> Float[np.ndarray, " rows"]:
    """Scores as float32, one finite number per response.

    Args:
      values: what a scorer or a reward function gave.
      rows: responses.
      giver: who gave it, as the sentence names it.

    Raises:
      ValueError: a score is NaN, infinite or no number, or there is not one per response; says which row.
    """
    try:
        numbers = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:  # rows of several lengths; a tensor with a gradient
        raise ValueError(f"{giver} gave no list of numbers ({error}): give one plain number per response") from error
    if numbers.shape != (rows,):
        what = f"shape {numbers.shape}" if numbers.ndim else f"one {type(values).__name__}"
        raise ValueError(f"{giver} gave {what} for {rows} responses: give one number for each, shape ({rows},)")
    if jnp.issubdtype(numbers.dtype, jnp.floating) or numbers.dtype.kind in "biu":
        with np.errstate(over="ignore"):
            scores = numbers.astype(np.float32)
    else:  # text, None among numbers
        scores = np.array([x if isinstance(x, int | float) else np.nan for x in numbers.tolist()], np.float32)
    wrong = ~np.isfinite(scores)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            f"{giver} gave {numbers.tolist()[row]!r} for response {row} of the rollout, counted from 0: every score has to be"
            " a finite number; look at that response, for a division by its length, a log of 0 or a missing return"
        )
    return scores


def text_reward(score_text: Callable[[str], float], tokenizer) -> Callable[[Rollout], Sequence[float]]:
    """Turns a Python function of text into a reward of a loop.

    Args:
      score_text: from a text, prompt and response together, to one number.
      tokenizer: of the policy.

    Returns:
      A function of the rollout, as the loops' argument `reward` takes it.
    """

    def reward(rollout: Rollout) -> Sequence[float]:
        return [float(score_text(text)) for text in decode(tokenizer, rollout.tokens, rollout.mask)]

    return reward


# ---- the log -----------------------------------------------------------------------------------


def metrics_row(
    rollout: Rollout, score: Float[Array, " batch"], metrics: Mapping[str, Array], *, step: int, steps: int
) -> dict[str, float]:
    """What a loop logs of an iteration: the same columns for every method, then the method's own.

    Args:
      rollout: of this iteration.
      score: what was optimised, one number per response.
      metrics: the method's own, from its update.
      step: of this iteration, from 1.
      steps: iterations of the whole run.

    Returns:
      "step", "steps", "score" (mean), "score/<name>" of every scorer (mean), the rollout's stats, "missing_end" (share
      of responses cut off by the length limit, 0 to 1), "score_spread" (standard deviation of what was optimised; not for a
      single response, which has none), and `metrics`.
    """
    numbers = {
        "score": jnp.mean(score),
        **{f"score/{name}": jnp.mean(values) for name, values in rollout.scores.items()},
        **rollout.stats,
        "missing_end": 1.0 - jnp.mean(rollout.has_end.astype(jnp.float32)),
        **({"score_spread": np.std(np.asarray(score))} if len(score) > 1 else {}),
        **metrics,
    }
    return {"step": step, "steps": steps, **{name: float(value) for name, value in numbers.items()}}
