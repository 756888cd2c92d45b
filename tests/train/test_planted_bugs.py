"""One bug planted at a time, and the check that sees it: rows of docs/checklist.md, by number.

Each test plants a mistake that a published system made and that raises no error by itself, shows that a self-check of the
library (`check_rollout`, `check_first_update`, `check_tokens`, `padding_matters`, `diagnose`) or a stated invariant catches
it, and that the same check is silent on the code as it is. Rows that are not here:
22, 28, 29, 34 and 40 are loud or a matter of settings, and are tested beside their equations;
33 (whitened rewards): this code never whitens rewards, `masked_whiten(shift_mean=False)` is tested in test_arrays;
42 (DPO) and 43 (GRPO): equations of other loops, tested in test_losses and test_advantages.
"""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tiny

from rlhf_lesson import advantages, kl, rewards
from rlhf_lesson.arrays import masked_mean, masked_whiten
from rlhf_lesson.data.examples import Example
from rlhf_lesson.logprobs import token_logprobs
from rlhf_lesson.models import gpt2, heads
from rlhf_lesson.models.generate import generate
from rlhf_lesson.models.gpt2 import GPT2
from rlhf_lesson.models.heads import ActorCritic
from rlhf_lesson.train import ppo, reward_model, rollout, sft
from rlhf_lesson.train.checks import check_first_update, check_rollout, check_tokens, padding_matters
from rlhf_lesson.train.diagnose import diagnose
from rlhf_lesson.train.ppo import Config, Equations, experience, loss_fn

PAD, END, PROMPT, RESPONSE = 0, 30, 5, 6
CONFIG = Config(batch=64, response=RESPONSE, temperature=0.7, missing_end_penalty=0.0, kl_coef=0.5, kl_target=1e-6)
FAST = {"compiler_options": {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}}


def sevens(tokens, mask):
    return jnp.sum((tokens == 7) & mask, axis=1) / jnp.sum(mask, axis=1)


def policy(**changes):
    return tiny.model(layers=1, **changes)


def moved(share=0.3):
    """A policy that has left the reference."""
    return jax.tree.map(lambda x, other: x + share * other, policy(), tiny.model(9, layers=1))


def fresh_collect():
    """`collect`, compiled anew, so that it sees what a test has planted in the modules below it."""
    names = ("response", "end_id", "pad_id")
    return jax.jit(lambda *args, **named: rollout.collect.__wrapped__(*args, **named), static_argnames=names, **FAST)


HEALTHY = fresh_collect()


def roll(collect=HEALTHY, acting=None, *, key=0, temperature=0.7, reference=None):
    acting = policy() if acting is None else acting
    acting = acting if isinstance(acting, ActorCritic) else ActorCritic(acting)
    reference = policy() if reference is None else reference
    ids = {"response": RESPONSE, "end_id": END, "pad_id": PAD, "temperature": temperature}
    scorers = {"proxy": jax.tree_util.Partial(sevens)}
    return collect(acting, reference, scorers, tiny.prompts(64), jax.random.key(key), **ids)


@pytest.fixture
def planted(monkeypatch):
    """Puts a wrong function in place of a right one and returns a `collect` that uses it."""

    def put(where, name, wrong):
        if name != "generate":  # traced anew, not taken from the cache
            monkeypatch.setattr(rollout, "generate", lambda *a, **k: generate.__wrapped__(*a, **k))
        monkeypatch.setattr(where, name, wrong)
        return fresh_collect()

    return put


@pytest.fixture(scope="module")
def sample():
    """A healthy rollout of a policy that has moved, with values that are not 0."""
    out = roll(acting=moved())
    return out._replace(values=jnp.where(out.response_mask, jnp.sin(jnp.arange(64.0 * RESPONSE)).reshape(64, -1), 0.0))


def test_the_checks_are_silent_on_healthy_rollouts(sample):
    check_rollout(roll().stats, first=True)
    check_rollout(sample.stats, first=False)
    check_first_update(first_ratio(sample))
    assert float(sample.stats["kl"]) > 0.1


# ---- what the rollout checks see: rows 1, 2, 3, 7, 8, 9, 12 -----------------------------------------


def shifted_slice(per_token, prompt):
    return per_token[:, prompt:]


