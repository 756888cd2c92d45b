# %% [markdown]
# # 08 · Again: collect, retrain, refine
#
# **Goal.** Close the loop. The reward model has never read what the policy writes now. So let the policy write, have its
# texts compared, teach the reward model, and run PPO a second time. Along the way you model how noisy real raters are, and
# decide *which* pairs to ask them about.
#
# **Time.** Plan two hours. The set-up cell says how long the machine computes and how many minutes the exercises take.
#
# **Measured here.** Whether the reward model is worse on the policy's own texts; how often single raters are right; what
# a clever choice of pairs gains over a random one *at the same cost in labels*; and what a second round of PPO gains.

# %% tags=["setup"]
import rlhf_lesson as rl
from rlhf_lesson.course.checks import check, hint, solution, yours

rl.setup("08_iterate")

# %%
import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.bradley_terry import win_probability
from rlhf_lesson.data import raters, selection
from rlhf_lesson.measures import distinct, score_at
from rlhf_lesson.study import iterate
from rlhf_lesson.study.chain import Config, trained_chain
from rlhf_lesson.study.demo import ppo_path
from rlhf_lesson.train import ppo, reward_model
from rlhf_lesson.train.progress import bar
from rlhf_lesson.view import plots
from rlhf_lesson.view.plots import Picture
from rlhf_lesson.view.results import measured
from rlhf_lesson.widgets.dashboard import dashboard

built = trained_chain()  # SFT policy, proxy and gold: trained once on a machine
data, tokenizer, sft = built.data, built.data.tokenizer, built.sft
pad_id, end_id = tokenizer.pad_token_id, tokenizer.eos_token_id
prompts, held_out = data.prompts("gold", "proxy"), data.held_out_prompts(64)
gold = built.scorers["gold"]

# %% [markdown]
# ## 1. Why again?
#
# The proxy learnt from comparisons of *human* sentences. Then PPO went looking for texts that it likes, and found texts of
# another kind. What counts is how well the proxy orders those:
#
# $$\text{accuracy}(\pi) = \Pr_{\,y, y' \sim \pi}\big[\, r(y) > r(y') \iff r_{\text{gold}}(y) > r_{\text{gold}}(y') \,\big],$$
#
# and $\pi$ is the policy that the proxy itself has shaped. Statistics calls this *distribution shift*; here it is made on
# purpose, and it is the opening through which reward hacking comes in (chapter 07).
#
# First a short round of PPO, with a weak KL penalty so that it gets somewhere.

# %%
play = iterate.Config(
    candidates=rl.scale(quick=192, full=512),
    labels=rl.scale(quick=64, full=128),
    held_out=rl.scale(quick=128, full=512),
    batch=32,
    reward=reward_model.Config(epochs=1, learning_rate=2e-4),
    ppo=ppo.Config(iterations=rl.scale(quick=12, full=40), batch=32, temperature=0.7, kl_coef=0.05),
)
curve = []
steps = ppo.train(play.ppo, sft, prompts, built.scorers, pad_id=pad_id, end_id=end_id)
for state, metrics, _ in bar("PPO, first round", steps):
    curve.append(metrics)
policy, first_path = state.policy, ppo_path(curve)

# %% [markdown]
# Now two samples of the policy for each of some prompts: *candidates* to be compared. Pairs of equal texts are dropped,
# since nobody could choose between them.
#
# **Predict, then run.** On pairs of the SFT policy's samples, how often does the proxy agree with gold? And on pairs of the
# new policy's, more often or less? Think of what PPO did to the spread of the proxy's scores, too.

# %%
writers = {"first policy": policy, "SFT policy": sft}
fresh = {}
for (name, writer), key in zip(writers.items(), jax.random.split(jax.random.key(8))):
    fresh[name] = iterate.candidates(writer, sft, built.scorers, prompts, key, tokenizer, play, play.held_out)
for name, pairs in fresh.items():
    share = iterate.agreement_with_gold(pairs.scores["proxy"], pairs.scores["gold"])
    error = (share * (1 - share) / len(pairs.rows)) ** 0.5
    print(f"{name:<13} proxy agrees with gold on {share:.1%} ± {error:.1%} of {len(pairs.rows)} pairs")

