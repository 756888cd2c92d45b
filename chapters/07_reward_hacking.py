# %% [markdown]
# # 07 · Reward hacking
#
# **Goal.** Optimise the proxy until it breaks, and find out who notices. Fit the published laws of over-optimisation to
# what you see, and judge them on points that they were not fitted to. Then read the curves of broken runs like a
# doctor.
#
# **Time.** Plan two hours; the set-up cell says how many minutes the exercises take and how long the machine computes.
#
# **Measured here.** Proxy, gold, judge and diversity at several KL budgets, in your run and over five seeds; how well
# three curves foresee gold reward; what happens to a policy's honesty; and what your eyes find in runs with a planted
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

from rlhf_lesson.data.prompts import make_prompts, repeat_prompts
from rlhf_lesson.data.snippets import PROMPT
from rlhf_lesson.measures import mean_and_interval
from rlhf_lesson.models.tokenizer import encode
from rlhf_lesson.models.vader import vader_score
from rlhf_lesson.overoptimisation import error, plain_quadratic, r_squared
from rlhf_lesson.study import demo
from rlhf_lesson.study.chain import trained_chain
from rlhf_lesson.train import ppo
from rlhf_lesson.train.diagnose import diagnose
from rlhf_lesson.train.progress import bar
from rlhf_lesson.view import plots
from rlhf_lesson.view.plots import Picture
from rlhf_lesson.view.results import measured
from rlhf_lesson.widgets.gallery import LEAST, gallery

# %%
built = trained_chain()  # the SFT policy and the two reward models of the earlier chapters
config, tokenizer = demo.Config(), built.data.tokenizer
ids = {"pad_id": tokenizer.pad_token_id, "end_id": tokenizer.eos_token_id}
seeds = measured("chain", made_by="chain_seeds.py")["rows"]  # PPO with its KL penalty and without, five seeds
laws = measured("overoptimisation", made_by="overoptimisation.py")

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
# To see it we need a better measure than the one that is optimised. Here are four:
#
# - **gold**: another reward model, trained on many ratings of other texts, never optimised;
# - **the judge**: a rule-based count of kind and unkind words, trained by nobody here;
# - **diversity**: how much texts repeat each other;
# - **your own eyes**.
#
# **Predict, then run.** Without the KL penalty, which of the four will raise the alarm first? Write down an order.

# %% [markdown]
# ## 2. PPO without brakes
#
# The run of chapter 06 with $\beta = 0$. It keeps a copy of the policy each time the KL passes another *budget*, so
# that one run gives a policy for each of them: stopping early is the simplest of all KL constraints.

# %%
budgets, kept, curve = [4.0, 8.0, 16.0, 32.0], {"sft": built.sft}, []
free = replace(config.ppo, kl_coef=0.0, iterations=rl.scale(quick=30, full=120))

steps = ppo.train(free, built.sft, built.data.prompts("gold", "proxy"), built.models, **ids)
for state, metrics, _ in bar("PPO, no penalty", steps):
    curve.append(metrics)
    passed = [budget for budget in budgets if metrics["kl"] >= budget]
    name = f"past {max(passed):.0f} nats" if passed else "sft"
    if metrics["step"] == metrics["steps"]:
        name = "at the end"
    if name not in kept:
        kept[name] = jax.tree.map(jnp.copy, state.policy)  # the next step overwrites the state
samples = demo.compare(config, kept, built)  # the same held-out prompts and noise for all

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
# **Predict, then run.** Which of gold, judge and diversity turns round, and at which KL?

# %%
distinct = yours("distinct")
rows = []
for name, drawn in samples.items():
    means = {scorer: float(score.mean()) for scorer, score in drawn.scores.items()}
    within = float(np.mean([distinct([text], 1) for text in drawn.texts]))
    rows.append({"name": name, "kl": float(drawn.kl.mean()), **means, "pairs": distinct(drawn.texts), "within": within})
