"""Batches of prompts: reshuffled each epoch, a function of seed and step only."""

import numpy as np
import pytest
import tiny

from rlhf_lesson.data.prompts import Prompts, check_prompts, make_prompts, prompt_batches
from rlhf_lesson.train import grpo, ppo, reinforce


def test_prompts_are_reshuffled_each_epoch_and_depend_on_seed_and_step_only():
    prompts = tiny.prompts(64)
    batches = prompt_batches(prompts, 32, 0)
    stream = [next(batches) for _ in range(4)]
    assert not (stream[0].tokens == stream[2].tokens).all()
    later = next(prompt_batches(prompts, 32, 0, start=3))
    assert (later.tokens == stream[3].tokens).all()
    with pytest.raises(ValueError, match="do not fill a batch"):
        next(prompt_batches(prompts, 65, 0))


WRONG = {
    "padded on the right": Prompts(np.array([[5, 6, 0, 0]] * 8, np.int32), np.array([[1, 1, 0, 0]] * 8, bool)),
    "without a token": Prompts(np.zeros((8, 4), np.int32), np.zeros((8, 4), bool)),
    "of width 0": Prompts(np.zeros((8, 0), np.int32), np.zeros((8, 0), bool)),
}


@pytest.mark.parametrize("prompts", WRONG.values(), ids=WRONG)
def test_prompts_that_would_be_continued_from_padding_are_refused(prompts):
    with pytest.raises(ValueError, match="pad prompts on the left"):
        next(prompt_batches(prompts, 4, 0))
    with pytest.raises(ValueError, match="prompt 1 does not end with a token"):
        make_prompts([[3], []], 4, pad_id=0)


@pytest.mark.parametrize("loop", [ppo, grpo, reinforce])
def test_a_loop_refuses_a_prompt_that_its_policy_cannot_read(loop):
    check_prompts(tiny.prompts(8), tiny.SHAPE)
    prompts = Prompts(np.full((64, 4), 99, np.int32), np.ones((64, 4), bool))
    steps = loop.train(loop.Config(), tiny.model(), prompts, {"proxy": tiny.scorer()}, pad_id=tiny.PAD, end_id=tiny.END)
    with pytest.raises(ValueError, match="has the token id 99, and the model knows 0 to 47"):
        next(steps)
