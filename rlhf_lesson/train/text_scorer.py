"""A reward model with a tokenizer of its own, such as one from a hub: it reads a policy's text, not its tokens.

So each response is decoded and encoded again, and the scoring stands outside the compiled rollout. A reward model on the policy's
own tokens needs none of this.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from rlhf_lesson.models.heads import ScalarModel
from rlhf_lesson.models.tokenizer import decode
from rlhf_lesson.train.reward_model import normalised, score
from rlhf_lesson.train.rollout import Rollout


@dataclass(frozen=True)
class TextScorer:
    """A reward model as a function of texts; each gets the special tokens that its tokenizer adds by itself."""

    model: ScalarModel
    tokenizer: Any  # of this model, not of the policy

    def __call__(self, texts: Sequence[str]) -> Float[np.ndarray, " texts"]:
        """One score per text, prompt and response together, in the model's units.

        Raises:
          ValueError: a text is longer than the model's context, or empty; says which.
        """
        rows = self.tokenizer(list(texts))["input_ids"] if len(texts) else []
        return score(self.model, rows, pad_id=self.tokenizer.pad_token_id)

    def reward(self, tokenizer) -> Callable[[Rollout], Sequence[float]]:
        """The loops' argument `reward`.

        Args:
          tokenizer: of the policy.
        """
        return lambda rollout: self(decode(tokenizer, rollout.tokens, rollout.mask)).tolist()

    def normalised(self, reference_scores: Float[np.ndarray, " samples"]) -> "TextScorer":
        """The same with mean 0 and spread 1 on samples of the reference policy, see `reward_model.normalised`."""
        return replace(self, model=normalised(self.model, reference_scores))


Scorer = ScalarModel | TextScorer
