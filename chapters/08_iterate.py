# %% [markdown]
# # 08 · Again: collect, retrain, refine
#
# **Goal.** Close the loop. In chapter 07 a policy learnt to please the proxy with texts that no reader likes. The proxy had
# never read such texts. So show them to raters, teach the proxy what they say, and run PPO a second time with the same
# settings. Along the way you model how noisy real raters are, and decide *which* pairs to ask them about.
#
# **Time.** Plan two hours. The set-up cell says how long the machine computes and how many minutes the exercises take.
#
# **Measured here.** Whether the proxy is worse on a hacked policy's texts than on the texts that it was made for; how often
# single raters are right; what labels on hacked texts are worth, against as many labels on ordinary texts and against as many
# labels that say nothing; what a clever choice of pairs adds; and whether gold at equal KL is higher in the second round.

# %% tags=["setup"]
import rlhf_lesson as rl
from rlhf_lesson.course.checks import check, hint, solution, yours

rl.setup("08_iterate")

# %%
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.bradley_terry import win_probability
from rlhf_lesson.data import raters, selection
from rlhf_lesson.measures import distinct, score_at
from rlhf_lesson.study import candidates, iterate
from rlhf_lesson.study.chain import Config, trained_chain
from rlhf_lesson.train import ppo, reward_model
from rlhf_lesson.train.progress import bar
from rlhf_lesson.view import plots
from rlhf_lesson.view.plots import Picture
from rlhf_lesson.view.results import measured
from rlhf_lesson.widgets.dashboard import dashboard

# %%
built = trained_chain()  # SFT policy, proxy, its sibling, and gold, who reads text and stands for people
data, tokenizer, sft = built.data, built.data.tokenizer, built.sft
pad_id, end_id = tokenizer.pad_token_id, tokenizer.eos_token_id
prompts, held_out = data.prompts("gold", "proxy"), data.held_out_prompts(rl.scale(quick=32, full=128))
gold = built.scorers["gold"]
if gold is built.scorers["sibling"]:
    print("SmolLM2 was not fetched: gold is the proxy's sibling, which is fooled where the proxy is fooled,")
    print("so what this chapter is about can be seen in section 8 only, in results that were measured with a reader.")

# %% [markdown]
# ## 1. Why again?
#
# The proxy learnt from comparisons of *human* sentences. Then PPO went looking for texts that it likes, and found texts of
# another kind. What counts is how well the proxy orders those:
#
# $$\text{accuracy}(\pi, \pi') = \Pr_{\,y \sim \pi,\; y' \sim \pi'}\big[\, r(y) > r(y') \iff r_{\text{gold}}(y) >
# r_{\text{gold}}(y') \,\big],$$
#
# and $\pi$ is the policy that the proxy itself has shaped. Statistics calls this *distribution shift*; here it is made on
# purpose, and it is the opening through which reward hacking comes in.
#
# First the run of chapter 07 in small: PPO without a KL penalty, which goes where the proxy leads.

# %%
play = iterate.Config(
    candidates=rl.scale(quick=64, full=256),  # prompts that every writer answers
    labels=rl.scale(quick=128, full=512),
    held_out=rl.scale(quick=48, full=256),  # prompts of the fresh pairs
    batch=32,
    reward=reward_model.Config(epochs=1, learning_rate=2e-4),
    # no penalty and a large learning rate: it is meant to go too far
    ppo=replace(Config().ppo, iterations=rl.scale(quick=24, full=60), batch=32, learning_rate=5e-4, kl_coef=0.0),
)
every, eye = play.ppo.iterations // 4, jax.random.key(15)  # the same noise for all that is measured on the way


def look(policy, **more):
    """Samples of a policy for the held-out prompts, with every score and the KL."""
    scorers = {**built.scorers, **more}
    return built.sample(policy, held_out, jax.random.clone(eye), scorers=scorers, batch=play.batch)


# %%
on_way = [look(sft)]
first_round = ppo.train(play.ppo, sft, prompts, built.models, pad_id=pad_id, end_id=end_id)
for state, metrics, _ in bar("PPO, first round", first_round):
    if metrics["step"] % every == 0:
        on_way.append(look(state.policy))
    if metrics["step"] == 2 * every:
        early = jax.tree.map(jnp.copy, state.policy)  # the next step overwrites the state
late, first_path = state.policy, [drawn.means() for drawn in on_way]