print(f"{'policy':<14}{'KL':>8}{'proxy':>8}{'gold':>8}{'judge':>8}{'distinct pairs':>16}{'words within a text':>21}")
for r in rows:
    print(f"{r['name']:<14}{r['kl']:8.1f}{r['proxy']:8.2f}{r['gold']:8.2f}{r['judge']:8.2f}", end="")
    print(f"{r['pairs']:16.2f}{r['within']:21.2f}")

# %% tags=["figure"]
# Figure: four scores and two counts of diversity against KL
left, right = plots.panels(2, width=9.5, height=3.6)
kl = [r["kl"] for r in rows]
scores = {name: [r[name] for r in rows] for name in ("proxy", "gold", "judge")}
plots.lines(kl, scores, ax=left, marks=True, xlabel=plots.KL_LABEL, ylabel="mean score")
left.set_title("All three scores rise with the KL")
diversity = {"distinct word pairs": [r["pairs"] for r in rows], "words within a text": [r["within"] for r in rows]}
plots.lines(kl, diversity, ax=right, roles=("policy", "reference"), marks=True)
entropies = [row["entropy"] / curve[0]["entropy"] for row in curve]
plots.lines([row["kl"] for row in curve], {"entropy (at the start: 1)": entropies}, ax=right)
right.lines[-1].set(color=plots.GREY, linewidth=1)
right.legend(fontsize=8)
right.set(xlabel=plots.KL_LABEL, ylabel="share", ylim=(0, 1.3), title="and the texts become one text")
Picture(left.figure, "Scores of proxy, gold and judge rise with KL in your run, while distinct pairs and entropy fall.")

# %% [markdown]
# ### Mode collapse
#
# This is *mode collapse*: the policy has found a few phrases that score well and says nothing else. Nothing in the
# score forbids it. A reward model reads one text at a time, and cannot know that it has read the same one all day. The
# KL penalty forbids it indirectly, since a policy that says one thing only is far from the reference.

# %% [markdown]
# ## 4. Who noticed?
#
# One run proves little. Here are five seeds, each with its own SFT policy, proxy, gold and PPO, with the penalty and
# without.


# %%
def gained(kind, name):
    return [row[kind][f"ppo.{name}_gain"] for row in seeds]


free_runs, held_runs = ([row[kind] for row in seeds] for kind in ("unpenalised", "penalised"))
fell = [run["gold_at_end"] < 0.75 * run["gold_at_peak"] for run in free_runs]
halved = [run["ppo.distinct2_after"] < 0.5 * run["ppo.distinct2_before"] for run in free_runs]
print(f"without the penalty, of {len(seeds)} seeds")
print(f"  gold lost a quarter of its peak:                {sum(fell)}")
print("  the judge scored lower than with the penalty:   ", end="")
print(sum(a < b for a, b in zip(gained("unpenalised", "judge"), gained("penalised", "judge"))))
print(f"  half of the distinct word pairs were gone:      {sum(halved)}\n")
for row in seeds:
    print(f"seed {row['seed']}: {row['unpenalised']['samples'][1]}")

# %%
pairs = [
    [row["penalised"]["ppo.distinct2_before"], row["penalised"]["ppo.distinct2_after"], run["ppo.distinct2_after"]]
    for row, run in zip(seeds, free_runs)
]
paths = [demo.ppo_path(run["curve"]) for run in free_runs]

# %% tags=["figure"]
# Figure: five seeds without the penalty, their scores and their diversity
left, right = plots.panels(2, width=10, height=3.8, widths=(3, 2))
plots.reward_against_kl(left, paths, title=plots.finding(paths), root=True, window=1)
stages = ("before", "with\npenalty", "without")
plots.lines(stages, {"policy": pairs}, ax=right, marks=True, ylim=(0, 0.85), title="Five seeds, one collapse each")
right.set(ylabel="share of distinct word pairs")
Picture(
    left.figure,
    "Left: proxy and gold rise with KL in five seeds without penalty. Right: distinct pairs collapse in each.",
)

