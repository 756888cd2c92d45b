# %% [markdown]
# # 04 · The reward model
#
# **Goal.** Turn people's choices into a number that a policy can be trained on. You write the loss for pairs and the
# one for rankings, train a reward model with them on real raters' choices, and then spend half of the chapter on the
# question that matters more than its accuracy: how far can the number be trusted?
#
# **Time.** Plan three hours. The set-up cell says how long the machine computes and what the exercises take.
#
# **Measured here.** How noisy single raters are, and whether the noise has the shape that the loss assumes; your
# reward model beside a bag of words and beside rules; its calibration; its taste for length; what a ranking is worth
# in pairs; what three models together know that none of them knows alone; and how many pairs a model that has read far
# more English makes up for.
#
# Chapter 03 made the pairs. Chapter 05 starts to optimise against the number made here.

# %% tags=["setup"]
import rlhf_lesson as rl
from rlhf_lesson.course.checks import check, hint, solution, yours

rl.setup("04_reward_model")

# %%
import re
from collections import Counter
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.data import feedback, labels, raters
from rlhf_lesson.data.snippets import whole
from rlhf_lesson.disk import cache_folder
from rlhf_lesson.models.checkpoint import save_model
from rlhf_lesson.models.pretrained import load_base, smollm2_file
from rlhf_lesson.models.vader import vader_score
from rlhf_lesson.study.chain import trained_chain
from rlhf_lesson.study.evaluate import reward_accuracy
from rlhf_lesson.study.reader import read_states, reader
from rlhf_lesson.train import objectives, reward_model
from rlhf_lesson.train.descend import descend
from rlhf_lesson.train.progress import bar
from rlhf_lesson.view import plots
from rlhf_lesson.view.plots import Picture
from rlhf_lesson.view.results import measured

# %%
built = trained_chain()
data, tokenizer = built.data, built.data.tokenizer
base, _ = load_base()

# %% [markdown]
# ## 1. From a choice to a number
#
# Nobody can say that a film review is worth "six". People can say which of two they prefer, and that is all that we
# have. Bradley and Terry's model (chapter 03 fitted it to items) says how a hidden number $s$ would show in choices:
#
# $$P(\text{chosen beats rejected}) = \sigma(s_{\text{chosen}} - s_{\text{rejected}}), \qquad \sigma(x) = \frac{1}{1 + e^{-x}}.$$
#
# A *reward model* is a function that computes $s$ from the text, so that texts that nobody has ever rated get a
# number too. Ours is the language model with its output layer taken off: the mean of its last states, times one
# vector of weights. Its loss is the surprise of the rater's choice,
#
# $$L = -\log \sigma\big(s_{\text{chosen}} - s_{\text{rejected}} - m\big),$$
#
# where a *margin* $m$ may ask for a larger lead in pairs that the rater was sure of; it is normally 0. Compute
# $\log \sigma$ in one step: written as two, a hopeless pair gives $\log 0$.

# %% tags=["exercise"]
from rlhf_lesson.losses import bradley_terry_loss

# %% [markdown]
# **Predict, then run.** How hard does the loss pull at a pair that the model already has right, by a wide lead? And
# at one that it has wrong by as much? The pull is the slope of the loss.

# %%
bradley_terry_loss = yours("bradley_terry_loss")
lead = jnp.linspace(-6, 6, 121)
costs, slopes = {}, {}
for margin in (0.0, 2.0):
    loss = partial(bradley_terry_loss, margin=margin)
    costs[f"margin {margin:.0f}"] = loss(lead, jnp.zeros_like(lead))
    slopes[f"margin {margin:.0f}"] = jax.vmap(jax.grad(loss), in_axes=(0, None))(lead, 0.0)

# %% tags=["figure"]
# Figure: the loss of a pair and its slope, for two margins
left, right = plots.panels(2)
plots.lines(lead, costs, ax=left, ylabel="loss (nats per pair)", title="Wrong pairs cost their lead")
plots.lines(lead, slopes, ax=right, legend=False, ylabel="slope of the loss", title="Won pairs stop pulling")
for axes in (left, right):
    axes.set_xlabel("lead of the chosen text (score units)")
Picture(left, "Loss and its slope against the lead: steep where the pair is wrong, flat where it is right.")

# %% [markdown]
# The slope is minus the probability that the model gave to the *other* choice. A pair that is wrong pulls with full
# strength, however wrong it is: one careless rater can't pull infinitely. (With a squared error they could.)
#
# ## 2. Are people like that?
#
# The sigmoid is an assumption about people, and here it can be tested. Each sentence of our data was rated by about
# twenty people. Take two sentences and one rater's number for each; the *other* raters' means say how far apart the
# two really are. If choices follow Bradley and Terry, the share of right ones must be $\sigma(\text{distance} / T)$
# for one temperature $T$.
#
# **Predict, then run.** How often does a single rater agree with the crowd, over all pairs? And where the crowd puts
# two texts half a point apart, on a scale from very negative to very positive of nine steps?

# %%
margins, agrees = raters.rater_agreement([m for part in data.by_split.values() for m in part], 20_000, seed=0)
temperature = raters.noise_temperature(margins, float(agrees.mean()))
order = np.array_split(np.argsort(margins), 16)
distance, share = (np.array([x[i].mean() for i in order]) for x in (margins, agrees))
sigmoid = 1 / (1 + np.exp(-distance / temperature))

# %% tags=["figure"]
# Figure: how often single raters agree with the crowd, against distance
axes = plots.points(distance, {"single raters": share}, roles=["gold"], ylim=(0.45, 1.02))
plots.lines(distance, {"sigmoid": sigmoid}, ax=axes, roles=["reference"], ylabel="share that agrees")
axes.set_xlabel("distance by all other raters (rating points)")
axes.set_title(f"Single raters follow a sigmoid ({agrees.mean():.0%} agree over all pairs)")
Picture(axes, "Share of single raters who agree with the crowd against distance: points close to a sigmoid.")

