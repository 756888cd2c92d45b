"""What the loops refuse before their first step: settings, tokens and prompts that fail late, or train on nonsense in silence.

Rewards are checked in train/rollout.py, each time they come; a run that goes wrong later is train/diagnose.py's.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rlhf_lesson.data.prompts import Prompts, check_prompts
from rlhf_lesson.models.decoder import Decoder

AT_LEAST_1 = "iterations epochs batch prompts response minibatches accumulate batch_tokens".split()
ABOVE_0 = "temperature clip_norm kl_horizon".split()
AT_LEAST_0 = "learning_rate kl_coef kl_target weight_decay lm_coef".split()


def check_settings(config: Any) -> None:
    """Refuses settings with which a loop would do nothing, divide by 0, or turn a penalty into a reward.

    Args:
      config: of any loop, a dataclass; only the fields that it has are checked.

    Raises:
      ValueError: a number is too small or not a number; says which field.
    """
    for names, fits, what in (
        (AT_LEAST_1, lambda x: x >= 1, "at least 1"),
        (ABOVE_0, lambda x: x > 0, "above 0"),
        (AT_LEAST_0, lambda x: x >= 0, "at least 0"),
    ):
        for name in names:
            value = getattr(config, name, 1)
            if not fits(value):  # so written, NaN fails too
                raise ValueError(f"{name} is {value}: set it to {what}")
    if getattr(config, "kl_target", 0) > 0 and config.batch >= 5 * config.kl_horizon:
        raise ValueError(
            f"beta adapts over kl_horizon = {config.kl_horizon:g} responses, and a batch of {config.batch} could turn it"
            f" negative: raise kl_horizon above {config.batch / 5:g}"
        )


def check_pad(model: Decoder, pad_id: int | None) -> None:
    """Refuses a padding token that a tokenizer lacks, or that is not the model's.

    Args:
      model: what reads it.
      pad_id: the padding token.

    Raises:
      ValueError: it is None, or an id that the model does not know.
    """
    if pad_id is None:
        raise ValueError("pad_id is None: give the tokenizer a padding token of its own, one that the model knows")
    if not 0 <= pad_id < model.config.vocab:
        raise ValueError(
            f"pad_id is {pad_id}, and the model knows 0 to {model.config.vocab - 1}: use its own tokenizer"
        )


def check_examples(config: Any, model: Decoder, examples: Sequence, *, pad_id: int | None) -> None:
    """Refuses what no loop on examples can train with.

    Args:
      config: of the loop; see `check_settings`.
      model: what is trained.
      examples: at least one; what is in them is the loop's to check.
      pad_id: the padding token.

    Raises:
      ValueError: a setting or the padding token is wrong, or there are no examples.
    """
    check_settings(config)
    check_pad(model, pad_id)
    if not examples:
        raise ValueError("there are no examples: give at least one")


def ready(config: Any, policy: Decoder, prompts: Prompts, *, pad_id: int | None, end_id: int | None) -> Prompts:
    """Prompts that a policy can continue, as int32 ids with a mask of bools; a tokenizer's mask of 0 and 1 is welcome.

    A prompt that is padded on the right, or has no token, would be continued from a padding token's state. Sampler and
    learner would agree on it, so no later check could tell.

    Args:
      config: of a loop on samples; see `check_settings`.
      policy: what continues the prompts.
      prompts: all of a run, padded on the left.
      pad_id: the padding token.
      end_id: the token that ends a response.

    Raises:
      ValueError: a setting or a special token is refused; prompt and response are longer than the context; or a prompt is
        not padded on the left, has no token, or an id that the model does not know. Says which prompt.
    """
    check_settings(config)
    check_pad(policy, pad_id)
    if end_id is None:
        raise ValueError("end_id is None: give the tokenizer an end token, one that the policy has learnt to write")
    if not 0 <= end_id < policy.config.vocab:
        raise ValueError(
            f"end_id is {end_id}, and the policy knows 0 to {policy.config.vocab - 1}, so no response could ever end: use its"
            " own tokenizer"
        )
    known, response = policy.config, config.response
    tokens, mask = np.asarray(prompts.tokens), np.asarray(prompts.mask).astype(bool)
    if tokens.ndim != 2 or tokens.shape != mask.shape:
        raise ValueError(f"tokens have shape {tokens.shape}, the mask {mask.shape}: both need (prompts, tokens)")
    holes = (mask[:, :-1] & ~mask[:, 1:]).any(axis=1) & mask[:, -1:].any(axis=1)
    if holes.any():
        raise ValueError(f"prompt {int(np.argmax(holes))} has padding between its tokens: pad on the left only")
    check_prompts(Prompts(tokens, mask), known)
    width = tokens.shape[1]
    if width + response > known.context:
        raise ValueError(
            f"prompts of {width} tokens and responses of {response} exceed the model's context of {known.context}:"
            " shorten the prompts, or lower response"
        )
    return Prompts(tokens.astype(np.int32), mask)