def padding_let_in(self, token, slot, cache, right=GPT2.decode):
    return right(self, token, slot, cache._replace(mask=cache.mask | (jnp.arange(cache.mask.shape[1]) < slot)[None]))


def arange_positions(mask):
    return jnp.broadcast_to(jnp.arange(mask.shape[1]), mask.shape)


def temperature_forgotten(logits, tokens, *, temperature):
    return token_logprobs(logits, tokens)


def in_bfloat16(logits, tokens, *, temperature):
    logp = jax.nn.log_softmax(logits.astype(jnp.bfloat16) / jnp.asarray(temperature, jnp.bfloat16), axis=-1)
    return jnp.take_along_axis(logp, tokens[..., None], axis=-1)[..., 0].astype(jnp.float32)


def dropout_left_on(self, tokens, mask, dropout_key=None, lower=None):
    return self.run(tokens, mask, jax.random.key(0))[0]


def rounded_sampler(net, *args, **named):
    return generate.__wrapped__(jax.tree.map(lambda x: x.astype(jnp.bfloat16).astype(jnp.float32), net), *args, **named)


def cold_sampler(*args, temperature, **named):
    return generate.__wrapped__(*args, temperature=0.35, **named)


SEEN_BY_THE_SAMPLER_GAP = [
    pytest.param(heads, "response_slice", shifted_slice, id="row 1: logits of the wrong token"),
    pytest.param(GPT2, "decode", padding_let_in, id="row 2: the cache forgets what is padding"),
    pytest.param(heads, "token_logprobs", temperature_forgotten, id="row 3: only the sampler divides"),
    pytest.param(rollout, "generate", cold_sampler, id="row 3: the sampler divides by another number"),
    pytest.param(heads, "token_logprobs", in_bfloat16, id="row 7: log-softmax in bfloat16"),
    pytest.param(rollout, "generate", rounded_sampler, id="row 8: the sampler's weights are rounded"),
    pytest.param(GPT2, "hidden", dropout_left_on, id="row 9: dropout in the training forward"),
    pytest.param(gpt2, "positions_from_mask", arange_positions, id="row 12: positions from the column"),
]


@pytest.mark.parametrize("where, name, wrong", SEEN_BY_THE_SAMPLER_GAP)
def test_a_sampler_that_disagrees_with_the_learner_stops_the_run(planted, where, name, wrong):
    net = policy(dropout=0.1)
    with pytest.raises(ValueError, match="sampled and re-scored log-probs differ"):
        check_rollout(roll(planted(where, name, wrong), net, reference=net).stats, first=True)


def test_row_3_a_reference_at_another_temperature_shows_as_a_kl_at_step_0(planted):
    calls = []

    def second_call_forgets(logits, tokens, *, temperature):
        calls.append(temperature)
        return token_logprobs(logits, tokens, temperature=temperature if len(calls) == 1 else 1.0)

    with pytest.raises(ValueError, match="KL at step 0"):
        check_rollout(roll(planted(heads, "token_logprobs", second_call_forgets)).stats, first=True)


def test_row_3_a_reference_that_is_another_model_shows_as_a_kl_at_step_0():
    with pytest.raises(ValueError, match="KL at step 0"):
        check_rollout(roll(acting=moved()).stats, first=True)


@pytest.mark.parametrize("broken", ["kl", "sampler_gap"])
def test_a_rollout_that_is_not_a_number_stops_the_run(broken):
    with pytest.raises(ValueError, match="nan"):
        check_rollout({"kl": 0.0, "sampler_gap": 0.0, broken: float("nan")}, first=True)


# ---- what the first ratio sees: rows 2, 3, 10 -------------------------------------------------------


@partial(jax.jit, static_argnames=("config",), **FAST)
def loss_and_stats(acting, batch, total, *, config=CONFIG):
    return loss_fn(acting, batch, total, config, Equations())


@partial(jax.jit, static_argnames=("config", "equations"), **FAST)
def make_experience(sample, score, *, config=CONFIG, equations=Equations()):  # noqa: B008 (immutable)
    return experience(sample, score, jnp.asarray(0.5), config, equations)


def first_ratio(sample, temperature=0.7):
    batch = make_experience(sample, sample.scores["proxy"])
    config = replace(CONFIG, temperature=temperature)
    return float(loss_and_stats(ActorCritic(moved()), batch, jnp.asarray(1.0), config=config)[1]["ratio_gap"])