# %% [markdown]
# So the loss fits these people well, with one number for all of them. It also fixes what can be hoped for: **no
# reward model can predict single choices better than the truth itself does**, and the truth fails where two texts are
# close. A reward model that claims more on held-out choices has seen them.
#
# ## 3. The choices, and how a prediction is marked
#
# Training choices come from one part of the sentences ("proxy"), held-out ones from another ("eval"), cut by
# sentence: a text that is judged was never trained on. Each choice is *one* rater's.

# %%
count = rl.scale(quick=1000, full=5000)
held_out = data.choices(4000, "eval", seed=1)
choices = data.choices(5000, "proxy", seed=0)
for pair in choices[:3]:
    print("chosen:   ", pair.chosen, "\nrejected: ", pair.rejected, "\n")

# %% [markdown]
# The plainest mark is the share of held-out choices in which the chosen text gets the higher score,
#
# $$\text{accuracy} = \frac{1}{N} \sum_i \Big( [s_{\text{chosen}} > s_{\text{rejected}}]
# + \tfrac{1}{2} [s_{\text{chosen}} = s_{\text{rejected}}] \Big).$$
#
# The half for ties is not a nicety: without it a model that scores all texts alike would look either perfect or
# hopeless.

# %% tags=["exercise"]
from rlhf_lesson.measures import pairwise_accuracy

# %% [markdown]
# **Predict, then run.** Before any training: how far does one get by taking the longer text? By rules that count
# happy and unhappy words? By the crowd's own mean?

# %%
pairwise_accuracy = yours("pairwise_accuracy")
reviews = data.by_split["eval"]
where = {review.text: i for i, review in enumerate(reviews)}
chosen, rejected = (np.array([where[pair[side]] for pair in held_out]) for side in (1, 2))


def accuracy(scores):
    """Share of the held-out choices that scores of the held-out reviews predict."""
    return pairwise_accuracy(scores[chosen], scores[rejected])


crowd = np.array([review.mean for review in reviews])
length = np.array([len(row) for row in whole(tokenizer, data.texts("eval"))])
judged = np.array([vader_score(text) for text in data.texts("eval")])
ceiling, rules = accuracy(crowd), accuracy(judged)
error = (ceiling * (1 - ceiling) / len(held_out)) ** 0.5
for name, value in (("the longer text", accuracy(length)), ("rules", rules), ("the crowd's mean", ceiling)):
    print(f"{name:<17} {value:.1%}")
print(f"standard error of a share this size: {error:.1%}, if pairs were independent")

# %% [markdown]
# The crowd's mean is close to the ceiling (and a little flattered: the rater is one of the crowd). Everything below
# lies between the coin and this number.
#
# ## 4. A reward model without a language model
#
# Always try the stupid thing first. A *bag of words* gives each word a weight, rare words a louder voice, and a text
# the sum of its words, whatever their order:
#
# $$s(y) = \sum_{w \in y} \theta_w\, \frac{\text{rarity}(w)}{\lVert \text{rarity}(y) \rVert}.$$
#
# Trained with *your* loss it is a reward model like any other.


# %%
def words(text):
    return set(re.findall(r"[\w']+|[!?]", feedback.normalise(text)))


seen = data.texts("proxy")
counts = Counter(word for text in seen for word in words(text))
vocabulary = {word: i for i, word in enumerate(w for w, n in counts.items() if n > 2)}
rarity = np.array([np.log(len(seen) / counts[word]) for word in vocabulary] + [0.0], np.float32)


def bag(texts, width=64):
    """Each text as indices of its words, padded with one that weighs nothing, and how loud each word is."""
    ids = np.full((len(texts), width), len(vocabulary))
    for row, text in zip(ids, texts):
        known = sorted(vocabulary[word] for word in words(text) if word in vocabulary)[:width]
        row[: len(known)] = known
    loud = rarity[ids]
    return ids, loud / np.maximum(np.linalg.norm(loud, axis=1, keepdims=True), 1e-6)


# %%
@partial(jax.jit, static_argnames="objective")
def fit(ids, loud, *, objective, decay=3e-4):
    """Word weights that minimise the mean of `objective(scores)` over rows of texts, by Adam with weight decay."""

    def loss(theta):
        return jnp.mean(objective(jnp.sum(theta[ids] * loud, axis=-1))) + decay * jnp.sum(theta**2)

    return descend(loss, jnp.zeros(len(vocabulary) + 1), learning_rate=0.05, steps=150)


# %%
def learn(objective, texts, k):
    """The bag of words that rows of k texts teach."""
    ids, loud = (jnp.asarray(x.reshape(-1, k, x.shape[-1])) for x in bag(texts))
    return fit(ids, loud, objective=objective)


def bag_scores(theta, texts):
    ids, loud = bag(texts)
    return np.sum(np.asarray(theta)[ids] * loud, axis=-1)


def both(scores):
    return bradley_terry_loss(scores[:, 0], scores[:, 1])


# %%
sizes = (250, 500, 1000, 2000, 5000)
bags = {n: learn(both, [text for pair in choices[:n] for text in pair[1:3]], 2) for n in sizes}
bag_accuracy = {n: accuracy(bag_scores(theta, data.texts("eval"))) for n, theta in bags.items()}
by_weight = np.argsort(np.asarray(bags[5000])[:-1])
names = list(vocabulary)
print("worst words:", ", ".join(names[i] for i in by_weight[:12]))
print("best words: ", ", ".join(names[i] for i in by_weight[:-13:-1]))
print({n: f"{value:.1%}" for n, value in bag_accuracy.items()})

# %% [markdown]
# Read the words: most are what you would guess, and a few are not. Those few are what a policy will find. It doesn't
# read the list of words as you do; it only notices what pays.
#
# ## 5. The real one
#
# The same choices, the same loss, but the score is computed by the language model that has read a lot of English. The
# loop takes the loss as an argument, and the argument is yours. If you labelled pairs in chapter 03, your choices are
# among the training data.


