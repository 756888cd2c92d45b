"""The second round: raters' noise as measured, selections that pick what they claim, and a whole round at the smallest size."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from rlhf_lesson.bradley_terry import win_probability
from rlhf_lesson.data import feedback, raters, selection
from rlhf_lesson.data.examples import Comparison
from rlhf_lesson.data.raters import label, noise_temperature
from rlhf_lesson.data.selection import at_random, by_entropy, by_information
from rlhf_lesson.study import iterate
from rlhf_lesson.study.iterate import Candidates, Config
from rlhf_lesson.train import ppo, reward_model
from rlhf_lesson.train.diagnose import same_tree

# ---- noise -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def measured_raters():
    return raters.rater_agreement(feedback.load(feedback.MOVIES), 10_000, seed=0)


def test_one_number_reproduces_the_agreement_of_close_and_of_far_pairs(measured_raters):
    margins, agrees = measured_raters
    assert agrees.mean() == pytest.approx(0.885, abs=0.01)
    temperature = noise_temperature(margins, float(agrees.mean()))
    assert temperature == pytest.approx(0.66, abs=0.05)
    right = 1 / (1 + np.exp(-margins / temperature))
    assert right.mean() == pytest.approx(agrees.mean(), abs=1e-6)
    for part in np.array_split(np.argsort(margins), 6):
        assert right[part].mean() == pytest.approx(agrees[part].mean(), abs=0.03)


def test_a_rater_is_not_compared_with_a_mean_that_holds_his_own_rating():
    torn = [feedback.Sentence(f"{i}", f"{i}", (float(r), float(-r)), "x") for i, r in enumerate((1, 2, 4))]
    margins, agrees = raters.rater_agreement(torn, 200, seed=0)  # the only other rater says the opposite
    assert set(margins) <= {1.0, 2.0, 3.0} and not agrees.any()
    nothing, _ = raters.rater_agreement(torn[:1], 20, seed=0)
    assert len(nothing) == 0


def test_the_temperature_is_found_again_from_labels_it_made():
    rng = np.random.default_rng(0)
    margins = rng.normal(0, 2, 200_000)
    first = np.asarray(label(jnp.asarray(margins), jnp.zeros(200_000), jax.random.key(0), temperature=0.7))
    assert noise_temperature(margins, float(np.mean(first == (margins > 0)))) == pytest.approx(0.7, rel=0.02)


def test_the_temperature_has_the_unit_of_the_margins():
    margins = np.random.default_rng(0).normal(0, 1, 1000)
    assert noise_temperature(3 * margins, 0.8) == pytest.approx(3 * noise_temperature(margins, 0.8), rel=1e-6)


def test_an_agreement_that_no_temperature_gives_is_refused():
    with pytest.raises(ValueError, match="no better than chance"):
        noise_temperature(np.ones(5), 0.5)
    with pytest.raises(ValueError, match="above"):
        noise_temperature(np.array([1.0, 0.0]), 0.8)


def test_labels_follow_the_better_text_with_the_probability_of_bradley_and_terry():
    first = label(jnp.full(20_000, 1.0), jnp.full(20_000, 0.3), jax.random.key(0), temperature=0.5)
    assert float(first.mean()) == pytest.approx(1 / (1 + np.exp(-1.4)), abs=0.01)


# ---- selection -------------------------------------------------------------------------------------

KNOWN, COIN, SPLIT = 0, 1, 2  # all members sure of the same; all unsure; each sure of something else
WINS = jnp.asarray([[0.99, 0.5, 0.95], [0.98, 0.5, 0.05]])


def test_the_measures_by_hand():
    # H(1/2) = log 2;  BALD of the third pair: log 2 - H(0.05) = 0.6931 - 0.1985
    np.testing.assert_allclose(selection.choice_entropy(WINS)[1:], [np.log(2), np.log(2)], atol=1e-5)
    np.testing.assert_allclose(selection.information_gain(WINS)[1:], [0.0, 0.4946], atol=1e-4)
    assert (selection.information_gain(WINS[:1]) == 0.0).all(), "a single member has no one to disagree with"
    assert jnp.isfinite(selection.choice_entropy(jnp.asarray([[0.0, 1.0]]))).all()


def test_information_leaves_coin_tosses_alone_and_entropy_does_not():
    key = jax.random.key(0)
    assert by_information(WINS, 1, key).tolist() == [SPLIT]
    assert set(by_entropy(WINS, 2, key).tolist()) == {COIN, SPLIT} and KNOWN not in by_information(WINS, 1, key)


def test_the_random_control_costs_the_same_is_blind_and_repeats_with_its_key():
    wins = jnp.tile(WINS, (1, 20))
    chosen = at_random(wins, 15, jax.random.key(0))
    assert len(set(chosen.tolist())) == 15 == len(by_entropy(wins, 15, jax.random.key(0)))
    assert (chosen == at_random(wins, 15, jax.random.key(0))).all()
    assert (chosen != at_random(wins, 15, jax.random.key(1))).any()
    assert (chosen == at_random(1 - wins, 15, jax.random.key(0))).all()


def test_selecting_what_an_ensemble_disputes_teaches_a_linear_rater_more_than_random_at_equal_cost():
    """The claim itself, on a problem without language: an ensemble of logistic models, the same candidates."""

    def fit(x, y, weights):
        w = np.zeros(x.shape[1])
        for _ in range(200):
            p = 1 / (1 + np.exp(-x @ w))
            w += 0.5 * (x.T @ (weights * (y - p)) / weights.sum() - 0.01 * w)
        return w

    gains = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        truth = 3 * rng.normal(size=6)
        scale = np.array([3, 1, 1, 0.3, 0.3, 0.3])  # most candidates differ in what is known already
        old, pool, test = (rng.normal(size=(n, 6)) * scale for n in (20, 400, 2000))
        old[:, 3:] = 0.0

        def answers(x, rng=rng, truth=truth):
            return (rng.random(len(x)) < 1 / (1 + np.exp(-x @ truth))).astype(float)

        y_old = answers(old)
        members = np.stack([fit(old, y_old, rng.exponential(size=20)) + 0.3 * rng.normal(size=6) for _ in range(8)])
        wins = jnp.asarray(1 / (1 + np.exp(-members @ pool.T)))
        right = {}
        for select in (by_information, at_random):
            rows = select(wins, 40, jax.random.key(seed))
            x, y = np.concatenate([old, pool[rows]]), np.concatenate([y_old, answers(pool[rows])])
            w = fit(x, y, np.ones(len(x)))
            right[select] = np.mean((test @ w > 0) == (test @ truth > 0))
        gains.append(right[by_information] - right[at_random])
    assert np.mean(gains) > 2 * np.std(gains) / 30**0.5, f"gain {np.mean(gains):.4f}"


# ---- a round ---------------------------------------------------------------------------------------

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


def play(select=by_entropy, config=SMALL, members=1, label=raters.label):
    base, gold = tiny.model(3, layers=1), tiny.scorer(5, layers=1)
    proxies = [tiny.scorer(7 + m, layers=1) for m in range(members)]
    sft = tiny.model(layers=1)
    arguments = (base, sft, sft, proxies, gold, old_comparisons(), tiny.prompts(64), Numbers())
    return list(iterate.train(config, *arguments, temperature=0.3, select=select, label=label))


def test_a_round_learns_gold_from_noisy_labels_and_trains_a_policy_from_the_sft_one_again(optimised):
    config = replace(SMALL, candidates=256, labels=256, repeats=8, reward=replace(SMALL.reward, epochs=6))
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
    assert active.metrics["label_agreement"] <= blind.metrics["label_agreement"], "unsure pairs are the closer ones"


def test_a_students_label_answers_the_questions_of_a_round():
    def always_right(first, second, key, *, temperature):
        return first > second

    (played,) = play(label=always_right)
    assert played.metrics["label_agreement"] == 1.0


def test_two_rounds_keep_every_label_and_go_on_from_the_policy_before():
    first, second = play(by_information, replace(SMALL, rounds=2), members=2)
    assert second.comparisons[: len(first.comparisons)] == first.comparisons
    assert len(second.comparisons) == 48 + 2 * 24


def test_pairs_of_equal_responses_are_never_candidates():
    certain = tiny.model(layers=1)
    certain.ln_f.bias[...] = 200.0 * certain.wte.embedding[...][tiny.END]  # nearly always ends at once
    pool = iterate.candidates(
        certain, certain, {"gold": tiny.scorer(5, layers=1)}, tiny.prompts(64), jax.random.key(0), Numbers(), SMALL, 64
    )
    assert len(pool.rows) < 48 and all(a != b for a, b in pool.rows)
    assert pool.scores["gold"].shape == (len(pool.rows), 2)


def test_the_preferred_response_stands_first_and_agreement_counts_orders():
    pool = Candidates([([i, 1], [i, 2]) for i in range(4)], {"gold": np.array([[9.0, 0], [0, 9], [9, 0], [0, 9]])})
    asked = iterate.ask(pool, np.array([0, 1, 3]), jax.random.key(0), temperature=0.01)
    assert [c.responses[0] for c in asked] == [[0, 1], [1, 2], [3, 2]]
    wrong_once = np.array([[1.0, 0], [1, 0], [1, 0], [0, 1]])
    assert iterate.agreement_with_gold(wrong_once, pool.scores["gold"]) == 0.75


def test_the_members_of_an_ensemble_differ_and_the_same_seed_gives_the_same_ones():
    make = lambda: iterate.ensemble(SMALL.reward, tiny.model(3, layers=1), old_comparisons(), 2, pad_id=tiny.PAD)  # noqa: E731
    first, again = make(), make()
    assert not same_tree(first[0], first[1]) and all(same_tree(a, b) for a, b in zip(first, again, strict=True))


def test_a_retrained_proxy_has_the_scale_of_the_old_one():
    (played,) = play()
    sft, key = tiny.model(layers=1), jax.random.key(9)
    pool = iterate.candidates(sft, sft, {"new": played.proxy}, tiny.prompts(64), key, Numbers(), SMALL, 128)
    assert abs(pool.scores["new"].mean()) < 0.4 and 0.7 < pool.scores["new"].std() < 1.4
    wins = win_probability(jnp.asarray(pool.scores["new"][:, 0]), jnp.asarray(pool.scores["new"][:, 1]))
    assert 0.1 < float(wins.std()) < 0.4
