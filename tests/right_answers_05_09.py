"""Right answers to the exercises of chapters 05 to 09, each written in several ways: none may be rejected.

Leaves out the library's own functions. No test by itself: test_specs.py reads RIGHT_ANSWERS.
"""

from itertools import combinations
from math import exp, factorial, inf, log, prod

import jax
import jax.numpy as jnp
import numpy as np

# ---- 05: distances -------------------------------------------------------------------------------


def exact_kl_by_loop(logp, ref_logp):
    total = 0.0
    for p, q in zip(logp, ref_logp, strict=True):
        total = total + jnp.where(jnp.exp(p) > 0.0, jnp.exp(p) * (p - q), 0.0)
    return total


def exact_kl_by_cross_entropy(logp, ref_logp):
    p = jnp.exp(logp)
    entropy = jnp.sum(jax.scipy.special.entr(p))
    cross_entropy = -jnp.sum(jnp.where(p > 0.0, p * ref_logp, 0.0))
    return cross_entropy - entropy


def exact_kl_by_scan(logp, ref_logp):
    def add(total, pair):
        p, q = pair
        return total + jax.lax.select(jnp.isfinite(p), jnp.exp(p) * (p - q), jnp.zeros_like(p)), None

    return jax.lax.scan(add, jnp.float32(0.0), (logp, ref_logp))[0]


def exact_kl_by_vmap(logp, ref_logp):
    return jnp.nansum(jax.vmap(lambda p, q: jnp.exp(p) * (p - q))(logp, ref_logp))


def k1_by_ratio(logp, ref_logp):
    return jnp.log(jnp.exp(logp) / jnp.exp(ref_logp))


def k1_by_map(logp, ref_logp):
    flat = jax.lax.map(lambda pair: pair[0] - pair[1], (logp.ravel(), ref_logp.ravel()))
    return flat.reshape(logp.shape)


def k2_by_product(logp, ref_logp):
    d = logp - ref_logp
    return d * d / 2


def k2_by_map(logp, ref_logp):
    flat = jax.lax.map(lambda d: 0.5 * d**2, (logp - ref_logp).ravel())
    return flat.reshape(logp.shape)


def k3_by_ratio(logp, ref_logp):
    ratio = jnp.exp(ref_logp - logp)
    return ratio - 1 - (ref_logp - logp)


def k3_plain(logp, ref_logp):
    d = logp - ref_logp
    return jnp.exp(-d) - 1.0 + d


def k3_by_vmap(logp, ref_logp):
    one = lambda p, q: jnp.expm1(q - p) - (q - p)  # noqa: E731
    return jax.vmap(one)(logp.ravel(), ref_logp.ravel()).reshape(logp.shape)


# ---- 05: the optimum -----------------------------------------------------------------------------


def tilted_by_logsumexp(ref_logp, score, *, kl_coef):
    unnormalised = ref_logp + score / kl_coef
    return unnormalised - jax.nn.logsumexp(unnormalised)


def tilted_by_shift(ref_logp, score, *, kl_coef):
    weight = jnp.exp(ref_logp + (score - jnp.max(score)) / kl_coef)
    likely = ref_logp + (score - jnp.max(score)) / kl_coef
    return likely - jnp.log(jnp.sum(weight))


def tilted_by_scan(ref_logp, score, *, kl_coef):
    z = ref_logp + score / kl_coef

    def add(total, x):
        return jnp.logaddexp(total, x), None

    log_z, _ = jax.lax.scan(add, -jnp.inf * jnp.ones(()), z)
    return z - log_z


# ---- 05: best of n -------------------------------------------------------------------------------


def bound_in_python(n):
    return log(n) - (n - 1) / n


def bound_in_numpy(n):
    return np.log(n) + 1.0 / n - 1.0


def bound_in_jax(n):
    return -jnp.log(1.0 / n) - (1.0 - 1.0 / n)


def best_of_n_by_tables(ref_logp, score, n):
    p = jnp.exp(ref_logp)
    upto = (score[None] <= score[:, None]) @ p
    below = (score[None] < score[:, None]) @ p
    tie = jnp.maximum(upto - below, 1e-30)
    gain = jnp.where(p > 0.0, (upto**n - below**n) / tie, 1.0)
    return ref_logp + jnp.log(gain)


