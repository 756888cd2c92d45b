"""Right answers to the exercises of chapters 00 to 04, each written in several ways: none may be rejected.

Leaves out the library's own functions, and chapters 05 to 09 (right_answers_05_09.py). No test by itself: test_specs.py reads
RIGHT_ANSWERS.
"""

import bisect
import itertools
import math
import re

import jax
import jax.numpy as jnp
import numpy as np

# ---- 00 ------------------------------------------------------------------------------------------


def masked_mean_by_where(values, mask):
    return jnp.nan_to_num(jnp.mean(values, where=mask)) if values.size else jnp.zeros(())


def masked_mean_by_weights(values, mask):
    weights = mask.astype(jnp.float32).ravel()
    return jnp.vdot(weights, jnp.where(mask, values, 0.0).ravel()) / jnp.clip(weights.sum(), 1)


def masked_mean_by_scan(values, mask):
    def add(carry, x):
        value, real = x
        total, count = carry
        return (total + jnp.where(real, value, 0.0), count + real), None

    (total, count), _ = jax.lax.scan(add, (0.0, 0), (values.ravel(), mask.ravel()))
    return jnp.where(count > 0, total / jnp.maximum(count, 1), 0.0)


def returns_by_loop(rewards, mask, *, discount=1.0):
    out, later = [], jnp.float32(0.0)
    for reward, real in zip(rewards[::-1], mask[::-1], strict=True):
        later = jnp.where(real, reward + discount * later, 0.0)
        out.append(later)
    return jnp.stack(out[::-1])


def returns_by_matrix(rewards, mask, *, discount=1.0):
    t = jnp.arange(rewards.size)
    steps = t[None, :] - t[:, None]
    return jnp.where(steps >= 0, jnp.float32(discount) ** jnp.maximum(steps, 0), 0.0) @ jnp.where(mask, rewards, 0.0)


def returns_by_doubling(rewards, mask, *, discount=1.0):
    def join(later, now):
        return later[0] * now[0], now[1] + now[0] * later[1]

    rewards = jnp.where(mask, rewards, 0.0)
    return jax.lax.associative_scan(join, (jnp.full(rewards.shape, discount), rewards), reverse=True)[1]


def next_width_by_loop(length, widths=(16, 24, 32, 48, 96)):
    best = None
    for width in widths:
        if width >= length and (best is None or width < best):
            best = width
    if best is None:
        raise ValueError("too long")
    return best


def next_width_by_search(length, widths=(16, 24, 32, 48, 96)):
    return sorted(widths)[bisect.bisect_left(sorted(widths), length)]


def next_width_by_numpy(length, widths=(16, 24, 32, 48, 96)):
    widths = np.array(widths)
    return widths[widths >= length].min()


# ---- 01: log-probabilities -----------------------------------------------------------------------


def logprobs_by_one_hot(logits, tokens, *, temperature=1.0):
    logp = jax.nn.log_softmax(jnp.float32(logits) / temperature)
    return jnp.sum(jnp.where(jax.nn.one_hot(tokens, logits.shape[-1], dtype=bool), logp, 0.0), axis=-1)


def logprobs_by_hand(logits, tokens, *, temperature=1.0):
    scaled = logits.astype("float32") / temperature
    scaled = scaled - scaled.max(-1, keepdims=True)
    picked = jnp.take_along_axis(scaled, tokens[..., None], -1).squeeze(-1)
    return picked - jnp.log(jnp.exp(scaled).sum(-1))


def logprobs_by_vmap(logits, tokens, *, temperature=1.0):
    def one(row, token):
        return (row / temperature)[token] - jax.nn.logsumexp(row / temperature)

    flat = jax.vmap(one)(logits.astype(jnp.float32).reshape(-1, logits.shape[-1]), tokens.ravel())
    return flat.reshape(tokens.shape)


def chunked_all_at_once(hidden, head, targets, *, chunk, temperature=1.0):
    return logprobs_by_one_hot(hidden @ head.T, targets, temperature=temperature)


def chunked_by_loop(hidden, head, targets, *, chunk, temperature=1.0):
    parts = [
        logprobs_by_vmap(hidden[i : i + chunk] @ head.T, targets[i : i + chunk], temperature=temperature)
        for i in range(0, hidden.shape[0], chunk)
    ]
    return jnp.concatenate(parts)