# %%
for drawn in (on_way[0], on_way[-1]):
    means = drawn.means()
    print(
        f"{means['kl']:.0f} nats: proxy {means['proxy']:+.1f}, sibling {means['sibling']:+.1f}, gold {means['gold']:+.1f}"
    )
    print("   ", "\n    ".join(drawn.texts[:3]))

# %% [markdown]
# Now *candidates*: pairs of texts that raters could be asked to compare. There are three writers: the SFT policy, the policy
# *early* in the run, at half of it, and the *late* one from its end. Pairs of equal texts are dropped, since nobody could
# choose.
#
# **Predict, then run.** On pairs of two SFT texts, how often does the proxy agree with gold? On pairs of two late texts? And
# of a late and an early text: which one does the proxy prefer, how often, and what does gold say?

# %%
settings = {**play.sampling, "scorers": built.scorers}


def answers(writer, use, among, count):
    """One response of a writer to each of `count` prompts, with every score; `among` decides the prompts."""
    asked = iterate.some(prompts, count, jax.random.key(among))
    return built.sample(writer, asked, jax.random.fold_in(jax.random.key(8), use), **settings)


writers = {"late": late, "late again": late, "early": early, "SFT": sft, "SFT again": sft}
texts = {name: answers(writer, i, 20, play.held_out) for i, (name, writer) in enumerate(writers.items())}
kinds = {"SFT, SFT": ("SFT", "SFT again"), "late, late": ("late", "late again")}
kinds |= {"late, SFT": ("late", "SFT"), "late, early": ("late", "early")}
fresh = {kind: candidates.paired(*(texts[name] for name in two)) for kind, two in kinds.items()}

# %%
right, error = {}, {}
for kind, pairs in fresh.items():
    share = right[kind] = candidates.agreement_with_gold(pairs.scores["proxy"], pairs.scores["gold"])
    error[kind] = (share * (1 - share) / len(pairs.rows)) ** 0.5
    first = {name: np.mean(pairs.scores[name][:, 0] > pairs.scores[name][:, 1]) for name in ("proxy", "gold")}
    print(f"{kind:<12} proxy agrees with gold on {share:.0%} ± {error[kind]:.0%} of {len(pairs.rows)} pairs; ", end="")
    print(f"the first text is preferred by the proxy in {first['proxy']:.0%}, by gold in {first['gold']:.0%}")
for kind in ("late, late", "late, early"):
    change, noise = right[kind] - right["SFT, SFT"], np.hypot(error[kind], error["SFT, SFT"])
    word = "worse" if change < -2 * noise else "better" if change > 2 * noise else "not clearly different"
    print(f"on pairs {kind} the proxy is {word} than on pairs of SFT texts: {change:+.0%} ± {noise:.0%}")

# %% tags=["figure"]
# Figure: by how much the first text of each pair leads, for proxy and gold
panels = plots.panels(4, width=11, height=3.2, sharex=True, sharey=True)
for axes, (kind, pairs) in zip(panels, fresh.items()):
    proxy, true = (pairs.scores[name][:, 0] - pairs.scores[name][:, 1] for name in ("proxy", "gold"))
    wrong = proxy * true < 0
    axes.plot(proxy[~wrong], true[~wrong], ".", color="#999999", markersize=4, label="same order")
    axes.plot(proxy[wrong], true[wrong], "x", color=plots.ROLES["policy"]["color"], label="other order")
    axes.axhline(0, color="black", linewidth=0.6)
    axes.axvline(0, color="black", linewidth=0.6)
    axes.set(xlabel="proxy: first less second", title=f"{kind}: {wrong.mean():.0%} crossed")
panels[0].legend(fontsize=8)
panels[0].set_ylabel("gold: first less second")
Picture(panels[0], "Leads of proxy and gold in four kinds of pairs: crosses are pairs that the two order differently.")

# %% [markdown]
# Read the figure by its directions. Along the vertical axis lies what gold sees, along the horizontal one what the proxy
# sees. A cloud that lies far to one side is a proxy that is *sure of a difference that gold does not see*: that is what
# hacking looks like. Mind that a hacked policy's text may well be better than an ordinary one, in gold's eyes too: PPO has
# learnt something. It is the *second half* of the way that went wrong, where the proxy still rises and gold does not. So
# raters should compare late texts with early ones and both with ordinary ones: that says where the way should have ended.

