"""DOC."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.bradley_terry import bradley_terry_strengths
from rlhf_lesson.course.exercise import Case, Exercise, Slip


def a_tournament(rng, *, loser: bool = False, more: int = 9, **coefficients) -> Case:
    """How often each of some items beat each other; `loser` leaves the last one without a win."""
    items = int(rng.choice([4, 5]))
    wins = rng.integers(1, more, (items, items)).astype(np.float32)
    wins[0] += 2.0
    np.fill_diagonal(wins, 0.0)
    if loser:
        wins[-1] = 0.0
    return Case((wins,), coefficients)


def strengths(wins, *, steps=500, prior=0.1, draws=True, end=lambda p: jnp.log(p) - jnp.mean(jnp.log(p)), games=None):
    """The iteration with a switch for each slip; right at the defaults."""
    games, won = (wins + wins.T if games is None else games(wins)), jnp.sum(wins, 1)

    def step(_, p):
        met = jnp.sum(games / (p[:, None] + p[None]), 1)
        return (won + prior) / (met + (2.0 if draws else 1.0) * prior / (p + 1.0))

    return end(jax.lax.fori_loop(0, steps, step, jnp.ones(len(wins))))


def strengths_by_newton(wins, *, steps=500, prior=0.1):
    n = len(wins)

    def likelihood(s):
        against = jax.nn.log_sigmoid(s[:, None] - s[None])
        mine = jax.nn.log_sigmoid(s) + jax.nn.log_sigmoid(-s)
        return jnp.sum(jnp.where(jnp.eye(n, dtype=bool), 0.0, wins * against)) + prior * mine.sum()

    def step(_, s):  # damped, with a little curvature where shifting all scores changes nothing
        curvature = -jax.hessian(likelihood)(s) + 1e-3
        return s + 0.5 * jnp.linalg.solve(curvature, jax.grad(likelihood)(s))

    s = jax.lax.fori_loop(0, 60, step, jnp.zeros(n))
    return s - s.mean()


def strengths_by_scan(wins, *, steps=500, prior=0.1):
    won, met = wins.sum(1), wins + wins.T

    def step(p, _):
        return (won + prior) / (jnp.sum(met / jnp.add.outer(p, p), 1) + 2 * prior / (1 + p)), None

    s = jnp.log(jax.lax.scan(step, jnp.ones_like(won), length=steps)[0])
    return s - jnp.mean(s)


def strengths_by_a_game_more(wins, *, steps=500, prior=0.1):
    """The prior's opponent as one more item, whose strength stays 1."""
    n = len(wins)
    table = jnp.pad(wins, (0, 1)).at[:n, n].set(prior).at[n, :n].set(prior)
    games = table + table.T

    def step(_, p):
        new = table.sum(1) / jnp.sum(games / (p[:, None] + p[None]), 1)
        return new.at[n].set(1.0)

    s = jnp.log(jax.lax.fori_loop(0, steps, step, jnp.ones(n + 1))[:n])
    return s - s.mean()


EXERCISE = Exercise(
    name="bradley_terry_strengths",
    minutes=25,
    difficulty=3,
    points=7,
    reference=bradley_terry_strengths,
    atol=1e-4,
    cases={
        "plain numbers": lambda rng: a_tournament(rng, prior=float(rng.uniform(0.3, 0.8))),
        "a small prior by default": lambda rng: a_tournament(rng, more=4),
        "without a prior it is plain maximum likelihood": lambda rng: a_tournament(rng, prior=0.0),
        "who never won has a low strength, but a finite one": lambda rng: a_tournament(rng, loser=True, prior=0.5),
    },
    slips=(
        Slip(
            "losses in place of wins",
            "Row i holds what i has won: sum over axis 1.",
            lambda wins, **k: strengths(wins.T, **k),
        ),
        Slip("the log is missing", "log-strengths are asked for.", partial(strengths, end=lambda p: p)),
        Slip("not centred", "Take the mean away: only differences mean anything.", partial(strengths, end=jnp.log)),
        Slip("the first item is 0", "The mean is 0.", partial(strengths, end=lambda p: jnp.log(p / p[0]))),
        Slip("shares in place of log-strengths", "Not p / sum(p).", partial(strengths, end=lambda p: p / jnp.sum(p))),
        Slip(
            "the odds of winning",
            "Who met strong opponents deserves more: iterate.",
            lambda wins, *, prior=0.1, **k: (
                jnp.log((wins.sum(1) + prior) / (wins.sum(0) + prior))
                - jnp.mean(jnp.log((wins.sum(1) + prior) / (wins.sum(0) + prior)))
            ),
        ),
        Slip(
            "one step only",
            "The right side depends on p: repeat it.",
            lambda wins, *, steps=1, **k: strengths(wins, steps=1, **k),
        ),
        Slip("only the wins are games", "n_ij = w_ij + w_ji.", partial(strengths, games=lambda w: w)),
        Slip(
            "each game counts twice", "n_ij = w_ij + w_ji, once.", partial(strengths, games=lambda w: 2.0 * (w + w.T))
        ),
        Slip(
            "the prior is ignored",
            "prior imaginary wins and as many losses against strength 0.",
            lambda wins, *, prior=0.1, **k: strengths(wins, prior=0.0, **k),
        ),
        Slip(
            "the prior's losses are forgotten",
            "2 prior / (p_i + 1): a win and a loss are two games.",
            partial(strengths, draws=False),
        ),
        Slip(
            "the prior is added to every pair",
            "The prior's opponent has strength 0: it is none of the items.",
            lambda wins, *, prior=0.1, **k: strengths(wins + prior * (1.0 - jnp.eye(len(wins))), prior=0.0, **k),
        ),
        Slip(
            "another default",
            "prior is 0.1 unless told otherwise.",
            lambda wins, *, prior=1.0, **k: strengths(wins, prior=prior, **k),
        ),
    ),
    hints=(
        "An item's strength is its wins over what it met, and what it met depends on the strengths: go round until it stands.",
        "games = wins + wins.T; strength[:, None] + strength[None, :] is the table of p_i + p_j; jax.lax.fori_loop repeats.",
        "step: (won + prior) / (jnp.sum(games / (p[:, None] + p[None, :]), 1) + 2 * prior / (p + 1)); log, then less the mean",
    ),
    right_answers=(strengths_by_newton, strengths_by_scan, strengths_by_a_game_more),
)
