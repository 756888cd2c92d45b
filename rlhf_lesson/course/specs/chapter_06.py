"""Exercises of chapter 06, from policy gradients to PPO.

Leaves out the runs that use them: a gradient is checked here on a few numbers, not on a model.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.advantages import gae
from rlhf_lesson.arrays import masked_whiten
from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.kl import adaptive_kl_coef, k3
from rlhf_lesson.losses import policy_gradient_loss, ppo_clip_loss, value_clip_loss
from rlhf_lesson.rewards import kl_shaped_rewards, missing_end_penalty

SHAPES = [(6,), (2, 4)]


def numbers(rng: np.random.Generator, *shape: int, mean: float = 0.0) -> np.ndarray:
    return rng.normal(mean, 1.0, shape).astype(np.float32)


def end_of(mask: np.ndarray) -> np.ndarray:
    return np.where(mask, np.float32(0.0), np.float32(np.nan))


# ---- the policy gradient -------------------------------------------------------------------------


def sampled(rng, *, gradient: int | None = None) -> Case:
    shape = SHAPES[rng.integers(2)]
    return Case((-rng.gamma(2.0, 1.0, shape).astype(np.float32), numbers(rng, *shape)), gradient=gradient)


POLICY_GRADIENT_LOSS = Exercise(
    name="policy_gradient_loss",
    chapter=6,
    minutes=10,
    difficulty=1,
    points=4,
    reference=policy_gradient_loss,
    cases={
        "plain numbers": sampled,
        "its gradient by logp is -A": partial(sampled, gradient=0),
        "no gradient flows into the advantages": partial(sampled, gradient=1),
    },
    slips=(
        Slip("the sign is wrong", "A loss is minimised: a good token must have a low one.", lambda p, a: p * a),
        Slip(
            "a gradient through the advantages",
            "They are a constant: jax.lax.stop_gradient(advantages), or the critic learns to flatter.",
            lambda p, a: -p * a,
        ),
        Slip(
            "the gradient is stopped at the policy",
            "stop_gradient stands around the advantages alone: logp is what learns.",
            lambda p, a: -jax.lax.stop_gradient(p) * a,
        ),
        Slip("the probability in place of its log", "log pi(y_t), as it is.", lambda p, a: -jnp.exp(p) * a),
        Slip(
            "reduced to one number", "One number a token: the caller masks and averages.", lambda p, a: jnp.mean(-p * a)
        ),
        Slip(
            "the advantages are whitened inside",
            "Whitening is the caller's choice (`masked_whiten`).",
            lambda p, a: -p * jax.lax.stop_gradient((a - jnp.mean(a)) / (jnp.std(a) + 1e-8)),
        ),
        Slip(
            "the advantages are left out",
            "This makes every sampled token likelier, good or bad: weigh with A_t.",
            lambda p, a: -p,
        ),
        Slip(
            "bad tokens are left out",
            "Negative advantages count too: they make tokens rarer.",
            lambda p, a: -p * jax.lax.stop_gradient(jnp.maximum(a, 0.0)),
        ),
    ),
    hints=(
        "Which number has the gradient -A_t grad log pi(y_t)?",
        "A product of two, with a minus. The advantages must not be differentiated.",
        "-logp * jax.lax.stop_gradient(advantages)",
    ),
)

# ---- rewards -------------------------------------------------------------------------------------


def shaped(rng, *, length: int | None = None, rubbish: bool = False, kl_coef: float | None = None) -> Case:
    """One response of 8 places with its score; `rubbish` puts NaN on padding."""
    time = 8
    mask = np.arange(time) < (rng.integers(2, time) if length is None else length)
    logp, ref_logp = -rng.gamma(2.0, 1.0, (2, time)).astype(np.float32)
    if rubbish:
        logp, ref_logp = logp + end_of(mask), ref_logp + end_of(mask)
    score = np.asarray(rng.choice([-1, 1]) * rng.uniform(0.5, 3.0), np.float32)
    coefficient = float(rng.uniform(0.1, 0.6)) if kl_coef is None else kl_coef
    return Case((score, logp, ref_logp, mask), {"kl_coef": coefficient})


def shape(
    score, logp, ref_logp, mask, *, kl_coef, sign=1.0, at="last", shift=0, replaced=False, cut=True, scaled=False
):
    """The shaped rewards with a switch for each slip; the right ones at the defaults."""
    penalty = sign * kl_coef * (logp - ref_logp)
    place = jnp.arange(mask.size)
    here = {"last": place == jnp.sum(mask) - 1 + shift, "all": place >= 0, "end": place == mask.size - 1}[at]
    penalty = jnp.where(here & replaced, 0.0, penalty)
    rewards = -penalty + jnp.where(here, score * (kl_coef if scaled else 1.0), 0.0)
    return jnp.where(mask, rewards, 0.0) if cut else rewards


KL_SHAPED_REWARDS = Exercise(
    name="kl_shaped_rewards",
    chapter=6,
    minutes=15,
    difficulty=2,
    points=7,
    reference=kl_shaped_rewards,
    cases={
        "plain numbers": shaped,
        "a response may fill the whole row": lambda rng: shaped(rng, length=8),
        "a single token has penalty and score": lambda rng: shaped(rng, length=1),
        "beta 0 leaves the score alone": lambda rng: shaped(rng, kl_coef=0.0),
        "padding is never read, not even NaN": lambda rng: shaped(rng, rubbish=True),
        "a response without tokens gets zeros": lambda rng: shaped(rng, length=0),
    },
    slips=(
        Slip("the penalty is a bonus", "-beta (logp - ref_logp): moving away costs.", partial(shape, sign=-1.0)),
        Slip("the score on every token", "It counts once, at the last real token.", partial(shape, at="all")),
        Slip(
            "the score is lost on padding",
            "The last *real* token is at sum(mask) - 1, neither at the end of the row nor at sum(mask).",
            partial(shape, at="end"),
        ),
        Slip("the score one token early", "The last real token is at sum(mask) - 1.", partial(shape, shift=-1)),
        Slip(
            "the score one token late", "The last real token is at sum(mask) - 1.", partial(shape, shift=1, cut=False)
        ),
        Slip(
            "the last token pays no penalty",
            "The score is added there, it replaces nothing.",
            partial(shape, replaced=True),
        ),
        Slip("padding leaks out", "Rewards on padding are 0: jnp.where(mask, ..., 0.0).", partial(shape, cut=False)),
        Slip(
            "beta is ignored",
            "The penalty is beta times the log-ratio.",
            lambda *args, kl_coef: shape(*args, kl_coef=1.0),
        ),
        Slip("beta scales the score too", "beta stands before the log-ratio alone.", partial(shape, scaled=True)),
        Slip(
            "k3 in place of k1",
            "In the reward the plain log-ratio is right: its gradient is the KL's.",
            lambda s, p, q, m, *, kl_coef: shape(s, -kl_coef * k3(p, q), jnp.zeros_like(p), m, kl_coef=-1.0),
        ),
        Slip(
            "the score is spread",
            "It is added once, not shared by the tokens.",
            lambda s, p, q, m, *, kl_coef: shape(s / jnp.maximum(jnp.sum(m), 1), p, q, m, kl_coef=kl_coef, at="all"),
        ),
        Slip(
            "multiplied by the mask",
            "NaN times 0 is NaN: choose with jnp.where.",
            lambda *args, kl_coef: shape(*args, kl_coef=kl_coef, cut=False) * args[3].astype(jnp.float32),
        ),
    ),
    hints=(
        "Two parts: a price at every token, and one number at one token.",
        "Where is the last real token of a mask such as [T, T, T, F, F]? Then cut padding off with jnp.where.",
        "is_last = jnp.arange(mask.size) == jnp.sum(mask) - 1;"
        " where(mask, -kl_coef * (logp - ref_logp) + where(is_last, score, 0.0), 0.0)",
    ),
)


def finished(rng, *, mean: float = 0.0, ends: bool | None = None) -> Case:
    has_end = np.arange(6) % 2 == rng.integers(2) if ends is None else np.full(6, ends)
    return Case((numbers(rng, 6, mean=mean), has_end), {"penalty": float(rng.uniform(0.5, 3.0))})


MISSING_END_PENALTY = Exercise(
    name="missing_end_penalty",
    chapter=6,
    minutes=5,
    difficulty=1,
    points=3,
    reference=missing_end_penalty,
    cases={
        "plain numbers": finished,
        "low scores are lowered too": lambda rng: finished(rng, mean=-8.0),
        "finished responses keep their scores": lambda rng: finished(rng, ends=True),
        "all may be cut off": lambda rng: finished(rng, ends=False),
    },
    slips=(
        Slip(
            "the finished pay",
            "The penalty is for a *missing* end token.",
            lambda s, e, *, penalty: jnp.where(e, s - penalty, s),
        ),
        Slip("all pay", "Only where the end token is missing.", lambda s, e, *, penalty: s - penalty),
        Slip("a bonus", "Take the penalty away.", lambda s, e, *, penalty: jnp.where(e, s, s + penalty)),
        Slip(
            "the score is replaced",
            "Here the penalty is subtracted: of two unfinished responses the better one stays better.",
            lambda s, e, *, penalty: jnp.where(e, s, -penalty),
        ),
        Slip(
            "the score is replaced by -1",
            "That is the original code's way; here the penalty is subtracted.",
            lambda s, e, *, penalty: jnp.where(e, s, -1.0),
        ),
        Slip("the score is lost", "Keep it, less the penalty.", lambda s, e, *, penalty: jnp.where(e, s, 0.0)),
        Slip(
            "multiplied",
            "Subtract; a product turns round below 0.",
            lambda s, e, *, penalty: jnp.where(e, s, s * penalty),
        ),
        Slip(
            "a bonus for the end as well",
            "Finished responses keep their scores as they are.",
            lambda s, e, *, penalty: jnp.where(e, s + penalty, s - penalty),
        ),
    ),
    hints=(
        "Two kinds of response: which scores change?",
        "jnp.where(condition, if true, if false) chooses for each response.",
        "jnp.where(has_end, score, score - penalty)",
    ),
)

# ---- advantages ----------------------------------------------------------------------------------


def response(rng, *, length: int | None = None, rubbish: bool = False, **coefficients) -> Case:
    """Rewards and values of one response with some padding at its end."""
    time = 8
    mask = np.arange(time) < (rng.integers(3, time) if length is None else length)
    rewards, values = numbers(rng, 2, time) + (end_of(mask) if rubbish else np.float32(0.0))[None]
    return Case((rewards, values, mask), coefficients)


def usual(rng) -> dict:
    return {"discount": float(rng.uniform(0.7, 0.95)), "lam": float(rng.uniform(0.5, 0.9))}


def by_table(
    rewards,
    values,
    mask,
    *,
    discount=1.0,
    lam=0.95,
    sign=1.0,
    ahead=1.0,
    kept=1.0,
    before=True,
    after=True,
    returns=0.0,
):
    """A_t = sum_k (discount lam)^k delta_{t+k}, with a switch for each slip; the right one at the defaults."""
    if before:
        rewards, values = jnp.where(mask, rewards, 0.0), jnp.where(mask, values, 0.0)
    deltas = rewards + ahead * discount * jnp.append(values[1:], 0.0) - sign * values
    steps = np.arange(mask.size)[None] - np.arange(mask.size)[:, None]
    table = jnp.where(steps >= 0, (kept * discount * lam) ** np.maximum(steps, 0).astype(np.float32), 0.0)
    out = table @ deltas + returns * values
    return jnp.where(mask, out, 0.0) if after else out


GAE = Exercise(
    name="gae",
    chapter=6,
    minutes=20,
    difficulty=3,
    points=8,
    reference=gae,
    cases={
        "plain numbers": lambda rng: response(rng, **usual(rng)),
        "lambda 1 is return minus value": lambda rng: response(rng, discount=0.97, lam=1.0),
        "lambda 0 is the one-step error": lambda rng: response(rng, discount=0.97, lam=0.0),
        "the defaults are discount 1 and lambda 0.95": lambda rng: response(rng),
        "a response may fill the whole row": lambda rng: response(rng, length=8, **usual(rng)),
        "padding is never read, not even NaN": lambda rng: response(rng, rubbish=True, **usual(rng)),
        "a response without tokens gets zeros": lambda rng: response(rng, length=0, **usual(rng)),
    },
    slips=(
        Slip(
            "the value is added", "delta_t takes V_t away: r_t + discount V_{t+1} - V_t.", partial(by_table, sign=-1.0)
        ),
        Slip(
            "padding leaks in",
            "V and A are 0 after the last real token, whatever stands there.",
            partial(by_table, before=False, after=False),
        ),
        Slip(
            "masked only at the end",
            "Padding's values and rewards ran into the real tokens before: set them to 0 first.",
            partial(by_table, before=False),
        ),
        Slip("the next value is missing", "delta_t holds discount * V_{t+1}.", partial(by_table, ahead=0.0)),
        Slip("no recursion", "This is delta_t alone: add discount * lam * A_{t+1}.", partial(by_table, kept=0.0)),
        Slip(
            "lambda is ignored",
            "A_t = delta_t + discount * lam * A_{t+1}.",
            lambda *args, discount=1.0, lam=0.95: by_table(*args, discount=discount, lam=1.0),
        ),
        Slip(
            "the discount is ignored",
            "It stands twice: before V_{t+1} and before lam * A_{t+1}.",
            lambda *args, discount=1.0, lam=0.95: by_table(*args, discount=1.0, lam=lam),
        ),
        Slip(
            "the discount is missing from the recursion",
            "discount * lam * A_{t+1}, both of them.",
            lambda *args, discount=1.0, lam=0.95: by_table(*args, discount=discount, lam=lam, kept=1.0 / discount),
        ),
        Slip(
            "the discount is missing from delta",
            "discount * V_{t+1}.",
            lambda *args, discount=1.0, lam=0.95: by_table(*args, discount=discount, lam=lam, ahead=1.0 / discount),
        ),
        Slip(
            "returns in place of advantages",
            "A_t + V_t is the critic's target; here A_t is asked for.",
            partial(by_table, returns=1.0),
        ),
        Slip(
            "whitened inside",
            "Whitening is the caller's: the critic's target A_t + V_t needs A_t as it is.",
            lambda r, v, m, **c: masked_whiten(by_table(r, v, m, **c), m),
        ),
        Slip(
            "from the first to the last",
            "A_t needs what comes later: go from the last token to the first.",
            lambda r, v, m, **c: by_table(r[::-1], v[::-1], m[::-1], **c)[::-1],
        ),
    ),
    hints=(
        "Work from the last token to the first: A_t needs A_{t+1}.",
        "Make all delta_t at once, with padding set to 0 first, then run jax.lax.scan(..., reverse=True) over them.",
        "values = where(mask, values, 0.0); next_values = jnp.append(values[1:], 0.0);"
        " deltas = where(mask, rewards + discount * next_values - values, 0.0)",
    ),
)


def masked(rng, *, length: int | None = None, rubbish: bool = False, equal: bool = False, **options) -> Case:
    """A table with ragged rows, far from mean 0 and variance 1."""
    mask = np.arange(5) < (rng.integers(1, 5, (3, 1)) if length is None else np.full((3, 1), length))
    values = np.full((3, 5), 1.5, np.float32) if equal else 2.0 + 3.0 * numbers(rng, 3, 5)
    return Case(((values + (end_of(mask) if rubbish else 0.0)).astype(np.float32), mask), options)


def whiten(
    values, mask, *, shift_mean=True, ddof=0, power=0.5, eps=1e-8, zeros=False, rows=False, scale=False, cut=True
):
    """Whitening with a switch for each slip; the right one at the defaults."""
    over = {"axis": 1, "keepdims": True} if rows else {}
    real = jnp.where(mask, values, 0.0)
    counts = jnp.ones_like(mask) if zeros else mask
    count = jnp.maximum(jnp.sum(counts, **over), 1)
    mean = jnp.sum(real, **over) / count
    variance = jnp.sum(jnp.where(counts, (real - mean) ** 2, 0.0), **over) / (count - ddof)
    out = (values - (0.0 if scale and not shift_mean else mean)) / (variance + eps) ** power
    out = out if shift_mean or scale else out + mean
    return jnp.where(mask, out, 0.0) if cut else out


MASKED_WHITEN = Exercise(
    name="masked_whiten",
    chapter=6,
    minutes=15,
    difficulty=2,
    points=6,
    reference=masked_whiten,
    cases={
        "plain numbers": masked,
        "shift_mean=False keeps the mean": lambda rng: masked(rng, shift_mean=False),
        "padding is never read, not even NaN": lambda rng: masked(rng, rubbish=True),
        "equal values come out as 0": lambda rng: masked(rng, equal=True),
        "an empty mask gives zeros": lambda rng: masked(rng, length=0),
    },
    slips=(
        Slip(
            "the mask is ignored",
            "Mean and variance are those of the real tokens.",
            lambda v, m, *, shift_mean=True: whiten(v, jnp.ones_like(m), shift_mean=shift_mean),
        ),
        Slip(
            "padding counts as zeros",
            "Its zeros are in the count: divide by sum(mask).",
            partial(whiten, zeros=True),
        ),
        Slip("padding leaks out", "Padding comes out as 0: jnp.where(mask, ..., 0.0).", partial(whiten, cut=False)),
        Slip("divided by the count less one", "The biased variance: divide by the count.", partial(whiten, ddof=1)),
        Slip("divided by the variance", "Divide by its root.", partial(whiten, power=1.0)),
        Slip("only shifted", "Divide by the standard deviation too.", partial(whiten, power=0.0)),
        Slip("each row by itself", "All real tokens are whitened together.", partial(whiten, rows=True)),
        Slip(
            "shift_mean is ignored",
            "With shift_mean=False the mean is added back at the end.",
            lambda v, m, *, shift_mean=True: whiten(v, m),
        ),
        Slip(
            "the mean is scaled along",
            "With shift_mean=False the mean itself stays: shift, scale, and add the mean back.",
            partial(whiten, scale=True),
        ),
        Slip(
            "multiplied by the mask",
            "NaN times 0 is NaN: choose with jnp.where.",
            lambda v, m, *, shift_mean=True: whiten(v, m, shift_mean=shift_mean, cut=False) * m.astype(v.dtype),
        ),
        Slip("0 divided by 0", "Equal values have variance 0: add 1e-8 under the root.", partial(whiten, eps=0.0)),
    ),
    hints=(
        "Three steps: mean of the real tokens, their variance, then scale. Use `masked_mean` twice.",
        "variance = masked_mean((values - mean) ** 2, mask); divide by its root, with 1e-8 under it.",
        "jnp.where(mask, (values - mean) * jax.lax.rsqrt(variance + 1e-8), 0.0); + mean there unless shift_mean",
    ),
)

# ---- the losses ----------------------------------------------------------------------------------


def moved(
    rng, *, ratios=(0.55, 0.7, 0.93, 1.06, 1.4, 1.7), side: int = 0, gradient: int | None = None, **given
) -> Case:
    """Tokens whose probability has changed by these ratios; `side` is the sign of all advantages."""
    shape = SHAPES[rng.integers(2)]
    old_logp = -rng.gamma(2.0, 1.0, shape)
    logp = old_logp + np.log(rng.choice(ratios, shape))
    advantages = rng.normal(size=shape)
    advantages = side * np.abs(advantages) if side else advantages
    arrays = tuple(x.astype(np.float32) for x in (logp, old_logp, advantages))
    return Case(arrays, given, gradient)


def width(rng) -> dict:
    return {"clip": float(rng.uniform(0.12, 0.28))}


def at_the_clip(rng) -> Case:
    return moved(rng, ratios=(0.75, 1.25), clip=0.25)


def both(logp, old_logp, advantages, *, clip=0.2):
    """The two terms that the PPO loss chooses from."""
    ratio = jnp.exp(logp - old_logp)
    return -advantages * ratio, -advantages * jnp.clip(ratio, 1.0 - clip, 1.0 + clip)


PPO_CLIP_LOSS = Exercise(
    name="ppo_clip_loss",
    chapter=6,
    minutes=20,
    difficulty=3,
    points=8,
    reference=ppo_clip_loss,
    cases={
        "plain numbers": lambda rng: moved(rng, **width(rng)),
        "negative advantages": lambda rng: moved(rng, side=-1, **width(rng)),
        "positive advantages": lambda rng: moved(rng, side=1, **width(rng)),
        "a ratio exactly at the clip": at_the_clip,
        "the default clip is 0.2": lambda rng: moved(rng),
        "at ratio 1 its gradient is the policy gradient's": lambda rng: moved(
            rng, ratios=(1.0,), gradient=0, **width(rng)
        ),
        "beyond the clip, on the side that A asks for, its gradient is 0": lambda rng: moved(
            rng, gradient=0, **width(rng)
        ),
    },
    slips=(
        Slip("not clipped", "The second term clips the ratio.", lambda *a, **c: both(*a, **c)[0]),
        Slip(
            "always clipped",
            "Take the larger of both terms, or a mistake beyond the clip is never undone.",
            lambda *a, **c: both(*a, **c)[1],
        ),
        Slip(
            "min in place of max",
            "The minus is inside already: the larger loss is the pessimistic one.",
            lambda *a, **c: jnp.minimum(*both(*a, **c)),
        ),
        Slip(
            "the objective in place of the loss",
            "What PPO maximises is minus its loss.",
            lambda *a, **c: -jnp.maximum(*both(*a, **c)),
        ),
        Slip(
            "the ratio is upside down",
            "New over old: exp(logp - old_logp).",
            lambda p, o, a, **c: jnp.maximum(*both(o, p, a, **c)),
        ),
        Slip(
            "exp is missing",
            "The ratio is the exponential of the log-probabilities' difference.",
            lambda p, o, a, *, clip=0.2: jnp.maximum(-a * (p - o), -a * jnp.clip(p - o, 1.0 - clip, 1.0 + clip)),
        ),
        Slip(
            "the log-ratio is clipped",
            "Clip the ratio itself to 1 - clip .. 1 + clip.",
            lambda p, o, a, *, clip=0.2: jnp.maximum(-a * jnp.exp(p - o), -a * jnp.exp(jnp.clip(p - o, -clip, clip))),
        ),
        Slip(
            "clipped around 0",
            "The free range is around 1: 1 - clip to 1 + clip.",
            lambda p, o, a, *, clip=0.2: jnp.maximum(-a * jnp.exp(p - o), -a * jnp.clip(jnp.exp(p - o), -clip, clip)),
        ),
        Slip(
            "clipped above only",
            "A ratio below 1 - clip is clipped as well.",
            lambda p, o, a, *, clip=0.2: jnp.maximum(-a * jnp.exp(p - o), -a * jnp.minimum(jnp.exp(p - o), 1.0 + clip)),
        ),
        Slip(
            "the advantages are clipped",
            "The ratio is clipped, the advantages never.",
            lambda p, o, a, *, clip=0.2: jnp.maximum(
                -a * jnp.exp(p - o), -jnp.clip(a, 1.0 - clip, 1.0 + clip) * jnp.exp(p - o)
            ),
        ),
        Slip(
            "the advantages are whitened inside",
            "Whitening is the caller's choice.",
            lambda p, o, a, **c: jnp.maximum(*both(p, o, (a - jnp.mean(a)) / (jnp.std(a) + 1e-8), **c)),
        ),
        Slip("clip is ignored", "Use the argument.", lambda p, o, a, *, clip=0.2: jnp.maximum(*both(p, o, a))),
        Slip(
            "reduced to one number",
            "One number a token: the caller masks and averages.",
            lambda *a, **c: jnp.mean(jnp.maximum(*both(*a, **c))),
        ),
        Slip(
            "no gradient",
            "Only old_logp and the advantages are constants: logp is what learns.",
            lambda *a, **c: jax.lax.stop_gradient(jnp.maximum(*both(*a, **c))),
        ),
        Slip(
            "the ratio is a constant",
            "The gradient comes through the ratio: stop it at old_logp alone.",
            lambda p, o, a, **c: (
                jnp.maximum(*both(jax.lax.stop_gradient(p), o, a, **c)) - (p - jax.lax.stop_gradient(p))
            ),
        ),
    ),
    hints=(
        "Two losses: with the ratio as it is, and with it clipped. Be pessimistic: take the worse for each token.",
        "ratio = exp(logp - old_logp). A loss is minimised, so the worse one is the larger one.",
        "jnp.maximum(-advantages * ratio, -advantages * jnp.clip(ratio, 1.0 - clip, 1.0 + clip))",
    ),
)


def guesses(rng, *, steps=(-0.9, -0.5, -0.07, 0.06, 0.4, 0.8), gradient: int | None = None, **given) -> Case:
    """Values that have moved by these steps since the rollout, and returns on either side."""
    shape = SHAPES[rng.integers(2)]
    old_values = rng.normal(0.5, 1.0, shape)
    values = old_values + rng.choice(steps, shape)
    returns = old_values + rng.choice([-1, 1], shape) * rng.uniform(1.2, 2.0, shape)
    arrays = tuple(x.astype(np.float32) for x in (values, old_values, returns))
    return Case(arrays, given, gradient)


def errors(values, old_values, returns, *, clip=0.2):
    """The two errors that the value loss chooses from, not yet squared."""
    return values - returns, old_values + jnp.clip(values - old_values, -clip, clip) - returns


def larger(first, second):
    return 0.5 * jnp.maximum(first**2, second**2)


VALUE_CLIP_LOSS = Exercise(
    name="value_clip_loss",
    chapter=6,
    minutes=15,
    difficulty=2,
    points=6,
    reference=value_clip_loss,
    cases={
        "plain numbers": lambda rng: guesses(rng, **width(rng)),
        "a step exactly at the clip": lambda rng: guesses(rng, steps=(-0.25, 0.25), clip=0.25),
        "an infinite clip is the plain squared error": lambda rng: guesses(rng, clip=float("inf")),
        "the default clip is 0.2": lambda rng: guesses(rng),
        "its gradient is 0 where a value has moved far towards its target": lambda rng: guesses(
            rng, gradient=0, **width(rng)
        ),
    },
    slips=(
        Slip("the half is missing", "Half the square.", lambda *a, **c: 2.0 * larger(*errors(*a, **c))),
        Slip("not clipped", "The second error is that of V_clip.", lambda *a, **c: 0.5 * errors(*a, **c)[0] ** 2),
        Slip(
            "always clipped",
            "Take the larger of both squares, or a wrong step is never undone.",
            lambda *a, **c: 0.5 * errors(*a, **c)[1] ** 2,
        ),
        Slip(
            "min in place of max",
            "Pessimistic: the larger of the two.",
            lambda *a, **c: 0.5 * jnp.minimum(*(e**2 for e in errors(*a, **c))),
        ),
        Slip(
            "clipped around the returns",
            "The value may move so far from its *old* guess.",
            lambda v, o, g, *, clip=0.2: larger(v - g, jnp.clip(v - g, -clip, clip)),
        ),
        Slip(
            "clipped around the new values",
            "V_clip = V_old + clip(V - V_old, ..): the old guess is the fixed point.",
            lambda v, o, g, **c: larger(*errors(o, v, g, **c)),
        ),
        Slip(
            "the value itself is clipped",
            "Clip the step V - V_old, and add it to V_old.",
            lambda v, o, g, *, clip=0.2: larger(v - g, jnp.clip(v, -clip, clip) - g),
        ),
        Slip(
            "the old value is not added back",
            "V_clip = V_old + the clipped step.",
            lambda v, o, g, *, clip=0.2: larger(v - g, jnp.clip(v - o, -clip, clip) - g),
        ),
        Slip(
            "clipped as a ratio",
            "Values have no ratio: V_old - clip to V_old + clip.",
            lambda v, o, g, *, clip=0.2: larger(v - g, o + jnp.clip(v - o, 1.0 - clip, 1.0 + clip) - g),
        ),
        Slip(
            "absolute errors",
            "The errors are squared.",
            lambda *a, **c: 0.5 * jnp.maximum(*(jnp.abs(e) for e in errors(*a, **c))),
        ),
        Slip("clip is ignored", "Use the argument.", lambda v, o, g, *, clip=0.2: larger(*errors(v, o, g))),
        Slip("reduced to one number", "One number a token.", lambda *a, **c: jnp.mean(larger(*errors(*a, **c)))),
        Slip(
            "no gradient",
            "Only the old values and the returns are constants: the values learn.",
            lambda *a, **c: jax.lax.stop_gradient(larger(*errors(*a, **c))),
        ),
    ),
    hints=(
        "Like PPO's loss, with squared errors in place of ratios times advantages: two of them, and the worse counts.",
        "V_clip is the old value plus a step of at most `clip` towards the new one.",
        "clipped = old_values + jnp.clip(values - old_values, -clip, clip);"
        " 0.5 * jnp.maximum((values - returns) ** 2, (clipped - returns) ** 2)",
    ),
)

# ---- the controller of beta ----------------------------------------------------------------------


def controller(rng, *ratios: float) -> Case:
    """beta, a KL of one of these multiples of its target, and a horizon of two to three rollouts."""
    target, episodes = float(rng.uniform(2.0, 8.0)), int(rng.integers(64, 256))
    kl = rng.choice(ratios) * target
    horizon = episodes * float(rng.uniform(1.5, 3.0))
    args = (np.asarray(rng.uniform(0.5, 2.0), np.float32), np.asarray(kl, np.float32))
    return Case(args, {"target": target, "horizon": horizon, "episodes": episodes})


def control(kl_coef, kl, *, target, horizon, episodes, bound=0.2, sign=1.0, offset=1.0):
    return kl_coef * (1.0 + sign * jnp.clip(kl / target - offset, -bound, bound) * episodes / horizon)


ADAPTIVE_KL_COEF = Exercise(
    name="adaptive_kl_coef",
    chapter=6,
    minutes=10,
    difficulty=2,
    points=5,
    reference=adaptive_kl_coef,
    cases={
        "a KL near its target": lambda rng: controller(rng, 0.83, 0.88, 1.11, 1.16),
        "far beyond the target the error counts as 0.2": lambda rng: controller(rng, 1.7, 4.0),
        "far below the target the error counts as -0.2": lambda rng: controller(rng, 0.05, 0.6),
        "at the target beta stays": lambda rng: controller(rng, 1.0),
    },
    slips=(
        Slip("the sign is wrong", "Beyond the target beta must grow, to pull back.", partial(control, sign=-1.0)),
        Slip("not clipped", "The error is held within -0.2 and 0.2.", partial(control, bound=1e9)),
        Slip(
            "the 1 is missing from the error",
            "At the target the error is 0: KL / target - 1.",
            partial(control, offset=0.0),
        ),
        Slip(
            "a difference in place of a ratio",
            "The error is relative: KL / target - 1.",
            lambda b, k, *, target, horizon, episodes: b * (1.0 + jnp.clip(k - target, -0.2, 0.2) * episodes / horizon),
        ),
        Slip(
            "the ratio is upside down",
            "KL over target.",
            lambda b, k, *, target, **c: control(b, jnp.asarray(target), target=k, **c, sign=-1.0),
        ),
        Slip(
            "added to beta",
            "beta is multiplied by 1 + ..., so that it stays above 0.",
            lambda b, k, **c: b + control(1.0, k, **c) - 1.0,
        ),
        Slip(
            "the horizon is ignored",
            "error * episodes / horizon.",
            lambda b, k, *, target, horizon, episodes: control(b, k, target=target, horizon=1.0, episodes=episodes),
        ),
        Slip(
            "the episodes are ignored",
            "error * episodes / horizon: a larger rollout counts for more.",
            lambda b, k, *, target, horizon, episodes: control(b, k, target=target, horizon=horizon, episodes=1),
        ),
        Slip(
            "episodes and horizon are ignored",
            "error * episodes / horizon: a long horizon moves beta slowly.",
            lambda b, k, *, target, **c: control(b, k, target=target, horizon=1, episodes=1),
        ),
        Slip(
            "only the factor",
            "beta' is beta times this factor.",
            lambda b, k, **c: control(1.0, k, **c),
        ),
        Slip(
            "an exponential",
            "beta (1 + x), not beta exp(x): near each other, but not the same.",
            lambda b, k, **c: b * jnp.exp(control(1.0, k, **c) - 1.0),
        ),
    ),
    hints=(
        "How far is the KL from its target, as a share of the target? Hold that within -0.2 and 0.2.",
        "beta grows by the share error * episodes / horizon. The KL is traced by JAX: jnp.clip, not min and max.",
        "kl_coef * (1.0 + jnp.clip(kl / target - 1.0, -0.2, 0.2) * episodes / horizon)",
    ),
)

EXERCISES = (
    POLICY_GRADIENT_LOSS,
    KL_SHAPED_REWARDS,
    MISSING_END_PENALTY,
    GAE,
    MASKED_WHITEN,
    PPO_CLIP_LOSS,
    VALUE_CLIP_LOSS,
    ADAPTIVE_KL_COEF,
)