# %% [markdown]
# ## 2. Raters are noisy: how noisy?
#
# Gold's answers without error would be too good a rater. Real ratings tell how good single raters are: draw a pair of film
# sentences and one rating of each, call the higher one the choice, and see whether it agrees with the mean of all *other*
# ratings. (Nobody was asked to compare two texts; these are choices made of two ratings.)
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
# One number describes near and far pairs, so the logistic function in every preference loss of this course is a fair picture of
# these raters. It is not the only one: a normal distribution of the noise, the *probit*, would fit about as well.
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
temperature = candidates.rater_temperature(
    data, gold, sentences=rl.scale(quick=120, full=None), noise_temperature=noise_temperature
)
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
three = {"late": late, "early": early, "SFT": sft}
seen = {name: answers(writer, 10 + i, 21, play.candidates) for i, (name, writer) in enumerate(three.items())}
parts = [candidates.paired(seen[a], seen[b]) for a, b in (("late", "early"), ("late", "SFT"), ("early", "SFT"))]
pool = candidates.together(parts)
truth = pool.scores["gold"]
choices = label(jnp.asarray(truth[:, 0]), jnp.asarray(truth[:, 1]), jax.random.key(10), temperature=temperature)
correct = np.asarray(choices) == (truth[:, 0] > truth[:, 1])
first_part = len(parts[0].rows)
for name, part in {"late and early": correct[:first_part], "one from SFT": correct[first_part:]}.items():
    print(f"a rater is right in {agrees.mean():.0%} of pairs of film sentences, in {part.mean():.0%} of pairs {name}")

# %% [markdown]
# Texts of one policy are more alike than random film sentences, and so are those of two policies from one run. Where texts
# are nearly equal in truth raters are wrong more often, and a label costs more per bit of truth: one reason why later rounds
# of RLHF are dearer than the first.

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
# (Here they are four copies; the benchmark of section 8 takes six.)
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
# Every arm gets the same number of labels from the same raters. New labels are few and old ones many, so a new pair appears
# several times in the training data, mixed with old pairs; without these the model would forget what it knew. Training
# continues from the proxy's own trunk. To know what helped, each question needs its control:
#
# | question | control |
# |---|---|
# | is it the *hacked* texts? | **SFT pairs**: as many labels on pairs of SFT samples |
# | is it what the raters *said*? | **shuffled**: the same pairs, each decided by a coin |
# | is it the clever choice? | **random**: pairs drawn at random from the same candidates |
# | is it the extra training? | **old labels**: old pairs in place of new ones (full preset, and section 8) |


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
others = [answers(sft, 20 + i, among, play.candidates) for i, among in enumerate((21, 22, 22))]
ordinary = candidates.together([candidates.paired(seen["SFT"], others[0]), candidates.paired(*others[1:])])
everyone, key = np.arange(len(ordinary.rows))[: play.labels], jax.random.key(14)
asked = {"old labels": [], "SFT pairs": candidates.ask(ordinary, everyone, key, temperature=temperature, label=label)}
for name, rows in chosen.items():  # the response that your `label` prefers stands first
    asked[name] = candidates.ask(pool, rows, jax.random.clone(key), temperature=temperature, label=label)
coins = np.random.default_rng(1).random(len(asked["random"])) < 0.5
asked["shuffled"] = [c._replace(responses=c.responses[::-1]) if coin else c for c, coin in zip(asked["random"], coins)]
arms = ["SFT pairs", "shuffled", "random", "dispute", *rl.scale(quick=[], full=["old labels", "doubt"])]
proxies = {"old proxy": built.scorers["proxy"], **{name: teach(name, asked[name]) for name in arms}}

# %% [markdown]
# **Predict, then run.** Which arms agree with gold more often than the old proxy, on which kind of pairs? Can an arm become
# better on one kind of pairs and worse on another?

# %%
accuracy = {name: {} for name in proxies}
for name, model in proxies.items():
    for kind, pairs in fresh.items():
        scores = candidates.scores_of_pairs(model, pairs, pad_id)
        accuracy[name][kind] = candidates.agreement_with_gold(scores, pairs.scores["gold"])
print("agrees with gold on" + "".join(f"{kind:>16}" for kind in fresh))
for name, shares in accuracy.items():
    print(f"{name:<19}" + "".join(f"{share:>16.0%}" for share in shares.values()))