# %% [markdown]
# Mind the standard errors: so few pairs can't tell small differences, and near the reference there may be none. Two things
# happen at once. The proxy is less reliable on what it has not seen; but PPO also changes how far apart two samples lie, and
# pairs that lie far apart are easy. That is why the cure must be judged by gold, and on the very pairs that it is meant for.

# %%
leads, crossed = {}, {}
for name, pairs in fresh.items():
    leads[name] = {scorer: pairs.scores[scorer][:, 0] - pairs.scores[scorer][:, 1] for scorer in ("proxy", "gold")}
    crossed[name] = leads[name]["proxy"] * leads[name]["gold"] < 0

# %% tags=["figure"]
# Figure: by how much the first text of each pair leads, for proxy and gold
panels = plots.panels(2, width=8, height=3.4, sharex=True, sharey=True)
for axes, (name, lead) in zip(panels, leads.items()):
    wrong = crossed[name]
    axes.plot(lead["proxy"][~wrong], lead["gold"][~wrong], ".", color="#999999", markersize=4, label="same order")
    axes.plot(lead["proxy"][wrong], lead["gold"][wrong], "x", color=plots.ROLES["policy"]["color"], label="other order")
    axes.axhline(0, color="black", linewidth=0.6)
    axes.axvline(0, color="black", linewidth=0.6)
    axes.set(xlabel="proxy: first less second", title=f"{name}: {wrong.mean():.0%} in another order")
panels[1].legend(fontsize=8)
panels[0].set_ylabel("gold: first less second")
Picture(panels[0], "Leads of proxy and gold in pairs of samples: crosses are pairs that the two order differently.")

# %% [markdown]
# Most crosses lie near the middle: pairs that gold finds nearly equal. Those far out are the dangerous ones.

# %% [markdown]
# ## 2. Raters are noisy: how noisy?
#
# A gold model that answered without error would be too good a rater. Real ratings tell how good single raters are: draw a
# pair of film sentences and one rating of each, and see whether that choice agrees with the mean of all *other* ratings.
#
# The model of this noise is Bradley-Terry with a temperature $T$: a rater who truly sees a lead of $m$ chooses the better
# text with probability $\sigma(m / T)$. Averaged over all pairs that must give the agreement that was measured,
#
# $$\frac{1}{N} \sum_i \sigma\!\left(\frac{|m_i|}{T}\right) = \text{agreement},$$
#
# and the left side falls as $T$ grows, so it can be solved by halving an interval.

# %% tags=["exercise"]
from rlhf_lesson.data.raters import noise_temperature

# %% [markdown]
# **Predict, then run.** How often does a single choice agree with the crowd: over all pairs, in the sixth of them that the
# crowd finds closest, and in the sixth that lies farthest apart? One number $T$ was fitted to the first answer. Does it
# know the other two?

# %%
noise_temperature = yours("noise_temperature")
movies = [sentence for part in data.by_split.values() for sentence in part]
margins, agrees = raters.rater_agreement(movies, 10_000, seed=0)
in_points = noise_temperature(margins, float(agrees.mean()))
sixths = np.array_split(np.argsort(margins), 6)
apart = [margins[part].mean() for part in sixths]
shares = [agrees[part].mean() for part in sixths]
grid = np.linspace(0, margins.max(), 200)
predicted = 1 / (1 + np.exp(-grid / in_points))
print(f"a single choice agrees with the crowd in {agrees.mean():.1%} of all pairs, ", end="")
print(f"in {shares[0]:.1%} of the closest sixth and in {shares[-1]:.1%} of the farthest")

# %% tags=["figure"]
# Figure: how often a single choice agrees with the crowd, by the distance of the two texts
axes = plots.points(apart, {"real raters": shares}, roles=["gold"])
plots.lines(grid, {"one temperature": predicted}, ax=axes, roles=["reference"])
axes.set(xlabel="how far apart the crowd puts the two (rating points)", ylabel="share of choices with the crowd")
axes.set_title(f"Single raters agree with the crowd in {agrees.mean():.1%} of the pairs", fontsize=11)
Picture(axes, "Agreement of single raters with the crowd rises with the distance, as one logistic curve says.")

