"""The second round: raters' noise as measured, selections that pick what they claim, and a whole round at the smallest size."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import tiny

from rlhf_lesson.bradley_terry import win_probability
from rlhf_lesson.data import raters
from rlhf_lesson.data.examples import Comparison
from rlhf_lesson.data.selection import at_random, by_entropy, by_information
from rlhf_lesson.study import iterate
from rlhf_lesson.study.candidates import candidates
from rlhf_lesson.study.iterate import Config
from rlhf_lesson.study.reader import Reader
from rlhf_lesson.train import ppo, reward_model
from rlhf_lesson.train.checks import same_tree

SMALL = Config(
    candidates=64,
    labels=24,
    held_out=64,
    repeats=1,
    batch=64,
    reward=reward_model.Config(epochs=4, batch_tokens=512, learning_rate=3e-3),
    ppo=ppo.Config(iterations=3, batch=32, response=8, epochs=1, minibatches=1, learning_rate=3e-3),
)


class Numbers:  # stands for a tokenizer: one number per token
    pad_token_id, eos_token_id = tiny.PAD, tiny.END

    def decode(self, ids, skip_special_tokens):
        return " ".join(map(str, ids))


def old_comparisons(count=48):
    rng = np.random.default_rng(0)
    return [Comparison(tuple(rng.integers(3, 48, 8).tolist() for _ in range(2))) for _ in range(count)]


def play(select=by_entropy, config=SMALL, members=1, label=raters.label, gold=None):
    base, gold = tiny.model(3, layers=1), gold or tiny.scorer(5, layers=1)
    proxies = [tiny.scorer(7 + m, layers=1) for m in range(members)]
    sft = tiny.model(layers=1)
    arguments = (base, sft, (sft, sft), proxies, gold, old_comparisons(), tiny.prompts(64), Numbers())
    return list(iterate.train(config, *arguments, temperature=0.3, select=select, label=label))


def test_a_round_learns_gold_from_noisy_labels_and_trains_a_policy_from_the_sft_one_again(optimised):
    config = replace(SMALL, candidates=256, labels=256, held_out=128, repeats=8, reward=replace(SMALL.reward, epochs=6))
    (played,) = play(config=config)
    metrics = played.metrics
    assert metrics["accuracy_after"] > max(0.6, metrics["accuracy_before"] + 0.05)
    assert 0.6 < metrics["label_agreement"] < 1.0, "raters are noisy, but not blind"
    assert abs(played.curve[0]["kl"]) < 1e-4 < played.curve[-1]["kl"] and len(played.curve) == 3
    assert not same_tree(played.policy, tiny.model(layers=1))
    assert len(played.comparisons) == 48 + 8 * metrics["labels"]


def test_two_selections_see_the_same_candidates_and_pay_for_the_same_number_of_labels():
    active, blind = (play(select)[0] for select in (by_entropy, at_random))
    assert active.metrics["labels"] == blind.metrics["labels"] == 24
    assert active.metrics["accuracy_before"] == blind.metrics["accuracy_before"]
    assert active.comparisons[48:] != blind.comparisons[48:]


def test_a_students_label_answers_the_questions_of_a_round():
    def always_right(first, second, key, *, temperature):
        return first > second

    (played,) = play(label=always_right)
    assert played.metrics["label_agreement"] == 1.0


def test_two_rounds_keep_every_label_and_go_on_from_the_policy_before():
    first, second = play(by_information, replace(SMALL, rounds=2), members=2)
    assert second.comparisons[: len(first.comparisons)] == first.comparisons
    assert len(second.comparisons) == 48 + 2 * 24


def test_a_gold_that_reads_text_labels_and_is_asked_after_ppo_but_never_in_its_loop(monkeypatch):
    asked = []

    def read(self, texts):
        asked.append(len(texts))
        return np.array([float(sum(map(int, text.split()))) for text in texts], np.float32)

    monkeypatch.setattr(Reader, "__call__", read)
    (played,) = play(gold=Reader(None, None, None))
    assert len(asked) == 5, "two pools of two writers, and the samples after PPO"
    assert "score/gold" not in played.curve[0] and np.isfinite(played.metrics["gold"])


def test_the_members_of_an_ensemble_differ_and_the_same_seed_gives_the_same_ones():
    make = lambda: iterate.ensemble(SMALL.reward, tiny.model(3, layers=1), old_comparisons(), 2, pad_id=tiny.PAD)  # noqa: E731
    first, again = make(), make()
    assert not same_tree(first[0], first[1]) and all(same_tree(a, b) for a, b in zip(first, again, strict=True))


def test_a_retrained_proxy_has_the_scale_of_the_old_one():
    (played,) = play()
    sft, key = tiny.model(layers=1), jax.random.key(9)
    pool = candidates((sft, sft), sft, {"new": played.proxy}, tiny.prompts(128), key, Numbers(), **SMALL.sampling)
    assert abs(pool.scores["new"].mean()) < 0.4 and 0.7 < pool.scores["new"].std() < 1.4
    wins = win_probability(jnp.asarray(pool.scores["new"][:, 0]), jnp.asarray(pool.scores["new"][:, 1]))
    assert 0.1 < float(wins.std()) < 0.4