print(
    f"one standard error is about {(0.25 / play.held_out) ** 0.5:.0%}; all judge the same pairs, which helps a little"
)
lead = {
    name: np.mean(-np.diff(candidates.scores_of_pairs(m, fresh["late, early"], pad_id))) for name, m in proxies.items()
}
lead["gold"] = np.mean(-np.diff(fresh["late, early"].scores["gold"]))
print("\nhow far the late text leads the early one, in spreads of the SFT policy's scores:")
print("  ".join(f"{name} {value:+.1f}" for name, value in lead.items()))

# %% [markdown]
# The last line is the one to remember: the number that PPO climbed in the second half of its way. An arm that brings it down
# towards gold's has been told something; an arm that leaves it where it was will be climbed again. Mind the coin: shuffled labels
# on these pairs bring the lead down as well, since they say "no difference", and say so of late and SFT texts, too, where there is
# one. So look for an arm that is right on *all* kinds of pairs.

# %% [markdown]
# ### Pitfall: judging on the pairs that were chosen
#
# Accuracy is measured on *fresh, random* pairs of each kind. On the chosen ones every actively taught model looks poor, since
# they are the hard ones, and comparing models on the pairs of one of them favours that one. Hold out before you choose.
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
# reference their KL is measured from.) Its reward is the proxy with labels on *random* candidates, the simplest of the arms.

# %%
new = proxies["random"]
second_way = [look(sft, new=new)]


def watched():
    """The second round, which stops four times for a look at held-out prompts."""
    models = {"proxy": new, "sibling": built.scorers["sibling"]}
    for state, metrics, rollout in ppo.train(play.ppo, sft, prompts, models, pad_id=pad_id, end_id=end_id):
        if metrics["step"] % every == 0:
            second_way.append(look(state.policy, new=new))
        yield state, metrics, rollout


live = dashboard(watched(), title="PPO, second round")
live

# %%
second = live.start().result().policy
second_path = [drawn.means() for drawn in second_way]
rounds = {"First round": (first_path, "proxy"), "Second round": (second_path, "new")}

# %% [markdown]
# **Predict, then run.** The reward of each round, and gold, against KL. If the new labels helped, which curve must come closer
# to which, and at which end of the axis would you look?

# %% tags=["figure"]
# Figure: each round's own proxy and gold against KL
panels = plots.panels(2, width=9, height=3.8, sharex=True, sharey=True)
for axes, (title, (path, reward)) in zip(panels, rounds.items()):
    curves = {"its reward": [p[reward] for p in path], "gold": [p["gold"] for p in path]}
    curves["sibling"] = [p["sibling"] for p in path]
    plots.lines([p["kl"] for p in path], curves, ax=axes, roles=("proxy", "gold", "sibling"), marks=True, title=title)
    axes.set_xlabel(plots.KL_LABEL)
panels[0].set_ylabel(plots.SCORE_LABEL)
Picture(panels[0], "Reward, gold and sibling against KL in the first and in the second round of PPO, on the same axes.")

# %%
same = min(max(p["kl"] for p in path) for path, _ in rounds.values())
reached = {}
for title, (path, _) in rounds.items():
    kl = [p["kl"] for p in path]
    reached[title] = {name: score_at(same, kl, [p[name] for p in path]) for name in ("proxy", "gold")}
    best = max(path, key=lambda p: p["gold"])
    print(
        f"{title:<13} at {same:.0f} nats: old proxy {reached[title]['proxy']:+.2f}, gold {reached[title]['gold']:+.2f}; ",
        end="",
    )
    print(f"highest gold {best['gold']:+.2f} at {best['kl']:.0f} nats")
gained = reached["Second round"]["gold"] - reached["First round"]["gold"]
spread = [drawn.scores["gold"].std() / len(drawn.texts) ** 0.5 for drawn in (on_way[-1], second_way[-1])]
print(f"second less first round at equal KL: gold {gained:+.2f} ± {np.hypot(*spread):.2f} (sampling only)")

# %% [markdown]
# Read at the *same* KL, or the round that went further wins by going further. The two rewards are two different measures: only
# gold is the same on both sides. And the second round is a hack of the *second* proxy, as far as that one can be hacked: new
# labels close the holes that were shown to raters, not those that nobody has found yet. So look again:

# %%
for name, drawn in {"SFT": on_way[0], "first round": on_way[-1], "second round": second_way[-1]}.items():
    means = drawn.means()
    print(f"\n{name}: gold {means['gold']:+.2f}, KL {means['kl']:.1f}, ", end="")
    print(f"distinct word pairs {distinct(drawn.texts):.2f}")
    for text in drawn.texts[:3]:
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
# One run can't tell a good label from luck. The results file holds a second round for several seeds, each with its own first
# round, candidates, labels, order of training and second round of PPO; every arm paid for the same number of labels. A dot is
# one seed's difference to the *random* choice among the hacked policy's pairs. Dots on the left of the line are arms that did
# worse.

