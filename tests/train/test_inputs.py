"""What a loop can't train on is refused before its first step, by the name of the setting or the number of the row."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import tiny

from rlhf_lesson.data.examples import Choice, Comparison, Example
from rlhf_lesson.data.prompts import Prompts
from rlhf_lesson.train import dpo, grpo, ppo, reinforce, reward_model, sft
from rlhf_lesson.train.inputs import check_settings, ready

ROWS = np.array([[5, 6, 7, 8]] * 3, np.int32)
ALL = np.ones((3, 4), bool)


def prompts(tokens=ROWS, mask=ALL, row=None, mask_of_row=None):
    """Three prompts of four tokens; the mask of one of them, row 1, may be another."""
    mask = mask.copy()
    if mask_of_row is not None:
        mask[1] = mask_of_row
    return Prompts(tokens, mask)


def enter(given, pad_id=tiny.PAD, end_id=tiny.END, response=6):
    return ready(SimpleNamespace(response=response), tiny.model(), given, pad_id=pad_id, end_id=end_id)


def with_token(token):
    tokens = ROWS.copy()
    tokens[2, 0] = token
    return prompts(tokens)


REFUSED = {
    "padded on the right": (prompts(mask_of_row=[1, 1, 0, 0]), {}, "prompt 1 does not end with a token of its own"),
    "without a token": (prompts(mask_of_row=[0, 0, 0, 0]), {}, "prompt 1 does not end with a token of its own"),
    "with a hole": (prompts(mask_of_row=[1, 0, 1, 1]), {}, "prompt 1 has padding between its tokens"),
    "of width 0": (Prompts(ROWS[:, :0], ALL[:, :0]), {}, "prompt 0 does not end with a token of its own"),
    "with a foreign token": (with_token(48), {}, "row 2 has .*id"),
    "with a negative token": (with_token(-100), {}, "row 2 has .*id"),
    "over the context": (prompts(), {"response": 21}, "prompts of 4 tokens and responses of 21 exceed"),
    "with a flat mask": (Prompts(ROWS, ALL[0]), {}, r"the mask \(4,\)"),
    "without a pad token": (prompts(), {"pad_id": None}, "pad_id is None"),
    "with a foreign pad token": (prompts(), {"pad_id": 48}, "pad_id is 48, and the model knows 0 to 47"),
    "without an end token": (prompts(), {"end_id": None}, "end_id is None"),
    "with a foreign end token": (prompts(), {"end_id": 48}, "end_id is 48, .* no response could ever end"),
    "without room for a response": (prompts(), {"response": 0}, "response is 0: set it to at least 1"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_prompts_that_no_policy_can_continue_are_refused_by_their_number(name):
    given, changes, sentence = REFUSED[name]
    with pytest.raises(ValueError, match=sentence):
        enter(given, **changes)


def test_padding_may_hold_any_id_and_a_tokenizers_mask_of_numbers_is_welcome():
    mask = np.array([[0, 0, 1, 1]] * 3)
    tokens = np.where(mask == 1, ROWS, 9999).astype(np.int64)
    got = enter(Prompts(tokens, mask.astype(np.float32)))
    assert got.tokens.dtype == np.int32 and got.mask.dtype == bool
    np.testing.assert_array_equal(got.mask, mask == 1)


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (ppo.Config(temperature=0.0), "temperature is 0.0: set it to above 0"),
        (ppo.Config(temperature=float("nan")), "temperature is nan"),
        (ppo.Config(epochs=0), "epochs is 0: set it to at least 1"),
        (ppo.Config(batch=0), "batch is 0"),
        (ppo.Config(kl_coef=-0.1), "kl_coef is -0.1: set it to at least 0"),
        (ppo.Config(kl_target=1.0, kl_horizon=8.0), "could turn it negative: raise kl_horizon above 12.8"),
        (grpo.Config(minibatches=0), "minibatches is 0"),
        (reinforce.Config(learning_rate=-1.0), "learning_rate is -1.0"),
        (sft.Config(epochs=0), "epochs is 0"),
        (reward_model.Config(batch_tokens=0), "batch_tokens is 0"),
        (dpo.Config(temperature=-1.0), "temperature is -1.0"),
    ],
)
def test_a_setting_out_of_range_is_refused_by_its_name(config, sentence):
    with pytest.raises(ValueError, match=sentence):
        check_settings(config)


SCORERS = {"proxy": lambda tokens, mask: mask.sum(axis=1)}
SAMPLING = {"ppo": ppo, "grpo": grpo, "reinforce": reinforce}
EXAMPLES = {
    "sft": (sft, Example([3, 4, 5], 1)),
    "reward_model": (reward_model, Comparison(([3, 4], [3, 5]))),
    "dpo": (dpo, Choice([3], [4], [5])),
}


@pytest.mark.parametrize("name", SAMPLING)
def test_every_loop_on_samples_looks_at_its_prompts_and_settings_first(name):
    loop, ids = SAMPLING[name], {"pad_id": tiny.PAD, "end_id": tiny.END}
    right = prompts(mask_of_row=[1, 1, 0, 0])
    with pytest.raises(ValueError, match="pad prompts on the left"):
        next(loop.train(loop.Config(response=8), tiny.model(), right, SCORERS, **ids))
    with pytest.raises(ValueError, match="temperature is 0"):
        next(loop.train(loop.Config(temperature=0), tiny.model(), right, SCORERS, **ids))


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_loop_on_examples_refuses_none_of_them_and_a_foreign_pad_token(name):
    loop, example = EXAMPLES[name]
    with pytest.raises(ValueError, match="there are no examples"):
        next(loop.train(loop.Config(), tiny.model(), [], pad_id=tiny.PAD))
    with pytest.raises(ValueError, match="pad_id is 48"):
        next(loop.train(loop.Config(), tiny.model(), [example], pad_id=48))
    with pytest.raises(ValueError, match="epochs is 0"):
        next(loop.train(replace(loop.Config(), epochs=0), tiny.model(), [example], pad_id=tiny.PAD))


def test_methods_that_compare_responses_need_two_of_them():
    ids = {"pad_id": tiny.PAD, "end_id": tiny.END}
    with pytest.raises(ValueError, match="group is 1"):
        next(grpo.train(grpo.Config(group=1, response=8), tiny.model(), tiny.prompts(), SCORERS, **ids))
    with pytest.raises(ValueError, match="batch is 1"):
        next(reinforce.train(reinforce.Config(batch=1, response=8), tiny.model(), tiny.prompts(), SCORERS, **ids))


def test_dpo_without_beta_is_refused():
    with pytest.raises(ValueError, match="kl_coef is 0"):
        next(dpo.train(dpo.Config(kl_coef=0.0), tiny.model(), [Choice([3], [4], [5])], pad_id=tiny.PAD))


def test_examples_without_a_token_to_learn_are_refused():
    whole_prompt = [Example([3, 4, 5], 3), Example([], 0)]
    with pytest.raises(ValueError, match="no example has a token to learn"):
        next(sft.train(sft.Config(), tiny.model(), whole_prompt, pad_id=tiny.PAD))
    with pytest.raises(ValueError, match="no example has a token to learn"):
        sft.validation_loss(tiny.model(layers=1), whole_prompt, pad_id=tiny.PAD)
    with pytest.raises(ValueError, match="example 1 has a response without a token"):
        pairs = [Comparison(([3, 4], [3, 5])), Comparison(([3, 4], []))]
        next(reward_model.train(reward_model.Config(), tiny.model(), pairs, pad_id=tiny.PAD))
    for name, choice in {"chosen": Choice([3], [], [5]), "rejected": Choice([3], [4], [])}.items():
        with pytest.raises(ValueError, match=f"choice 1 has an empty {name}"):
            next(dpo.train(dpo.Config(), tiny.model(), [Choice([3], [4], [5]), choice], pad_id=tiny.PAD))
    with pytest.raises(ValueError, match="row 1 has no token"):
        reward_model.score(tiny.scorer(), [[3], []], pad_id=tiny.PAD)
