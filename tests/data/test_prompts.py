"""Batches of prompts: reshuffled each epoch, a function of seed and step only."""

import pytest
import tiny

from rlhf_lesson.data.prompts import prompt_batches


def test_prompts_are_reshuffled_each_epoch_and_depend_on_seed_and_step_only():
    prompts = tiny.prompts(64)
    batches = prompt_batches(prompts, 32, 0)
    stream = [next(batches) for _ in range(4)]
    assert not (stream[0].tokens == stream[2].tokens).all()
    later = next(prompt_batches(prompts, 32, 0, start=3))
    assert (later.tokens == stream[3].tokens).all()
    with pytest.raises(ValueError, match="do not fill a batch"):
        next(prompt_batches(prompts, 65, 0))