def test_rows_2_3_and_10_stale_shifted_or_otherwise_tempered_old_log_probs_break_the_first_ratio(sample):
    wrong = {
        "row 2: those of the policy before": first_ratio(sample._replace(logp=sample.ref_logp)),
        "row 1: shifted by one token": first_ratio(sample._replace(logp=jnp.roll(sample.logp, 1, axis=1))),
        "row 3: the training forward forgets the temperature": first_ratio(sample, temperature=1.0),
        "row 10: a closure kept the first temperature": first_ratio(roll(acting=moved(), temperature=1.4)),
    }
    for name, gap in wrong.items():
        with pytest.raises(ValueError, match="first ratio"):
            check_first_update(gap)
            pytest.fail(f"not seen: {name}")


# ---- what is sampled: rows 4, 5, 6, 11, 13 to 17 ----------------------------------------------------


def test_row_4_a_cut_distribution_shows_as_surprise_below_the_entropy(planted):
    def gap(out):  # E[-log pi] is the entropy, if pi is what was sampled from
        return float(out.stats["entropy"] + masked_mean(out.logp, out.response_mask))

    top_k = planted(rollout, "generate", lambda *a, **k: generate.__wrapped__(*a, top_k=3, **k))
    assert abs(gap(roll())) < 0.2 and gap(roll(top_k)) > 0.5


@pytest.fixture
def loop(monkeypatch):
    """`train` with an update that changes nothing: what is left is the loop's own bookkeeping."""

    def nothing(state, *_, **__):
        return state._replace(step=state.step + 1), {"first_ratio_gap": jnp.zeros(()), "value_loss": jnp.zeros(())}

    monkeypatch.setattr(ppo, "update", nothing)
    scorers = {"proxy": jax.tree_util.Partial(sevens)}
    same = tiny.prompts(64)._replace(tokens=np.full((64, PROMPT), 9, np.int32), mask=np.ones((64, PROMPT), bool))
    config = replace(CONFIG, iterations=2)
    return lambda: [
        np.asarray(out.tokens)
        for *_, out in ppo.train(config, policy(), same, scorers, pad_id=PAD, end_id=END, collect=HEALTHY)
    ]


def test_row_5_a_key_that_is_used_again_repeats_the_samples(loop, monkeypatch):
    first, second = loop()
    assert (first != second).any(axis=1).mean() > 0.9
    monkeypatch.setattr(jax.random, "fold_in", lambda key, _: jax.random.key(0))
    first, second = loop()
    assert (first == second).all()
    monkeypatch.setattr(jax.random, "fold_in", lambda key, _: key)
    with pytest.raises(jax.errors.KeyReuseError):
        loop()


def test_row_6_tokenised_again_a_sampled_text_is_another_sequence():
    from rlhf_lesson.models.tokenizer import decode, encode, train_tokenizer

    tokenizer = train_tokenizer(["a good film and a bad film"] * 20, vocab=280)
    sampled = np.random.default_rng(0).integers(3, len(tokenizer), (32, 8))
    again = encode(tokenizer, decode(tokenizer, sampled, np.ones_like(sampled, bool)))
    assert np.mean([list(a) != list(b) for a, b in zip(sampled, again, strict=True)]) > 0.9


def test_row_11_pad_as_end_is_refused_and_a_mask_made_from_ids_would_unlearn_the_end():
    with pytest.raises(ValueError, match="pad and end"):
        check_tokens(END, END)
    with pytest.raises(ValueError, match="pad and end"):
        generate(policy(), *tiny.prompts(2), jax.random.key(0), response=2, end_id=END, pad_id=END)
    batch = sft.make_batch([Example([5, 6, 7, END], 2)], 1, 6, END)
    by_ids = batch.mask & (batch.tokens != END)  # the common mistake
    assert batch.learn[0].tolist() == [False, False, True, True, False, False] and not by_ids[0, 3]