# %% [markdown]
# Read the last two cells together, for they are the point of this chapter. The text is rubbish in every seed, and
# **gold does not notice**. Nor does the judge: it *likes* the rubbish. Why?
#
# - Gold is a net of the same kind, on the same base model, trained on the same kind of sentences. It never read
#   "wonderful and wonderful and wonderful" any more than the proxy did, so both guess, and they guess alike. Their
#   errors $\epsilon$ are *correlated*, and an optimiser that exploits one exploits the other.
# - The judge counts kind words. So does the policy, by now.
#
# A published curve in which gold turns down shows that the gold of that study was different enough from its proxy to
# notice. A curve in which it does not turn down shows one of two things: all is well, **or your gold has the proxy's
# blind spot**. The curve can't tell you which. Diversity did, and so did reading.
#
# ### Pitfall: an evaluator made of the same stuff
#
# The same happens in large: a language model graded by a language model of its own family, a reward model validated on
# held-out comparisons *of the old policy's texts*. Both answer a question about yesterday's distribution. The remedy is
# an evaluator that fails differently: people who read fresh samples, simple counts, another data source.

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
# A fit that goes through its points proves little: any parabola with a constant, $R(d) = c + a d + b d^2$, has one
# coefficient more and no theory, and must fit at least as well as $d (a - b d)$, which is one of its kind. The question
# is what a form says of points that it has *not* seen. So hide the far half, fit on the near half, and look: that is
# what foreseeing over-optimisation means.
#
# **Predict, then run.** Which of the three foresees best-of-n's far half? And PPO's?

# %%
fit = yours("fit")
forms = {"d (a - b d)": best_of_n_form, "d (a - b log d)": rl_form, "any parabola": plain_quadratic}
fits = {}
for kind in ("best of n", "PPO without"):
    seed = laws[kind]["seeds"][0]
    d, gold = np.array(seed["d"]), np.array(seed["gold"])
    far = d > np.median(d)
    grid = np.linspace(0, d.max(), 80)
    print(kind)
    curves = {}
    for name, form in forms.items():
        weights, whole = fit(d[~far], gold[~far], form), fit(d, gold, form)
        missed, explained = error(gold[far], form(d[far], *weights)), r_squared(gold, form(d, *whole))
        print(f"  {name:<16} error on the far half {missed:.3f}, R² on all points {explained:.3f}")
        curves[name] = form(grid, *weights)
    fits[kind] = d, gold, far, grid, curves

# %% tags=["figure"]
# Figure: three forms fitted to the near half of the points, and drawn on to the far half
panels = plots.panels(2, width=10, height=3.8)
for axes, (kind, (d, gold, far, grid, curves)) in zip(panels, fits.items()):
    plots.lines(grid, curves, ax=axes, legend=False)
    axes.plot(d[~far], gold[~far], "s", color=plots.ROLES["gold"]["color"], label="fitted")
    axes.plot(d[far], gold[far], "s", color=plots.ROLES["gold"]["color"], fillstyle="none", label="held out")
    axes.set(xlabel="d (root of the KL in nats)", ylabel="gold above the reference", title=f"{kind}: seed 0")
panels[1].legend(fontsize=8)
Picture(
    panels[0], "Three forms fitted to the near half of best-of-n and PPO points of one seed, drawn on to the far half."
)

# %% [markdown]
# One seed is an anecdote. The same for all five, with three ways to hold points out (every other one; the far half; a
# whole seed, fitted on the other four):

# %%
names = {"best of n": "d (a - b d)", "RL": "d (a - b log d)", "quadratic": "any parabola"}
for kind in ("best of n", "PPO with the penalty", "PPO without"):
    print(f"\n{kind}: median error on held-out points (score units), and seeds in which the form is best")
    for how, errors in laws[kind]["median_held_out_error"].items():
        won = laws[kind]["seeds_won"][how]
        print(f"  {how:<16}" + "   ".join(f"{names[f]:>15} {errors[f]:.3f} ({won[f]})" for f in names))