# %%
def objective(scores, target):
    """The loss of each row of (chosen, rejected) scores: your equation."""
    return objectives.bradley_terry_objective(scores, target, loss=bradley_terry_loss)


def read_all(model, texts):
    """A reward model's scores of texts."""
    rows = whole(tokenizer, [feedback.normalise(text) for text in texts])
    return reward_model.score(model, rows, pad_id=tokenizer.pad_token_id)


# %%
my_choices = labels.my_choices()
settings = reward_model.Config(epochs=1)
examples = data.comparisons([*choices[:count], *my_choices])
print(f"{count} choices of raters and {len(my_choices)} of yours")

# %%
losses, curve = [], []
training = reward_model.train(settings, base, examples, pad_id=tokenizer.pad_token_id, objective=objective)
for state, metrics in bar("your reward model", training):
    losses.append(metrics["loss"])
    if metrics["step"] * 4 // metrics["steps"] > len(curve):  # held-out accuracy, four times on the way
        curve.append((metrics["step"], accuracy(read_all(state.model, data.texts("eval")))))
trained = state.model
on_reviews = {"mine": read_all(trained, data.texts("eval"))}  # scores of the held-out reviews, by model

# %% tags=["figure"]
# Figure: training loss, and held-out accuracy on the way
left, right = plots.panels(2)
steps = range(1, len(losses) + 1)
left.plot(steps, losses, color="#bbbbbb", linewidth=0.8)
plots.lines(
    steps, {"training loss": plots.smooth(losses, 11)}, ax=left, roles=["proxy"], xlabel="step", title="Training"
)
plots.levels({"a coin": np.log(2)}, ax=left, roles=["reference"])
left.set_ylabel("loss (nats per pair)")
marks, accuracies = zip(*curve)
plots.lines(marks, {"your reward model": accuracies}, ax=right, roles=["proxy"], marks=True, xlabel="step")
levels = {"bag of words, same choices": bag_accuracy[count], "rules": rules}
plots.levels(levels, ax=right, roles=("reference", "judge"))
right.set(ylabel="held-out accuracy", title=f"On choices of other raters: {accuracies[-1]:.1%}")
Picture(left, "Training loss falls below that of a coin; held-out accuracy rises past the rules.")

# %% [markdown]
# Below stands your model among others: the bag of words at five amounts of data, the course's own proxy (the same
# choices, all of them; it takes minutes), and what five seeds reached with more data and two passes.
#
# One comparison there is fairer than the others. The net's base model was pretrained on the *verdicts* of thousands of
# film reviews, and the bag of words never saw them. `bag_with_verdicts` did: what a second bag makes of the same verdicts is
# one more feature of it. And each accuracy has two uncertainties, which must not be confused: the spread over seeds (other
# pairs, another start), and that of the held-out texts, which are the same in every seed. For the second, draw as many texts
# with replacement, look at the pairs whose texts were both drawn, and do it a thousand times: a *bootstrap* over texts.
#
# **Predict, then run.** Where does the language model have the larger lead over the bag: with few choices, or with
# many?

# %%
shipped = measured("reward", made_by="reward_vs_bag_of_words.py")
on_reviews |= {name: read_all(model, data.texts("eval")) for name, model in built.models.items()}
proxy, sibling = accuracy(on_reviews["proxy"]), accuracy(on_reviews["sibling"])
print(
    f"{len(shipped['rows'])} seeds: mean ± spread (n - 1); between which ends the mean would lie with other held-out texts"
)
for name in ("neural", "bag_of_words", "bag_with_verdicts", "verdicts_alone", "vader"):
    if row := shipped["summary"].get(name):
        texts = "{low:.1%} to {high:.1%}".format(**row["over_snippets"]) if "over_snippets" in row else ""
        print(f"{name:<18} {row['mean']:.1%} ± {row['std']:.1%}   {texts}")

# %% tags=["figure"]
# Figure: held-out accuracy against the number of choices
(axes,) = plots.panels(1, height=4)
plots.lines(sizes, {"bag of words": list(bag_accuracy.values())}, ax=axes, roles=["reference"], marks=True)
plots.points(count, {"yours": curve[-1][1]}, ax=axes, roles=["policy"], size=9)
plots.points(5000, {"the course's proxy": proxy}, ax=axes, roles=["proxy"], size=9)
for name, role in (("neural", "proxy"), ("bag_of_words", "reference")):
    row = shipped["summary"][name]
    look = {**plots.style(role), "capsize": 4, "linestyle": "none"}
    axes.errorbar(shipped["pairs"], row["mean"], row["std"], **look, label=f"{name.replace('_', ' ')}, five seeds")
plots.levels({"the crowd's mean": ceiling, "rules": rules}, ax=axes, roles=("gold", "judge"))
axes.set(xscale="log", xlabel="choices to learn from", ylabel="held-out accuracy", ylim=(0.5, 0.95))
axes.set_xticks(sizes, [str(n) for n in sizes])
axes.minorticks_off()
axes.set_title("The data decides more than the model does")
axes.legend(fontsize=8, ncols=2, loc="center left", bbox_to_anchor=(0.0, 0.74))
Picture(axes, "Held-out accuracy against number of choices for a bag of words and networks, below the crowd's ceiling.")

# %% [markdown]
# Three things to take from this figure. A bag of words is hard to beat when the language model is this small, and a
# reward model's accuracy means little without such a baseline. All of them are far from the ceiling,
# and more choices help all of them. And held-out accuracy is about *pairs of human texts*. A policy will not write human
# texts.

# %%
for name, row in shipped.get("differences", {}).items():
    texts = row["over_snippets"]
    if row["low"] <= 0 <= row["high"] or texts["low"] <= 0 <= texts["high"]:
        verdict = "not told apart: an interval holds 0"
    else:
        verdict = "the net is ahead" if row["mean"] > 0 else "the net is behind"
    print(f"{name.replace('_', ' ')}: {100 * row['mean']:+.1f} points; ", end="")
    print("95 % over seeds {:+.1f} to {:+.1f}, ".format(*(100 * row[end] for end in ("low", "high"))), end="")
    print("over texts {:+.1f} to {:+.1f}: ".format(*(100 * texts[end] for end in ("low", "high"))) + verdict)