def test_rows_13_and_16_a_score_that_reads_padding_is_seen(sample, monkeypatch):
    scorer = tiny.scorer(layers=1)

    def reach(score):
        return padding_matters(jax.jit(score, **FAST), sample.tokens, sample.mask, other=7)

    assert reach(lambda tokens, mask: scorer(tokens, mask)) == 0.0
    assert reach(lambda tokens, mask: scorer(tokens, jnp.ones_like(mask))) > 0.01  # row 13: the text is not cut
    assert reach(lambda tokens, mask: scorer.values(tokens, mask)[:, -1]) > 0.01  # row 16: read at a pad
    monkeypatch.setattr(heads.ScalarModel, "pooled_score", lambda self, h, m: self.head(h.mean(axis=1))[..., 0])
    assert reach(lambda tokens, mask: scorer(tokens, mask)) > 0.01  # row 16: pads in the mean


def test_rows_14_15_and_17_what_counts_as_ended(sample):
    ids, mask = np.asarray(sample.tokens[:, PROMPT:]), np.asarray(sample.response_mask)
    is_end = (ids == END) & mask
    cut = mask.all(axis=1) & (ids[:, -1] != END)
    assert is_end[:, 0].any() and is_end[:, -1].any() and cut.any(), "the sample must hold every case"
    assert (np.asarray(sample.has_end) == ~cut).all()
    assert (mask.sum(axis=1) == np.where(cut, RESPONSE, is_end.argmax(axis=1) + 1)).all()
    wrong = {
        "row 14: an end in the prompt counts": (np.asarray(sample.tokens) == END).any(axis=1),
        "row 15: an end in the first place is taken for none": is_end.argmax(axis=1) > 0,
        "row 17: as long as the limit is taken for cut": ~mask.all(axis=1),
    }
    for name, has_end in wrong.items():
        assert (has_end == cut).any(), f"not seen: {name}"


# ---- rewards, returns, advantages: rows 19, 20, 21, 23, 26, 30, 31, 32 ------------------------------


def replaced_at_the_end(score, logp, ref_logp, mask, *, kl_coef):  # row 19
    shaped = rewards.kl_shaped_rewards(score, logp, ref_logp, mask, kl_coef=kl_coef)
    return jnp.where(jnp.arange(mask.size) == jnp.sum(mask) - 1, score, shaped)


def one_past_the_end(score, logp, ref_logp, mask, *, kl_coef):  # row 20
    at = jnp.arange(mask.size) == jnp.sum(mask)
    return rewards.kl_shaped_rewards(score * 0, logp, ref_logp, mask, kl_coef=kl_coef) + jnp.where(at, score, 0.0)


def integer_buffer(*args, **named):  # row 21
    return rewards.kl_shaped_rewards(*args, **named).astype(jnp.int32).astype(jnp.float32)


def k3_in_the_reward(score, logp, ref_logp, mask, *, kl_coef):  # row 23
    return rewards.kl_shaped_rewards(score, kl.k3(logp, ref_logp), 0 * logp, mask, kl_coef=kl_coef)


def beta_unused(*args, kl_coef):  # row 26
    return rewards.kl_shaped_rewards(*args, kl_coef=0.05)


def wrong_sign(*args, kl_coef):
    return rewards.kl_shaped_rewards(*args, kl_coef=-kl_coef)


def whitened_too_early(r, v, mask, **named):  # row 31
    return masked_whiten(advantages.gae(r, v, mask, **named), mask)


def first_return_gap(sample, equations):
    """With lambda 1 the return of the first token is score - beta (log pi - log ref), whatever the critic says."""
    score = 3.7 * sample.scores["proxy"] + 0.4
    config = replace(CONFIG, lam=1.0)
    returns = make_experience(sample, score, config=config, equations=equations).returns
    return float(jnp.max(jnp.abs(returns[:, 0] - (score - 0.5 * jnp.sum(sample.logp - sample.ref_logp, axis=1)))))


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"kl_shaped_rewards": replaced_at_the_end}, id="row 19: the score replaces the last penalty"),
        pytest.param({"kl_shaped_rewards": one_past_the_end}, id="row 20: the score stands on padding"),
        pytest.param({"kl_shaped_rewards": integer_buffer}, id="row 21: rewards are integers"),
        pytest.param({"kl_shaped_rewards": k3_in_the_reward}, id="row 23: k3 in the reward"),
        pytest.param({"kl_shaped_rewards": beta_unused}, id="row 26: beta is never read"),
        pytest.param({"kl_shaped_rewards": wrong_sign}, id="the KL is rewarded"),
        pytest.param({"gae": whitened_too_early}, id="row 31: returns are taken after whitening"),
    ],
)
def test_a_wrong_reward_breaks_the_first_return(sample, wrong):
    assert first_return_gap(sample, Equations()) < 1e-5
    assert first_return_gap(sample, Equations(**wrong)) > 0.01


