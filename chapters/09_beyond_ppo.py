# %% [markdown]
# # 09 · Beyond PPO: DPO, RLOO, GRPO
#
# **Goal.** PPO needs a reward model, a critic, a sampler and a dozen settings. Take pieces away and see what is lost. DPO
# drops the reward model and the sampling: pairs go straight into the policy. RLOO and GRPO drop the critic: the other
# answers to the same prompt are the baseline. Then compare them all *at equal KL*, over several seeds.
#
# **Time.** Plan ninety minutes. The set-up cell says how long the machine computes and what the exercises take.
#
# **Measured here.** That DPO and RLHF look for the same policy; what DPO does to the probability of the texts that were
# *chosen*; what a wrong reference costs; what GRPO's division by the spread amplifies; and five trained methods and best-of-n
# against KL.

# %% tags=["setup"]
import rlhf_lesson as rl
from rlhf_lesson.course.checks import check, hint, solution, yours

rl.setup("09_beyond_ppo")

# %%
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.bradley_terry import win_probability
from rlhf_lesson.data import raters
from rlhf_lesson.data.prompts import Prompts, repeat_prompts, sampled_choices
from rlhf_lesson.kl import exact_kl, tilted_policy
from rlhf_lesson.measures import distinct, gain_at, mean_and_interval
from rlhf_lesson.study.chain import trained_chain
from rlhf_lesson.train import dpo, grpo
from rlhf_lesson.train.checks import check_first_margin
from rlhf_lesson.train.descend import descend
from rlhf_lesson.train.progress import bar
from rlhf_lesson.view import plots
from rlhf_lesson.view.plots import Picture
from rlhf_lesson.view.results import measured
from rlhf_lesson.widgets.frontier import frontier

# %%
built = trained_chain()  # SFT policy, proxy, its sibling, and gold, who reads text and stands for people
if built.scorers["gold"] is built.scorers["sibling"]:
    print("SmolLM2 was not fetched: gold is the proxy's sibling in your runs, and no independent reader judges them")
sft, tokenizer = built.sft, built.data.tokenizer
pad_id, end_id = tokenizer.pad_token_id, tokenizer.eos_token_id
prompts, held_out = built.data.prompts("gold", "proxy"), built.data.held_out_prompts(rl.scale(quick=48, full=64))
temperature = 0.7  # of all sampling
batch = 32  # responses in one compiled call

# %% [markdown]
# ## 1. The policy is secretly a reward model
#
# Chapter 05 gave the policy that RLHF is looking for in closed form. Read it from right to left, and it gives the *reward*
# that a policy is the best answer to:
#
# $$\pi^*(y) = \frac{1}{Z}\, \pi_{\text{ref}}(y)\, e^{r(y)/\beta} \quad\Longleftrightarrow\quad
# r(y) = \beta \log \frac{\pi^*(y)}{\pi_{\text{ref}}(y)} + \beta \log Z.$$
#
# $Z$ belongs to the prompt, nobody can compute it, and in Bradley-Terry it does not matter: two answers to *one* prompt are
# compared, and only the difference of their rewards counts. So put the policy where the reward model stood, in the very loss
# of chapter 04:
#
# $$L = -\log \sigma\big( s(y_{\text{chosen}}) - s(y_{\text{rejected}}) \big), \qquad
# s(y) = \beta \,\big(\log \pi(y) - \log \pi_{\text{ref}}(y)\big).$$
#
# That is DPO. $s$ is called the *implicit reward*. The log-probabilities are those of whole responses: sums over tokens.

# %% tags=["exercise"]
from rlhf_lesson.losses import dpo_loss

# %% [markdown]
# ### Do they really want the same policy?
#
# A world with six answers can be computed exactly. Raters choose between any two by Bradley-Terry on a known reward $r$. One
# policy descends your `dpo_loss`, averaged over all pairs and both outcomes. Another climbs
# $\mathbb{E}_\pi[r] - \beta\, \mathrm{KL}(\pi \| \pi_{\text{ref}})$. Neither knows the closed form.
#
# **Predict, then run.** Where does each end? And what would DPO do if raters always chose the better one, without noise?

# %%
dpo_loss = yours("dpo_loss")
reward, beta = jnp.array([1.5, 1.0, 0.3, 0.0, -0.5, -1.0]), 0.5
reference = jax.nn.log_softmax(jnp.array([-1.0, 0.5, 1.0, 0.8, 0.0, 0.6]))
first, second = (x.ravel() for x in jnp.meshgrid(jnp.arange(6), jnp.arange(6)))