def chunked_by_scan(hidden, head, targets, *, chunk, temperature=1.0):
    missing = -len(targets) % chunk
    hidden = jnp.concatenate([hidden, jnp.zeros((missing, hidden.shape[1]))]).reshape(-1, chunk, hidden.shape[1])
    targets = jnp.concatenate([targets, jnp.zeros(missing, targets.dtype)]).reshape(-1, chunk)

    def step(_, rows):
        return None, logprobs_by_one_hot(rows[0] @ head.T, rows[1], temperature=temperature)

    out = jax.lax.scan(step, None, (hidden, targets))[1]
    return out.ravel()[: out.size - missing]


def sequence_by_where(logp, mask):
    return jnp.sum(logp, axis=-1, where=mask)


def sequence_by_last_column(logp, mask):
    return jnp.cumsum(jnp.where(mask, logp, 0.0), axis=-1)[..., -1]


def sequence_by_loop(logp, mask):
    total = jnp.zeros(logp.shape[:-1])
    for t in range(logp.shape[-1]):
        total += jnp.where(mask[..., t], logp[..., t], 0.0)
    return total


def entropy_by_entr(logits, *, temperature=1.0):
    return jax.scipy.special.entr(jax.nn.softmax(logits / temperature, axis=-1)).sum(-1)


def entropy_by_logsumexp(logits, *, temperature=1.0):
    z = logits / temperature
    mean = jnp.sum(jax.nn.softmax(z) * jnp.where(jnp.isfinite(z), z, 0.0), -1)
    return jax.scipy.special.logsumexp(z, axis=-1) - mean


def entropy_by_vmap(logits, *, temperature=1.0):
    def one(row):
        p = jax.nn.softmax(row / temperature)
        return -jnp.sum(p * jnp.log(jnp.where(p > 0, p, 1.0)))

    return jax.vmap(one)(logits.reshape(-1, logits.shape[-1])).reshape(logits.shape[:-1])


# ---- 01: sampling --------------------------------------------------------------------------------


def top_k_by_sort(logits, k):
    return logits if k == 0 else jnp.where(logits >= jnp.sort(logits)[:, -k, None], logits, -jnp.inf)


def top_k_by_rank(logits, k):
    larger = jnp.sum(logits[:, None, :] > logits[:, :, None], -1)
    return jnp.where((larger < k) | (k == 0), logits, -jnp.inf)


def top_k_by_scatter(logits, k):
    if not k:
        return logits
    values, where = jax.lax.top_k(logits, k)
    rows = jnp.arange(len(logits))[:, None]
    return jnp.full_like(logits, -jnp.inf).at[rows, where].set(values)


def top_p_by_places(logits, p):
    if p >= 1:
        return logits
    order = jnp.argsort(-logits, axis=-1)
    share = jnp.take_along_axis(jax.nn.softmax(logits), order, -1)
    keep = jnp.concatenate([jnp.ones_like(share[:, :1], bool), jnp.cumsum(share, -1)[:, :-1] < p], -1)
    rows = jnp.arange(len(logits))[:, None]
    return jnp.where(jnp.zeros(logits.shape, bool).at[rows, order].set(keep), logits, -jnp.inf)


def top_p_by_table(logits, p):
    share = jax.nn.softmax(logits)
    before = jnp.sum(jnp.where(logits[:, None, :] > logits[:, :, None], share[:, None, :], 0.0), -1)
    return jnp.where((before < p) | (p >= 1.0), logits, -jnp.inf)


def top_p_by_vmap(logits, p):
    def one(row):
        ordered = jnp.sort(row)[::-1]
        size = 1 + jnp.sum(jnp.cumsum(jax.nn.softmax(ordered))[:-1] < p)
        return jnp.where(row < ordered[size - 1], -jnp.inf, row)

    return logits if p == 1.0 else jax.vmap(one)(logits)


def sample_by_gumbel(logits, key, *, temperature=1.0, top_k=0, top_p=1.0):
    kept = top_p_by_table(top_k_by_sort(logits / temperature, top_k), top_p)
    return jnp.argmax(kept + jax.random.gumbel(key, kept.shape), axis=-1)


def sample_by_cumulated_chances(logits, key, *, temperature=1.0, top_k=0, top_p=1.0):
    share = jax.nn.softmax(top_p_by_table(top_k_by_sort(logits / temperature, top_k), top_p))
    upto = jnp.cumsum(share, -1)
    drawn = jax.random.uniform(key, (len(logits), 1)) * upto[:, -1:]
    return jnp.sum(upto <= drawn, axis=-1)


