"""A reward model with a tokenizer of its own: it reads what the policy wrote, and no token id of the policy."""

from dataclasses import replace

import foreign
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from rlhf_lesson.models.checkpoint import load_model
from rlhf_lesson.study import evaluate
from rlhf_lesson.train import ppo
from rlhf_lesson.train.text_scorer import TextScorer

one = pytest.mark.parametrize("scorer", [tiny.model], ids=["gpt2"], indirect=True)
TEXTS = ["w5 w9 w11", "w7", "w40 w6 w6 w8"]
POLICY = foreign.tokenizer()  # ids as in the names: w5 is 5


def words_turned(ids: int = 48):
    """A tokenizer of the same words under other ids."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    names = ["<pad>", "<end>", "<begin>", *(f"w{i}" for i in range(ids - 1, 2, -1))]
    made = Tokenizer(models.WordLevel({word: i for i, word in enumerate(names)}, unk_token="w3"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", eos_token="<end>", bos_token="<begin>")


@pytest.fixture(scope="module", params=[tiny.model, tiny.llama], ids=["gpt2", "llama"])
def scorer(request, tmp_path_factory):
    """What transformers' sequence classifier of either family is when it was read from its folder."""
    weight = np.random.default_rng(0).normal(size=(1, 32)).astype(np.float32)
    folder = tmp_path_factory.mktemp("theirs")
    stored = foreign.weights(request.param()) | {"score.weight": weight}
    return TextScorer(load_model(foreign.write(folder, stored, pad_token_id=0)), words_turned())


def test_it_scores_texts_by_the_ids_of_its_own_tokenizer(scorer):
    scores = scorer(TEXTS)
    alone = [scorer.model(*foreign.padded([[53 - 3 - int(w[1:]) for w in text.split()]], 4))[0] for text in TEXTS]
    np.testing.assert_allclose(scores, alone, atol=1e-4)
    assert len(set(scores.tolist())) == 3 and scorer([]).shape == (0,)


def test_normalised_it_has_mean_0_and_spread_1_on_the_texts_of_the_reference(scorer):
    scores = scorer.normalised(scorer(TEXTS))(TEXTS)
    assert np.mean(scores) == pytest.approx(0, abs=1e-5) and np.std(scores) == pytest.approx(1, abs=1e-4)


def test_a_text_that_is_too_long_or_empty_is_named(scorer):
    with pytest.raises(ValueError, match="has 30 tokens, more than the model's context of 24"):
        scorer(["w5", "w5 " * 30])
    with pytest.raises(ValueError, match="has no token"):
        scorer([""])


@one
def test_a_loop_optimises_what_it_says_of_the_decoded_responses(scorer):
    config = ppo.Config(iterations=1, batch=8, response=6, epochs=1, minibatches=1)
    step = next(
        ppo.train(config, tiny.model(layers=1), tiny.prompts(8), {}, reward=scorer.reward(POLICY), pad_id=0, end_id=1)
    )
    tokens, mask = np.asarray(step[2].tokens), np.asarray(step[2].mask)
    texts = [" ".join(f"w{t}" for t in row[keep] if t > 2) for row, keep in zip(tokens, mask, strict=True)]
    assert step[1]["score"] == pytest.approx(float(scorer(texts).mean()), abs=1e-4)


@one
def test_beside_a_reward_model_in_the_rollout_both_are_measured_and_normalised(scorer):
    policy, prompts, inside = tiny.model(layers=1), tiny.prompts(16), tiny.scorer(layers=1)
    how = {"response": 6, "temperature": 1.0, "batch": 16}
    models = {"text": scorer, "inside": inside}
    made = evaluate.normalise_on_samples(models, policy, prompts, jax.random.key(0), POLICY, **how)
    samples = evaluate.sample(policy, policy, made, prompts, jax.random.key(0), POLICY, **how)
    for name in models:
        assert np.mean(samples.scores[name]) == pytest.approx(0, abs=1e-3)
        assert np.std(samples.scores[name]) == pytest.approx(1, abs=1e-2)
    np.testing.assert_allclose(samples.scores["text"], made["text"](samples.texts), atol=1e-4)
    assert replace(scorer).model is scorer.model and jnp.isfinite(samples.scores["inside"]).all()