# %% [markdown]
# One number describes near and far pairs. That is the best argument there is for the logistic function in every
# preference loss of this course.
#
# ### Pitfall: a rating that is compared with itself
#
# Take the mean of *all* ratings as the truth and each rating agrees with its own part in it. Raters then look better than
# they are, most of all where there are few of them. The function above leaves the deciding rating out.
#
# ### The same noise in gold's units
#
# Gold's scores have a scale of their own, so $T$ must be found there: raters of *gold's* scores should agree with gold as
# often as real raters agree with the crowd, on the same kind of pairs.

# %%
sentences = [rated.response for rated in data.rated("eval")]
scores = reward_model.score(gold, sentences, pad_id=pad_id)
i, j = np.random.default_rng(0).integers(len(scores), size=(2, 10_000))
temperature = noise_temperature((scores[i] - scores[j])[i != j], float(agrees.mean()))
print(f"T = {in_points:.2f} rating points, or {temperature:.2f} of gold's units")

# %% [markdown]
# ## 3. One noisy choice
#
# $$\Pr(\text{first}) = \sigma\!\left(\frac{s_{\text{first}} - s_{\text{second}}}{T}\right)$$
#
# Draw from it, pair by pair. A rounded probability would be a rater who is never wrong.

# %% tags=["exercise"]
from rlhf_lesson.data.raters import label

# %%
label = yours("label")
key = jax.random.key(9)
pool = iterate.candidates(policy, sft, built.scorers, prompts, key, tokenizer, play, play.candidates)
truth = pool.scores["gold"]
choices = label(jnp.asarray(truth[:, 0]), jnp.asarray(truth[:, 1]), jax.random.key(10), temperature=temperature)
correct = np.asarray(choices) == (truth[:, 0] > truth[:, 1])
print(f"on film sentences a rater is right in {agrees.mean():.1%}, on this policy's pairs in {correct.mean():.1%}")

# %% [markdown]
# The policy's samples are more alike than random film sentences, so raters are wrong more often on them. The better a policy
# gets, the more a label costs per bit of truth: one reason why later rounds of RLHF are dearer than the first.

# %% [markdown]
# ## 4. Which pairs?
#
# A label costs money, a candidate hardly any. So sample many pairs and ask about the telling ones. Two measures of "telling",
# both from probabilities $p_m$ that the first text wins, one for each member $m$ of an ensemble of reward models.
#
# **Doubt.** The entropy of the members' mean $\bar p$: high where the ensemble does not know who wins,
#
# $$H(\bar p), \qquad H(p) = -p \log p - (1 - p) \log (1 - p).$$

# %% tags=["exercise"]
from rlhf_lesson.data.selection import choice_entropy

# %% [markdown]
# **Dispute.** But a pair of equally good texts is a coin toss for everyone, for ever, and doubt is greatest just there.
# What a label can *teach* is which member is right, and that is nothing where all are equally unsure:
#
# $$H(\bar p) - \frac{1}{M} \sum_m H(p_m).$$
#
# This difference is the expected information gain about the member (BALD).

# %% tags=["exercise"]
from rlhf_lesson.data.selection import information_gain

# %% [markdown]
# And then the pairs with the most of it:

# %% tags=["exercise"]
from rlhf_lesson.data.selection import most

# %% [markdown]
# Where do the members come from? Several reward models would be best and cost several trainings. The proxy was trained with
# dropout, so thinned copies of it are an ensemble for free: each member drops its own units, the same ones for all texts.
#
# **Predict, then run.** The left cloud shows doubt and dispute for each pair. Must one of the two always be the larger? And
# which measure picks pairs that lie closer together in gold's eyes?

# %%
choice_entropy, information_gain, most = yours("choice_entropy"), yours("information_gain"), yours("most")
thinned = selection.dropout_scores(built.scorers["proxy"], pool.rows, jax.random.key(11), members=4, pad_id=pad_id)
leans = jnp.asarray(thinned) / temperature  # (M, pairs, 2)
wins = win_probability(leans[..., 0], leans[..., 1])  # (M, pairs): what a rater would choose
doubt, dispute = np.asarray(choice_entropy(wins)), np.asarray(information_gain(wins))
chosen = {
    "random": selection.at_random(wins, play.labels, jax.random.key(12)),
    "doubt": most(doubt, play.labels),
    "dispute": most(dispute, play.labels),
}
gap = np.abs(truth[:, 0] - truth[:, 1])
for name, rows in chosen.items():
    print(f"{name:<8} {len(rows)} pairs; gold puts their texts {gap[rows].mean():.2f} apart on average")

