"""Every planted mistake is one change to the real loop, and its story and its name are its own."""

import jax.numpy as jnp
import numpy as np

from rlhf_lesson import advantages
from rlhf_lesson.study.mistakes import HEALTHY, SWITCHES
from rlhf_lesson.train.ppo import Equations


def test_there_are_at_least_eight_and_the_eight_that_were_promised():
    promised = (
        "wrong KL sign, off-by-one mask, left-pad leak, forgotten end token, frozen key, stale log-probs,"
        " reward length bias, pad = eos"
    )
    assert set(promised.split(", ")) <= set(SWITCHES)


def test_each_mistake_has_a_story_and_words_of_its_own():
    assert len({switch.story for switch in SWITCHES.values()}) == len(SWITCHES)
    assert len({switch.named_by for switch in SWITCHES.values()}) == len(SWITCHES)
    assert HEALTHY.named_by == "" and HEALTHY.equations == Equations()


def test_a_wrong_kl_sign_turns_the_penalty_into_a_gift_by_hand():
    score, mask = jnp.asarray(1.0), jnp.array([True, True])
    logp, ref_logp = jnp.array([-1.0, -0.5]), jnp.array([-1.5, -1.5])
    shaped = SWITCHES["wrong KL sign"].equations.kl_shaped_rewards(score, logp, ref_logp, mask, kl_coef=0.2)
    np.testing.assert_allclose(shaped, [0.2 * 0.5, 0.2 * 1.0 + 1.0], rtol=1e-6)


def test_a_score_past_the_end_is_masked_away_by_hand():
    score, mask = jnp.asarray(1.0), jnp.array([True, True, False])
    zeros = jnp.zeros(3)
    shaped = SWITCHES["off-by-one mask"].equations.kl_shaped_rewards(score, zeros, zeros, mask, kl_coef=0.2)
    np.testing.assert_allclose(jnp.where(mask, shaped, 0.0), 0.0)
    assert shaped[2] == 1.0


def test_a_turned_advantage_is_the_right_one_with_the_other_sign():
    rewards, values, mask = jnp.array([0.0, 1.0]), jnp.array([0.5, 0.25]), jnp.array([True, True])
    turned = SWITCHES["turned advantage"].equations.gae(rewards, values, mask, discount=1.0, lam=0.95)
    np.testing.assert_allclose(turned, -advantages.gae(rewards, values, mask, discount=1.0, lam=0.95))