def best_of_n_by_sum_of_powers(ref_logp, score, n):
    p = jnp.exp(ref_logp)
    upto = jax.vmap(lambda s: jnp.sum(jnp.where(score <= s, p, 0.0)))(score)
    below = jax.vmap(lambda s: jnp.sum(jnp.where(score < s, p, 0.0)))(score)
    return ref_logp + jnp.log(sum(upto**j * below ** (n - 1 - j) for j in range(n)))  # (F^n - F-^n) / (F - F-)


def best_of_n_by_place_of_the_winner(ref_logp, score, n):
    p = jnp.exp(ref_logp)

    def one(s):
        level, below = jnp.sum(p * (score == s)), jnp.sum(p * (score < s))
        winners = 0.0
        for k in range(1, n + 1):  # k of n draws reach s and tie there, the rest lie below
            ways = factorial(n) / factorial(k) / factorial(n - k)
            winners = winners + ways * level ** (k - 1) * below ** (n - k)
        return winners

    return ref_logp + jnp.log(jax.lax.map(one, score))


def best_of_n_kl_of(logprobs, kl):
    return lambda ref_logp, score, n: kl(logprobs(ref_logp, score, n), ref_logp)


def estimate_by_subsets_of_ranks(scores, values, n):
    order = jnp.argsort(scores)
    size = scores.shape[0]
    total, ways = 0.0, 0
    for i in range(n, size + 1):
        count = float(prod(range(i - n + 1, i)) // factorial(n - 1))
        total, ways = total + count * values[order[i - 1]] / 1.0, ways + count
    return total / ways


def estimate_by_weights(scores, values, n):
    size = scores.size
    weights = np.zeros(size)
    weights[-1] = n / size
    for i in range(size - 1, 0, -1):
        weights[i - 1] = weights[i] * max(i + 1 - n, 0) / i
    rank = jnp.argsort(jnp.argsort(scores))
    return jnp.dot(jnp.asarray(weights, jnp.float32)[rank], values)


def estimate_by_scan(scores, values, n):
    size = scores.size
    ordered = values[jnp.argsort(-scores)]

    def step(weight, x):
        value, rank = x
        return weight * jnp.maximum(rank - n, 0) / jnp.maximum(rank - 1, 1), weight * value

    return jnp.sum(jax.lax.scan(step, jnp.float32(n / size), (ordered, jnp.arange(size, 0, -1)))[1])


def estimate_by_subsets(scores, values, n):
    if scores.size > 10:
        return estimate_by_weights(scores, values, n)
    subsets = np.array(list(combinations(range(scores.size), n)))
    best = jnp.take_along_axis(jnp.asarray(subsets), jnp.argmax(scores[subsets], axis=1)[:, None], axis=1)
    return jnp.mean(values[best[:, 0]])


def best_by_loop(scores, n):
    rows = []
    for start in range(0, len(scores), n):
        rows.append(start + jnp.argmax(scores[start : start + n]))
    return jnp.stack(rows)


def best_by_vmap(scores, n):
    starts = jnp.arange(0, scores.size, n)
    return jax.vmap(lambda i: i + jnp.argmax(jax.lax.dynamic_slice(scores, (i,), (n,))))(starts)


def best_by_table(scores, n):
    table, rows = scores.reshape(-1, n), jnp.arange(scores.size).reshape(-1, n)
    is_best = table == jnp.max(table, axis=1, keepdims=True)
    return jnp.min(jnp.where(is_best, rows, scores.size), axis=1)


# ---- 06: the policy gradient, rewards ------------------------------------------------------------


def gradient_loss_by_product(logp, advantages):
    return -(logp * jax.lax.stop_gradient(advantages))


def gradient_loss_by_vmap(logp, advantages):
    fixed = jax.lax.stop_gradient(advantages)
    return jax.vmap(lambda p, a: -a * p)(logp.ravel(), fixed.ravel()).reshape(logp.shape)


@jax.custom_jvp
def constant(x):
    return x


constant.defjvp(lambda primals, tangents: (primals[0], jnp.zeros_like(primals[0])))


def gradient_loss_by_constant(logp, advantages):
    return jnp.negative(jnp.multiply(constant(advantages), logp))


def shaped_by_loop(score, logp, ref_logp, mask, *, kl_coef):
    rewards, length = [], jnp.sum(mask)
    for t in range(len(mask)):
        reward = -kl_coef * (logp[t] - ref_logp[t]) + jnp.where(t == length - 1, score, 0.0)
        rewards.append(jnp.where(mask[t], reward, 0.0))
    return jnp.array(rewards)


def shaped_by_next(score, logp, ref_logp, mask, *, kl_coef):
    ends = mask & ~jnp.append(mask[1:], False)
    return jnp.where(mask, kl_coef * (ref_logp - logp), 0.0) + ends * score


def shaped_by_index(score, logp, ref_logp, mask, *, kl_coef):
    penalties = jnp.where(mask, -kl_coef * (logp - ref_logp), 0.0)
    return penalties.at[jnp.sum(mask) - 1].add(jnp.where(jnp.any(mask), score, 0.0))


def shaped_by_scan(score, logp, ref_logp, mask, *, kl_coef):
    def step(after, x):
        d, real = x
        last = real & ~after
        return after | real, jnp.where(real, -kl_coef * d + jnp.where(last, score, 0.0), 0.0)

    return jax.lax.scan(step, jnp.array(False), (logp - ref_logp, mask), reverse=True)[1]


def end_by_product(score, has_end, *, penalty):
    return score - penalty * ~has_end


def end_by_select(score, has_end, *, penalty):
    return jnp.select([has_end], [score], score - penalty)


def end_by_loop(score, has_end, *, penalty):
    return jnp.stack([s - jnp.where(e, 0.0, penalty) for s, e in zip(score, has_end, strict=True)])


# ---- 06: advantages ------------------------------------------------------------------------------


def gae_by_loop(rewards, values, mask, *, discount=1.0, lam=0.95):
    out, advantage, next_value = [], 0.0, 0.0
    for t in range(len(rewards) - 1, -1, -1):
        delta = rewards[t] + discount * next_value - values[t]
        advantage = jnp.where(mask[t], delta + discount * lam * advantage, 0.0)
        next_value = jnp.where(mask[t], values[t], 0.0)
        out.insert(0, advantage)
    return jnp.stack(out)


def gae_by_matrix(rewards, values, mask, *, discount=1.0, lam=0.95):
    rewards, values = jnp.where(mask, rewards, 0.0), jnp.where(mask, values, 0.0)
    deltas = rewards - values + discount * jnp.concatenate([values[1:], jnp.zeros(1)])
    k = jnp.arange(mask.size)
    ahead = k[None] - k[:, None]
    return jnp.triu((discount * lam) ** jnp.maximum(ahead, 0)) @ deltas * mask


def gae_by_scan(rewards, values, mask, *, discount=1.0, lam=0.95):
    def step(carry, x):
        advantage, next_value = carry
        reward, value, real = x
        now = jnp.where(real, reward + discount * next_value - value + discount * lam * advantage, 0.0)
        return (now, jnp.where(real, value, 0.0)), now

    _, backwards = jax.lax.scan(step, (0.0, 0.0), (rewards[::-1], values[::-1], mask[::-1]))
    return backwards[::-1]


def gae_by_returns(rewards, values, mask, *, discount=1.0, lam=0.95):
    """The lambda-return less the value: R_t = r_t + discount ((1 - lam) V_{t+1} + lam R_{t+1})."""
    rewards, values = jnp.where(mask, rewards, 0.0), jnp.where(mask, values, 0.0)
    returns, after = [], jnp.zeros(())
    for t in reversed(range(mask.size)):
        following = values[t + 1] if t + 1 < mask.size else 0.0
        after = rewards[t] + discount * ((1 - lam) * following + lam * after)
        returns.append(after)
    return jnp.where(mask, jnp.stack(returns[::-1]) - values, 0.0)


def whiten_by_moments(values, mask, *, shift_mean=True):
    count = jnp.maximum(mask.sum(), 1)
    mean = jnp.where(mask, values, 0.0).sum() / count
    centred = jnp.where(mask, values - mean, 0.0)
    scaled = centred / jnp.sqrt((centred**2).sum() / count + 1e-8)
    return scaled if shift_mean else jnp.where(mask, scaled + mean, 0.0)


def whiten_by_where(values, mask, *, shift_mean=True):
    real = jnp.where(mask, values, 0.0)
    some = jnp.any(mask)
    mean = jnp.where(some, jnp.mean(real, where=mask | ~some), 0.0)
    variance = jnp.where(some, jnp.var(real, where=mask | ~some), 0.0)
    out = (real - mean) / jnp.sqrt(variance + 1e-8) + (0.0 if shift_mean else mean)
    return jnp.where(mask, out, 0.0)


def whiten_by_scan(values, mask, *, shift_mean=True):
    flat, real = values.ravel(), mask.ravel()

    def add(carry, x):  # Welford's update
        count, mean, squares = carry
        value, counts = x
        more = count + counts
        delta = jnp.where(counts, value - mean, 0.0)
        moved = mean + delta / jnp.maximum(more, 1.0)
        return (more, moved, squares + jnp.where(counts, delta * (value - moved), 0.0)), None

    (count, mean, squares), _ = jax.lax.scan(add, (0.0, 0.0, 0.0), (flat, real))
    out = (flat - mean) * jax.lax.rsqrt(squares / jnp.maximum(count, 1.0) + 1e-8)
    return jnp.where(real, out + (0.0 if shift_mean else mean), 0.0).reshape(values.shape)


# ---- 06: losses ----------------------------------------------------------------------------------


def ppo_by_objective(logp, old_logp, advantages, *, clip=0.2):
    ratio = jnp.exp(logp - old_logp)
    return -jnp.minimum(ratio * advantages, jnp.clip(ratio, 1 - clip, 1 + clip) * advantages)


def ppo_by_side(logp, old_logp, advantages, *, clip=0.2):
    ratio = jnp.exp(logp) / jnp.exp(old_logp)
    allowed = jnp.where(advantages > 0, jnp.minimum(ratio, 1 + clip), jnp.maximum(ratio, 1 - clip))
    return -allowed * advantages


def ppo_by_vmap(logp, old_logp, advantages, *, clip=0.2):
    def one(new, old, a):
        ratio = jnp.exp(new - jax.lax.stop_gradient(old))
        beyond = jnp.where(a >= 0, ratio > 1 + clip, ratio < 1 - clip)
        return -a * jnp.where(beyond, 1 + jnp.sign(a) * clip, ratio)

    return jax.vmap(one)(logp.ravel(), old_logp.ravel(), advantages.ravel()).reshape(logp.shape)


def value_by_bounds(values, old_values, returns, *, clip=0.2):
    clipped = jnp.clip(values, old_values - clip, old_values + clip)
    return jnp.maximum(0.5 * (returns - values) ** 2, 0.5 * (returns - clipped) ** 2)


def value_by_size(values, old_values, returns, *, clip=0.2):
    step = jnp.minimum(jnp.maximum(values - old_values, -clip), clip)
    worse = jnp.maximum(jnp.abs(values - returns), jnp.abs(old_values + step - returns))
    return worse**2 / 2


def value_by_vmap(values, old_values, returns, *, clip=0.2):
    def one(new, old, target):
        plain, held = (new - target) ** 2, (old + jnp.clip(new - old, -clip, clip) - target) ** 2
        return jnp.where(plain > held, plain, held) / 2

    return jax.vmap(one)(values.ravel(), old_values.ravel(), returns.ravel()).reshape(values.shape)


def control_by_bounds(kl_coef, kl, *, target, horizon, episodes):
    error = jnp.minimum(jnp.maximum((kl - target) / target, -0.2), 0.2)
    return kl_coef + kl_coef * error * (episodes / horizon)


def control_by_where(kl_coef, kl, *, target, horizon, episodes):
    error = kl / target - 1
    error = jnp.where(error > 0.2, 0.2, jnp.where(error < -0.2, -0.2, error))
    return kl_coef * (horizon + error * episodes) / horizon


def control_by_ratio(kl_coef, kl, *, target, horizon, episodes):
    return kl_coef * (1 + (jnp.clip(kl / target, 0.8, 1.2) - 1) * episodes / horizon)


# ---- 07 ------------------------------------------------------------------------------------------


def distinct_by_lists(texts, n=2):
    grams = [tuple(w[i : i + n]) for w in (t.split() for t in texts) for i in range(len(w) - n + 1)]
    return len(set(grams)) / max(1, len(grams))


def distinct_by_sets(texts, n=2):
    seen, total = set(), 0
    for text in texts:
        words = text.split()
        for i in range(n, len(words) + 1):
            seen.add(" ".join(words[i - n : i]))
            total += 1
    return 0.0 if total == 0 else len(seen) / total


def distinct_by_numpy(texts, n=2):
    rows = [" ".join(g) for t in texts for g in zip(*[t.split()[i:] for i in range(n)], strict=False)]
    return float(len(np.unique(rows)) / len(rows)) if rows else 0.0


def per_point(formula):
    """A formula for one distance, as a loop over them."""

    def form(d, a, b):
        return np.array([formula(x, a, b) for x in d]) if np.ndim(d) else formula(d, a, b)

    return form


def rl_form_by_limit(d, a, b):
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(a * d - b * d * np.log(d))


def rl_form_by_entropy(d, a, b):
    from scipy.special import xlogy

    return a * d - b * xlogy(d, d)


def fit_by_normal_equations(d, reward, form):
    from inspect import signature

    count = len(signature(form).parameters) - 1
    x = np.array([form(d, *(float(i == j) for j in range(count))) for i in range(count)])
    return np.linalg.solve(x @ x.T, x @ reward)


def fit_by_pinv(d, reward, form):
    from inspect import signature

    x = np.column_stack([form(d, *row) for row in np.identity(len(signature(form).parameters) - 1)])
    return np.linalg.pinv(x) @ reward


def fit_by_qr(d, reward, form):
    from inspect import signature

    count = len(signature(form).parameters) - 1
    q, r = np.linalg.qr(np.stack([form(d, *unit) for unit in np.eye(count)], axis=-1))
    return tuple(float(w) for w in np.linalg.solve(r, q.T @ reward))


def parabola_peak(a, b):
    if b <= 0:
        return inf, inf
    d = max(0.0, a / (2 * b))
    return d, d * (a - b * d)


def parabola_peak_numpy(a, b):
    d = np.inf if b <= 0 else np.maximum(a, 0.0) / b / 2.0
    return np.float64(d), np.float64(np.inf if b <= 0 else b * d * d)


def parabola_peak_list(a, b):
    if b > 0 and a > 0:
        return [0.5 * a / b, 0.25 * a * a / b]
    return [0.0, 0.0] if b > 0 else [inf, inf]


def rl_peak_python(a, b):
    return (inf, inf) if b <= 0 else (exp(a / b - 1), b * exp(a / b - 1))


def rl_peak_form(a, b):
    if not b > 0:
        return inf, inf
    d = np.e ** ((a - b) / b)
    return d, d * (a - b * np.log(d))


def rl_peak_list(a, b):
    d = float(np.exp(a / b)) / np.e if b > 0 else inf
    return [d, b * d if b > 0 else inf]


# ---- 08 ------------------------------------------------------------------------------------------


def temperature_by_halving(margins, agreement):
    low, high = 1e-3, 1e3
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        share = np.mean(1 / (1 + np.exp(-np.minimum(np.abs(margins) / middle, 500))))
        low, high = (middle, high) if share > agreement else (low, middle)
    return low


def temperature_by_newton(margins, agreement):
    size, inverse = np.abs(margins), 0.0
    for _ in range(200):  # the share is concave in 1/T: from 0, Newton's steps never overshoot
        share = 1 / (1 + np.exp(-size * inverse))
        inverse += (agreement - share.mean()) / (size * share * (1 - share)).mean()
    return 1 / inverse


def temperature_by_grid(margins, agreement):
    inverse, low, high = None, 1e-3, 1e3
    for _ in range(12):
        inverse = np.linspace(low, high, 201)
        share = np.array([np.mean(1 / (1 + np.exp(-np.minimum(np.abs(margins) * i, 500)))) for i in inverse])
        at = int(np.clip(np.searchsorted(share, agreement), 1, 200))
        low, high = inverse[at - 1], inverse[at]
    return float(2 / (low + high))


def label_by_uniform(first, second, key, *, temperature):
    return jax.random.uniform(key, first.shape) < 1 / (1 + jnp.exp((second - first) / temperature))


def label_by_gumbel(first, second, key, *, temperature):
    noise = jax.random.gumbel(key, (2, *first.shape))
    return first / temperature + noise[0] > second / temperature + noise[1]


def label_by_logistic(first, second, key, *, temperature):
    return first - second + temperature * jax.random.logistic(key, first.shape) > 0


def label_by_categorical(first, second, key, *, temperature):
    return jax.random.categorical(key, jnp.stack([first, second], axis=-1) / temperature) == 0


def coin(p):
    return jnp.where(p > 0, -p * jnp.log(jnp.where(p > 0, p, 1.0)), 0.0)


def choice_by_where(first_wins):
    p = first_wins.sum(0) / first_wins.shape[0]
    return coin(p) + coin(1 - p)


def choice_by_xlogy(first_wins):
    p = jnp.mean(first_wins, axis=0)
    return -jax.scipy.special.xlogy(p, p) - jax.scipy.special.xlog1py(1 - p, -p)


def choice_by_loop(first_wins):
    members, pairs = first_wins.shape
    out = []
    for j in range(pairs):
        both = jnp.array([0.0, 1.0]) + jnp.array([1.0, -1.0]) * sum(first_wins[i, j] for i in range(members)) / members
        out.append(jnp.sum(jax.scipy.special.entr(both)))
    return jnp.stack(out)


def gain_by_members(first_wins):
    return choice_by_where(first_wins) - jnp.mean(jax.vmap(lambda p: choice_by_where(p[None]))(first_wins), axis=0)


def gain_by_divergence(first_wins):
    """The mean KL of the members from their mean."""
    mean = jnp.mean(first_wins, axis=0, keepdims=True)
    rel = jax.scipy.special.rel_entr
    total = rel(first_wins, jnp.broadcast_to(mean, first_wins.shape))
    total += rel(1 - first_wins, jnp.broadcast_to(1 - mean, first_wins.shape))
    return jnp.mean(total, axis=0)


def gain_by_scan(first_wins):
    def add(total, p):
        return total + coin(p) + coin(1 - p), None

    own = jax.lax.scan(add, jnp.zeros(first_wins.shape[1]), first_wins)[0] / len(first_wins)
    return choice_by_xlogy(first_wins) - own


def most_by_partition(value, count):
    return np.argpartition(value, len(value) - count)[len(value) - count :]


def most_by_sorting(value, count):
    return np.array(sorted(range(len(value)), key=lambda i: value[i], reverse=True)[:count])


def most_by_top_k(value, count):
    return jax.lax.top_k(jnp.asarray(value), count)[1]


# ---- 09 ------------------------------------------------------------------------------------------


def dpo_by_softplus(chosen_logp, rejected_logp, ref_chosen_logp, ref_rejected_logp, *, kl_coef):
    policy, reference = chosen_logp - rejected_logp, ref_chosen_logp - ref_rejected_logp
    return jax.nn.softplus(-kl_coef * (policy - reference))


def dpo_by_logaddexp(chosen_logp, rejected_logp, ref_chosen_logp, ref_rejected_logp, *, kl_coef):
    chosen = kl_coef * (chosen_logp - jax.lax.stop_gradient(ref_chosen_logp))
    rejected = kl_coef * (rejected_logp - jax.lax.stop_gradient(ref_rejected_logp))
    return jnp.logaddexp(chosen, rejected) - chosen


def dpo_by_softmax(chosen_logp, rejected_logp, ref_chosen_logp, ref_rejected_logp, *, kl_coef):
    scores = kl_coef * jnp.stack([chosen_logp - ref_chosen_logp, rejected_logp - ref_rejected_logp])
    return -jax.nn.log_softmax(scores, axis=0)[0]


def others_by_loop(scores):
    rows = []
    for i in range(len(scores)):
        rows.append(scores[i] - jnp.mean(jnp.delete(scores, i)))
    return jnp.array(rows)


def others_by_factor(scores):
    return (scores - scores.mean()) * (scores.size / (scores.size - 1))


def others_by_matrix(scores):
    size = scores.size
    return (jnp.eye(size) - (1 - jnp.eye(size)) / (size - 1)) @ scores


def group_by_standardise(scores, *, eps=1e-4):
    return (scores - scores.mean()) / (scores.std() + eps)


def group_by_moments(scores, *, eps=1e-4):
    centred = scores - jnp.sum(scores) / scores.size
    return centred / (jnp.sqrt(jnp.sum(centred**2) / scores.size) + eps)


def group_by_norm(scores, *, eps=1e-4):
    centred = scores - jnp.average(scores)
    return centred / (jnp.linalg.norm(centred) / scores.size**0.5 + eps)


def group_by_vmap(scores, *, eps=1e-4):
    mean, spread = jnp.mean(scores), jnp.std(scores)
    return jax.vmap(lambda score: (score - mean) / (spread + eps))(scores)


RIGHT_ANSWERS = {
    "exact_kl": [exact_kl_by_loop, exact_kl_by_cross_entropy, exact_kl_by_scan, exact_kl_by_vmap],
    "k1": [lambda logp, ref_logp: -(ref_logp - logp), k1_by_ratio, k1_by_map],
    "k2": [lambda logp, ref_logp: jnp.square(ref_logp - logp) / 2, k2_by_product, k2_by_map],
    "k3": [k3_by_ratio, k3_plain, k3_by_vmap],
    "tilted_policy": [tilted_by_logsumexp, tilted_by_shift, tilted_by_scan],
    "best_of_n_kl_bound": [bound_in_python, bound_in_numpy, bound_in_jax],
    "best_of_n_logprobs": [best_of_n_by_tables, best_of_n_by_sum_of_powers, best_of_n_by_place_of_the_winner],
    "best_of_n_kl": [
        best_of_n_kl_of(best_of_n_by_tables, exact_kl_by_vmap),
        best_of_n_kl_of(best_of_n_by_sum_of_powers, exact_kl_by_loop),
        best_of_n_kl_of(best_of_n_by_place_of_the_winner, exact_kl_by_scan),
    ],
    "best_of_n_estimate": [
        estimate_by_subsets_of_ranks,
        estimate_by_weights,
        estimate_by_scan,
        estimate_by_subsets,
    ],
    "best_of_n": [best_by_loop, best_by_vmap, best_by_table],
    "policy_gradient_loss": [gradient_loss_by_product, gradient_loss_by_vmap, gradient_loss_by_constant],
    "kl_shaped_rewards": [shaped_by_loop, shaped_by_next, shaped_by_index, shaped_by_scan],
    "missing_end_penalty": [end_by_product, end_by_select, end_by_loop],
    "gae": [gae_by_loop, gae_by_matrix, gae_by_scan, gae_by_returns],
    "masked_whiten": [whiten_by_moments, whiten_by_where, whiten_by_scan],
    "ppo_clip_loss": [ppo_by_objective, ppo_by_side, ppo_by_vmap],
    "value_clip_loss": [value_by_bounds, value_by_size, value_by_vmap],
    "adaptive_kl_coef": [control_by_bounds, control_by_where, control_by_ratio],
    "distinct": [distinct_by_lists, distinct_by_sets, distinct_by_numpy],
    "best_of_n_form": [
        lambda d, a, b: a * d - b * d**2,
        lambda d, a, b: np.polyval([-b, a, 0.0], d),
        per_point(lambda d, a, b: d * (a - b * d)),
    ],
    "rl_form": [rl_form_by_limit, rl_form_by_entropy, per_point(lambda d, a, b: d and d * (a - b * log(d)))],
    "fit": [fit_by_normal_equations, fit_by_pinv, fit_by_qr],
    "best_of_n_peak": [parabola_peak, parabola_peak_numpy, parabola_peak_list],
    "rl_peak": [rl_peak_python, rl_peak_form, rl_peak_list],
    "noise_temperature": [temperature_by_halving, temperature_by_newton, temperature_by_grid],
    "label": [label_by_uniform, label_by_gumbel, label_by_logistic, label_by_categorical],
    "choice_entropy": [choice_by_where, choice_by_xlogy, choice_by_loop],
    "information_gain": [gain_by_members, gain_by_divergence, gain_by_scan],
    "most": [most_by_partition, most_by_sorting, most_by_top_k],
    "dpo_loss": [dpo_by_softplus, dpo_by_logaddexp, dpo_by_softmax],
    "leave_one_out": [others_by_loop, others_by_factor, others_by_matrix],
    "group_advantages": [group_by_standardise, group_by_moments, group_by_norm, group_by_vmap],
}