# %% tags=["figure"]
# Figure: doubt and dispute of each candidate, and the pairs that each rule would ask about
left, right = plots.panels(2, width=8, height=3.4)
dots = left.scatter(doubt, dispute, c=gap, s=10)
left.figure.colorbar(dots, ax=left, label="gold's distance")
left.set(xlabel="doubt (nats)", ylabel="dispute (nats)", title="Dispute never exceeds doubt")
plots.cumulative({name: gap[rows] for name, rows in chosen.items()}, ax=right, title="What would be asked")
right.set(xlabel="gold's distance between the texts", ylabel="share of chosen pairs")
Picture(left, "Doubt against dispute of each candidate, and how far apart gold puts the pairs that each rule chooses.")

# %% [markdown]
# Doubt spends its labels on pairs that are close in truth as well: there raters are wrong most often. Dispute is meant to
# avoid that, as far as its members are honest about what they do not know. Copies of *one* network share its blind spots,
# though: where all are wrong in the same way, they do not disagree.

# %% [markdown]
# ## 5. Ask, and teach the reward model
#
# Each rule gets the same number of labels, from the same raters, on pairs from the same pool. New labels are few and old
# ones many, so a new pair appears several times in the training data, mixed with old pairs; without these the model would
# forget what it knew. Training continues from the proxy's own trunk. Two questions need two controls: a *random* choice of pairs
# (does choosing pay?), and old labels in place of new ones (or is it mere extra training? In the full preset and in section 8).


# %%
human = data.comparisons(data.choices(Config().pairs, "proxy", seed=data.seed))
shuffled = [human[i] for i in np.random.default_rng(0).permutation(len(human))]
replay = rl.scale(quick=128, full=512)


def teach(name, new):
    """The proxy's trunk, trained on old and new comparisons, and normalised as the proxy was."""
    old = shuffled[: replay + play.repeats * (play.labels - len(new))]
    steps = reward_model.train(play.reward, built.scorers["proxy"].trunk, old + play.repeats * new, pad_id=pad_id)
    for state, _ in bar(f"reward, {name}", steps):
        pass
    return iterate.normalised_on(state.model, sft, prompts, jax.random.key(13), tokenizer, play)


# %%
arms = rl.scale(quick=("random", "dispute"), full=("old labels", "random", "doubt", "dispute"))
asked = {"old labels": []}  # the control that learns nothing new
for name, rows in chosen.items():  # the response that your `label` prefers stands first
    asked[name] = iterate.ask(pool, rows, jax.random.key(14), temperature=temperature, label=label)
proxies = {"old proxy": built.scorers["proxy"], **{name: teach(name, asked[name]) for name in arms}}

# %%
own = fresh["first policy"]
texts = [row for pair in own.rows for row in pair]
accuracy = {
    name: iterate.agreement_with_gold(reward_model.score(m, texts, pad_id=pad_id).reshape(-1, 2), own.scores["gold"])
    for name, m in proxies.items()
}
for name, share in accuracy.items():
    print(f"{name:<18} agrees with gold on {share:.1%} of fresh pairs of the labelled policy")
print(f"one standard error is {np.sqrt(0.2 * 0.8 / len(own.rows)):.1%}; all judge the same pairs, which helps a little")

# %% [markdown]
# ### Pitfall: judging on the pairs that were chosen
#
# Accuracy is measured on *fresh, random* pairs. On the chosen ones every actively taught model looks poor, since they are the
# hard ones, and comparing models on the pairs of one of them favours that one. Hold out before you choose.
#
# ### Pitfall: a new reward model has a new scale
#
# The score has no natural unit: the head starts anew and its scores may be twice as wide. With the same $\beta$ that is a
# penalty half as strong, and a "better" second round may only have gone further. So every proxy is shifted and scaled to
# mean 0 and spread 1 on the *SFT policy's* samples before PPO sees it.

# %% [markdown]
# ## 6. The second round of PPO
#
# It starts from the SFT policy again, with the same settings, seed and length as the first, so that what it gains comes from
# labels and not from more training. (Production systems often continue from the last policy instead, and then must say which
# reference their KL is measured from.)