# %% [markdown]
# A lead over a baseline that knew less is a statement about the information, not about the model. Before you praise a model,
# give the baseline everything that the model got.
#
# ### Pitfall: a validation set that isn't one
#
# Pairs are drawn from sentences. Split *pairs* at random and nearly every held-out text was also trained on, in
# another pair: the accuracy you then report is that of memory. Compare:

# %%
with_trained_texts = reward_accuracy(trained, data, choices[:500])
print(f"choices it was trained on: {with_trained_texts:.1%}")
print(f"held-out sentences:        {accuracy(on_reviews['mine']):.1%}")

# %% [markdown]
# **Mitigation:** split by prompt or by text, never by pair, and keep one part that no decision looks at.
#
# ## 6. A score has no zero and no unit
#
# Add a constant to all scores and the loss stays the same; so the zero means nothing. Nor does the unit: it is
# whatever spread the training happened to give. But the KL penalty of chapter 06 is counted in score units per nat.
# So, once and for all, measure scores on samples of the policy that training starts from, and make *their* mean 0 and
# *their* spread 1:
#
# $$s' = \frac{s - \operatorname{mean}_{\pi_{\text{ref}}}(s)}{\operatorname{std}_{\pi_{\text{ref}}}(s)}.$$

# %% tags=["exercise"]
from rlhf_lesson.rewards import normalise_score

# %% [markdown]
# **Predict, then run.** On the policy's own samples the mean is now 0. Where will real reviews by real people lie:
# above, below, or at 0 as well?

# %%
normalise_score = yours("normalise_score")
scorers = {"mine": trained, **built.models}
samples = built.sample(built.sft, data.held_out_prompts(128), jax.random.key(40), scorers=scorers)
units = {name: (scores.mean(), scores.std()) for name, scores in samples.scores.items()}
in_units = {name: normalise_score(scores, *units[name]) for name, scores in on_reviews.items()}
mine = reward_model.normalised(trained, samples.scores["mine"])  # the same, folded into the head's weights
save_model(mine, cache_folder() / "my_reward_model")  # for later chapters
gap = np.abs(read_all(mine, data.texts("eval")[:100]) - in_units["mine"][:100]).max()
print(f"head with the numbers folded in, against your function: largest difference {gap:.1e}")

# %% tags=["figure"]
# Figure: scores of real reviews by three models, before and after
left, right = plots.panels(2, sharey=True)
for axes, scores in ((left, on_reviews), (right, in_units)):
    roles = {"mine": "policy", "proxy": "proxy", "sibling": "sibling"}
    groups = {f"{name}: mean {scores[name].mean():+.2f}": scores[name] for name in roles}
    plots.cumulative(groups, ax=axes, roles=list(roles.values()))
    axes.legend(fontsize=8, loc="lower right")
left.set(xlabel="score as stored", ylabel="share of real reviews below", title="Before: three scales")
right.set(xlabel=plots.SCORE_LABEL, ylabel="", title="After: one scale")
right.axvline(0, color=plots.GREY, linewidth=0.6)
Picture(left, "Cumulative scores of held-out reviews before and after normalisation: three scales become one.")

# %% [markdown]
# (The course's proxy and its *sibling*, which other raters taught, were normalised when they were made, on other samples, so
# only yours moves far.) Real reviews score *below* the policy's samples: at its sampling temperature the policy leaves out
# most of what is odd or bitter. Had we normalised on the rated texts, PPO would start with a reward above 0 for nothing. This
# is the first **distribution shift** of the course: the texts that the reward model will judge are not the texts that it
# learnt from, and from here on the gap only grows.
#
# ## 7. Calibration: does it know what it doesn't know?
#
# The model says a probability for every pair. Collect all pairs of which it was "about this sure" and count how often
# the text that it preferred was the chosen one. If it is *calibrated*, the two agree.

# %% tags=["exercise"]
from rlhf_lesson.measures import calibration

# %% [markdown]
# **Predict, then run.** One curve below is your model as it came out of training, the other is the same model after
# section 6's normalisation. Accuracy doesn't change when scores are divided by a number. Does calibration?

# %%
calibration = yours("calibration")
both_scales = {"as trained": on_reviews["mine"], "normalised": in_units["mine"]}
bins = {name: calibration(scores[chosen], scores[rejected], bins=8) for name, scores in both_scales.items()}
off = {name: np.mean([row["observed"] - row["predicted"] for row in rows]) for name, rows in bins.items()}

# %% tags=["figure"]
# Figure: predicted against observed choices, before and after normalisation
panels = plots.panels(2, sharey=True)
for axes, (name, rows) in zip(panels, bins.items()):
    plots.calibration_curve(axes, rows, title=f"{name}: {off[name]:+.1%} on average")
Picture(
    panels[0],
    "Predicted against observed share of choices in eight bins, as trained and normalised, with the diagonal.",
)

# %% [markdown]
# Points below the diagonal are *overconfident*. Dividing by a spread is the same as changing the temperature of the
# sigmoid, so a normalised score is no longer a log-odds. PPO does not care, because it only maximises. But it matters
# to everybody who turns scores back into probabilities: to pick pairs to label (chapter 08), to simulate raters, to
# say "the model is sure". Nor is calibration a gift of the loss: a model that has learnt its pairs by heart is surer
# than other people's choices warrant. One number repairs both: the temperature $T$ that makes held-out choices least
# surprising. Find it on one half of the choices and test it on the other.

# %%
first, second = np.arange(len(held_out)) % 2 == 0, np.arange(len(held_out)) % 2 == 1


def surprise_at(scores, t, part):
    return float(jnp.mean(bradley_terry_loss(scores[chosen[part]] / t, scores[rejected[part]] / t)))