# %% [markdown]
# Two things hold over the seeds. For best-of-n the published form is excellent, and the free constant of the parabola
# buys next to nothing, so the claim that the curve starts at 0 is worth its place. For PPO the form with the logarithm
# is *not* better here than the parabola, in spite of its name; in these runs gold starts slowly and bends late, and
# this form cannot do both. The law was found on larger models with other golds. A form is a hypothesis about *your*
# system, and five lines of held-out error test it.
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
# **Predict, then run.** Gold did not fall in any seed. So where will the fits put the top: before or beyond the last
# point? And will the two forms agree?

# %%
best_of_n_peak, rl_peak = yours("best_of_n_peak"), yours("rl_peak")
for kind in ("best of n", "PPO without"):
    print(f"\n{kind}: the last point, and the top by each form (d, the root of the KL)")
    for seen in laws[kind]["seeds"]:
        d, gold = np.array(seen["d"]), np.array(seen["gold"])
        tops = best_of_n_peak(*fit(d, gold, best_of_n_form)), rl_peak(*fit(d, gold, rl_form))
        print(f"  seed {seen['seed']}: last point {d.max():5.1f}   tops {tops[0].d:8.1f} and {tops[1].d:.3g}")

# %% [markdown]
# The tops are near the end of the data or far beyond it, and the two forms put them at places that have nothing to do
# with each other. **A top beyond the last point is not a measurement.** And the text had collapsed long before: if
# you stop where this gold says so, you stop far too late. The budget that you noted in section 2 was better advice.

# %% [markdown]
# ## 6. Sycophancy: it says what is liked
#
# Raters here like kind reviews. A reviewer who wants to be liked praises everything, whatever they have just said.
# Start reviews with a loving and with a hating sentence, let each policy go on, and let the judge read *what the policy
# added*.
#
# **Predict, then run.** The SFT policy hardly follows its prompt (chapter 01). What does the optimised one say after "i
# hated this film. it is"?

# %%
moods = {"loving": "i loved this film. it is", "hating": "i hated this film. it is"}
starts = [[tokenizer.bos_token_id, *row] for row in encode(tokenizer, list(moods.values()))]
asked = repeat_prompts(make_prompts(starts, PROMPT, pad_id=tokenizer.pad_token_id), 64)
added, one_each = {}, {}
for name in [name for name in kept if name in ("sft", "past 8 nats", "past 16 nats", "at the end")]:
    drawn = built.sample(kept[name], asked, jax.random.key(6))
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

# %% tags=["figure"]
# Figure: the judge's score of what each policy adds to two starts
axes = plots.bars(added, means, errors=errors, roles=("judge", "policy"), title="Praise, whatever was said before")
axes.set(ylabel="judge's score of what was added")
Picture(axes, "The judge's score of continuations after loving and hating starts: praise after both once optimised.")

# %% [markdown]
# This is *sycophancy* in small: what is said is chosen for being liked and no longer depends on what is true, here on
# the opinion in the reviewer's own first sentence. In large models the raters' liking for agreement does it: assistants
# give in to a user's wrong claim because raters marked agreement up. Nobody wrote the rule. It was in the choices.

# %% [markdown]
# ## 7. Pitfalls and their remedies
#
# | pitfall | where it bit | remedies |
# |---|---|---|
# | noisy or careless annotation | 03, 04 | several annotators per pair, clear guidelines, agreement measured |
# | Goodhart's law | section 2 | a KL constraint, stopping early, ensembles that shrink from disagreement |
# | distribution shift of the reward model | section 4 | label the *new* policy's samples and retrain: chapter 08 |
# | an evaluator with the same blind spot | section 4 | people reading held-out prompts; counts; an independent data source |
# | mode collapse | section 3 | watch diversity and entropy; KL; several different rewards |
# | sycophancy | section 6 | pairs whose honest answer is the less flattering one; raters who check facts |
# | labels are dear and do not scale | 03 | RLAIF, constitutional AI: a model judges by written principles; people check |
#
# None of them is free. A constitution is a guideline that a model applies tirelessly, and its blind spots tirelessly
# too.