# %%
scorers = {"proxy": proxies["dispute"], "gold": gold}
steps = ppo.train(play.ppo, sft, prompts, scorers, pad_id=pad_id, end_id=end_id)
live = dashboard(steps, title="PPO, second round")
live

# %%
second = live.start().result().policy
second_path = ppo_path(live.rows)

# %% [markdown]
# **Predict, then run.** Proxy and gold against KL for both rounds. If the new labels helped, which curve must come closer to
# which, and at which end of the axis would you look?

# %% tags=["figure"]
# Figure: proxy and gold against KL in both rounds
panels = plots.panels(2, width=9, height=3.8, sharex=True, sharey=True)
for axes, path, title in zip(panels, (first_path, second_path), ("First round", "Second round")):
    plots.reward_against_kl(axes, [path], title=title)
Picture(panels[0], "Proxy and gold against KL in the first and in the second round of PPO, on the same axes.")

# %%
smoothed = {
    name: {key: plots.smooth([p[key] for p in path]) for key in ("kl", "proxy", "gold")}
    for name, path in {"first round": first_path, "second round": second_path}.items()
}
same = min(path["kl"].max() for path in smoothed.values())
reached = {}
for name, path in smoothed.items():
    reached[name] = {scorer: score_at(same, path["kl"], path[scorer]) for scorer in ("proxy", "gold")}
    print(f"{name:<13} at {same:.1f} nats: proxy {reached[name]['proxy']:+.2f}, gold {reached[name]['gold']:+.2f}")

# %% [markdown]
# Read at the *same* KL, or the round that went further wins by going further. And the two proxies are two different
# measures: only gold is the same on both sides.

# %%
for name, writer in {"SFT": sft, "first round": policy, "second round": second}.items():
    samples = built.sample(writer, held_out, jax.random.key(15), batch=play.batch)
    means = samples.means()
    print(f"\n{name}: gold {means['gold']:+.2f}, KL {means['kl']:.1f}, ", end="")
    print(f"distinct word pairs {distinct(samples.texts):.2f}")
    for text in samples.texts[:3]:
        print("  ", text)

# %% [markdown]
# Read the samples, not only the numbers: raters who know only better and worse of *these* pairs can't tell a policy about
# what no sample showed.

# %% [markdown]
# ## 7. Pitfalls of a second round, and what helps
#
# | what goes wrong | what helps |
# |---|---|
# | near-equal pairs: labels are coin tosses | several raters for the same pair; dispute, not doubt; let raters say "equal" |
# | raters differ in what they want | written guidelines with examples; measure agreement (chapter 03) before paying for more |
# | the labelled policy is not the one that PPO will reach | label often and little; keep the KL small in between |
# | old knowledge is forgotten | replay old comparisons |
# | raters learn to like what the policy does (sycophancy) | blind comparisons; raters who did not see earlier rounds |
# | the policy writes one text for all prompts | look at distinct word pairs; there is nothing to compare in a collapsed policy |
# | labels cost too much | a model as rater (RLAIF, constitutional AI), checked by people on a held-out sample |
#
# The last line is tempting, since our own raters are a model. Everything that gold does not see, no number of its labels can
# teach: two rounds bring the proxy closer to *gold*, not to people.

# %% [markdown]
# ## 8. What it measured
#
# One run can't tell a selection rule from luck. The results file holds a second round for several seeds, each with its own
# candidates, labels, order of training and PPO; every rule had the same candidates and the same number of labels. A dot is
# one seed's difference to the *random* choice of the same seed.

# %%
results = measured("iterate", made_by="iterate.py")
names = {"old proxy": "no second round", "old labels again": "old labels again"}
names |= {"entropy": "doubt (one model)", "information": "dispute (6 members)"}
ahead = {what: {} for what in ("accuracy", "gold")}
for what, by_rule in ahead.items():
    for name, rule in names.items():  # PPO, which costs most, was not run for every rule
        by_rule[rule] = [s[name][what] - s["random"][what] for s in results["compared"] if what in s[name]]

