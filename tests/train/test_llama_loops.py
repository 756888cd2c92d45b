"""Every loop, sampler and measure takes a Llama as it takes a GPT-2; a frozen one keeps its lower layers to the bit."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from rlhf_lesson.data.examples import Choice, Comparison, Example
from rlhf_lesson.models.generate import next_logits
from rlhf_lesson.models.partial import filled, upper_layers
from rlhf_lesson.train import dpo, grpo, ppo, reinforce, reward_model, sft
from rlhf_lesson.train.checks import same_tree
from rlhf_lesson.widgets.next_token import NextToken

IDS = {"pad_id": tiny.PAD, "end_id": tiny.END}
ROWS = [[2, *np.random.default_rng(i).integers(3, 48, 4 + i % 5).tolist(), tiny.END] for i in range(16)]
NETS = {
    "tied": partial(tiny.llama, layers=2),
    "untied": partial(tiny.llama, layers=2, tied=False),
    "frozen": partial(tiny.llama, layers=2, frozen=1),
}
SAMPLING = {
    "ppo": (ppo, ppo.Config(iterations=2, batch=16, response=6, learning_rate=3e-3)),
    "two nets": (ppo, ppo.Config(iterations=2, batch=16, response=6, learning_rate=3e-3, separate_critic=True)),
    "grpo": (grpo, grpo.Config(iterations=2, prompts=4, group=4, response=6, learning_rate=3e-3)),
    "reinforce": (reinforce, reinforce.Config(iterations=2, batch=16, response=6, learning_rate=3e-3)),
}
CASES = [("ppo", "frozen"), ("two nets", "tied"), ("grpo", "frozen"), ("reinforce", "untied")]


def lower_part(model):
    return model.embed_tokens, list(model.layers)[: model.config.frozen]


@pytest.mark.parametrize(("name", "net"), CASES)
def test_a_loop_on_samples_trains_a_llama(name, net):
    loop, config = SAMPLING[name]
    policy, scorer = NETS[net](), tiny.scorer(make=NETS[net])
    more = {"critic": scorer} if name == "two nets" else {}
    more |= {"trains": upper_layers(policy)} if net == "frozen" else {}
    states, rows, _ = zip(*loop.train(config, policy, tiny.prompts(32), {"proxy": scorer}, **IDS, **more), strict=True)
    assert rows[0]["sampler_gap"] <= 2e-5 and abs(rows[0]["kl"]) <= 1e-4 and rows[1]["kl"] != 0.0
    assert all(np.isfinite(list(row.values())).all() for row in rows)
    after = filled(states[-1].policy, policy)
    assert same_tree(policy, NETS[net]()) and not same_tree(policy, after)
    assert net != "frozen" or same_tree(lower_part(policy), lower_part(after))


@pytest.mark.parametrize("net", ["untied", "frozen"])
def test_sft_a_reward_model_and_dpo_train_a_llama(net):
    model = NETS[net]()
    trains = upper_layers(model) if net == "frozen" else None
    examples = [Example(row, 2) for row in ROWS]
    sft_config = sft.Config(batch_tokens=128, learning_rate=3e-3)  # the first step's rate is 0
    *_, (state, row) = sft.train(sft_config, model, examples, pad_id=tiny.PAD, trains=trains)
    assert np.isfinite(row["loss"]) and not same_tree(model, after := filled(state.model, model))
    assert net != "frozen" or same_tree(lower_part(model), lower_part(after))
    pairs = [Comparison((a, b)) for a, b in zip(ROWS[::2], ROWS[1::2], strict=True)]
    config = reward_model.Config(batch_tokens=256, dropout=0.1, lm_coef=0.1)
    state, row = next(reward_model.train(config, model, pairs, pad_id=tiny.PAD))
    assert np.isfinite(row["loss"]) and np.isfinite(reward_model.score(state.model, ROWS, pad_id=tiny.PAD)).all()
    choices = [Choice(a[:2], a[2:], b[2:]) for a, b in zip(ROWS[::2], ROWS[1::2], strict=True)]
    _, row = next(dpo.train(dpo.Config(batch_tokens=256), model, choices, pad_id=tiny.PAD))
    assert row["loss"] == pytest.approx(np.log(2), abs=1e-5)


def test_the_next_token_widget_shows_a_llamas_logits(monkeypatch):
    monkeypatch.delenv("RLHF_NO_WIDGETS", raising=False)
    import foreign

    model, tokenizer = tiny.llama(context=128), foreign.tokenizer()
    widget = NextToken(model, tokenizer, text="w5 w9")
    alone = model(jnp.array([[2, 5, 9]]), jnp.ones((1, 3), bool))[0, -1]
    np.testing.assert_allclose(next_logits(model, tokenizer, ["w5 w9"])[0], alone, atol=2e-4)
    assert widget.chances().sum() == pytest.approx(1.0, abs=1e-5) and jax.tree.leaves(model)
