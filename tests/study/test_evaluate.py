"""Samples of a policy: as many as there are prompts, with their means, and best-of-n without a bias."""

from itertools import combinations

import jax
import numpy as np
import pytest
import tiny

from rlhf_lesson.data.prompts import Prompts
from rlhf_lesson.study.evaluate import Samples, best_of_n_curve, normalise_on_samples, powers_of_two, sample


class Numbers:
    """A tokenizer whose texts are the ids."""

    pad_token_id, eos_token_id = tiny.PAD, 1

    def decode(self, ids, skip_special_tokens=True):
        return " ".join(map(str, ids))


def samples(count, batch):
    policy, scorers = tiny.model(0, layers=1), {"proxy": tiny.scorer(1, layers=1)}
    prompts = Prompts(*(x[:count] for x in tiny.prompts()))
    judge = {"words": lambda texts: [len(text.split()) for text in texts]}
    key = jax.random.key(0)
    return sample(policy, policy, scorers, prompts, key, Numbers(), response=6, batch=batch, text_scorers=judge)


@pytest.mark.parametrize("count", [3, 8, 10])
def test_any_number_of_prompts_gets_a_response_each(count):
    ours = samples(count, 4)
    assert len(ours.texts) == len(ours.prompts) == len(ours.kl) == len(ours.scores["proxy"]) == count
    assert all(text.startswith(prompt) for text, prompt in zip(ours.texts, ours.prompts, strict=True))
    np.testing.assert_allclose(ours.kl, 0.0, atol=1e-5)  # the policy is its own reference


def test_a_last_batch_that_is_not_full_changes_nothing_before_it():
    few, many = samples(10, 4), samples(12, 4)
    assert few.texts[:4] != few.texts[4:8]
    np.testing.assert_array_equal(few.tokens[:8], many.tokens[:8])


def test_the_means_are_those_of_kl_and_of_every_score():
    rows = Samples([], [], None, None, np.array([1.0, 3.0]), {"gold": np.array([0.0, 5.0])})
    assert rows.means() == {"kl": 2.0, "gold": 2.5}


def test_normalised_models_have_mean_0_and_spread_1_on_the_same_samples():
    policy, model = tiny.model(0, layers=1), tiny.scorer(1, layers=1)
    prompts, key = tiny.prompts(), jax.random.key(3)
    models = normalise_on_samples({"proxy": model}, policy, prompts, key, Numbers(), response=6, temperature=1.0)
    again = sample(policy, policy, models, prompts, jax.random.key(3), Numbers(), response=6)
    assert abs(again.scores["proxy"].mean()) < 1e-4 and abs(again.scores["proxy"].std() - 1) < 1e-4


def test_best_of_n_averages_over_every_subset_of_the_pool():
    proxy, gold = np.array([1.0, 4.0, 2.0, 3.0], np.float32), np.array([8.0, 1.0, 5.0, 2.0], np.float32)
    pool = Samples([], [], None, None, np.zeros(4), {"proxy": proxy, "gold": gold})
    rows = best_of_n_curve(pool, 4, [1, 2, 4])
    pairs = list(combinations(range(4), 2))
    assert rows[1]["proxy"] == pytest.approx(np.mean([max(proxy[i], proxy[j]) for i, j in pairs]))
    assert rows[1]["gold"] == pytest.approx(np.mean([gold[i] if proxy[i] > proxy[j] else gold[j] for i, j in pairs]))
    assert [row["gold"] for row in (rows[0], rows[2])] == [4.0, 1.0]


def test_powers_of_two_stop_at_the_limit():
    assert powers_of_two(64) == [1, 2, 4, 8, 16, 32, 64] and powers_of_two(5) == [1, 2, 4] and powers_of_two(1) == [1]
