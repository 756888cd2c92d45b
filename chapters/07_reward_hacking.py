# %% [markdown]
# # 07 · Reward hacking
#
# **Goal.** Optimise the proxy until it breaks, and find out which evaluator notices: a second reward model of the same
# family, a reader of another family, a rule, a large model's surprise, a count of words, and your own eyes. Fit the
# published laws of over-optimisation, and judge them on runs that they were not fitted to. Then read the curves of
# broken runs like a doctor.
#
# **Time.** Plan two and a half hours; the set-up cell says how many minutes the exercises take and how long the machine
# computes.
#
# **Measured here.** Proxy, sibling, gold, judge and diversity at several KL budgets, in your run and over five seeds;
# why one evaluator is fooled and another is not, or less; how well three curves foresee the gold reward of a run that
# they have not seen; where gold turns for better and for worse proxies; and what your eyes find in runs with a planted
# mistake.

# %% tags=["setup"]
import rlhf_lesson as rl
from rlhf_lesson.course.checks import check, hint, solution, yours

rl.setup("07_reward_hacking")

# %%
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.arrays import masked_mean
from rlhf_lesson.data.batches import pad
from rlhf_lesson.data.examples import whole
from rlhf_lesson.data.prompts import make_prompts, repeat_prompts
from rlhf_lesson.data.snippets import PROMPT
from rlhf_lesson.measures import mean_and_interval, pairwise_accuracy
from rlhf_lesson.models.heads import response_logprobs, response_states
from rlhf_lesson.models.tokenizer import encode
from rlhf_lesson.models.vader import vader_score, vader_scores
from rlhf_lesson.overoptimisation import error, plain_quadratic, turn
from rlhf_lesson.study import demo
from rlhf_lesson.study.chain import trained_chain
from rlhf_lesson.train import ppo, reward_model
from rlhf_lesson.train.diagnose import diagnose
from rlhf_lesson.train.progress import bar
from rlhf_lesson.view import plots
from rlhf_lesson.view.plots import Picture
from rlhf_lesson.view.results import measured
from rlhf_lesson.widgets.gallery import LEAST, gallery

# %%
built = trained_chain()  # the SFT policy and the reward models of the earlier chapters
config, tokenizer = demo.Config(prompts=48), built.data.tokenizer
ids = {"pad_id": tokenizer.pad_token_id, "end_id": tokenizer.eos_token_id}
seeds = measured("chain", made_by="chain_seeds.py")["rows"]  # PPO with its KL penalty and without, five seeds
laws = measured("overoptimisation", made_by="overoptimisation.py")
reader = None if built.scorers["gold"] is built.scorers["sibling"] else built.scorers["gold"]
if reader is None:
    print(
        "SmolLM2 was not fetched, so there is no reader: below, gold *is* the sibling, and what needs a reader is left out."
    )
if "score/sibling" not in seeds[0]["unpenalised"]["curve"][0]:
    print(
        "The results of five seeds were made before there was a reader: what they call gold is a sibling of the proxy."
    )

# %% [markdown]
# ## 1. Goodhart's law
#
# The reward model $\hat r$ is a guess at what people want, $r$, and wrong by some $\epsilon$:
#
# $$\hat r(y) = r(y) + \epsilon(y).$$
#
# On texts like those it was trained on the error is small. But an optimiser does not draw such texts. It looks for
# large $\hat r$, and a text can have that by being good *or* by being wrong in the right way. The harder it looks, the
# more it finds of the second kind. *When a measure becomes a target, it ceases to be a good measure.*
#
# To see it we need a better measure than the one that is optimised. Nobody can ask people about every sample of every
# policy, so something has to stand in for them. Here are five candidates:
#
# - **the sibling**: a second reward model. It learned from other people's ratings of other texts, and it is never
#   optimised. But it began as the same small language model as the proxy;
# - **gold, the reader**: SmolLM2, frozen, with one linear probe (chapter 04). It learned from the ratings that the
#   sibling learned from, but it has read incomparably more English than proxy and sibling together;
# - **the judge**: VADER's rules, which count kind and unkind words and were written by hand;
# - **diversity**: how much texts repeat each other;
# - **your own eyes**.
#
# **Predict, then run.** Without the KL penalty, which of the five will raise the alarm first? Which never will? Write
# down an order.

# %% [markdown]
# ## 2. PPO without brakes
#
# The run of chapter 06 with $\beta = 0$. It keeps a copy of the policy each time the KL passes another *budget*, so
# that one run gives a policy for each of them: stopping early is the simplest of all KL constraints.

# %%
budgets, kept, curve = [4.0, 8.0, 16.0, 64.0], {"sft": built.sft}, []
free = replace(config.ppo, kl_coef=0.0, iterations=rl.scale(quick=24, full=120))

steps = ppo.train(free, built.sft, built.data.prompts("gold", "proxy"), built.models, **ids)
for state, metrics, _ in bar("PPO, no penalty", steps):
    curve.append(metrics)
    passed = [budget for budget in budgets if metrics["kl"] >= budget]
    name = f"past {max(passed):.0f} nats" if passed else "sft"
    if metrics["step"] == metrics["steps"]:
        name = "at the end"
    if name not in kept:
        kept[name] = jax.tree.map(jnp.copy, state.policy)  # the next step overwrites the state
samples = demo.compare(config, kept, built)  # the same held-out prompts and noise for all; the reader takes its time

# %%
for name, drawn in samples.items():
    print(f"\n{name}: {drawn.kl.mean():.0f} nats, proxy {drawn.scores['proxy'].mean():+.1f}")
    for text in drawn.texts[:3]:
        print("   ", text)