temperatures = np.geomspace(0.3, 3, 41)
for name, scores in {**both_scales, "the proxy": on_reviews["proxy"]}.items():
    best = min(temperatures, key=lambda t: surprise_at(scores, t, first))
    before, after = surprise_at(scores, 1.0, second), surprise_at(scores, best, second)
    print(
        f"{name:<12} T = {best:.2f}: {before:.4f} nats per choice before, {after:.4f} after (a coin: {np.log(2):.4f})"
    )

# %% [markdown]
# ## 8. Length bias
#
# The best known bias of reward models is a taste for long answers. Often people have it, too, since a long answer may
# be the better one; so a bias of the *model* is only what goes beyond theirs. The plainest measure is a correlation,
#
# $$\rho = \frac{\sum_i (s_i - \bar s)(l_i - \bar l)}{\sqrt{\sum_i (s_i - \bar s)^2 \sum_i (l_i - \bar l)^2}}.$$

# %% tags=["exercise"]
from rlhf_lesson.rewards import length_bias

# %% [markdown]
# **Predict, then run.** Do raters prefer long film reviews? And what happens to each model's score if a sentence that
# says nothing is appended to every review?

# %%
length_bias = yours("length_bias")
padding = "it is a film, and it runs for two hours."
texts = data.texts("eval")[:300]
longer = [f"{text} {padding}" for text in texts]
print(f"{'':<8}{'on reviews':>12}{'on samples':>12}   effect of the empty sentence")
print(f"{'raters':<8}{float(length_bias(crowd, length)):>+12.2f}")
for name, model in {"mine": mine, **built.models}.items():
    on_samples = length_bias(samples.scores[name], samples.mask.sum(1))
    effect = read_all(model, longer) - read_all(model, texts)
    bias = float(length_bias(on_reviews[name], length))
    mean, error = effect.mean(), effect.std(ddof=1) / len(effect) ** 0.5
    print(f"{name:<8}{bias:>+12.2f}{float(on_samples):>+12.2f}   {mean:+.2f} ± {error:.2f} spreads of the policy")
noise = [1 / n**0.5 for n in (len(reviews), len(samples.texts))]
print(f"correlations of pure noise: ± {noise[0]:.2f} and ± {noise[1]:.2f}")

# %% [markdown]
# Here neither raters nor models care for length as such: the correlations are about as large as noise. That is a fact
# about these ratings (how positive is the text?), not about reward models; where people rate *helpfulness* it is
# among the largest effects found. But look at the last column. A sentence without content moves some models by a good
# part of a spread, though their correlation with length is nil. **A correlation of zero is no certificate.** It
# averages over the texts that you have; the intervention asks what the *policy* will ask: what do I get if I add
# this?
#
# **Mitigations:** report the intervention beside the correlation; balance lengths in the pairs; regress the score on
# length and keep the rest; or show raters answers of like length in the first place.
#
# ## 9. Rankings: k responses at once
#
# Comparing costs reading, and reading four texts to order them is cheaper than reading three times two. Plackett and
# Luce's model orders $k$ texts by repeated choice: the best of all, then the best of the rest, and so on, each by a
# softmax of scores,
#
# $$L = -\sum_{j=1}^{k} \Big[ s_{(j)} - \log \sum_{i \ge j} e^{s_{(i)}} \Big], \qquad (j): \text{the } j\text{-th best}.$$
#
# With $k = 2$ it *is* the loss of section 1. Take care with the exponentials: `jax.lax.cumlogsumexp` stays in logs.

# %% tags=["exercise"]
from rlhf_lesson.losses import plackett_luce_loss

# %% [markdown]
# Now a fair experiment. Raters rate a fixed number of texts. We may use them as (a) rankings of four by your new
# loss, (b) the six pairs of each ranking, as InstructGPT did, (c) best against worst only, or (d) as unrelated pairs.
# Each way trains the bag of words, which takes a second, over several draws.
#
# **Predict, then run.** In which order will (a) to (d) end?

# %%
plackett_luce_loss = yours("plackett_luce_loss")
best_first = jnp.arange(4)


def whole_ranking(scores):
    return jax.vmap(lambda row: plackett_luce_loss(row, best_first))(scores)


def six_pairs(scores):
    """The mean over all pairs of a ranking, kept together in one batch."""
    return sum(bradley_terry_loss(scores[:, i], scores[:, j]) for i in range(4) for j in range(i + 1, 4)) / 6


def extremes(scores):
    return bradley_terry_loss(scores[:, 0], scores[:, 3])


# %%
rankings, draws = rl.scale(quick=(300, 4), full=(1000, 8))
ways = {"(a) whole rankings": whole_ranking, "(b) six pairs": six_pairs, "(c) best and worst": extremes}
results = {name: [] for name in [*ways, "(d) unrelated pairs"]}
for seed in range(draws):
    sets = feedback.rankings(data.by_split["proxy"], rankings, 4, seed=seed)
    texts = [r.responses[i] for r in sets for i in r.ranking]  # best first
    for name, way in ways.items():
        results[name].append(accuracy(bag_scores(learn(way, texts, 4), data.texts("eval"))))
    pairs = [text for pair in data.choices(2 * rankings, "proxy", seed=100 + seed) for text in pair[1:3]]
    results["(d) unrelated pairs"].append(accuracy(bag_scores(learn(both, pairs, 2), data.texts("eval"))))

# %% tags=["figure"]
# Figure: accuracy of four ways to use the same ratings
axes = plots.strips(results, role="proxy", ax=plots.panels(1, height=2.8)[0])
axes.set_xlabel(f"held-out accuracy after {4 * rankings} rated texts")
axes.set_title("Rankings get more out of the same ratings")
Picture(axes, "Accuracy of four ways to use the same number of rated texts; dots are draws, bars their means.")