def by_pairs(logits, beats):
    """Expected DPO loss over all ordered pairs; `beats` is the chance that the first of a pair wins."""
    logp = jax.nn.log_softmax(logits)
    first_wins = dpo_loss(logp[first], logp[second], reference[first], reference[second], kl_coef=beta)
    second_wins = dpo_loss(logp[second], logp[first], reference[second], reference[first], kl_coef=beta)
    return jnp.mean(beats * first_wins + (1 - beats) * second_wins)


def by_reward(logits):
    logp = jax.nn.log_softmax(logits)
    return beta * exact_kl(logp, reference) - jnp.sum(jnp.exp(logp) * reward)


# %%
def end_of(loss):
    """The policy at which Adam ends when it starts from the reference."""
    return jax.nn.log_softmax(descend(loss, reference, learning_rate=0.02, steps=1500))


noisy = win_probability(reward[first], reward[second])
certain = jnp.where(first == second, 0.5, reward[first] > reward[second])
ends = {
    "reference": reference,
    "closed form": tilted_policy(reference, reward, kl_coef=beta),
    "reward and KL": end_of(by_reward),
    "DPO, noisy raters": end_of(lambda logits: by_pairs(logits, noisy)),
    "DPO, sure raters": end_of(lambda logits: by_pairs(logits, certain)),
}
for name, logp in ends.items():
    print(f"{name:<18} KL {float(exact_kl(logp, reference)):.3f} nats   {np.round(np.exp(logp), 3)}")

# %% [markdown]
# The middle three are one policy. The last is not: raters who are never wrong say nothing about *how much* better an answer is,
# and the loss can always be lowered a little more by making the loser rarer, so only the number of steps stops it. $\beta$
# means what it should only where choices are as noisy as Bradley-Terry says.

# %% [markdown]
# ## 2. DPO on the real model
#
# Pairs: two samples of the SFT policy for each prompt, labelled by the proxy as a Bradley-Terry rater of temperature 1 would.
# So DPO gets the same wishes as PPO, and the same optimum. What it does *not* get is fresh samples on its way.

# %%
count = rl.scale(quick=480, full=1440)
rows = np.random.default_rng(0).permutation(len(prompts.tokens))[:count]
some_prompts = Prompts(*(x[rows] for x in prompts))
key, noise = jax.random.split(jax.random.key(9))
twice = built.sample(sft, repeat_prompts(some_prompts, 2), key, scorers={"proxy": built.scorers["proxy"]}, batch=batch)
scores = jnp.asarray(twice.scores["proxy"]).reshape(-1, 2)
wins = np.asarray(raters.label(scores[:, 0], scores[:, 1], noise, temperature=1.0))
choices = sampled_choices(some_prompts, twice.tokens, twice.mask, wins)
train_pairs, unseen = choices[:-224], choices[-224:]
print(len(train_pairs), "pairs to learn from;", tokenizer.decode(train_pairs[0].prompt[1:]), "...")
print("  chosen:  ", tokenizer.decode(train_pairs[0].chosen))
print("  rejected:", tokenizer.decode(train_pairs[0].rejected))

# %% [markdown]
# **Predict, then run.** The loss starts at a number that you know: which? And the log-probability of the *chosen* responses:
# will it rise?

# %%
settings = dpo.Config(epochs=2, learning_rate=3e-4, kl_coef=0.1, temperature=temperature)
look = jax.random.key(2)  # the same noise for every policy that is measured


samples = {}  # the latest of each method


def point(name, policy):
    """KL and scores on held-out prompts, where gold reads."""
    samples[name] = built.sample(policy, held_out, jax.random.clone(look), batch=batch)
    return samples[name].means()