def sample_by_a_key_for_each_row(logits, key, *, temperature=1.0, top_k=0, top_p=1.0):
    kept = top_p_by_table(top_k_by_sort(logits / temperature, top_k), top_p)
    return jax.vmap(jax.random.categorical)(jax.random.split(key, len(kept)), kept)


def ahead_by_where(slopes):
    t = jnp.arange(len(slopes))
    return jnp.where(t[None] > t[:, None], jnp.abs(slopes), 0.0).max()


def ahead_by_rows(slopes):
    return jnp.max(jnp.array([jnp.max(jnp.abs(slopes[t, t + 1 :]), initial=0.0) for t in range(len(slopes))]))


def ahead_by_both_signs(slopes):
    upper = jnp.triu(slopes, 1)
    return jnp.maximum(upper.max(), -upper.min())


# ---- 02 ------------------------------------------------------------------------------------------


def mask_by_loop(mask, prompt):
    out = mask.copy()
    for row, length in zip(out, prompt, strict=True):
        row[:length] = False
    return out


def mask_by_counting(mask, prompt):
    return mask & (np.cumsum(np.ones_like(mask, int), axis=1) > np.asarray(prompt)[:, None])


def mask_in_jax(mask, prompt):
    return jax.vmap(lambda row, n: jnp.logical_and(row, jnp.arange(row.size) >= n))(
        jnp.asarray(mask), jnp.asarray(prompt)
    )


def mask_by_lists(mask, prompt):
    return np.array([[real and t >= n for t, real in enumerate(row)] for row, n in zip(mask, prompt, strict=True)])


def cross_entropy_by_one_hot(logits, targets):
    return -logprobs_by_one_hot(logits, targets)


def cross_entropy_by_difference(logits, targets):
    z = logits.astype(jnp.float32)
    return jax.nn.logsumexp(z, axis=-1) - jnp.take_along_axis(z, targets[..., None], -1)[..., 0]


def cross_entropy_by_vmap(logits, targets):
    return -logprobs_by_vmap(logits, targets)


def instruction_by_format(row):
    return f"### Instruction:\n{row['instruction']}\n\n### Response:\n", row["response"]


def instruction_by_lines(row):
    return "\n".join(["### Instruction:", row["instruction"], "", "### Response:", ""]), row["response"]


def instruction_by_replacing(row):
    template = "### Instruction:\n{}\n\n### Response:\n"
    return template.format(row["instruction"]), str(row["response"])


def render_by_loop(messages, *, reply=False, tokenizer=None):
    text = ""
    for message in messages:
        name = message["role"].capitalize() if message["role"] != "user" else "Human"
        text += "\n\n" + name + ": " + message["content"]
    if reply:
        text += "\n\nAssistant:"
    return text


def render_by_join(messages, *, reply=False, tokenizer=None):
    names = dict(user="Human", assistant="Assistant", system="System")
    turns = [f"{names[m['role']]}: {m['content']}" for m in messages] + ["Assistant:"] * reply
    return "".join("\n\n" + turn for turn in turns)


def render_by_recursion(messages, *, reply=False, tokenizer=None):
    if not messages:
        return "\n\nAssistant:" if reply else ""
    name = {"user": "Human", "assistant": "Assistant"}.get(messages[0]["role"], "System")
    return f"\n\n{name}: {messages[0]['content']}{render_by_recursion(messages[1:], reply=reply)}"


ROLE = {"Human": "user", "Assistant": "assistant", "System": "system"}


def messages_by_finditer(text):
    turns = list(re.finditer(r"\n\n(Human|Assistant|System):( ?)", text))
    ends = [turn.start() for turn in turns[1:]] + [len(text)]
    return [{"role": ROLE[turn[1]], "content": text[turn.end() : end]} for turn, end in zip(turns, ends, strict=True)]


def messages_by_blank_lines(text):
    out = []
    for piece in text.split("\n\n")[1:]:
        name = piece.split(":")[0]
        if name in ROLE and ":" in piece:
            content = piece[len(name) + 1 :]
            out.append({"role": ROLE[name], "content": content[1:] if content.startswith(" ") else content})
        else:
            out[-1]["content"] += "\n\n" + piece
    return out


def messages_by_lookahead(text):
    out = []
    for turn in re.split(r"\n\n(?=(?:Human|Assistant|System):)", text)[1:]:
        name, _, content = turn.partition(":")
        out += [dict(content=re.sub("^ ", "", content), role=ROLE[name])]
    return out


# ---- 03 ------------------------------------------------------------------------------------------