# %% [markdown]
# The large step is from unrelated pairs to any use of rankings; between whole rankings and all pairs there is little
# to choose here. Even best against worst alone, which throws half of the texts away, gets far: section 2 says why, as
# raters are seldom wrong about texts that lie far apart. One caveat, before you order rankings from your raters: texts with
# equal ratings can't be ranked, so such sets are drawn again here, more often for four than for two. Reading them
# costs time, too, and is not counted.
#
# ### Pitfall: pairs of one ranking are not independent
#
# Six pairs of four texts are six views of four ratings. Shuffle them over an epoch and the model sees each text three
# times: it learns it by heart within "one" pass. InstructGPT met exactly this overfitting and put all pairs of a
# ranking into one batch, as (b) does. `objectives.plackett_luce_objective` gives the network the same.
#
# ## 10. Ensembles: asking three models
#
# A policy looks for texts on which the reward model is too high. Different models are wrong on different texts, so their
# *disagreement* is a warning, and a cautious score subtracts it:
#
# $$s_{\text{cautious}} = \operatorname{mean}_k s_k - c \cdot \operatorname{std}_k s_k.$$

# %% tags=["exercise"]
from rlhf_lesson.rewards import cautious_score

# %% [markdown]
# Our three: your network, the course's proxy, and the bag of words, all in units of the same policy's samples.
#
# **Predict, then run.** In how many of the held-out choices do all three prefer the same text? How much more often
# are they right there than where they are split?

# %%
cautious_score = yours("cautious_score")
bag_unit = bag_scores(bags[5000], samples.texts)


def by_words(texts):
    """The bag of words, in the same unit as the others."""
    return normalise_score(bag_scores(bags[5000], texts), bag_unit.mean(), bag_unit.std())


three = np.stack([in_units["mine"], in_units["proxy"], by_words(data.texts("eval"))])  # (3, reviews)
votes = np.sum(three[:, chosen] > three[:, rejected], axis=0)
agree, right = (votes == 0) | (votes == 3), votes >= 2
print("alone:     ", ", ".join(f"{accuracy(scores):.1%}" for scores in three))
print(f"their mean: {accuracy(three.mean(0)):.1%}")
print(f"all agree in {agree.mean():.0%} of the choices and are right in {right[agree].mean():.1%} of those")
print(f"split in {1 - agree.mean():.0%}; the majority is right in {right[~agree].mean():.1%} of those")

# %% [markdown]
# Averaging adds a little: on human texts the three mostly fail on the same pairs. *Knowing* where they are split adds
# a lot. Now some texts that no reviewer wrote.

# %%
odd = {
    "a plain one": "a warm, funny film with a heart of its own.",
    "its words shuffled": "own its a, of with heart warm a. film funny a,",
    "one word": "wonderful " * 20,
    "a slogan": "a heartfelt, funny and beautifully acted film. " * 4,
    "not praise": "the worst film of the year is also the funniest.",
}
neural = {"mine": trained, "proxy": built.scorers["proxy"]}
by_networks = [normalise_score(read_all(model, list(odd.values())), *units[name]) for name, model in neural.items()]
scores = np.stack([*by_networks, by_words(list(odd.values()))])  # (3, texts)
cautious = np.asarray(cautious_score(jnp.asarray(scores)))
true = {"sibling": read_all(built.scorers["sibling"], list(odd.values()))}
if built.scorers["gold"] is not built.scorers["sibling"]:
    true["gold"] = built.scorers["gold"](list(odd.values()))  # it reads text: section 11 says how
else:
    print("SmolLM2 was not fetched: the figure has no reader in it")

# %% tags=["figure"]
# Figure: scores of five odd texts by three models, with the cautious score and gold
(axes,) = plots.panels(1)
places = range(len(odd))
for name, role, row in zip(("yours", "proxy", "bag of words"), ("policy", "proxy", "reference"), scores):
    plots.points(row, {name: places}, ax=axes, roles=[role])
axes.plot(cautious, places, "<", color="#777777", markersize=9, label="cautious")
for name, row in true.items():
    axes.plot(row, places, **plots.style(name, "marker"), linestyle="none", fillstyle="none", label=name)
axes.set_yticks(places, list(odd))
axes.margins(y=0.1)
axes.invert_yaxis()
axes.set(xlabel=plots.SCORE_LABEL, title="Caution costs most where the models disagree")
axes.legend(fontsize=8, ncols=5, loc="upper center", bbox_to_anchor=(0.5, -0.2))
Picture(
    axes, "Scores of five odd texts by three reward models, with the cautious score, the sibling and gold beside them."
)

# %% [markdown]
# One good word, said twenty times, beats every real review for *both networks*. The bag of words can't be fooled by
# repetition, so the three disagree, and caution takes a good part of the prize away. But see the sibling, a net
# that other raters taught: if it likes the one word as well, that is because it began as the same language model. Gold began as
# another one, SmolLM2, and reads text; compare what it says. That is the limit of every ensemble. **Members that
# start from one base, or learn from one set of raters, are wrong together, and their agreement then means nothing.**
# Diversity has to be bought: other bases, other data, other kinds of model.
#
# ### Play: the score explorer
#
# Type a text and see what each scorer makes of it and which words it reacts to. Try to find a text that you would be
# ashamed of and the proxy loves.

# %%
from rlhf_lesson.widgets.score import ScoreExplorer, judge_scorer, reward_scorer

scorer_functions = {name: reward_scorer(model, tokenizer) for name, model in {"mine": mine, **built.models}.items()}
ScoreExplorer({**scorer_functions, "judge": judge_scorer}, units={"mine": plots.SCORE_LABEL})

# %% [markdown]
# ## 11. What pretraining buys
#
# Our language model has three million weights and has read some film reviews. *SmolLM2* has 135 million and has read a
# good part of the English web; it comes as one file (`python -m rlhf_lesson data fetch --model smollm2`). We train
# nothing in it. We let it read a review and begin a sentence that asks for an opinion,
#
# > Movie review: "a slow start, but what an end" ⏎ The reviewer thought the movie was
#
# and stop there. To go on, it must know by now what the reviewer thought. So that knowledge is in the state $h(y)$ of
# the *last token*, the only one that has read everything; we take it after layer 24 of 30. Pick that state. Padding may
# stand on either side of a text.