# %% tags=["figure"]
# Figure: each rule's lead over a random choice of pairs, by seed
panels = plots.panels(2, width=9, height=3.4, sharey=True)
for axes, what, unit in zip(panels, ahead, ("accuracy on fresh pairs", "gold at equal KL")):
    plots.strips(ahead[what], ax=axes, xlabel=f"{unit}, less the random choice's")
    plots.levels({"random choice": 0.0}, ax=axes, vertical=True, legend=False)
title = "Right of the line: better than a random choice of pairs at the same cost (bar: mean)"
panels[0].figure.suptitle(title, fontsize=11)
Picture(
    panels[0],
    "Differences to random selection by seed, for accuracy on fresh pairs and for gold after a second PPO run.",
)

# %%
count = len(results["compared"])
for name, rows in results["less_random"].items():
    for what, numbers in rows.items():
        clear = numbers["low"] > 0 or numbers["high"] < 0  # 95 % by Student's t: five seeds need 2.8 standard errors
        verdict = ("ahead" if numbers["mean"] > 0 else "behind") if clear else "no clear difference"
        line = f"{numbers['mean']:+.3f} [{numbers['low']:+.3f}, {numbers['high']:+.3f}], ahead in {numbers['ahead']} of {count}"
        print(f"{names[name]:<20} {what:<9} less random: {line}: {verdict}")
for name in ("random", "entropy", "information"):
    share = np.mean([seed["arms"][name]["right_labels"] for seed in results["seeds"]])
    print(f"labels that follow gold, chosen by {name:<12} {share:.1%}")
gained = reached["second round"]["gold"] - reached["first round"]["gold"]
print(f"your own second round gained {gained:+.2f} of gold at equal KL; accuracy {accuracy['dispute']:.1%}")

# %% [markdown]
# Read the verdicts before you believe in a rule. "No clear difference" is a result too: it means that the rule's labels were
# worth about as much as a random choice's, at this number of labels and seeds, and that the random choice is simpler and
# never biased. Published results on active learning for preferences go both ways as well; Christiano and others chose
# by an ensemble's disagreement, and found that on some tasks it did harm.

# %% [markdown]
# ## 9. What a framework would do for you here
#
# - **InstructGPT** says that steps 2 and 3 can be iterated, with new comparisons of the current best policy; most of its
#   comparisons came from supervised policies, some from PPO policies. **Bai et al.** retrained preference models and
#   policies about weekly on fresh comparisons, and mixed old data in, as you did.
# - **TRL** leaves the round to you: `RewardTrainer` for the reward model, then an online trainer. Its `OnlineDPOTrainer`
#   closes the loop at every step instead: it samples two completions per prompt and asks a reward model or a *judge* (such as
#   `HfPairwiseJudge`) which is better.
# - **Tunix** has no collection of labels: its `RLCluster` samples and scores, and what changes between your rounds is the
#   reward function or reward model that you pass to it.
# - None of the three chooses which pairs to label. That, and the labelling tool, is where the work of a real round is.
#
# ## 10. Mini-challenge
#
# You may buy as many labels as one round had, and no more. In words: would you spend them in one round on one policy, or in
# four small rounds on four? Name what each plan risks, and the one measurement that would make you switch. Then try two
# rounds with `iterate.train(replace(play, rounds=2, labels=play.labels // 2), ...)`.
#
# ## Sources
#
# - Christiano et al. 2017, [Deep reinforcement learning from human preferences](https://arxiv.org/abs/1706.03741)
#   ("Selecting queries": by an ensemble's variance)
# - Ziegler et al. 2019, [Fine-tuning language models from human preferences](https://arxiv.org/abs/1909.08593) (online data)
# - Ouyang et al. 2022, [InstructGPT](https://arxiv.org/abs/2203.02155)
# - Bai et al. 2022, [Training a helpful and harmless assistant](https://arxiv.org/abs/2204.05862) (iterated online RLHF)
# - Bai et al. 2022, [Constitutional AI](https://arxiv.org/abs/2212.08073)
# - Houlsby et al. 2011, [Bayesian active learning for classification and preference learning](https://arxiv.org/abs/1112.5745)
# - Gal and Ghahramani 2016, [Dropout as a Bayesian approximation](https://arxiv.org/abs/1506.02142)
# - Lewis and Gale 1994, [A sequential algorithm for training text classifiers](https://arxiv.org/abs/cmp-lg/9407020)