# %%
results = measured("iterate", made_by="iterate.py")
names = {"old proxy": "no second round", "old labels again": "old labels again", "shuffled": "shuffled labels"}
names |= {"SFT pairs": "labels on SFT pairs", "entropy": "doubt (one model)", "information": "dispute (6 copies)"}
ahead = {what: {} for what in ("accuracy", "gold")}
for what, by_rule in ahead.items():
    for name, rule in names.items():  # PPO, which costs most, was not run for every arm
        if any(what in s.get(name, {}) for s in results["compared"]):
            by_rule[rule] = [s[name][what] - s["random"][what] for s in results["compared"] if what in s[name]]

# %% tags=["figure"]
# Figure: each arm's lead over labels on random candidates, by seed
panels = plots.panels(2, width=9, height=3.4, sharey=True)
for axes, what, unit in zip(panels, ahead, ("accuracy on fresh pairs", "gold at equal KL")):
    plots.strips(ahead[what], ax=axes, xlabel=f"{unit}, less the random choice's")
    plots.levels({"random choice": 0.0}, ax=axes, vertical=True, legend=False)
title = "Left of the line: worse than labels on a random choice of the policy's pairs (bar: mean)"
panels[0].figure.suptitle(title, fontsize=11)
Picture(
    panels[0],
    "Differences to random candidates by seed, for accuracy on fresh pairs and for gold after a second PPO run.",
)

# %%
count = len(results["compared"])
for name, rows in results["less_random"].items():
    for what, numbers in rows.items():
        clear = numbers["low"] > 0 or numbers["high"] < 0  # 95 % by Student's t: five seeds need 2.8 standard errors
        verdict = ("ahead" if numbers["mean"] > 0 else "behind") if clear else "no clear difference"
        line = f"{numbers['mean']:+.3f} [{numbers['low']:+.3f}, {numbers['high']:+.3f}], ahead in {numbers['ahead']} of {count}"
        print(f"{names[name]:<20} {what.replace('_', ' '):<12} less random: {line}: {verdict}")
for name in ("random", "entropy", "information"):
    share = np.mean([seed["arms"][name]["right_labels"] for seed in results["seeds"]])
    print(f"labels that follow gold, chosen by {name:<12} {share:.1%}")
print(f"your own second round gained {gained:+.2f} of gold at equal KL")

# %%
lines = results["less_random"]
controls = [name for name in ("old proxy", "shuffled", "SFT pairs") if "gold" in lines.get(name, {})]
behind = [name for name in controls if lines[name]["gold"]["high"] < 0]
if len(controls) < 3:
    print(
        "this file was made before the controls of section 5 and cannot say whether labels on hacked texts are what helps"
    )
elif len(behind) == len(controls):
    print(
        "a second round with labels on the hacked policy's texts beats no second round, shuffled labels and labels on SFT texts"
    )
elif behind:
    print(
        f"it clearly beats only: {', '.join(names[name] for name in behind)}. What it gains over the others these seeds don't tell"
    )
else:
    print("no control is clearly behind: on these seeds the second round bought nothing that can be told from luck")

# %% [markdown]
# Read the verdicts before you believe in anything. "No clear difference" is a result too. Of a rule of *selection* it says
# that its labels were worth about as much as a random choice's, at this number of labels and seeds; and the random choice is
# simpler and never biased. Of a *second round* it says that what the labels taught did not reach the policy. The order in
# which to ask is that of the table in section 5: first whether the labels matter, then which texts they are on, and only then
# how the pairs were chosen. Published results on active learning for preferences go both ways; Christiano and others chose by
# an ensemble's disagreement, and found that on some tasks it did harm.

# %% [markdown]
# ## 9. What a framework would do for you here
#
# - **InstructGPT** says that steps 2 and 3 can be iterated, with new comparisons of the current best policy; most of its
#   comparisons came from supervised policies, some from PPO policies. **Bai et al.** retrained preference models and
#   policies about weekly on fresh comparisons, and mixed old data in, as you did.
# - **TRL** leaves the round to you: `RewardTrainer` for the reward model, then an online trainer. Its `OnlineDPOTrainer`
#   closes the loop at every step instead: it samples two completions per prompt and asks a reward model which is better.
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