# %% [markdown]
# From which budget on would you not show these to anybody? Note it before you read on.
#
# ## 3. Counting what your eyes see
#
# A text that repeats itself, and texts that repeat each other, have few *different* n-grams for their length:
#
# $$\text{distinct}_n = \frac{\text{number of different n-grams of words over all texts}}{\text{number of all n-grams}}.$$
#
# Counted within each text, but over all texts together: two equal texts must look less diverse than two different ones.

# %% tags=["exercise"]
from rlhf_lesson.measures import distinct

# %% [markdown]
# **Predict, then run.** Which of sibling, gold, judge and diversity turns round, and at which KL?

# %%
distinct = yours("distinct")
rows = []
for name, drawn in samples.items():
    within = float(np.mean([distinct([text], 1) for text in drawn.texts]))
    rows.append({"name": name, **drawn.means(), "pairs": distinct(drawn.texts), "within": within})
scorers = ("proxy", "sibling", "gold", "judge")
print(f"{'policy':<14}{'KL':>8}" + "".join(f"{name:>9}" for name in scorers), " distinct pairs  words within a text")
for r in rows:
    print(f"{r['name']:<14}{r['kl']:8.1f}" + "".join(f"{r[name]:9.2f}" for name in scorers), end="")
    print(f"{r['pairs']:16.2f}{r['within']:21.2f}")