# %% tags=["exercise"]
from rlhf_lesson.arrays import last_token_state

# %% [markdown]
# What is left to learn is one direction among the numbers of a state, $s(y) = w \cdot h(y)$: a *linear probe*. With
# $d_i = h(\text{chosen}_i) - h(\text{rejected}_i)$ the loss of section 1 becomes
#
# $$L(w) = -\sum_i \log \sigma(w \cdot d_i) + \tfrac{\text{ridge}}{2} \lVert w \rVert^2.$$
#
# It has one minimum, and no learning rate is needed to get there: Newton's method divides the slope by the curvature
# and arrives in a few steps. The penalty is needed: with more numbers in a state than there are pairs, some plane parts
# *all* of the pairs, and the weights would grow without end.

# %% tags=["exercise"]
from rlhf_lesson.bradley_terry import linear_bradley_terry

# %% [markdown]
# **Predict, then run.** How many pairs does the probe need to be as good as our own net after thousands of them
# (section 5)?

# %%
last_token_state, linear_bradley_terry = yours("last_token_state"), yours("linear_bradley_terry")
by_reader = measured("reader", made_by="reader.py")
probe_rows = by_reader["by_pairs"]
print("held-out accuracy: mean ± spread over seeds; between which ends the mean would lie with other held-out texts")
for row in probe_rows:
    probe, words_alone = row["head"], row["bag_of_words"]
    texts = "{low:.1%} to {high:.1%}".format(**probe["over_texts"])
    print(f"{row['pairs']:>5} pairs: probe {probe['mean']:.1%} ± {probe['std']:.1%} ({texts}), ", end="")
    print(f"bag of words {words_alone['mean']:.1%} ± {words_alone['std']:.1%}")

# %% [markdown]
# Those are shipped numbers. Here is a small run of your own, if SmolLM2 was fetched: a hundred choices or more, and
# choices of raters among some of the held-out reviews. Most of the time goes into reading.

# %%
few, asked = rl.scale(quick=(100, 128), full=(1000, len(reviews)))
some = {review.text: i for i, review in enumerate(reviews[:asked])}
live_pairs = feedback.pairs(reviews[:asked], 4000, seed=1)
live = np.array([[some[pair.chosen], some[pair.rejected]] for pair in live_pairs])
live_accuracy = {}
if smollm2_file().is_file():
    smol = reader()
    learnt = [text for pair in choices[:few] for text in (pair.chosen, pair.rejected)]
    states = read_states(smol.model, smol.tokenizer, [*learnt, *some], last=last_token_state)[:, 0]
    h = (states - states[: len(learnt)].mean(0)) / states[: len(learnt)].std(0)
    weights = linear_bradley_terry(jnp.asarray(h[: len(learnt) : 2] - h[1 : len(learnt) : 2]), ridge=300.0)
    probed = h[len(learnt) :] @ np.asarray(weights)
    live_accuracy["your probe"] = pairwise_accuracy(probed[live[:, 0]], probed[live[:, 1]])
else:
    print(
        "SmolLM2 was not fetched, so the live run is left out: run `python -m rlhf_lesson data fetch --model smollm2`"
    )

# %%
if live_accuracy:
    by_words_alone = bag_scores(learn(both, learnt, 2), list(some))
    live_accuracy["bag of words, same choices"] = pairwise_accuracy(*by_words_alone[live.T])
    live_accuracy["your net of section 5"] = pairwise_accuracy(*on_reviews["mine"][:asked][live.T])
    live_accuracy["the crowd's mean"] = pairwise_accuracy(*crowd[:asked][live.T])
    for name, value in live_accuracy.items():
        print(f"{name:<27} {value:.1%} of {len(live)} choices among {asked} reviews")
    ratings = smol.probe(states[len(learnt) :])
    print(f"the reader's ratings and the crowd's: correlation {np.corrcoef(ratings, crowd[:asked])[0, 1]:.2f}")

# %% tags=["figure"]
# Figure: held-out accuracy against the number of pairs, for a probe of SmolLM2, a bag of words and our net
(axes,) = plots.panels(1, height=3.6)
pairs_seen = [row["pairs"] for row in probe_rows]
for name, label, role in (("head", "probe of frozen SmolLM2", "gold"), ("bag_of_words", "bag of words", "reference")):
    mean, spread = ([row[name][which] for row in probe_rows] for which in ("mean", "std"))
    axes.errorbar(pairs_seen, mean, spread, **plots.style(role, "marker"), capsize=4, label=label)
net = shipped["summary"]["neural"]
axes.errorbar(shipped["pairs"], net["mean"], net["std"], **plots.style("proxy", "marker"), capsize=4, label="our net")
if live_accuracy:
    plots.points(few, {"your probe": live_accuracy["your probe"]}, ax=axes, roles=["policy"], size=9)
plots.levels({"the crowd's mean": ceiling}, ax=axes, roles=("judge",))
axes.set(xscale="log", xlabel="pairs to learn from", ylabel="held-out accuracy", ylim=(0.5, 0.95))
axes.set_xticks([100, *pairs_seen], [f"{n:,}" for n in (100, *pairs_seen)])
axes.minorticks_off()
axes.set_title("Reading is cheap, labels are dear")
axes.legend(fontsize=8, ncols=2, loc="lower right")
Picture(
    axes, "Held-out accuracy against the number of pairs: the probe of SmolLM2 is far above net and bag from the start."
)

# %% [markdown]
# The probe's curve is nearly flat: the first pairs say *which* direction of the state is meant, and hardly anything is left for
# the others to say. What a good film is was known before anybody was asked. That is why reward models in practice start from
# the largest language model that one can afford, and why a few thousand labels go so far: **pretraining buys labels.** Which
# layer one reads matters, too:

# %%
for row in by_reader["layers"]:
    print(f"layer {row['layer']}: correlation with the ratings of held-out texts {row['correlation']:.3f}")