def rated_by_combinations(ratings, *, least=0.0):
    out = []
    for i, j in itertools.combinations(range(len(ratings)), 2):
        if abs(ratings[i] - ratings[j]) > least:
            out.append((i, j) if ratings[i] > ratings[j] else (j, i))
    return out


def rated_by_numpy(ratings, *, least=0.0):
    lead = np.subtract.outer(np.array(ratings, float), np.array(ratings, float))
    return np.argwhere(lead > least)


def rated_by_sorting(ratings, *, least=0.0):
    order = sorted(range(len(ratings)), key=lambda i: -ratings[i])
    return [[i, j] for k, i in enumerate(order) for j in order[k + 1 :] if ratings[i] > ratings[j] + least]


def ranked_by_combinations(ranking):
    return list(itertools.combinations(ranking, 2))


def ranked_by_popping(ranking):
    rest, out = list(ranking), []
    while rest:
        best = rest.pop(0)
        out += [(best, worse) for worse in rest]
    return out


def ranked_by_numpy(ranking):
    a, b = np.triu_indices(len(ranking), 1)
    return np.stack([np.array(ranking)[a], np.array(ranking)[b]], 1)


def percent_by_sum(a, b):
    return jnp.sum(jnp.where(a == b, 1.0, 0.0)) / a.shape[0]


def percent_by_difference(a, b):
    return 1.0 - jnp.count_nonzero(a - b) / a.size


def percent_by_scan(a, b):
    return jax.lax.scan(lambda n, x: (n + (x[0] == x[1]), None), 0, (a, b))[0] / len(a)


def kappa_by_table(a, b, *, categories):
    table = jnp.zeros((categories, categories)).at[a, b].add(1.0) / a.size
    by_chance = jnp.sum(table.sum(0) * table.sum(1))
    return (jnp.trace(table) - by_chance) / (1 - by_chance)


def kappa_by_loop(a, b, *, categories):
    by_chance = sum(jnp.mean(a == c) * jnp.mean(b == c) for c in range(categories))
    return 1.0 - (1.0 - jnp.mean(a == b)) / (1.0 - by_chance)


def kappa_by_all_pairs(a, b, *, categories):
    by_chance = jnp.mean(a[:, None] == b[None, :])
    return (jnp.mean(a == b) - by_chance) / (1.0 - by_chance)


def nominal_by_where(a, b):
    return jnp.where(a == b, 0.0, 1.0)


def nominal_by_sign(a, b):
    return jnp.abs(jnp.sign(a - b))


def nominal_by_one_less(a, b):
    return 1.0 - jnp.equal(a, b)


def interval_by_product(a, b):
    return (a - b) * (b - a) * -1.0


def interval_by_terms(a, b):
    return a * a - 2 * a * b + b * b


def interval_by_power(a, b):
    return jnp.power(jnp.abs(b - a), 2.0)


def alpha_by_tables(ratings, *, distance):
    seen = ~jnp.isnan(ratings)
    seen &= (seen.sum(0) >= 2)[None]
    v = jnp.where(seen, ratings, 0.0)
    m = seen.sum(0)
    inside = jnp.where(seen[:, None] & seen[None], distance(v[:, None], v[None]), 0.0).sum((0, 1))
    f, s = v.ravel(), seen.ravel()
    across = jnp.where(s[:, None] & s[None], distance(f[:, None], f[None]), 0.0).sum()
    n = s.sum()
    return 1 - (inside / jnp.clip(m - 1, 1)).sum() * (n - 1) / across


def alpha_by_coincidences(ratings, *, distance):
    levels = jnp.arange(1.0, 6.0)
    counts = jnp.sum(ratings[:, :, None] == levels, 0).astype(jnp.float32)  # (items, levels)
    m = counts.sum(1)
    counts = jnp.where((m >= 2)[:, None], counts, 0.0)
    pairs = counts[:, :, None] * counts[:, None] - counts[:, :, None] * jnp.eye(5)
    table = jnp.sum(pairs / jnp.clip(m - 1, 1)[:, None, None], 0)
    delta, total = distance(levels[:, None], levels[None]), table.sum(1)
    return 1 - (table * delta).sum() / (total[:, None] * total[None] * delta).sum() * (total.sum() - 1)


