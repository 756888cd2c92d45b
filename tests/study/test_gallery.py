"""The gallery: every planted mistake shows in its own curves and is named, the healthy run is not, and nothing stays planted."""

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from rlhf_lesson.study import gallery
from rlhf_lesson.study.gallery import Config, run
from rlhf_lesson.study.mistakes import HEALTHY, SWITCHES
from rlhf_lesson.train import ppo
from rlhf_lesson.train.diagnose import diagnose

END = 30
PPO = ppo.Config(
    iterations=40,
    temperature=0.7,
    batch=64,
    response=18,
    epochs=1,
    minibatches=1,
    learning_rate=1e-2,
    kl_coef=0.2,
    missing_end_penalty=0.3,
)
SMALL = Config(samples=4, ppo=PPO)


class Numbers:  # stands for a tokenizer: one number per token
    pad_token_id, eos_token_id, bos_token_id = tiny.PAD, END, 48  # 48 is never sampled

    def decode(self, ids, skip_special_tokens):
        return " ".join(map(str, ids))


def share_below(token):
    """Twice the share of real tokens with a lower number: it can rise and fall."""
    return jax.tree_util.Partial(
        lambda most, tokens, mask: 2.0 * jnp.sum((tokens < most) & mask, axis=1) / jnp.sum(mask, axis=1),
        jnp.asarray(token),
    )


SCORERS = {"proxy": share_below(16), "gold": share_below(20)}


def policy():
    """A policy that ends a response now and then: its states lean towards the end token's embedding."""
    made = tiny.model(layers=1, vocab=49)
    lean = made.wte.embedding[...][END]
    made.wte.embedding[...] = made.wte.embedding[...].at[Numbers.bos_token_id].set(-8.0 * lean)
    made.ln_f.bias[...] = 2.0 * lean / jnp.sum(lean**2)
    return made


def play(switch, config=SMALL):
    return run(switch, config, policy(), tiny.prompts(64), SCORERS, Numbers())


@pytest.fixture(scope="module")
def runs():
    return {name: play(switch) for name, switch in {"healthy": HEALTHY, **SWITCHES}.items()}


@pytest.mark.parametrize("name", SWITCHES)
def test_each_broken_run_is_named_by_its_diagnosis(runs, name):
    said = [sentence for sentence in runs[name].diagnosis if SWITCHES[name].named_by in sentence]
    assert len(said) == 1, runs[name].diagnosis


def test_no_two_runs_get_the_same_diagnosis(runs):
    said = [tuple(played.diagnosis) for played in runs.values()]
    assert len(set(said)) == len(said)


def test_the_healthy_run_learns_and_gets_no_sentence(runs):
    healthy = runs["healthy"]
    assert healthy.diagnosis == [] and healthy.checks == []
    assert np.mean([row["score"] for row in healthy.curve[-5:]]) > healthy.curve[0]["score"] + 0.1


def test_the_loops_own_checks_would_have_stopped_these_and_only_these(runs):
    stopped = {name: r.checks[0] for name, r in runs.items() if r.checks}
    assert set(stopped) == {"left-pad leak", "stale log-probs", "pad = eos"}
    assert "KL at step 0" in stopped["left-pad leak"] and "first ratio" in stopped["stale log-probs"]


def test_the_diagnosis_can_be_made_again_from_the_written_curve(runs):
    for played in runs.values():
        again = json.loads(json.dumps(played._asdict()))
        assert diagnose(again["curve"]) == played.diagnosis
        assert len(again["curve"]) == PPO.iterations and len(again["samples"]) == 4 and again["story"]


def test_each_broken_curve_differs_from_the_healthy_one_before_its_end(runs):
    for name in SWITCHES:
        gap = [
            abs(a["score"] - b["score"]) + abs(a["kl"] - b["kl"])
            for a, b in zip(*(runs[n].curve for n in ("healthy", name)), strict=True)
        ]
        assert max(gap) > 0.05, name


def test_a_frozen_key_repeats_the_rows_and_a_fresh_one_does_not(runs):
    assert np.mean([row["repeats"] for row in runs["frozen key"].curve[1:]]) > 0.1
    assert abs(np.mean([row["repeats"] for row in runs["healthy"].curve[1:]])) < 0.02


def test_nothing_stays_planted_even_after_a_failure():
    before = ppo.collect, ppo.check_rollout, ppo.check_first_update
    with pytest.raises(ValueError, match="no scorer is called"):
        play(HEALTHY._replace(reward="judge"))
    assert (ppo.collect, ppo.check_rollout, ppo.check_first_update) == before
    assert play(HEALTHY, replace(SMALL, ppo=replace(PPO, iterations=1))).checks == []


def test_all_runs_come_one_by_one_the_healthy_one_first():
    some = gallery.run_all(
        replace(SMALL, ppo=replace(PPO, iterations=1)),
        policy(),
        tiny.prompts(64),
        SCORERS,
        Numbers(),
    )
    assert next(some)[0] == "healthy" and next(some)[0] == "wrong KL sign"