print(f"bag of words, ridge on the same ratings: {by_reader['bag_of_words_ridge']:.3f}")
print(f"gold net, five seeds: {shipped['summary']['gold_correlation']['mean']:.3f}")

# %% [markdown]
# Two cautions. The web that SmolLM2 read holds film reviews, and perhaps some of these; it holds no rating of our
# raters, but the comparison with our net, which never saw the held-out texts, is a little unfair. And a probe that is
# good on reviews has not been asked yet about what a policy writes.
#
# The same states with a probe for *ratings*, fitted once on all ratings of the gold split, is what this course calls the
# **reader** (`rlhf_lesson/study/reader.py`), and from here on it is *gold*: it stands for people. It shares neither base nor
# tokenizer with the nets that we train.
#
# ## 12. Your own labels
#
# If you labelled pairs in chapter 03, they are in `my_labels.jsonl` and were part of the training above. How well do
# models that learnt from strangers predict *you*? And does a bag of words that learnt from you alone predict the
# strangers?

# %%
if my_choices:
    sides = [[pair.chosen for pair in my_choices], [pair.rejected for pair in my_choices]]
    for name, model in built.models.items():
        share = pairwise_accuracy(*(read_all(model, side) for side in sides))
        print(f"{name} predicts {share:.0%} of your {len(my_choices)} choices")
    from_me = learn(both, [text for pair in my_choices for text in (pair.chosen, pair.rejected)], 2)
    print(
        f"a bag of words taught by you: {accuracy(bag_scores(from_me, data.texts('eval'))):.1%} of the strangers' choices"
    )
else:
    print("no labels of yours yet: chapter 03 has the labelling app, and this chapter can be run again")

# %% [markdown]
# With a few dozen labels the intervals are wide. What you can learn from them is not a number but a list: read the
# pairs on which proxy and you disagree. Whose mistake is it?
#
# ### Pitfall: whose preferences?
#
# The model learns the *average* of its raters and calls it quality. A minority that is right is noise to it; a habit
# that most raters share is a virtue. **Mitigations:** several raters per item, written guidelines, agreement per
# rater (chapter 03), raters like the people that the system is for, and a look at the items on which raters, not only
# models, are split.
#
# ## 13. What it measured

# %%
print(f"single raters agree with the others:  {agrees.mean():.1%} of {len(agrees)} pairs, T = {temperature:.2f} points")
print(
    f"your reward model, {count} choices:     {curve[-1][1]:.1%} held out, {with_trained_texts:.1%} on its own choices"
)
print(f"bag of words on the same choices:     {bag_accuracy[count]:.1%}; rules {rules:.1%}; crowd {ceiling:.1%}")
print(f"the course's proxy and its sibling:   {proxy:.1%}, {sibling:.1%}")
gain = np.mean(results["(a) whole rankings"]) - np.mean(results["(d) unrelated pairs"])
print(f"rankings instead of unrelated pairs:  {gain:+.1%}")
print(f"three models agree, or are split:     {right[agree].mean():.1%}, {right[~agree].mean():.1%} right")
ahead = sum(row["neural"] > row["bag_of_words"] for row in shipped["rows"])
print(f"network ahead of bag of words:        {ahead} of {len(shipped['rows'])} seeds, {shipped['pairs']} choices each")

# %% [markdown]
# ## 14. What a framework would do for you here
#
# - **TRL**: `RewardTrainer` puts a one-number head on any model (`AutoModelForSequenceClassification`) and uses the
#   loss of section 1, with an optional `margin` column. `center_rewards_coefficient` adds a small penalty on the
#   squared sum of both scores, which pins the zero that section 6 had to choose afterwards. It reports accuracy and
#   margin, but neither calibration nor a baseline.
# - **Tunix** has no trainer for reward models at the time of writing: its PPO takes a finished one, or any Python
#   function, as its reward.
# - **InstructGPT** showed labellers four to nine answers at once, trained on all pairs of a ranking as one batch
#   element, started from a supervised model with its output layer removed, and shifted the scores so that labellers'
#   demonstrations have mean 0.
#
# ## 15. Mini-challenge
#
# In words: you are to collect comparisons for a *customer-support bot*. Write three criteria for the annotators, and
# for each say why. A good criterion names what to look at, says how to decide a pair, and closes a road that the
# policy would otherwise take. For each of your three, answer: which cheap trick would a policy learn if this
# criterion were missing? How would two honest annotators still disagree about it? Which of this chapter's
# measurements would show that it went wrong? (If you are stuck, think of an answer that is friendly, long, and false;
# of one that is right and promises a refund that nobody may give; of one that solves another problem than the
# customer's.) Then order your three: what wins when they conflict?
#
# ## Sources
#
# - Bradley and Terry 1952, *Rank analysis of incomplete block designs I*; Plackett 1975, *The analysis of
#   permutations*; Luce 1959, *Individual choice behavior*
# - Christiano et al. 2017, [Deep reinforcement learning from human preferences](https://arxiv.org/abs/1706.03741)
# - Ziegler et al. 2019, [Fine-tuning language models from human preferences](https://arxiv.org/abs/1909.08593)
#   (normalising on the reference)
# - Ouyang et al. 2022, [InstructGPT](https://arxiv.org/abs/2203.02155), on reward modelling (rankings as one batch
#   element)
# - Touvron et al. 2023, [Llama 2](https://arxiv.org/abs/2307.09288) (the margin)
# - Guo et al. 2017, [On calibration of modern neural networks](https://arxiv.org/abs/1706.04599)
# - Singhal et al. 2024, [A long way to go: length correlations in RLHF](https://arxiv.org/abs/2310.03716)
# - Coste et al. 2024, [Reward model ensembles help mitigate overoptimization](https://arxiv.org/abs/2310.02743);
#   Eisenstein et al. 2023, [Helping or herding?](https://arxiv.org/abs/2312.09244) (why members of one base
#   are wrong together)
# - Hutto and Gilbert 2014, *VADER* (the ratings, and the rules)