def test_row_30_an_estimator_that_bootstraps_from_padding_is_seen(sample):
    def leak(gae):
        dirty = sample._replace(values=jnp.where(sample.response_mask, sample.values, 50.0))
        config = replace(CONFIG, whiten_advantages=False)
        ours, theirs = (
            make_experience(s, s.scores["proxy"], config=config, equations=Equations(gae=gae)).advantages
            for s in (sample, dirty)
        )
        return float(jnp.max(jnp.abs(jnp.where(sample.response_mask, ours - theirs, 0.0))))

    assert leak(advantages.gae) == 0.0
    assert leak(lambda r, v, mask, **named: advantages.gae(r, v, jnp.ones_like(mask), **named)) > 1.0


def test_row_32_whitening_with_the_padding_is_seen(sample):
    def whitened(**equations):
        data = make_experience(sample, sample.scores["proxy"], equations=Equations(**equations))
        real = np.asarray(data.advantages)[np.asarray(sample.response_mask)]
        return abs(real.mean()) < 1e-4 and abs(real.std() - 1.0) < 1e-3

    assert whitened()
    assert not whitened(masked_whiten=lambda x, mask: masked_whiten(x, jnp.ones_like(mask)))


# ---- metrics, critic, reward model: rows 1, 24, 27, 35, 36 ------------------------------------------


def test_rows_24_and_36_metrics_per_token_or_over_padding_are_seen(planted, monkeypatch):
    def gaps(out):
        real, log_ratio = np.asarray(out.response_mask), np.asarray(out.logp - out.ref_logp)
        length = real.sum() / len(real)
        per_row = [row[keep].sum() for row, keep in zip(log_ratio, real, strict=True)]
        states, _ = ActorCritic(moved()).response_outputs(out.tokens, out.mask, PROMPT)
        p = np.asarray(jax.nn.softmax(moved().logits(states) / 0.7))[real]
        by_hand = {"kl": np.mean(per_row), "entropy": -(p * np.log(p)).sum(-1).mean(), "length": length}
        return {name: abs(float(out.stats[name]) - value) for name, value in by_hand.items()}

    assert max(gaps(roll(acting=moved())).values()) < 1e-4
    monkeypatch.setattr(rollout, "sequence_logprob", masked_mean)  # row 24: nats per token
    wrong = gaps(roll(planted(rollout, "masked_mean", lambda x, mask: jnp.mean(x)), moved()))  # row 36
    assert wrong["kl"] > 0.05 and wrong["entropy"] > 1e-3


def test_row_35_a_value_head_that_does_not_start_at_0_is_seen():
    acting = ActorCritic(policy())
    assert (roll(acting=acting).values == 0.0).all()
    acting.value_head.kernel[...] = jnp.ones((32, 1))
    assert (roll(acting=acting).values != 0.0).any()


def test_row_1_a_value_that_has_seen_its_own_token_is_seen(sample, monkeypatch):
    acting = ActorCritic(policy())
    acting.value_head.kernel[...] = jnp.ones((32, 1))

    def reach(last):  # the last token of the response changes no value: each stands before its token
        tokens = sample.tokens.at[:, -1].set(last)
        return acting.response_outputs(tokens, jnp.ones_like(sample.mask), PROMPT)[1]

    assert (reach(5) == reach(9)).all()
    monkeypatch.setattr(heads, "response_slice", shifted_slice)
    assert (reach(5) != reach(9)).any()


def test_row_27_a_reward_model_normalised_on_other_texts_is_seen(sample):
    scorer = tiny.scorer(layers=1)
    score = jax.jit(lambda scorer, mask: scorer(sample.tokens, mask), **FAST)
    reference_scores = np.asarray(score(scorer, sample.mask))
    rated = np.asarray(score(scorer, sample.mask & (jnp.arange(PROMPT + RESPONSE) < PROMPT)[None]))  # other texts

    def centred(scores_to_use):
        scores = np.asarray(score(reward_model.normalised(scorer, scores_to_use), sample.mask))
        return abs(scores.mean()) < 1e-3 and abs(scores.std() - 1.0) < 1e-3

    assert centred(reference_scores) and not centred(rated)