def alpha_by_loop(ratings, *, distance):
    raters, _ = ratings.shape
    real = ~jnp.isnan(ratings)
    m = real.sum(0)
    real = jnp.where(m >= 2, real, False)
    v = jnp.nan_to_num(ratings)
    observed = 0.0
    for i, j in itertools.permutations(range(raters), 2):
        observed += jnp.sum(jnp.where(real[i] & real[j], distance(v[i], v[j]) / jnp.maximum(m - 1, 1), 0.0))
    expected = 0.0
    for i in range(raters):
        for j in range(raters):
            both = real[i][:, None] & real[j][None]
            expected += jnp.sum(jnp.where(both, distance(v[i][:, None], v[j][None]), 0.0))
    n = real.sum()
    return 1.0 - (observed / n) / (expected / (n * (n - 1)))


def win_by_fraction(a, b):
    return 1 / (1 + jnp.exp(b - a))


def win_by_softmax(a, b):
    return jax.nn.softmax(jnp.stack([a, b]), axis=0)[0]


def win_by_tanh(a, b):
    return 0.5 * (1 + jnp.tanh((a - b) / 2))


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


# ---- 04 ------------------------------------------------------------------------------------------


def bradley_terry_by_softplus(chosen, rejected, *, margin=0.0):
    return jax.nn.softplus(rejected + margin - chosen)


def bradley_terry_by_logaddexp(chosen, rejected, *, margin=0.0):
    return jnp.logaddexp(0.0, margin - (chosen - rejected))


def bradley_terry_by_stack(chosen, rejected, *, margin=0.0):
    return -jax.nn.log_softmax(jnp.stack([chosen, rejected + margin]), axis=0)[0]


def plackett_luce_by_loop(scores, ranking):
    ordered, total = scores[ranking], 0.0
    for j in range(len(scores)):
        total += jax.nn.logsumexp(ordered[j:]) - ordered[j]
    return total


def plackett_luce_by_table(scores, ranking):
    ordered = jnp.take(scores, ranking)
    left = jnp.tril(jnp.ones((scores.size, scores.size), bool)).T
    return -jnp.sum(ordered - jax.nn.logsumexp(jnp.broadcast_to(ordered, left.shape), axis=1, where=left))


def plackett_luce_by_scan(scores, ranking):
    def step(left, score):
        left = jnp.logaddexp(left, score)
        return left, left - score

    return jax.lax.scan(step, -jnp.inf, scores[ranking], reverse=True)[1].sum()


def accuracy_by_heaviside(chosen, rejected):
    return np.heaviside(chosen - rejected, 0.5).mean()


def accuracy_by_loop(chosen, rejected):
    points = [1.0 if c > r else 0.5 if c == r else 0.0 for c, r in zip(chosen, rejected, strict=True)]
    return sum(points) / len(points)


def accuracy_in_jax(chosen, rejected):
    return jnp.mean(0.5 + 0.5 * jnp.sign(jnp.asarray(chosen) - jnp.asarray(rejected)))


def calibration_by_sorting(chosen, rejected, *, bins=10):
    lead = sorted((chosen - rejected).tolist(), key=abs)
    out = []
    for part in np.array_split(lead, bins):
        if len(part):
            said = [1 / (1 + math.exp(-abs(x))) for x in part]
            out.append({"count": len(part), "predicted": sum(said) / len(said), "observed": sum(part > 0) / len(part)})
    return out