# %% [markdown]
# ## 8. The gallery of broken runs
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
    "score/gold": "gold score",
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
# Write your diagnoses here, by number. **Predict, then run** the next cell: how many will be right?

# %%
guesses = {1: "", 2: "", 3: "", 4: "", 5: "", 6: "", 7: "", 8: "", 9: ""}  # names from the list above

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
# Read one of them again, next to the scores that the reward models gave it:

# %%
for name in ("healthy", "wrong KL sign"):
    end = hospital[name]["curve"][-1]
    print(f"{name}: proxy {end['score/proxy']:.1f}, gold {end['score/gold']:.1f}, KL {end['kl']:.0f} nats")
    print("   ", hospital[name]["samples"][0])

# %% [markdown]
# Gold gives the higher score to the second: its curve looks splendid. It is the KL, the entropy and the text that tell.
#
# And your own run, the one without brakes?

# %%
for sentence in diagnose(curve) or ["Nothing stands out."]:
    print(sentence)

# %% [markdown]
# ## 9. What it measured
#
# Your run beside the five seeds (`benchmarks/results/chain.json`, `benchmarks/results/overoptimisation.json`).

# %%
end = rows[-1]
for name, own, found in (
    ("KL (nats per response)", end["kl"], [run["ppo.kl_nats"] for run in free_runs]),
    ("proxy gained", end["proxy"] - rows[0]["proxy"], gained("unpenalised", "proxy")),
    ("gold gained", end["gold"] - rows[0]["gold"], gained("unpenalised", "gold")),
    ("judge gained", end["judge"] - rows[0]["judge"], gained("unpenalised", "judge")),
    ("distinct pairs left", end["pairs"], [run["ppo.distinct2_after"] for run in free_runs]),
):
    over = mean_and_interval(found)
    print(f"{name:<24} yours {own:7.2f}   five seeds {over['mean']:7.2f}, 95 % {over['low']:.2f} to {over['high']:.2f}")
print("\nKL budget   proxy and gold above the reference, median of the seeds that got there, no penalty")
for row in laws["PPO without"]["budgets"]:
    print(f"{row['kl']:6.0f} nats   {row['proxy'][1]:5.2f}   {row['gold'][1]:5.2f}   ({row['seeds']} seeds)")

# %% [markdown]
# The five seeds ran for more iterations than yours at the quick preset. The gap between proxy and gold widens with every
# budget, in the median. Gold, such as it is, keeps rising; the texts don't.
#
# ## 10. What a framework would do for you here
#
# - **TRL** logs what section 8's curves showed: `objective/kl`, `objective/entropy`, `objective/scores`,
#   `policy/clipfrac_avg`, `val/ratio` (it should start at 1) and `val/num_eos_tokens`. `LogCompletionsCallback` writes
#   samples beside the curves: switch it on. It has no gold model and no diversity count; both are for you to add.
# - **Tunix** takes `metric_fns` beside `reward_fns`: functions of prompts, completions and rewards whose results are
#   logged. Your `distinct` belongs there, next to several reward functions in place of one.
# - **InstructGPT** was judged by people, on prompts of customers *who had given no training data*, and mixed
#   pretraining gradients into PPO because public benchmarks fell otherwise. Its authors name the reward model's
#   over-optimisation as a reason for the KL penalty.
#
# ## 11. Mini-challenge
#
# Design a gold that *would* have noticed. It may read text, it may be trained, and it must not be one of the four
# measures of section 1. Say what makes its errors independent of the proxy's, how it could be fooled in turn, and how
# you would find out in an afternoon. Then, if you like, write it as a function of a text and put it into section 3's
# table.
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