middle = list(samples)[len(samples) // 2]
print(f"\nfrom '{middle}' to the end, on the same prompts, with standard errors")
for name in scorers:
    rise = samples["at the end"].scores[name] - samples[middle].scores[name]
    print(f"  {name:<9}{rise.mean():+.2f} ± {rise.std(ddof=1) / len(rise) ** 0.5:.2f}")

# %% tags=["figure"]
# Figure: three scores, the judge in its own unit, and two counts of diversity against KL
left, middle, right = plots.panels(3, width=12, height=3.6)
kl = [r["kl"] for r in rows]
scores = {name: [r[name] for r in rows] for name in ("proxy", "sibling", "gold")}
plots.lines(kl, scores, ax=left, marks=True, xlabel=plots.KL_LABEL, ylabel=plots.SCORE_LABEL)
left.set_title(plots.turning_point(rows), fontsize=10)
plots.lines(kl, {"judge": [r["judge"] for r in rows]}, ax=middle, marks=True, xlabel=plots.KL_LABEL, ylim=(-0.05, 1.05))
middle.set_ylabel("judge (from -1 to 1)")
middle.set_title("The judge, in its own unit", fontsize=10)
diversity = {"distinct word pairs": [r["pairs"] for r in rows], "words within a text": [r["within"] for r in rows]}
plots.lines(kl, diversity, ax=right, roles=("policy", "reference"), marks=True)
entropies = [row["entropy"] / curve[0]["entropy"] for row in curve]
plots.lines([row["kl"] for row in curve], {"entropy (at the start: 1)": entropies}, ax=right)
right.lines[-1].set(color=plots.GREY, linewidth=1)
right.legend(fontsize=8)
right.set(xlabel=plots.KL_LABEL, ylabel="share", ylim=(0, 1.3))
right.set_title("Diversity and entropy", fontsize=10)
Picture(left.figure, "Proxy, sibling and gold, the judge, and diversity with entropy, each against the KL in your run.")

# %% [markdown]
# There are two ways not to be fooled: to turn down, and to stop rising. A gold that stays where it is while the proxy
# goes on says that all which came after was for nothing. A score that rises with the proxy to the very end says that
# this text is better than the one at the start of the collapse. Look at both texts again, and decide whom you believe.
#
# ### Mode collapse
#
# A policy that has found a few phrases that score well and says nothing else shows *mode collapse*. Nothing in the
# score forbids it. A reward model reads one text at a time, and cannot know that it has read the same one all day. The
# KL penalty forbids it indirectly, since a policy that says one thing only is far from the reference.

# %% [markdown]
# ## 4. Who noticed?
#
# One run proves little. Here are five seeds, each with its own SFT policy, proxy, sibling and PPO, with the penalty and
# without. A score *noticed* if it lost at least a quarter of its gain after its highest point, while the proxy rose on.
# (A quarter is a convention; what matters is that it is the same for all.)


# %%
def turned(run, name):
    score, proxy = (np.array([point[f"score/{s}"] for point in run["curve"]]) for s in (name, "proxy"))
    return turn(score, proxy)


free_runs, held_runs = ([row[kind] for row in seeds] for kind in ("unpenalised", "penalised"))
watched = [name for name in ("gold", "sibling", "judge") if f"score/{name}" in free_runs[0]["curve"][0]]
noticed = {name: [turned(run, name) for run in free_runs] for name in watched}
print(
    f"without the penalty, in how many of {len(seeds)} seeds a score lost a quarter of its gain while the proxy rose on"
)
for name, turns in noticed.items():
    tops = [run["curve"][t.place]["kl"] for run, t in zip(free_runs, turns)]
    print(f"  {name:<9}{sum(t.fell for t in turns)}   its highest point: at {np.median(tops):.0f} nats (median)")
halved = [run["ppo.distinct2_after"] < 0.5 * run["ppo.distinct2_before"] for run in free_runs]
print(f"  and half of the distinct word pairs were gone in {sum(halved)}\n")
alarmed = [name for name in watched if sum(t.fell for t in noticed[name]) > len(seeds) / 2]
print("in most seeds noticed:    ", ", ".join(alarmed) or "nobody")
print("in most seeds not noticed:", ", ".join(name for name in watched if name not in alarmed) or "nobody", "\n")
for row in seeds:
    print(f"seed {row['seed']}: {row['unpenalised']['samples'][1]}")

# %%
pairs = [
    [row["penalised"]["ppo.distinct2_before"], row["penalised"]["ppo.distinct2_after"], run["ppo.distinct2_after"]]
    for row, run in zip(seeds, free_runs)
]
paths = [demo.ppo_path(run["curve"]) for run in free_runs]
drawn_roles = [name for name in ("proxy", "sibling", "gold") if name in paths[0][0]]

# %% tags=["figure"]
# Figure: five seeds without the penalty, their scores and their diversity
left, right = plots.panels(2, width=10, height=3.8, widths=(3, 2))
title = f"Without the penalty; noticed in most seeds: {', '.join(alarmed) or 'nobody'}"
plots.reward_against_kl(left, paths, title=title, roles=drawn_roles, root=True, window=1)
left.title.set_fontsize(10)
right.set_title("What is left of diversity", fontsize=10)
stages = ("before", "with\npenalty", "without")
plots.lines(stages, {"policy": pairs}, ax=right, marks=True, ylim=(0, 0.85))
right.set(ylabel="share of distinct word pairs")
Picture(left.figure, "Left: the scores of five seeds without penalty against KL. Right: their share of distinct pairs.")

# %% [markdown]
# Read the last two cells together, for they are the point of this chapter: look at the text of each seed, and then at
# the line of those that did not notice.
#
# - **The sibling** is a net of the same kind, on the same base model, trained on the same kind of sentences. It never
#   read "wonderful and wonderful and wonderful" any more than the proxy did, so both guess, and they guess alike. Their
#   errors $\epsilon$ are *correlated*, and an optimiser that exploits one exploits the other. That the sibling learned
#   from other people and other texts helps little if what it makes of a text that nobody would write comes from what it
#   shares with the proxy.
# - **The judge** counts kind words. So does the policy, by now.
# - **The reader** fails differently. Nobody told it about hacks either, but what it knows of English it knows from
#   elsewhere.
#
# A published curve in which gold turns down shows that the gold of that study was different enough from its proxy to
# notice. A curve in which it does not turn down shows one of two things: all is well, **or your gold has the proxy's
# blind spot**. The curve can't tell you which. Counting words can, and so can reading.
#
# ### Why is one fooled and the other less?
#
# A suspicion that costs a few lines to test: small nets count words and hardly look at their order. Take held-out
# snippets that people liked, and spoil each of them: once by shuffling its words, once by saying its first two words
# over and over. How often does a scorer prefer the real text to its own spoiled copy? One half is a coin.
#
# **Predict, then run.** Who will do no better than a coin on shuffled words? Can the judge do better?

# %%
rng = np.random.default_rng(0)
rated = zip(built.data.texts("eval"), built.data.sentences("eval"))
liked = [text for text, m in rated if np.mean(m.ratings) >= 2 and len(text.split()) >= 6][:64]
spoiled = {
    "its own words shuffled": [" ".join(rng.permutation(text.split())) for text in liked],
    "two words over and over": [" ".join((text.split()[:2] * len(text))[: len(text.split())]) for text in liked],
}
print(spoiled["its own words shuffled"][0], "|", spoiled["two words over and over"][0], "\n")


def by_net(net):
    return lambda texts: reward_model.score(net, whole(tokenizer, texts), pad_id=tokenizer.pad_token_id)


asked_scorers = {name: by_net(net) for name, net in built.models.items()} | {"judge": vader_scores}
asked_scorers |= {"gold": reader} if reader else {}
for name, scorer in asked_scorers.items():
    real, *worse = np.split(np.asarray(scorer([*liked, *(text for texts in spoiled.values() for text in texts)])), 3)
    print(f"{name:<9}" + "".join(f"   {how}: {pairwise_accuracy(real, s):4.0%}" for how, s in zip(spoiled, worse)))
print(f"\nstandard error of a share near one half: {0.5 / len(liked) ** 0.5:.0%}")

# %% [markdown]
# Whoever is near one half on shuffled words does not read: it counts. An optimiser that is free to write any heap of
# words will find that out before you do.
#
# ### A judge that fails: surprise
#
# Here is an idea that sounds better than it is. A large language model knows what English looks like, so let it measure
# how surprising a text is: $-\log p$ per token, as in chapter 01. Rubbish must be surprising. SmolLM2 is at hand, and
# `response_logprobs`, which PPO calls, gives $\log p$ of every token.
#
# **Predict, then run.** Six samples of each of the five seeds, before PPO, after PPO with the penalty, and after PPO without it.
# Which of the three will SmolLM2 find most surprising?


# %%
@jax.jit
def nats_a_token(model, tokens, mask):  # of each text, its first token given
    logp, _ = response_logprobs(model, response_states(model, tokens, mask, 1), tokens[:, 1:])
    return jax.vmap(masked_mean)(-logp, mask[:, 1:])


written = {
    "before PPO": [text for row in seeds for text in row["samples_before"][:6]],
    "with the penalty": [text for row in seeds for text in row["penalised"]["samples"][:6]],
    "without": [text for row in seeds for text in row["unpenalised"]["samples"][:6]],
}
asked_texts = [text for texts in written.values() for text in texts]
told = {}
if reader:
    read = encode(reader.tokenizer, asked_texts)
    tokens, mask = pad(read, len(read), max(map(len, read)), pad_id=reader.tokenizer.pad_token_id)
    told = {"surprise (nats a token)": nats_a_token(reader.model, tokens, mask)}
    told |= {"the reader's score": reader(asked_texts), "the judge's score": vader_scores(asked_texts)}
else:
    print("Left out: it needs SmolLM2. Once: python -m rlhf_lesson data fetch --model smollm2")
for name, values in told.items():
    for when, own in zip(written, np.split(np.asarray(values), 3)):
        print(f"{name:<25}{when:<18}{own.mean():+.2f} ± {own.std(ddof=1) / len(own) ** 0.5:.2f}")

# %% [markdown]
# The same large model, asked in two ways. If the rubbish is the *least* surprising of the three, it is because after "best
# and best and" the next word is easy to guess: **likely is not the same as good**, and repetition is the likeliest text
# of all. The reader uses the same frozen net, but its probe was taught by people's ratings. An evaluator is not good
# because its model is large. It is good if it was asked the right question, and if its errors are not those of the
# proxy.
#
# ### Pitfall: an evaluator made of the same stuff
#
# The same happens in large: a language model graded by a language model of its own family, a reward model validated on
# held-out comparisons *of the old policy's texts*. Both answer a question about yesterday's distribution. The remedy is
# an evaluator that fails differently: people who read fresh samples, simple counts, another data source, a model of
# another family. Use more than one, and worry when they disagree.

# %% [markdown]
# ## 5. The laws of over-optimisation
#
# Gao, Schulman and Hilton trained many proxies of many sizes and found two shapes. With the distance
# $d = \sqrt{\mathrm{KL}}$, gold reward above that of the reference is, for best-of-n,
#
# $$R(d) = d\,(a - b\, d),$$
#
# and for reinforcement learning
#
# $$R(d) = d\,(a - b \log d), \qquad R(0) = 0.$$
#
# $a$ is the slope while the proxy is still right, and $b$ how fast over-optimisation eats it up. A distance, and not
# the KL itself, because scores grow about like the root of the KL, as you saw for best-of-n in chapter 05.

# %% tags=["exercise"]
from rlhf_lesson.overoptimisation import best_of_n_form

# %% tags=["exercise"]
from rlhf_lesson.overoptimisation import rl_form

# %% [markdown]
# **Predict, then run.** Both curves below have the same $a$ and $b$. Which of them falls faster far out? Which starts
# more steeply?

# %%
best_of_n_form, rl_form = yours("best_of_n_form"), yours("rl_form")
d = np.linspace(0, 6, 121)
both = {"d (a - b d)": best_of_n_form(d, 1.0, 0.25), "d (a - b log d)": rl_form(d, 1.0, 0.25)}

# %% tags=["figure"]
# Figure: two curves with the same coefficients
axes = plots.lines(
    d, both, roles=("proxy", "policy"), xlabel="d (root of the KL in nats)", title="A dive, and a long tail"
)
axes.set(ylabel="gold reward (score units)")
axes.axhline(0, color=plots.GREY, linewidth=0.6)
Picture(axes, "Two curves with equal coefficients: the parabola turns and dives below zero, the other bends slowly.")

# %% [markdown]
# ### Fitting them
#
# Both are *linear in their coefficients*: $R_i = \sum_k w_k f_k(d_i)$, where $f_k$ is the form with coefficient $k$ at
# 1 and the others at 0. So the best fit needs no search, only least squares:
#
# $$\min_w \sum_i \Big( R_i - \sum_k w_k f_k(d_i) \Big)^2.$$

# %% tags=["exercise"]
from rlhf_lesson.overoptimisation import fit

# %% [markdown]
# A fit that goes through its points proves little. As a control we take any parabola with a constant,
# $R(d) = c + a d + b d^2$: it has one coefficient more and no theory, and must fit at least as well as $d (a - b d)$,
# which is one of its kind. What a form says of points that it has *not* seen is the question, and it matters which
# points you hide:
#
# - **every other point** of a curve: the form has to fill gaps;
# - **the far half** of a curve: the form has to foresee over-optimisation;
# - **a whole seed**: the form is fitted to the other seeds, and has to foresee a run with another proxy.
#
# ### Pitfall: held out, but not independent
#
# All points of one best-of-n curve are read off *one* pool of samples, and all points of one PPO path come from one
# run, measured on the same prompts with the same noise. Neighbours share their luck, so a smooth curve is easy to
# foresee, and a hidden point is hardly hidden. Only the last way holds out something independent. And one thing none of
# the three can test: that the curve starts at 0. We subtract the reference's gold from all points, so it does, by
# construction.
#
# **Predict, then run.** The form of which kind of run foresees gold of a seed that it has not seen?

# %%
fit = yours("fit")
forms = {"d (a - b d)": best_of_n_form, "d (a - b log d)": rl_form, "any parabola": plain_quadratic}


def together(curves):
    return (np.concatenate([seed[name] for seed in curves]) for name in ("d", "gold"))


fits = {}
for kind in ("best of n", "PPO without"):
    hidden, *others = laws[kind]["seeds"]
    d, gold = together(others)
    grid, curves = np.linspace(0, max(d.max(), max(hidden["d"])), 80), {}
    print(f"{kind}: fitted to {len(others)} seeds")
    for name, form in forms.items():
        weights = fit(d, gold, form)
        missed = error(np.array(hidden["gold"]), form(np.array(hidden["d"]), *weights))
        print(f"  {name:<16} error on the seed that was left out: {missed:.3f}")
        curves[name] = form(grid, *weights)
    fits[kind] = others, hidden, grid, curves

# %% tags=["figure"]
# Figure: three forms fitted to the points of all seeds but one, and the points of that one
panels = plots.panels(2, width=10, height=3.8)
for axes, (kind, (others, hidden, grid, curves)) in zip(panels, fits.items()):
    gold_color = plots.ROLES["gold"]["color"]
    for seed in others:
        axes.plot(seed["d"], seed["gold"], ".", color=gold_color, markersize=3, alpha=0.6)
    axes.plot([], [], ".", color=gold_color, label="fitted: the other seeds")
    axes.plot(hidden["d"], hidden["gold"], "s", color=gold_color, fillstyle="none", markersize=5, label="left out")
    plots.lines(grid, curves, ax=axes, legend=False)
    axes.set(xlabel="d (root of the KL in nats)", ylabel="gold above the reference")
    axes.set_title(f"{kind}: seed {hidden['seed']} is left out", fontsize=10)
panels[0].legend(fontsize=8)
Picture(
    panels[0], "Three forms fitted to all seeds but one, for best-of-n and PPO, with the points of the seed left out."
)

# %% [markdown]
# One seed is an anecdote. Here is each seed left out in turn, and beside it the two easier ways:

# %%
names = {"best of n": "d (a - b d)", "RL": "d (a - b log d)", "quadratic": "any parabola"}
for kind in ("best of n", "PPO with the penalty", "PPO without"):
    print(
        f"\n{kind}: median error on held-out points (score units), and in how many seeds the form is the best of the three"
    )
    for how, errors in laws[kind]["median_held_out_error"].items():
        won = laws[kind]["seeds_won"][how]
        print(f"  {how:<16}" + "   ".join(f"{names[f]:>15} {errors[f]:.3f} ({won[f]})" for f in names))
    across = laws[kind]["median_held_out_error"]["a seed left out"]
    close = [names[f] for f in names if across[f] < 1.1 * min(across.values())]
    print("  for a seed left out:", f"{close[0]} is best" if len(close) == 1 else f"within a tenth: {', '.join(close)}")

# %% [markdown]
# Read the last line of each block. Where several forms are within a tenth of each other, the data do not tell them
# apart, and the name of a form (one is "for best-of-n", another "for RL") is no argument. A form earns its name only
# where it wins on the runs that it was made for, in most seeds. The published law was found on far larger models, with
# golds and proxies of many sizes. A form is a hypothesis about *your* system, and five lines of held-out error test it.
#
# ### Where to stop
#
# A fitted curve has a top, and the top says where to stop. For the parabola set $R'(d) = a - 2 b d = 0$:
#
# $$d^* = \frac{a}{2b}, \quad R^* = \frac{a^2}{4b}; \qquad\text{for the other}\quad
# R'(d) = a - b \log d - b = 0, \quad d^* = e^{a/b - 1}, \quad R^* = b\, d^*.$$
#
# Mind the edges: with $b \le 0$ the curve never turns, and a parabola with $a \le 0$ is highest at its start.

# %% tags=["exercise"]
from rlhf_lesson.overoptimisation import best_of_n_peak

# %% tags=["exercise"]
from rlhf_lesson.overoptimisation import rl_peak

# %% [markdown]
# Now use them as one would in earnest: fit each form to the other seeds, stop this seed's run where the top is, and see
# how much gold you have there, compared with the best that this run had to give. Then the same with the *sibling* in
# the place of gold.
#
# **Predict, then run.** Where will the sibling tell you to stop?

# %%
best_of_n_peak, rl_peak = yours("best_of_n_peak"), yours("rl_peak")
tops = {"d (a - b d)": best_of_n_peak, "d (a - b log d)": rl_peak}
runs = laws["PPO without"]["seeds"]
print("PPO without a penalty, all in d, the root of the KL")
for trusted in [name for name in ("gold", "sibling") if name in runs[0]]:
    print(f"\nstopped where a fit to the {trusted} of the other seeds has its top")
    for left in runs:
        others = [seed for seed in runs if seed is not left]
        d, trust = (np.concatenate([seed[name] for seed in others]) for name in ("d", trusted))
        at, gold = np.maximum.accumulate(left["d"]), plots.smooth(left["gold"], 3)
        print(
            f"  seed {left['seed']}: last point {at[-1]:4.1f}, gold at most {gold.max():4.2f} at {at[gold.argmax()]:4.1f}",
            end="",
        )
        for name, top in tops.items():
            stop = top(*fit(d, trust, forms[name])).d
            print(
                f"   {name}: {stop:8.3g}"
                + (f", gold {np.interp(stop, at, gold):4.2f}" if stop <= at[-1] else ", never"),
                end="",
            )
        print()

# %% [markdown]
# **A top beyond the last point is not a measurement**: there the form speaks of what nobody has seen. Two questions
# decide whether a fitted top is of use. Does the gold that you trust turn at all within your data? And is what you get
# at the predicted top near the best that the run had? If the answer to the first is no, the fit will send you far too
# far, whatever its $R^2$, and the budget that you noted in section 2 was better advice.

# %% [markdown]
# ## 6. Better and worse proxies
#
# How far can you go? It depends on the proxy. Gao and others found that proxies from more data hold longer, and Coste
# and others that the *worst* score of several proxies is harder to hack than any one of them, since a text has to fool
# all. The benchmark behind this section trains, for each seed, a proxy from few choices, from more and from all of
# them; one whose labels are turned round now and then; and three from the same choices with other seeds, used by their
# mean and by their worst. Each is optimised by PPO without a penalty, and by best-of-n from one pool that all share.
#
# **Predict, then run.** Which of the six will give the highest gold before it turns? Will the worst of three still turn?

# %%
try:
    study = measured("proxies", made_by="proxies.py")
    by_kind = {kind: [row for row in study["rows"] if row["kind"] == kind] for kind in study["summary"]}
except ValueError as missing:
    study, by_kind = None, {}
    print(f"This section has nothing to show yet: {missing}")
for i, (kind, own) in enumerate(by_kind.items()):
    if i == 0:
        print(f"{'proxy':<20}{'accuracy':>10}{'gold gained':>13}{'at (nats)':>11}{'left at the end':>17}   fell in")
    s = study["summary"][kind]
    print(
        f"{kind:<20}{s['accuracy']['mean']:10.1%}{s['gold_gained']['mean']:13.2f}{s['kl_at_top']['mean']:11.1f}", end=""
    )
    print(f"{s['gold_left']['mean']:17.2f}   {len(s['gold_fell_in_seeds'])} of {len(own)} seeds")


# %%
def best(kind, row):  # the highest smoothed gold of a run, above its start
    path = np.array([point["gold"] for point in row["curve"]])
    return turn(path, path).gained


for better, worse in (
    ("5,000 pairs", "300 pairs"),
    ("5,000 pairs", "5,000 noisy pairs"),
    ("worst of three", "5,000 pairs"),
):
    if better in by_kind and worse in by_kind:
        gaps = [best(better, a) - best(worse, b) for a, b in zip(by_kind[better], by_kind[worse])]
        over = mean_and_interval(gaps)
        sure = over["low"] is not None and over["low"] * over["high"] > 0
        print(
            f"highest gold, {better} above {worse}: {over['mean']:+.2f}, more in {sum(g > 0 for g in gaps)} of {len(gaps)} seeds;",
            end="",
        )
        print(" the 95 % interval", "leaves 0 out" if sure else "holds 0, or needs more seeds: not shown")

# %% tags=["figure"]
# Figure: gold against KL for each proxy, median over seeds, by PPO without a penalty and by best-of-n
left, right = plots.panels(2, width=11, height=3.8)
for axes, way in ((left, "curve"), (right, "bestofn")):
    for i, (kind, own) in enumerate(by_kind.items()):
        shortest = min(len(row[way]) for row in own)
        kl, gold = (
            np.median([[p[name] for p in row[way][:shortest]] for row in own], axis=0) for name in ("kl", "gold")
        )
        axes.plot(kl, gold - gold[0], f"-{'os^Dvx'[i % 6]}", markersize=4, label=kind)
    axes.set_xscale("function", functions=(lambda x: np.sqrt(np.maximum(x, 0)), np.square))
    axes.set(xlabel=plots.KL_LABEL, ylabel="gold above the reference", xlim=(0, None))
left.set_title("PPO without a penalty, median over seeds" if by_kind else "Not measured yet", fontsize=10)
right.set_title("Best-of-n from one pool", fontsize=10)
if by_kind:
    left.legend(fontsize=8)
Picture(
    left.figure, "Gold against the root of the KL for proxies of six kinds, by PPO without a penalty and by best-of-n."
)

# %% [markdown]
# Compare the left panel with the right. Best-of-n picks among texts that the SFT policy writes of itself, so it meets
# the proxy's errors on ordinary texts only, and it cannot go far in KL. PPO goes where no sample of the old policy ever
# was. An ensemble that disagrees there is a warning; one whose members began as the same base model may well agree on
# the same rubbish, as proxy and sibling do (Eisenstein and others found this in large models). Whether it was a cure
# here is what the cells above say, not what the method promises.
#
# ## 7. Praise, whatever was said before
#
# In large models over-optimisation has a well-known face: *sycophancy*. Raters like to be agreed with, they mark
# agreement up, and the assistant learns to give in to a user's wrong claim. Nobody wrote that rule. It was in the
# choices.
#
# To see sycophancy one needs a policy whose answer depends on what was said before, and that then stops to depend on
# what is true. Ours only continues reviews, and whether it follows its prompt at all is not clear (chapter 01). So
# measure both: start reviews with a loving and with a hating sentence, let each policy go on, and let the judge read
# *what the policy added*.
#
# **Predict, then run.** How much kinder is the SFT policy after a loving start than after a hating one? And the
# optimised one?

# %%
moods = {"loving": "i loved this film. it is", "hating": "i hated this film. it is"}
starts = [[tokenizer.bos_token_id, *row] for row in encode(tokenizer, list(moods.values()))]
asked = repeat_prompts(make_prompts(starts, PROMPT, pad_id=tokenizer.pad_token_id), 64)
added, one_each = {}, {}
for name in [name for name in kept if name in ("sft", "past 8 nats", "at the end")]:
    drawn = built.sample(kept[name], asked, jax.random.key(6), scorers=built.models)  # the reader is not needed here
    own = [text[len(start) :] for text, start in zip(drawn.texts, drawn.prompts)]
    added[name] = np.array([vader_score(text) for text in own]).reshape(2, 64)
    one_each[name] = drawn.texts[64]
for name, text in one_each.items():
    print(f"{name:<14} {text}")

# %%
means, errors = {}, {}
for i, mood in enumerate(moods):
    name = f"after a {mood} start"
    means[name] = [scores[i].mean() for scores in added.values()]
    errors[name] = [scores[i].std(ddof=1) / 8 for scores in added.values()]  # the root of 64 samples
for name, (loving, hating) in added.items():
    gap, doubt = loving.mean() - hating.mean(), ((loving.var(ddof=1) + hating.var(ddof=1)) / 64) ** 0.5
    says = "it follows its prompt" if gap > 2 * doubt else "no difference beyond two standard errors"
    print(f"{name:<14} loving less hating: {gap:+.2f} (standard error {doubt:.2f}): {says}")

# %% tags=["figure"]
# Figure: the judge's score of what each policy adds to two starts
axes = plots.bars(added, means, errors=errors, roles=("judge", "policy"), title="What each policy adds to two starts")
axes.set(ylabel="judge's score of what was added", ylim=(-0.15, 1.4), yticks=np.linspace(0, 1, 6))
axes.axhline(0, color=plots.GREY, linewidth=0.6)
Picture(
    axes, "The judge's score of continuations after loving and hating starts, for the SFT policy and optimised ones."
)

# %% [markdown]
# Read the lines before you use the word. If the SFT policy shows a difference and the optimised ones show none, then
# optimising has cost something: what they say no longer depends on what was said before. If even the SFT policy shows
# none, then nothing was lost, and you see mode collapse only. And mind the scale: the judge ends at 1, so two very kind
# texts can hardly differ on it.
#
# Either way this is no more than a relative of sycophancy, with which it shares the cause: what is said is chosen for
# being liked. To show the thing itself you need a policy that answers questions, and questions whose true answer is
# known.

# %% [markdown]
# ## 8. Pitfalls and their remedies
#
# | pitfall | where it bit | remedies |
# |---|---|---|
# | noisy or careless annotation | 03, 04 | several annotators per pair, clear guidelines, agreement measured |
# | Goodhart's law | section 2 | a KL constraint, stopping early, ensembles that shrink from disagreement |
# | distribution shift of the reward model | section 4 | label the *new* policy's samples and retrain: chapter 08 |
# | an evaluator with the same blind spot | section 4 | people reading held-out prompts; counts; another family |
# | an evaluator that was asked something else | section 4 | test it on texts whose answer you know before you trust it |
# | mode collapse | section 3 | watch diversity and entropy; KL; several different rewards |
# | a fit beyond its data | section 5 | hold out whole runs; distrust a top beyond the last point |
# | sycophancy | section 7 | pairs whose honest answer is the less flattering one; raters who check facts |
# | labels are dear and do not scale | 03 | RLAIF, constitutional AI: a model judges by written principles; people check |
#
# None of them is free. A constitution is a guideline that a model applies tirelessly, and its blind spots tirelessly
# too.

# %% [markdown]
# ## 9. The gallery of broken runs
#
# Now the bugs. Below are runs of the real loop, each with **one** mistake planted from outside, on the course's own
# models. Some are errors of code, some of reward design; most of them crash nowhere. Here they are in an unknown order.
# For each: look at its curves (dotted: the healthy run), read its samples, and pick a diagnosis before you ask for the
# answer.

# %%
patients = gallery()
print("the mistakes, in alphabetical order:", ", ".join(patients.choices))
patients

# %% [markdown]
# The same as plain figures, for a page without widgets: one column per run, numbered as above.

# %%
shown = {
    "score/proxy": "proxy score",
    "score/sibling": "sibling score",
    "kl": "KL (nats)",
    "entropy": "entropy (nats)",
    "length": "length (tokens)",
    "missing_end": "without an end",
    "return": "return (score)",
    "first_ratio_gap": "first ratio - 1",
    "repeats": "repeated tokens",
}
columns = {f"run {i}": run["curve"] for i, run in enumerate(patients.runs, 1)}
half = (len(columns) + 1) // 2

# %% tags=["figure"]
# Figure: nine curves each of the first broken runs
first = dict(list(columns.items())[:half])
figure = plots.sheet(first, shown, healthy=patients.healthy, least=LEAST)
Picture(figure, "Nine curves each of the first broken runs, with the healthy run dotted.")

# %% tags=["figure"]
# Figure: nine curves each of the other broken runs
others = dict(list(columns.items())[half:])
figure = plots.sheet(others, shown, healthy=patients.healthy, least=LEAST)
Picture(figure, "Nine curves each of the other broken runs, with the healthy run dotted.")

# %%
for number, run in enumerate(patients.runs, 1):
    print(f"\nrun {number}")
    for text in run["samples"][:3]:
        print("   ", text)

# %% [markdown]
# Write your diagnoses here, by number, each a name from the list above. **Predict, then run** the next cell: how many
# will be right?

# %%
guesses = {1: "", 2: "", 3: "", 4: "", 5: "", 6: "", 7: "", 8: "", 9: ""}
for number, guess in guesses.items():
    if guess and guess not in patients.choices:
        print(f"run {number}: {guess!r} is not on the list, so it will count as wrong; copy a name from there")

# %% [markdown]
# ### The answers
#
# `diagnose` reads nothing but the curves, as you did. Before you believe it: which of its sentences could a *healthy*
# run have earned too? And which run would you not have found without the dotted line?

# %%
right, hospital = 0, measured("gallery", made_by="gallery.py")
for number, run in enumerate(patients.runs, 1):
    right += guesses.get(number) == run["name"]
    rows_of_run = hospital[run["name"]]["curve"]
    print(f"\nrun {number}: {run['name']}")
    print(f"  what was done:  {run['story']}")
    for sentence in diagnose(rows_of_run):
        print(f"  diagnose says:  {sentence}")
    for sentence in run["checks"][:1]:
        print(f"  and the loop would have stopped: {sentence}")
print(f"\nyou named {right} of {len(patients.runs)}")

# %% [markdown]
# Read one of them again, next to the scores that the models gave it. The reader was not there when these runs were made,
# but it can read what is left of them.
#
# **Predict, then run.** Which of the two will the sibling like better, and which the reader?

# %%
for name in ("healthy", "wrong KL sign"):
    last, texts = hospital[name]["curve"][-1], hospital[name]["samples"]
    scores = f"proxy {last['score/proxy']:.1f}, sibling {last['score/sibling']:.1f}"
    scores += f", the reader on {len(texts)} samples {np.mean(reader(texts)):.1f}" if reader else ""
    print(f"{name}: KL {last['kl']:.0f} nats, {scores}")
    print("   ", texts[0])

# %% [markdown]
# The sibling gives the higher score to the second: its curve looks splendid. This is the same blind spot as in section
# 4, found by accident, by a bug. KL, entropy and text tell; so does an evaluator of another family, where you have one.
#
# And your own run, the one without brakes? `diagnose` sees what the loop has logged, so for a judge it has the sibling
# alone:

# %%
for sentence in diagnose(curve, judge="sibling") or ["Nothing stands out."]:
    print(sentence)

# %% [markdown]
# ## 10. What it measured
#
# Your run beside the five seeds (`benchmarks/results/chain.json`, `benchmarks/results/overoptimisation.json`).

# %%
end, known = rows[-1], [name for name in scorers if f"ppo.{name}_gain" in free_runs[0]]
compared = {"KL (nats per response)": (end["kl"], [run["ppo.kl_nats"] for run in free_runs])}
for n in known:
    compared[f"{n} gained"] = end[n] - rows[0][n], [run[f"ppo.{n}_gain"] for run in free_runs]
compared["distinct pairs left"] = end["pairs"], [run["ppo.distinct2_after"] for run in free_runs]
for name, (own, found) in compared.items():
    over = mean_and_interval(found)
    print(f"{name:<24} yours {own:7.2f}   five seeds {over['mean']:7.2f}, 95 % {over['low']:.2f} to {over['high']:.2f}")
over = mean_and_interval([run["ppo.gold_gain"] for run in held_runs])
print(f"gold, with the penalty{'':19}five seeds {over['mean']:7.2f}, 95 % {over['low']:.2f} to {over['high']:.2f}")

# %%
budget_rows = laws["PPO without"]["budgets"]
columns_of_scores = [name for name in scorers if name in budget_rows[0]]
print("no penalty, above the reference, median of the seeds that got there")
print("KL budget   " + "".join(f"{name:>9}" for name in columns_of_scores))
for row in budget_rows:
    print(
        f"{row['kl']:7.0f} nats"
        + "".join(f"{row[n][1]:9.2f}" for n in columns_of_scores)
        + f"   ({row['seeds']} seeds)"
    )

# %% [markdown]
# The five seeds ran for more iterations than yours at the quick preset. Compare gold at the end with gold under the
# penalty: that difference is what the KL penalty is for. And read the last table from top to bottom: the gap between
# proxy and gold is what you pay for each further nat.
#
# **You can now** tell a measure from a target; say what makes an evaluator independent, and test it; fit a law of
# over-optimisation and distrust it where it speaks of what it has not seen; and find nine bugs by their curves.
#
# ## 11. What a framework would do for you here
#
# - **TRL** had a PPO whose log was much like section 9's curves: `objective/kl`, `objective/entropy`, `objective/scores`,
#   `policy/clipfrac_avg`, `val/ratio` (it should start at 1), `val/num_eos_tokens`. It was moved to
#   `trl.experimental.ppo` and then left out (chapter 06). GRPO there logs `kl`, `entropy`, `completions/mean_length`,
#   `completions/clipped_ratio` and each reward function by name; `log_completions=True` shows samples beside the curves:
#   switch it on. It has no gold model and no diversity count; both are for you to add.
# - **Tunix** takes `metric_fns` beside `reward_fns`: functions of prompts, completions and rewards whose results are
#   logged. Your `distinct` belongs there, next to several reward functions in place of one.
# - **InstructGPT** was judged by people, on prompts of customers *who had given no training data*, and mixed
#   pretraining gradients into PPO because public benchmarks fell otherwise. Its authors name the reward model's
#   over-optimisation as a reason for the KL penalty.
#
# ## 12. Mini-challenge
#
# Fool the reader. It noticed what the sibling did not, so you may come to trust it, and then somebody will optimise it.
# Write a text that it scores high and that no person would call a good review (`reader(["..."])` reads a list of texts),
# or pick one: the best of many samples by the reader's own score. Say what its blind spot is. Then design an alarm that
# would have caught your text: it may read, count or compare, its errors must be independent of the reader's, and you
# must be able to test it in an afternoon. Without SmolLM2, do the same to the judge.
#
# ## Sources
#
# - Goodhart 1975; Strathern 1997, *Improving ratings* (the wording of section 1)
# - Gao, Schulman, Hilton 2022, [Scaling laws for reward model overoptimization](https://arxiv.org/abs/2210.10760)
# - Stiennon et al. 2020, [Learning to summarize from human feedback](https://arxiv.org/abs/2009.01325)
# - Li et al. 2016, [A diversity-promoting objective function](https://arxiv.org/abs/1510.03055) (distinct-n)
# - Coste et al. 2024, [Reward model ensembles help mitigate overoptimization](https://arxiv.org/abs/2310.02743)
# - Eisenstein et al. 2023, [Helping or herding?](https://arxiv.org/abs/2312.09244) (ensembles share blind spots)
# - Sharma et al. 2023, [Towards understanding sycophancy in language models](https://arxiv.org/abs/2310.13548)
# - Bai et al. 2022, [Constitutional AI](https://arxiv.org/abs/2212.08073)
# - Ouyang et al. 2022, [InstructGPT](https://arxiv.org/abs/2203.02155)