def calibration_by_edges(chosen, rejected, *, bins=10):
    lead = chosen - rejected
    lead = lead[np.argsort(np.abs(lead))]
    sizes = [len(lead) // bins + (i < len(lead) % bins) for i in range(bins)]
    ends = np.cumsum(sizes)
    rows = []
    for size, end in zip(sizes, ends, strict=True):
        part = lead[end - size : end]
        if size == 0:
            break
        rows.append(
            {
                "predicted": np.mean(1 / (1 + np.exp(-np.abs(part)))),
                "observed": np.mean((part > 0).astype(float)),
                "count": size,
            }
        )
    return rows


def calibration_in_jax(chosen, rejected, *, bins=10):
    lead = jnp.asarray(chosen) - jnp.asarray(rejected)
    said = jax.nn.sigmoid(jnp.abs(lead))
    parts = [i for i in jnp.array_split(jnp.argsort(said), bins) if i.size]
    return [dict(predicted=said[i].mean(), observed=jnp.mean(lead[i] > 0), count=i.size) for i in parts]


def normalise_by_terms(score, mean, std):
    return score / std - mean / std


def normalise_by_vmap(score, mean, std):
    return jax.vmap(lambda s: jnp.divide(jnp.subtract(s, mean), std))(score)


def normalise_by_reciprocal(score, mean, std):
    return (1.0 / std) * (-mean + score)


def length_bias_by_corrcoef(score, length):
    return jnp.corrcoef(score, length)[0, 1]


def length_bias_by_standard_scores(score, length):
    a, b = ((x - jnp.mean(x)) / jnp.std(x) for x in (score, length))
    return jnp.mean(a * b)


def length_bias_by_cosine(score, length):
    a, b = score - score.mean(), length - length.mean()
    return jnp.vdot(a / jnp.linalg.norm(a), b / jnp.linalg.norm(b))


def cautious_by_variance(scores, *, caution=1.0):
    return scores.mean(0) - caution * jnp.sqrt(scores.var(0))


def cautious_by_loop(scores, *, caution=1.0):
    models = len(scores)
    mean = sum(scores[k] for k in range(models)) / models
    square = sum((scores[k] - mean) ** 2 for k in range(models)) / models
    return mean - caution * jnp.sqrt(square)


def cautious_by_vmap(scores, *, caution=1.0):
    table = scores.reshape(len(scores), -1)
    return jax.vmap(lambda s: jnp.mean(s) - caution * jnp.std(s), in_axes=1)(table).reshape(scores.shape[1:])


RIGHT_ANSWERS = {
    "masked_mean": [masked_mean_by_where, masked_mean_by_weights, masked_mean_by_scan],
    "discounted_returns": [returns_by_loop, returns_by_matrix, returns_by_doubling],
    "next_width": [next_width_by_loop, next_width_by_search, next_width_by_numpy],
    "token_logprobs": [logprobs_by_one_hot, logprobs_by_hand, logprobs_by_vmap],
    "chunked_token_logprobs": [chunked_all_at_once, chunked_by_loop, chunked_by_scan],
    "sequence_logprob": [sequence_by_where, sequence_by_last_column, sequence_by_loop],
    "entropy": [entropy_by_entr, entropy_by_logsumexp, entropy_by_vmap],
    "keep_top_k": [top_k_by_sort, top_k_by_rank, top_k_by_scatter],
    "keep_top_p": [top_p_by_places, top_p_by_table, top_p_by_vmap],
    "sample_token": [sample_by_gumbel, sample_by_cumulated_chances, sample_by_a_key_for_each_row],
    "looks_ahead": [ahead_by_where, ahead_by_rows, ahead_by_both_signs],
    "response_mask": [mask_by_loop, mask_by_counting, mask_in_jax, mask_by_lists],
    "cross_entropy_loss": [cross_entropy_by_one_hot, cross_entropy_by_difference, cross_entropy_by_vmap],
    "parse_instruction": [instruction_by_format, instruction_by_lines, instruction_by_replacing],
    "render": [render_by_loop, render_by_join, render_by_recursion],
    "messages_of": [messages_by_finditer, messages_by_blank_lines, messages_by_lookahead],
    "pairs_from_ratings": [rated_by_combinations, rated_by_numpy, rated_by_sorting],
    "pairs_from_ranking": [ranked_by_combinations, ranked_by_popping, ranked_by_numpy],
    "percent_agreement": [percent_by_sum, percent_by_difference, percent_by_scan],
    "cohen_kappa": [kappa_by_table, kappa_by_loop, kappa_by_all_pairs],
    "nominal_distance": [nominal_by_where, nominal_by_sign, nominal_by_one_less],
    "interval_distance": [interval_by_product, interval_by_terms, interval_by_power],
    "krippendorff_alpha": [alpha_by_tables, alpha_by_coincidences, alpha_by_loop],
    "win_probability": [win_by_fraction, win_by_softmax, win_by_tanh],
    "bradley_terry_strengths": [strengths_by_newton, strengths_by_scan, strengths_by_a_game_more],
    "bradley_terry_loss": [bradley_terry_by_softplus, bradley_terry_by_logaddexp, bradley_terry_by_stack],
    "plackett_luce_loss": [plackett_luce_by_loop, plackett_luce_by_table, plackett_luce_by_scan],
    "pairwise_accuracy": [accuracy_by_heaviside, accuracy_by_loop, accuracy_in_jax],
    "calibration": [calibration_by_sorting, calibration_by_edges, calibration_in_jax],
    "normalise_score": [normalise_by_terms, normalise_by_vmap, normalise_by_reciprocal],
    "length_bias": [length_bias_by_corrcoef, length_bias_by_standard_scores, length_bias_by_cosine],
    "cautious_score": [cautious_by_variance, cautious_by_loop, cautious_by_vmap],
}
