"""The log-strengths of several items from a table of wins, by iterating until they stand still.

Maximum likelihood with a prior has one answer, so any method may find it; the tolerance leaves room for where each one stops.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.bradley_terry import bradley_terry_strengths
from rlhf_lesson.course.exercise import Case, Exercise, Slip


def tournament(rng: np.random.Generator, *, loser: bool = False, more: int = 9, prior: float | None = None) -> Case:
    """How often each of some items beat each other.

    Args:
      rng: source of randomness.
      loser: whether the last item has no win.
      more: an upper bound, itself left out, of the wins of one item over another.
      prior: None asks for the default.
    """
    items = int(rng.choice([4, 5]))
    wins = rng.integers(1, more, (items, items)).astype(np.float32)
    wins[0] += 2.0
    np.fill_diagonal(wins, 0.0)
    if loser:
        wins[-1] = 0.0
    return Case((wins,), {} if prior is None else {"prior": prior})


# ---- slips ---------------------------------------------------------------------------------------


def iterated(wins, games, *, prior, steps=500, games_of_prior=2.0):
    """The strengths p after some steps; right for `games = wins + wins.T`."""
    won = jnp.sum(wins, 1)

    def step(_, p):
        met = jnp.sum(games / (p[:, None] + p[None]), 1)
        return (won + prior) / (met + games_of_prior * prior / (p + 1.0))

    return jax.lax.fori_loop(0, steps, step, jnp.ones(len(wins)))


def centred(p):
    """log p with mean 0, as it should be."""
    return jnp.log(p) - jnp.mean(jnp.log(p))


def with_end(end):
    """An answer that finds the right strengths and returns `end(p)`."""
    return lambda wins, *, steps=500, prior=0.1: end(iterated(wins, wins + wins.T, prior=prior, steps=steps))


strengths = with_end(centred)


def losses_for_wins(wins, *, steps=500, prior=0.1):
    return strengths(wins.T, steps=steps, prior=prior)


def odds_of_winning(wins, *, steps=500, prior=0.1):
    """Wins over losses, whoever the opponents were."""
    return centred((wins.sum(1) + prior) / (wins.sum(0) + prior))


def with_games(games):
    """An answer that takes `games(wins)` for how often each two have met."""
    return lambda wins, *, steps=500, prior=0.1: centred(iterated(wins, games(wins), prior=prior, steps=steps))


def prior_without_losses(wins, *, steps=500, prior=0.1):
    """The wins against the prior's opponent are counted as games, the losses are not."""
    return centred(iterated(wins, wins + wins.T, prior=prior, steps=steps, games_of_prior=1.0))


def prior_in_every_pair(wins, *, steps=500, prior=0.1):
    """Each item wins `prior` games more against each other item."""
    return strengths(wins + prior * (1.0 - jnp.eye(len(wins))), steps=steps, prior=0.0)


def prior_ignored(wins, *, steps=500, prior=0.1):
    return strengths(wins, steps=steps, prior=0.0)


def another_default(wins, *, steps=500, prior=1.0):
    return strengths(wins, steps=steps, prior=prior)


# ---- right answers in other words ----------------------------------------------------------------


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


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="bradley_terry_strengths",
    minutes=25,
    difficulty=3,
    points=7,
    reference=bradley_terry_strengths,
    atol=1e-4,
    cases={
        "plain numbers": lambda rng: tournament(rng, prior=float(rng.uniform(0.3, 0.8))),
        "a small prior by default": lambda rng: tournament(rng, more=4),
        "without a prior it is plain maximum likelihood": lambda rng: tournament(rng, prior=0.0),
        "who never won has a low strength, but a finite one": lambda rng: tournament(rng, loser=True, prior=0.5),
    },
    slips=(
        Slip("losses in place of wins", "Row i holds what i has won: sum over axis 1.", losses_for_wins),
        Slip("the log is missing", "log-strengths are asked for.", with_end(lambda p: p)),
        Slip("not centred", "Take the mean away: only differences mean anything.", with_end(jnp.log)),
        Slip("the first item is 0", "The mean is 0.", with_end(lambda p: jnp.log(p / p[0]))),
        Slip("shares in place of log-strengths", "Not p / sum(p).", with_end(lambda p: p / jnp.sum(p))),
        Slip("the odds of winning", "Who met strong opponents deserves more: iterate.", odds_of_winning),
        Slip(
            "one step only",
            "The right side depends on p: repeat it.",
            lambda wins, *, steps=500, prior=0.1: strengths(wins, steps=1, prior=prior),
        ),
        Slip("only the wins are games", "n_ij = w_ij + w_ji.", with_games(lambda wins: wins)),
        Slip("each game counts twice", "n_ij = w_ij + w_ji, once.", with_games(lambda wins: 2.0 * (wins + wins.T))),
        Slip("the prior is ignored", "prior imaginary wins and as many losses against strength 0.", prior_ignored),
        Slip(
            "the prior's losses are forgotten",
            "2 prior / (p_i + 1): a win and a loss are two games.",
            prior_without_losses,
        ),
        Slip(
            "the prior is added to every pair",
            "The prior's opponent has strength 0: it is none of the items.",
            prior_in_every_pair,
        ),
        Slip("another default", "prior is 0.1 unless told otherwise.", another_default),
    ),
    hints=(
        "An item's strength is its wins over what it met, and what it met depends on the strengths: go round until it stands.",
        "games = wins + wins.T; strength[:, None] + strength[None, :] is the table of p_i + p_j; jax.lax.fori_loop repeats.",
        "step: (won + prior) / (jnp.sum(games / (p[:, None] + p[None, :]), 1) + 2 * prior / (p + 1)); log, then less the mean",
    ),
    right_answers=(strengths_by_newton, strengths_by_scan, strengths_by_a_game_more),
)