start = point("SFT", sft)
paths = {"DPO": [start]}
curve, policies = [], {}
steps = dpo.train(settings, sft, train_pairs, pad_id=pad_id, dpo_loss=dpo_loss)
for state, metrics in bar("DPO", steps):
    curve.append(metrics)
    if metrics["step"] in (metrics["steps"] // 3, 2 * metrics["steps"] // 3, metrics["steps"]):
        paths["DPO"].append(point("DPO", state.policy))
policies["DPO"] = state.policy
print(f"first loss {curve[0]['loss']:.4f}, log 2 is {np.log(2):.4f}")


# %%
def logprobs(policy, pairs, temperature=temperature):
    """log pi of the chosen and of the rejected response of each pair, (pairs, 2)."""
    return dpo.all_logprobs(policy, pairs, pad_id=pad_id, temperature=temperature)


changes = logprobs(policies["DPO"], train_pairs) - logprobs(sft, train_pairs)
for name, change in zip(("chosen", "rejected"), changes.T):
    print(f"{name:<8} responses: {change.mean():+.2f} nats on average, likelier than before: {(change > 0).mean():.0%}")
way = "rose" if changes[:, 0].mean() > 0 else "fell"
print(f"the chosen responses {way} on average, and more than half of what separates the two came from the ", end="")
print("chosen ones" if changes[:, 0].mean() > -changes[:, 1].mean() else "rejected ones")

# %% tags=["figure"]
# Figure: DPO's implicit rewards by step, and the change of log-probability of its pairs
left, right = plots.panels(2, width=9, height=3.4)
names = ("chosen_reward", "rejected_reward", "margin")
rewards = {name.replace("_", " "): plots.smooth([row[name] for row in curve]) for name in names}
plots.lines(range(1, len(curve) + 1), rewards, ax=left, roles=("gold", "policy", "proxy"), xlabel="step")
left.set(ylabel="implicit reward (score units)", title="Only the difference is trained")
left.axhline(0, color=plots.GREY, linewidth=0.6)
bins = np.linspace(np.quantile(changes, 0.01), np.quantile(changes, 0.99), 30)
both = {"chosen": changes[:, 0], "rejected": changes[:, 1]}
plots.histogram(both, bins=bins, ax=right, roles=("gold", "policy"), title="Where the probability went")
right.set(xlabel="change of log-probability (nats)", ylabel="responses")
right.axvline(0, color=plots.GREY, linewidth=0.6)
Picture(left, "DPO's implicit rewards by step, and how far the log-probability of chosen and rejected responses moved.")

# %% [markdown]
# The loss sees the difference of the two only. It may be won by raising the chosen text, by lowering the rejected one, or by
# lowering both, the rejected one more. What both lose goes to texts *that no pair showed*, where nobody asked a rater. A
# falling `chosen reward` is therefore no bug, but a curve to watch; sampling the policy is the only way to see what rose. The
# cell above says which way it went here. Where the chosen texts are the policy's own samples and training is short they often
# rise; the fall that Razin and others describe comes with longer training and with pairs whose two texts are much alike.

# %% [markdown]
# ### Its own reward model
#
# The implicit reward can be used like any reward model: on pairs that it has not seen, does it prefer what was chosen?

# %%
margins = dpo.implicit_margins(
    policies["DPO"], sft, unseen, kl_coef=settings.kl_coef, pad_id=pad_id, temperature=temperature
)
agree = float(np.mean(margins > 0))
chance = np.asarray(win_probability(scores[:, 0], scores[:, 1]))
best = float(np.mean(np.maximum(chance, 1 - chance)))
error = (agree * (1 - agree) / len(unseen)) ** 0.5
print(f"implicit reward: right on {agree:.0%} ± {error:.0%} of {len(unseen)} unseen pairs")
print(f"the proxy itself, which drew the labels, can be right on {best:.0%}: the rest is the raters' noise")
verdict = "better than a coin" if agree - 2 * error > 0.5 else "not told apart from a coin"
print(f"so what DPO learnt from {len(train_pairs)} pairs is, as a reward model, {verdict}")

# %% [markdown]
# ### Pitfall: the wrong reference
#
# $s(y)$ compares with the policy that DPO *started from*, on the same tokens, at the same temperature. At step 0 all margins
# must be 0 and the loss $\log 2$. Three ways to get it wrong, none of which raises an error by itself:

# %%
right_one = logprobs(sft, unseen)
other_policy = logprobs(policies["DPO"], unseen)
hot = logprobs(sft, unseen, temperature=1.0)
lengths = np.array([[len(c.chosen), len(c.rejected)] for c in unseen])
cases = {
    "as it should be": (right_one, right_one),
    "another temperature": (right_one, hot),
    "another policy": (right_one, other_policy),
    "means against sums": (right_one, right_one / lengths),
}
for name, (policy_logp, reference_logp) in cases.items():
    loss = dpo_loss(*policy_logp.T, *reference_logp.T, kl_coef=settings.kl_coef).mean()
    gap = (policy_logp - reference_logp) @ np.array([1.0, -1.0])
    try:
        check_first_margin(float(np.abs(gap).max()))
        verdict = "fine"
    except ValueError:
        verdict = "check_first_margin stops the run"
    print(f"{name:<20} first loss {loss:.3f}, largest margin {np.abs(gap).max():6.2f} nats: {verdict}")

# %% [markdown]
# Two mistakes pass this check. A reference that *moves with the policy* keeps every margin at 0 and the loss at $\log 2$ for
# ever. And **means instead of sums on both sides** start at $\log 2$ as well: then $\beta$ has another meaning for each length,
# and a long rejected text is pushed down less than a short one. (SimPO does this on purpose, without a reference.)

# %% [markdown]
# ## 3. A baseline without a critic: RLOO
#
# Back to sampling. PPO's critic guesses how good a prompt is before the answer is known. Cheaper: answer each prompt $G$
# times, and compare each answer with the *others*:
#
# $$A_i = r_i - \frac{1}{G - 1} \sum_{j \ne i} r_j.$$
#
# Leaving out $r_i$ matters. A baseline that contains the answer's own reward takes a part of it away.

# %% tags=["exercise"]
from rlhf_lesson.advantages import leave_one_out

# %% [markdown]
# **Predict, then run.** For a policy over three answers, the exact policy gradient is known. Estimate it from groups of four
# with no baseline, with the group's mean, and with the mean of the others. Which are right on average, and which is least
# noisy? One of them is wrong by a factor: which factor?

# %%
leave_one_out = yours("leave_one_out")
logits, worth = jnp.array([0.5, 0.0, -0.5]), jnp.array([2.0, 3.0, 1.0])
exact = jax.grad(lambda z: jax.nn.softmax(z) @ worth)(logits)


def estimate(key, baseline):
    """One group's estimate of the policy gradient, per answer."""
    answers = jax.random.categorical(key, logits, shape=(4,))
    return jax.grad(lambda z: jnp.mean(jax.nn.log_softmax(z)[answers] * baseline(worth[answers])))(logits)


groups = jax.random.split(jax.random.key(3), 20_000)
for name, baseline in {
    "no baseline": lambda r: r,
    "the group's mean": lambda r: r - r.mean(),
    "the others' mean": leave_one_out,
}.items():
    estimates = jax.vmap(partial(estimate, baseline=baseline))(groups)
    ratio = float(estimates.mean(0) @ exact / (exact @ exact))
    print(f"{name:<17} {ratio:.2f} of the exact gradient, spread {float(jnp.sqrt(estimates.var(0).sum())):.2f}")

# %% [markdown]
# The group's mean is short by $(G - 1)/G$, a mere change of the step size while all groups are equally large. It is no
# accident that GRPO can afford it.

# %% [markdown]
# ## 4. GRPO: in units of the group's spread
#
# $$A_i = \frac{r_i - \operatorname{mean}(r)}{\operatorname{std}(r) + \varepsilon}$$
#
# Every token of response $i$ gets this one number, and the loss is PPO's clipped one. The scale of the reward drops out, which
# is convenient, and has a price that we shall see at once.

# %% tags=["exercise"]
from rlhf_lesson.advantages import group_advantages

# %% [markdown]
# ### Pitfall: the spread
#
# **Predict, then run.** Two prompts. The answers to one differ widely, those to the other by a hair, in what may be the reward
# model's noise. Which prompt moves the policy more under RLOO? And under GRPO?

# %%
group_advantages = yours("group_advantages")
spread = np.abs(scores[:, 0] - scores[:, 1])  # the pairs of section 2 are groups of two
baselines = {"RLOO": leave_one_out, "GRPO": group_advantages}
push = {name: np.abs(np.asarray(jax.vmap(baseline)(scores))[:, 0]) for name, baseline in baselines.items()}
for name, size in push.items():
    close, far = size[spread <= np.median(spread)].mean(), size[spread > np.median(spread)].mean()
    print(f"{name}: mean size of the advantage {close:.2f} for the closer half of the pairs, {far:.2f} for the others")

# %% tags=["figure"]
# Figure: size of the advantage against the difference of the two scores
axes = plots.points(spread, push, roles=("judge", "proxy"), size=3, xscale="log", ylabel="size of the advantage")
axes.set_xlabel("difference of the two scores (score units)")
axes.set_title("GRPO pushes as hard for a hair's breadth as for a mile", fontsize=11)
Picture(
    axes, "Size of the advantage against the difference of scores in groups of two: rising for RLOO, flat for GRPO."
)

# %% [markdown]
# In groups of two the extreme case is plain: GRPO keeps only *which* one won. In larger groups it is milder and the same:
# prompts that are nearly always answered well (or badly) weigh as much as those with something to learn. With rewards that
# are right or wrong, a group of equals gives 0, and the rare mistake in an easy group gets a huge advantage. *Dr. GRPO*
# leaves the division out. A group with equal scores gives exactly 0: `silent_groups` in the metrics counts these. With a
# real-valued reward as here there are hardly any; chapter 12, where a reward is right or wrong, is full of them.
#
# ### Pitfall: the length
#
# The GRPO paper averages the loss within each response, then over responses. One token of a response of length $|o_i|$ then
# weighs
#
# $$\frac{1}{G\, |o_i|} \quad\text{instead of}\quad \frac{1}{\sum_j |o_j|}.$$
#
# **Predict, then run.** A bad answer is as bad at any length. Per token, which is punished less, a short or a long one? What
# will a policy learn from that?

# %%
length = twice.mask[:, prompts.tokens.shape[1] :].sum(1)
weight = {
    "mean within a response": 1 / length / len(length),
    "mean over all tokens": np.full(len(length), 1 / length.sum()),
}

# %% tags=["figure"]
# Figure: the weight of one token against the length of its response
order = np.argsort(length)
thousandths = {name: 1000 * value[order] for name, value in weight.items()}
axes = plots.lines(length[order], thousandths, roles=("policy", "reference"), ylim=(0, None))
axes.set(xlabel="length of the response (tokens)", ylabel="weight of one token (thousandths)")
axes.set_title("Averaging within responses first lets long mistakes off lightly", fontsize=11)
Picture(
    axes, "Weight of one token against response length: falling when averaged within responses, flat over all tokens."
)

# %% [markdown]
# With a negative advantage, the longer answer gets off more lightly: *wrong answers grow*. With a positive one short answers
# are favoured. `grpo` takes the mean over all tokens of the mini-batch, which has no such preference.
#
# ### Pitfall: where the KL stands
#
# RLOO takes $\beta\, k_1$ off the reward; GRPO adds $\beta\, k_3$ to the loss. In the reward $k_1$ is right (chapter 05). In
# the loss the gradient of $k_3$ on samples of $\pi$ is that of *another* KL, $\mathrm{KL}(\pi_{\text{ref}} \| \pi)$. And
# since GRPO's advantages have no unit, its $\beta$ can't be compared with PPO's. One more reason to compare at equal KL, not
# at equal $\beta$. (A remedy exists: times the ratio $\pi / \pi_{\text{old}}$, with its gradient, $k_3$ has the right one.
# TRL does so by default since it has `use_bias_correction_kl`.)

# %% [markdown]
# ## 5. Both, for real
#
# One loop, two sets of equations. Each iteration answers a few prompts several times.

# %%
group = 4
grpo_settings = grpo.Config(
    iterations=rl.scale(quick=16, full=48),
    prompts=batch // group,
    group=group,
    epochs=2,
    minibatches=2,
    kl_coef=0.1,
    response=24,
    temperature=temperature,
    missing_end_penalty=0.0,  # DPO has no such penalty: all three are paid by the proxy alone
)
equations = {
    "RLOO": grpo.RLOO._replace(advantages=leave_one_out),
    "GRPO": grpo.GRPO._replace(advantages=group_advantages),
}

# %%
silent = {}
for name in equations:
    paths[name], silent[name] = [start], []
    steps = grpo.train(
        grpo_settings, sft, prompts, built.models, equations=equations[name], pad_id=pad_id, end_id=end_id
    )
    for state, metrics, _ in bar(name, steps):
        silent[name].append(metrics["silent_groups"])
        if metrics["step"] in (metrics["steps"] // 3, 2 * metrics["steps"] // 3, metrics["steps"]):
            paths[name].append(point(name, state.policy))
    policies[name] = state.policy

# %% [markdown]
# **Predict, then run.** All three started at the same policy and were paid by the same proxy. Which one has gone farthest? And
# which has the most gold for the KL that it spent?

# %% tags=["figure"]
# Figure: proxy and gold against KL on held-out prompts, for the three methods
panels = plots.panels(len(paths), width=9, height=3.8, sharex=True, sharey=True)
for axes, (name, path) in zip(panels, paths.items()):
    kl = [p["kl"] for p in path]
    scores_on_way = {role: [p[role] for p in path] for role in ("proxy", "gold")}
    plots.lines(kl, scores_on_way, ax=axes, marks=True, legend=axes is panels[0], xlabel="KL (nats per response)")
    axes.set_title(f"{name}: {path[-1]['kl']:.1f} nats")
panels[0].set_ylabel(plots.SCORE_LABEL)
Picture(panels[0], "Proxy and gold against KL on held-out prompts for DPO, RLOO and GRPO, one panel each.")

# %%
for name, drawn in samples.items():
    means = drawn.means()
    print(f"\n{name}: KL {means['kl']:.1f}, gold {means['gold']:+.2f}, ", end="")
    print(f"distinct word pairs {distinct(drawn.texts):.2f}")
    for text in drawn.texts[:2]:
        print("  ", text)
print("\nsilent groups:", {name: f"{np.mean(shares):.1%}" for name, shares in silent.items()})

# %% [markdown]
# DPO got no sample of its own all the way: its pairs stay those of the SFT policy while the policy moves on. Near the reference
# that costs nothing; the farther it goes, the less its pairs say about what it writes. *Online* DPO draws new pairs on the way,
# which is the loop of chapter 08.

# %% [markdown]
# ## 6. What it measured
#
# A single run of each proves little. The results file has all methods with the same proxy as their only reward, the same two
# values of $\beta$ and the same number of sampled responses, for several seeds, each with its own SFT policy and reward models.
# Rate, warm-up and passes of each method were chosen from six settings by what the method itself maximises, on prompts that
# no figure uses. All of them, best-of-n too, were measured on the same held-out prompts, and what is shown is the *gain* over
# the SFT policy. Explore it:

# %%
frontier()

# %% [markdown]
# And both gains of all methods in one figure: at each KL the median over seeds, a line from the lowest seed to the highest, and
# how many seeds got there if not all did. (Where a method was run with several $\beta$, a seed takes the path with the higher
# *proxy* there: gold, which no method sees, must not choose.)

# %%
results = measured("methods", made_by="methods_at_equal_kl.py")
methods = list(dict.fromkeys(row["method"] for row in results["equal_kl"]))
kls = sorted({row["kl"] for row in results["equal_kl"]})
print(f"{len(methods)} methods, {len(results['seeds'])} seeds, at {', '.join(f'{kl:g}' for kl in kls)} nats")
runs = [path for seed in results["seeds"] for by_beta in seed["paths"].values() for path in by_beta.values()]
firsts = [
    next((p["kl"] for p in path if p["kl"] > 0.05), float("inf")) for path in runs
]  # where a path was first measured
measured_by = {kl: np.mean([first <= kl for first in firsts]) for kl in kls}
for kl, share in measured_by.items():
    word = "trust it" if share > 0.5 else "mostly a straight line from 0: do not read differences here"
    print(f"at {kl:g} nats {share:.0%} of the trained runs had been measured at least once: {word}")

# %% tags=["figure"]
# Figure: proxy and gold of all methods at equal KL, median and range over seeds
panels = dict(zip(kls, plots.panels(len(kls), width=9, height=3.2, sharex=True, sharey=True)))
for row in results["equal_kl"]:
    axes, place = panels[row["kl"]], methods.index(row["method"])
    for role, at in (("proxy", place - 0.15), ("gold", place + 0.15)):
        axes.plot([row[role]["min"], row[role]["max"]], [at, at], color=plots.ROLES[role]["color"])
        axes.plot(row[role]["median"], at, **plots.style(role, "marker"), label=role if place == 0 else None)
    if row["seeds"] < len(results["seeds"]):
        axes.text(row["proxy"]["max"], place, f"  {row['seeds']}", va="center", fontsize=8)
for kl, axes in panels.items():
    axes.set(xlabel="gain", title=f"KL = {kl:g} nats")
axes.set_yticks(range(len(methods)), methods)
axes.invert_yaxis()
panels[kls[0]].legend(fontsize=8, loc="upper right")
Picture(axes, "Median gain in proxy and gold of six methods, with the range over seeds, at equal KL.")


# %%
print("gold gained where DPO's path ends, and what the others had gained at that KL:")
for seed in results["seeds"]:
    by_beta = {name: max(runs.values(), key=lambda rows: rows[-1]["proxy"]) for name, runs in seed["paths"].items()}
    by_beta["best of n"] = seed["best of n"]
    kl = by_beta["DPO"][-1]["kl"]
    line = "  ".join(
        f"{name} {gain_at(kl, path, 'gold'):+.2f}" for name, path in by_beta.items() if path[-1]["kl"] >= kl
    )
    print(f"  seed {seed['seed']}, {kl:.1f} nats: {line}")
for name, path in paths.items():
    print(f"your {name}: gold {path[-1]['gold']:+.2f} at {path[-1]['kl']:.1f} nats")


# %%
def differences(kl, first, second):
    """Gold gained by one method less another's, seed by seed, for the seeds in which both reach this KL."""
    pairs = []
    for seed in results["seeds"]:
        runs = {name: next(iter(by_beta.values())) for name, by_beta in seed["paths"].items()}
        runs["best of n"] = seed["best of n"]
        if all(max(p["kl"] for p in runs[name]) >= kl for name in (first, second)):
            pairs.append(gain_at(kl, runs[first], "gold") - gain_at(kl, runs[second], "gold"))
    return pairs


for kl in (2.0, 4.0, 8.0):
    for other in (method for method in methods if method != "PPO"):
        if len(apart := differences(kl, other, "PPO")) > 2:
            row = mean_and_interval(apart)
            verdict = "not told apart"
            if row["low"] > 0 or row["high"] < 0:
                verdict = "ahead of PPO" if row["mean"] > 0 else "behind PPO"
            line = f"{row['mean']:+.2f} [{row['low']:+.2f}, {row['high']:+.2f}] in {len(apart)} seeds"
            print(f"{kl:g} nats, gold of {other:<10} less PPO's: {line}: {verdict}")

# %% [markdown]
# How to read it. In brackets is the interval of the mean difference by Student's t. Seeds are compared in pairs, since two
# methods of one seed share their models. Where the interval holds 0 the methods are *not told apart* by these seeds, which is
# not the same as being equal; and of fifteen such comparisons one will look clear by luck about every other time. Between two
# measurements a path is taken as straight, and before its first measurement it is a straight line from 0: the cell above the
# figure says at which KLs that is so for most runs, and there no method may be called better than another. Best-of-n is not a
# training method: it pays for every answer, and its KL ends below the logarithm of n.
#
# What would it mean if PPO, REINFORCE, RLOO and GRPO were not told apart? Perhaps that a critic, a clip and a group are
# answers to problems that short texts and a small model hardly have; nothing in this chapter measures that, so it is a guess.
# And equal KL is not equal *cost*: DPO never samples while it learns, GRPO and RLOO need no critic, PPO needs everything.

# %% [markdown]
# ### A path is not a frontier
#
# Best-of-n gains more at the same KL than any method that trains. Is that what training costs, or is it how these runs went? A
# path is read where a run *passes*, on its way to more KL. Runs with smaller steps *end* at a small KL.
#
# **Predict, then run.** At the KL where a run with a small learning rate ends: has it gained less than the chosen run, the one of
# the figure above, had when it passed there, the same, or more?

# %%
ends = [
    row for row in measured("tune", made_by="tune.py")["settings"] if row["method"] == "PPO" and row["beta"] == 0.15
]
chosen = ends[0]  # the best come first, so the runs above had its settings
print(f"the chosen run: rate {chosen['learning_rate']:g}, {chosen['epochs']} passes over each rollout")
same = results["seeds"][: chosen["seeds"]]  # the seeds of these runs
passing, ended = {"the chosen run, where it passes": [], "best of n": []}, []
for row in sorted((row for row in ends if row["warmup"] and row["epochs"] == 2), key=lambda row: row["kl"]):
    kl, gained = row["kl"], row["gain"] + row["beta"] * row["kl"]
    others = [np.mean([gain_at(kl, s["paths"]["PPO"]["0.15"], "proxy") for s in same])]
    reached = [s["best of n"] for s in same if s["best of n"][-1]["kl"] >= kl]
    others.append(np.mean([gain_at(kl, path, "proxy") for path in reached] or [np.nan]))
    print(f"rate {row['learning_rate']:g}, 2 passes, ends at {kl:.1f} nats with {gained:.2f} of proxy;", end=" ")
    print(f"the chosen run passes there with {others[0]:.2f}", end="")
    print(f", best-of-n has {others[1]:.2f}" if reached else "; best-of-n was not taken that far")
    ended.append((kl, gained))
    for gains, gain in zip(passing.values(), others, strict=True):
        gains.append(gain)

# %% tags=["figure"]
# Figure: proxy gained by PPO runs of four learning rates where they end, the chosen run's path, and best-of-n
axes = plots.panels(1, width=6, height=3.6)[0]
axes.plot(*zip(*ended), "o", markersize=8, label="PPO, four learning rates: where each run ends")
for (name, gains), line in zip(passing.items(), ("--", "-")):
    axes.plot([kl for kl, _ in ended], gains, line, label=name)
axes.set(xlabel=plots.KL_LABEL, ylabel="gain in proxy", xlim=(0, None), ylim=(0, None))
axes.legend(fontsize=8)
Picture(
    axes, "Proxy gained at equal KL: runs of four learning rates at their ends, the chosen run's path, and best-of-n."
)

# %%
small = ended[0][1] - passing["the chosen run, where it passes"][0]
print(
    f"small steps had {small:+.2f} more proxy at {ended[0][0]:.1f} nats than the chosen run had when it passed there:"
)
print(
    "a part of the chosen run's KL bought nothing"
    if small > 0.1
    else "on these seeds the steps' size makes no difference"
)

# %% [markdown]
# How can a part of the KL buy nothing? A gradient from a few dozen responses is a guess, and the error in it moves the policy
# too: away from the reference, in no useful direction. Large steps walk such a random walk faster than small ones, and only in
# the end does the penalty pull it back. (Try it: shuffle the rewards among the responses before the update. Nothing can be
# learned from them, and KL rises all the same.) Best-of-n has no such noise, since it trains nothing. So compare methods where
# their runs end, or give each the steps, the batch and the time that it needs at that KL.

# %% [markdown]
# ### So which one?
#
# | | needs | strong where | weak where |
# |---|---|---|---|
# | DPO | pairs | data are there, no sampler at hand | far from the policy that wrote the pairs |
# | RLOO | a score, several answers per prompt | short answers, one score at the end | prompts that can be answered only once |
# | GRPO | the same | rewards that are right or wrong | spreads that are noise, and length if averaged carelessly |
# | PPO | score and critic | long answers, rewards on the way | settings, memory |
# | best-of-n | score, n times the sampling | small n, no training at all | cost at every answer, for ever |

# %% [markdown]
# ## 7. What a framework would do for you here
#
# - **TRL**: `DPOTrainer` (`beta`, and `loss_type` for its relatives), `RLOOTrainer` and `GRPOTrainer`. Look at three defaults of
#   `GRPOConfig` before you trust a run: `beta` is 0, so there is no KL at all and no reference is loaded; `scale_rewards` is
#   `"group"`, the division of section 4; `loss_type` is `"dapo"`, the mean over all tokens, while `"grpo"` is the paper's
#   average within responses. `RLOOTrainer` takes the KL off the reward.
# - **Tunix**: `DPOTrainer` with `DPOTrainingConfig(beta=...)` sums log-probabilities over the response, as here; without a
#   reference model it leaves the reference out of the loss. `GRPOLearner` with `GRPOConfig`; its estimators divide by the
#   deviation with $G - 1$, and `"rloo"` and Dr. GRPO are other advantage estimators of the same learner.
# - **InstructGPT** is PPO with a critic; all methods of this chapter came later, to drop a part of it.
#
# ## 8. Mini-challenge
#
# In words: your team has pairs that were collected on *last year's* model, and no money for new ones. Would you run DPO on this
# year's model with them? Name the quantity of section 2 that you would plot first, and what in it would make you stop. Then try
# `choices` with swapped labels in a tenth of the pairs: what changes, the margin or the samples?
#
# ## Sources
#
# - Rafailov et al. 2023, [Direct preference optimization](https://arxiv.org/abs/2305.18290)
# - Ahmadian et al. 2024, [Back to basics](https://arxiv.org/abs/2402.14740) (RLOO); Kool et al. 2019, *Buy 4 REINFORCE samples,
#   get a baseline for free!*
# - Shao et al. 2024, [DeepSeekMath](https://arxiv.org/abs/2402.03300) (GRPO)
# - Liu et al. 2025, [Understanding R1-Zero-like training](https://arxiv.org/abs/2503.20783) (Dr. GRPO: spread and length)
# - Yu et al. 2025, [DAPO](https://arxiv.org/abs/2503.14476) (the mean over all tokens)
# - Razin et al. 2024, [Unintentional unalignment](https://arxiv.org/abs/2410.08847) (why chosen responses lose probability)
# - Meng et al. 2024, [SimPO](https://arxiv.org/abs/2405.14734) (means on purpose)
# - Gao et al. 2022, [Scaling laws for reward model overoptimization](https://arxiv.org/abs/2210.10760)