# ---- the update: rows 25, 37, 38, 39, 41 ------------------------------------------------------------


def fresh_update():
    def again(state, out, score, key, *, config, equations):
        return ppo.update.__wrapped__(state, out, score, key, config=config, equations=equations)

    return jax.jit(again, static_argnames=("config", "equations"), **FAST)


def test_rows_25_and_37_beta_moved_twice_and_a_permutation_that_never_changes_are_seen(sample, monkeypatch):
    config = replace(CONFIG, epochs=1)
    state = ppo.initial_state(config, moved())
    permutation, adapt = jax.random.permutation, kl.adaptive_kl_coef

    def end(equations):
        step = fresh_update()
        score = sample.scores["proxy"]
        one, two = (
            step(state, sample, score, jax.random.key(k), config=config, equations=equations)[0] for k in (0, 1)
        )
        weights = [jnp.concatenate([x.ravel() for x in jax.tree.leaves(s.actor_critic)]) for s in (one, two)]
        return float(one.kl_coef), bool((weights[0] == weights[1]).all())

    by_hand = 0.5 * (1 + 0.2 * 64 / 2000)  # far above the target: the error is clipped to 0.2
    beta, repeats = end(Equations())
    assert beta == pytest.approx(by_hand, rel=1e-6) and not repeats
    monkeypatch.setattr(jax.random, "permutation", lambda _, n: permutation(jax.random.key(0), n))
    twice = Equations(adaptive_kl_coef=lambda beta, now, **named: adapt(adapt(beta, now, **named), now, **named))
    beta, repeats = end(twice)
    assert beta != pytest.approx(by_hand, rel=1e-3) and repeats


def test_row_38_a_mean_of_micro_batch_means_is_seen(sample):
    batch = make_experience(sample, sample.scores["proxy"])
    order = jnp.argsort(jnp.sum(batch.old.response_mask, axis=1))  # short responses in one half, long ones in the other
    halves = [jax.tree.map(lambda x, rows=rows: x[rows], batch) for rows in (order[:32], order[32:])]
    acting = ActorCritic(moved(0.5))

    def loss(part, total):
        return float(loss_and_stats(acting, part, jnp.asarray(total, jnp.float32))[0])

    count = int(batch.old.response_mask.sum())
    whole = loss(batch, count)
    assert sum(loss(half, count) for half in halves) == pytest.approx(whole, abs=1e-6)
    assert np.mean([loss(half, int(half.old.response_mask.sum())) for half in halves]) != pytest.approx(whole, abs=5e-5)


def test_row_39_another_eps_of_adam_is_seen(monkeypatch):
    def first_step():
        tx = ppo.optimizer.__wrapped__(CONFIG)
        weights = {"w": jnp.zeros(1)}
        moved_by, _ = tx.update({"w": jnp.full(1, 1e-5)}, tx.init(weights), weights)
        return float(moved_by["w"][0]) / CONFIG.learning_rate

    assert first_step() == pytest.approx(-0.5, rel=1e-3)  # g / (|g| + eps) with g = eps = 1e-5
    adam = optax.adam
    monkeypatch.setattr(optax, "adam", lambda rate, eps: adam(rate))
    assert first_step() == pytest.approx(-1.0, rel=1e-2)


def test_row_41_a_reference_that_is_donated_or_moves_along_is_seen(monkeypatch):
    def donated(policy):
        state = ppo.initial_state(CONFIG, policy)
        jax.jit(lambda s: jax.tree.map(lambda x: x + 1, s), donate_argnums=0)(state.actor_critic)
        return any(x.is_deleted() for x in jax.tree.leaves(policy))

    assert not donated(policy())
    monkeypatch.setattr(jnp, "copy", lambda x: x)
    assert donated(policy())
    never = "The KL never moves: policy and reference are one object, or the optimiser's update is dropped."
    frozen, alias = [], []
    for share in (0.0, 0.1, 0.2, 0.3):
        frozen.append({"kl": float(roll(acting=moved(share)).stats["kl"])})
        alias.append({"kl": float(roll(acting=moved(share), reference=moved(share)).stats["kl"])})
    assert never in diagnose(alias) and never not in diagnose(frozen)
