# %% [markdown]
# # 03 · Human feedback: raters, pairs and rankings
#
# **Goal.** Get from what people say to numbers that a model can learn from, and find out how far these numbers can be
# trusted. You turn ratings and rankings into pairs, measure how far people agree beyond chance, and give every text a
# strength from who beat whom. Then you become a rater yourself.
#
# **Time.** Plan three hours, half an hour of it for labelling. The set-up cell says how long the machine
# computes and what the exercises take.
#
# **Measured here.** How many pairs are ties; how far people agree on four kinds of text; why a high agreement can mean
# little; what careless raters do and how one finds them; how many judgements a strength costs, and how best to spend
# them; your own agreement with the crowd.

# %% tags=["setup"]
import rlhf_lesson as rl
from rlhf_lesson.course.checks import check, hint, solution, yours

rl.setup("03_human_feedback")

# %%
import json
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.data import feedback, formats, label_agreement, labels
from rlhf_lesson.data.questions import questions
from rlhf_lesson.data.records import Vote
from rlhf_lesson.view import plots
from rlhf_lesson.view.plots import Picture
from rlhf_lesson.view.results import measured

movies = feedback.load(feedback.MOVIES)
heard = sum(len(sentence.ratings) for sentence in movies)
print(f"{len(movies):,} sentences from film reviews, {heard:,} ratings by people, from -4 (very negative) to +4")

# %% [markdown]
# ## 1. A rater and a rating
#
# The data of this course are real. Hutto and Gilbert asked people how negative or positive a sentence is, one number per
# person, and published every single number. Most data sets give you one label per text and hide how it came about.
#
# **Predict, then run.** Below are the most loved sentence, the most hated one, and the one that people disagree on
# most, among those that many have read. What do you think is the matter with the third?

# %%
known = [s for s in movies if len(s.ratings) >= 20]
extremes = {
    "most loved": max(known, key=lambda s: s.mean),
    "most hated": min(known, key=lambda s: s.mean),
    "most disputed": max(known, key=lambda s: np.std(s.ratings)),
}
for name, s in extremes.items():
    print(f"{name}: {s.text}")

# %% tags=["figure"]
# Figure: how many people gave which rating to each of the three
panels = plots.panels(3, width=7.5, height=2.8, sharey=True)
for axes, (name, s) in zip(panels, extremes.items()):
    plots.histogram({"judge": s.ratings}, bins=np.arange(-4.5, 5), ax=axes, xlabel="rating", xticks=range(-4, 5, 2))
    plots.levels({"mean": s.mean}, ax=axes, roles=["reference"], vertical=True, legend=False)
    axes.set_title(f"{name}: mean {s.mean:+.1f}")
panels[0].set_ylabel("people")
Picture(panels[0], "How many people gave which rating: two sentences with all on one side, one with people on both.")

# %% [markdown]
# A mean hides the third picture. Is that sentence praise? Only if you think well of the film that it names; the others
# hear irony. Part of such a spread is carelessness, part of it is honest disagreement, and the numbers alone do not say
# which. Keep single ratings as long as you can; sections 5 to 8 need them.
#
# Who is who? The ratings carry no names. But the sentences were read in pages of fifteen, and within a page the k-th
# rating of each sentence comes from one person (`data/feedback.py` says how that was found out). So a page is a small sheet
# of readers by sentences.

# %%
pages = {}
for sentence in movies:
    pages.setdefault(sentence.page, []).append(sentence)
sheets = [np.array([s.ratings for s in page]).T for page in pages.values()]  # (readers, sentences) each
print(f"{len(sheets)} pages of {feedback.PAGE} sentences, each read by {min(map(len, sheets))} people or more")
print("three readers of the first page:\n", sheets[0][:3].astype(int))

# %% [markdown]
# ## 2. From ratings to pairs
#
# Ratings have a flaw: one reader's 2 is another one's 3. Two ratings by the *same* person are safer to compare. Reward
# models therefore learn from pairs: of two responses to one prompt, this one was preferred,
#
# $$\{\, (i, j) : \text{rating}_i - \text{rating}_j > \text{least} \,\}.$$
#
# A tie makes no pair. It is not a coin flip either: it is the statement "as good", and a model that is trained on ties
# in a random order learns noise. `least` asks for a difference that is larger than a slip of the hand.

# %% tags=["exercise"]
from rlhf_lesson.data.comparisons import pairs_from_ratings

# %% [markdown]
# **Predict, then run.** If we keep only differences of more than one point, more than two, more than three: how many of
# the possible comparisons remain, and how many of them agree with the *other* readers of the page?

# %%
pairs_from_ratings = yours("pairs_from_ratings")
rng = np.random.default_rng(0)
some = rng.choice(len(sheets), rl.scale(quick=120, full=700), replace=False)
possible = feedback.PAGE * (feedback.PAGE - 1) // 2
rates, right = [], []
for least in (0, 1, 2, 3):
    pairs, agreements = 0, 0
    for sheet in (sheets[i] for i in some):
        for reader in range(5):
            others = np.delete(sheet, reader, axis=0).mean(axis=0)
            better = pairs_from_ratings(sheet[reader].tolist(), least=least)
            pairs += len(better)
            agreements += sum(others[i] > others[j] for i, j in better)
    rates.append(pairs / (5 * len(some) * possible))
    right.append(agreements / pairs)
shares = {"of these, agree with the other readers": right, "comparisons that make a pair": rates}

# %% tags=["figure"]
# Figure: pairs and their agreement, against the least difference
axes = plots.lines(range(4), shares, roles=("gold", "proxy"), marks=True, xticks=range(4), ylim=(0, 1.02))
axes.set(xlabel="least difference (points)", ylabel="share", title="Fewer pairs, but surer ones")
Picture(axes, "As the least difference grows, few comparisons are left, and more of these agree with other readers.")

# %% [markdown]
# The leftmost point of the lower line is what ties cost: all comparisons that are missing there were ties. Sentences on
# one page stood in one review or near it, so they are alike and ties are many. Take two sentences from anywhere, and it
# looks better:

# %%
sampled = {
    where: feedback.pairs(movies, 3000, seed=0, keep_ties=True, one_person=where == "one page")
    for where in ("one page", "anywhere")
}
for where, pairs in sampled.items():
    print(f"two sentences from {where:<9} tied: {np.mean([pair.tie for pair in pairs]):.0%}")

# %% [markdown]
# This is why a data set of near-identical responses teaches slowly: most of its comparisons are ties or guesses. Llama 2
# asked its raters how much better the better one was, and used the answer as the *margin* of the loss (chapter 04).
#
# ## 3. From rankings to pairs
#
# Reading is the expensive part. Someone who has read $k$ responses can as well put them in order, and an order decides
# all $k (k - 1) / 2$ pairs:
#
# $$\{\, (\text{ranking}_a, \text{ranking}_b) : a < b \,\}.$$

# %% tags=["exercise"]
from rlhf_lesson.data.comparisons import pairs_from_ranking

# %%
pairs_from_ranking = yours("pairs_from_ranking")
one = feedback.rankings(movies, 1, 4, seed=1)[0]
print("ranking:", one.ranking, " pairs:", pairs_from_ranking(one.ranking))
for place, i in enumerate(one.ranking, 1):
    print(f"{place}. [{i}] {one.responses[i]}")

# %% [markdown]
# ### Pitfall: pairs from one ranking are not independent opinions
#
# InstructGPT's raters put four to nine responses in order. When the pairs were shuffled into the training set one by
# one, a single pass over the data overfitted: each response had been seen $k - 1$ times. Two mitigations, both cheap.
# Put all pairs of a ranking into one batch, which also runs the model once per response instead of once per pair. And
# split training from test data by *prompt*, never by pair, or the test set knows the answers.
#
# ### An order has no circles, a heap of pairs may
#
# If one person puts three texts in order, the three pairs fit together. Ask three people for one pair each, and they
# may say a over b, b over c, and c over a.
#
# **Predict, then run.** How often would that happen if all of them flipped coins? And how often does it?


# %%
def circles(draw, count):
    """The share of circles among triples on which nobody was undecided; `draw` gives three people's (3, 3) ratings."""
    votes = np.array([[np.sign(r[k, k] - r[k, (k + 1) % 3]) for k in range(3)] for r in (draw() for _ in range(count))])
    votes = votes[(votes != 0).all(axis=1)]
    return np.mean(np.abs(votes.sum(axis=1)) == 3)


def three_anywhere():
    texts = [movies[i] for i in rng.choice(len(movies), 3, replace=False)]
    return np.array([[s.ratings[int(who * len(s.ratings))] for s in texts] for who in rng.random(3)])


def three_on_a_page():
    sheet = sheets[rng.integers(len(sheets))]
    return sheet[np.ix_(rng.choice(len(sheet), 3, replace=False), rng.choice(feedback.PAGE, 3, replace=False))]


for where, draw in {
    "coins": lambda: rng.random((3, 3)),
    "anywhere": three_anywhere,
    "one page": three_on_a_page,
}.items():
    print(f"{where:<9} {circles(draw, rl.scale(quick=4000, full=20000)):.1%} of the triples are circles")

# %% [markdown]
# There are eight ways to answer three questions and two of them are circles. People do much better, and worse where the
# texts are alike. A heap of pairs cannot simply be sorted; section 7 fits one number per text instead.
#
# ## 4. In a file
#
# Pairs, rankings, ratings and votes travel as JSON lines, one object per line. Reading them is where data quality begins:
# a row that is not a pair has to be *reported*, with file and line, not dropped silently.

# %%
records = [pair for pair in sampled["anywhere"] if not pair.tie][:3]
with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "pairs.jsonl"
    formats.write(file, records)
    with file.open("a", encoding="utf-8") as more:
        more.write(json.dumps({"prompt": "", "chosen": "a fine film.", "rejected": "a fine film. "}) + "\n")
        more.write(json.dumps({"prompt": "", "chosen": "a fine film."}) + "\n")
    good, problems = formats.read(file, formats.parse_pair, skip_bad=True)
assert good == records
for where, what in problems:
    print(f"{Path(where).name}: {what}")

# %% [markdown]
# ## 5. Do people agree?
#
# If two people who read the same texts give different answers, a model that learns from them can't do better than their
# common ground. The plainest measure is the share of items on which they say the same,
#
# $$p_o = \frac{1}{N} \sum_i [a_i = b_i].$$

# %% tags=["exercise"]
from rlhf_lesson.agreement import percent_agreement

# %% [markdown]
# But two people who call nearly everything good agree nearly always, even with their eyes shut. Cohen's $\kappa$ asks
# how much of the agreement that was *left to gain* they gained:
#
# $$\kappa = \frac{p_o - p_e}{1 - p_e}, \qquad p_e = \sum_c P(a = c)\, P(b = c).$$
#
# $p_e$ is what each rater's own habits would give by chance.

# %% tags=["exercise"]
from rlhf_lesson.agreement import cohen_kappa

# %% [markdown]
# Below, every rating becomes one of three categories: negative, neutral, positive. We take the first two ratings of
# every text of four kinds; they come from two people. The last row is a part of the first: film pages that are full of
# praise.
#
# **Predict, then run.** On which kind of text do people agree least? And how do the two measures change from the first
# row to the last?

# %%
percent_agreement, cohen_kappa = yours("percent_agreement"), yours("cohen_kappa")
kinds = {
    "films": movies,
    "products": feedback.load(feedback.AMAZON),
    "opinions (a newspaper)": feedback.load(feedback.NYT),
    "tweets": feedback.load(feedback.TWEETS),
    "films, pages full of praise": [s for p in pages.values() if np.mean([s.mean for s in p]) > 1 for s in p],
}


def category(ratings):
    """0 negative, 1 neutral, 2 positive."""
    return jnp.asarray(np.sign(ratings) + 1, jnp.int32)


agreement = {}
for kind, sentences in kinds.items():
    a, b = (category([s.ratings[k] for s in sentences]) for k in (0, 1))
    agreement[kind] = float(percent_agreement(a, b)), float(cohen_kappa(a, b, categories=3))
    print(f"{kind:<28} the same category: {agreement[kind][0]:.0%}   kappa: {agreement[kind][1]:.2f}")

# %% tags=["figure"]
# Figure: percent agreement and kappa on five groups of texts
names = [kind.replace(" (", "\n(").replace(", ", ",\n") for kind in agreement]
heights = dict(zip(("same category", "kappa"), zip(*agreement.values())))
axes = plots.bars(names, heights, roles=("proxy", "gold"), ylabel="agreement (1: perfect)", ylim=(0, 1))
axes.set_title("The last group agrees as often as the first, and its kappa is low")
Picture(axes, "Percent agreement and kappa of two people on five groups of texts; they part on the last group.")

# %% [markdown]
# ### Pitfall: a high agreement on easy questions
#
# The people are the same kind of people, and on pages full of praise they say the same as often as on all pages. But
# there they could nearly do it with their eyes shut, and $\kappa$ says so. Neither number is *the* truth: a low
# $\kappa$ there does not mean that these readers are worse, it means that this part of the data can hardly show how good
# they are. Report both, with the share of each category, and never compare $\kappa$ between data sets whose categories
# have different shares.
#
# ## 6. Many raters, and numbers that have an order
#
# Krippendorff's $\alpha$ takes any number of raters, gaps included, and any notion of how far two answers are apart: a
# *distance* $\delta$. For categories without an order all that differ are equally far,
#
# $$\delta(a, b) = [a \ne b] \quad \text{(nominal)}, \qquad \delta(a, b) = (a - b)^2 \quad \text{(interval)},$$
#
# and for ratings in points the square of the difference is used.

# %% tags=["exercise"]
from rlhf_lesson.agreement import nominal_distance

# %% tags=["exercise"]
from rlhf_lesson.agreement import interval_distance

# %% [markdown]
# $\alpha$ compares the distance of ratings of *one* item with the distance of any two ratings at all:
#
# $$\alpha = 1 - \frac{D_o}{D_e}, \qquad D_o = \frac{1}{n} \sum_{\text{items}} \frac{1}{m - 1} \sum_{i \ne j} \delta(v_i, v_j),
# \qquad D_e = \frac{1}{n (n - 1)} \sum_{i \ne j} \delta(v_i, v_j).$$
#
# An item has $m$ ratings; there are $n$ in all. An item with a single rating can agree with nothing and is left out.

# %% tags=["exercise"]
from rlhf_lesson.agreement import krippendorff_alpha

# %% [markdown]
# **Predict, then run.** The same ratings, three ways: points as mere names, points as numbers, and the three categories
# as names. Which way shows the most agreement, and which the least?

# %%
nominal_distance, interval_distance = yours("nominal_distance"), yours("interval_distance")
alpha = jax.jit(yours("krippendorff_alpha"), static_argnames="distance")


def table(sentences, *, items=60, raters=15, seed=0):
    """Ratings of some random sentences, (raters, items); NaN where there are no more."""
    sheet = np.full((raters, items), np.nan, np.float32)
    for column, i in enumerate(np.random.default_rng(seed).choice(len(sentences), items, replace=False)):
        ratings = sentences[i].ratings[:raters]
        sheet[: len(ratings), column] = ratings
    return sheet


print(f"{'':<28} points, nominal   points, interval   categories, nominal")
for kind, sentences in kinds.items():
    points = table(sentences)
    ways = ((points, nominal_distance), (points, interval_distance), (np.sign(points), nominal_distance))
    print(f"{kind:<28}", *(f"{float(alpha(jnp.asarray(x), distance=d)):>15.2f}" for x, d in ways), sep="   ")

# %% [markdown]
# Nobody means the same by 2 and by 3, so as names the points look like a quarrel; as numbers they show a crowd that
# mostly agrees. Choose the distance by what the numbers mean, *before* you look. And read the newspaper's row: whether
# an editorial is positive is a bad question. Better guidelines help there more than more raters.
#
# ### What careless raters do
#
# Now some of the fifteen stop reading. One kind clicks anywhere; another always answers "rather positive".
#
# **Predict, then run.** How many of fifteen does it take to halve $\alpha$? Which kind does more harm?

# %%
honest = table(movies, seed=1)
anything = np.random.default_rng(2).integers(-4, 5, honest.shape)
kinds_of_careless = {"clicks anywhere": anything, "always +1": np.ones_like(honest)}
counts = range(0, 13, 2)
curves = {name: [] for name in kinds_of_careless}
for name, answers in kinds_of_careless.items():
    for count in counts:
        mixed = np.where(np.arange(15)[:, None] < count, answers, honest)
        curves[name].append(float(alpha(jnp.asarray(mixed, jnp.float32), distance=interval_distance)))

# %% tags=["figure"]
# Figure: alpha against the number of careless raters
axes = plots.lines(counts, curves, roles=("policy", "proxy"), marks=True, ylim=(0, 1), xticks=list(counts))
axes.set(xlabel="careless raters among fifteen", ylabel="Krippendorff's alpha")
axes.set_title("Each careless rater costs agreement")
Picture(axes, "Alpha falls with the number of careless raters, for those who click anywhere and for a fixed answer.")

# %% [markdown]
# ### Finding them, with a control
#
# How far does each reader go with the others on the page? The correlation says it, but fifteen sentences are few, and an
# honest reader may look bad by bad luck. So each one is compared with a *matched control*: the same person's answers in
# a shuffled order. The control has the same habits and has read nothing.


# %%
def together(a, b):
    """Correlation of two lists of ratings; 0 where either is all one number."""
    return float(np.corrcoef(a, b)[0, 1]) if np.std(a) * np.std(b) > 0 else 0.0


def with_others(sheet, reader, at=slice(None)):
    return together(sheet[reader, at], np.delete(sheet, reader, axis=0)[:, at].mean(axis=0))


who = [(sheet, reader) for sheet in sheets for reader in range(len(sheet))]
who = [who[i] for i in rng.permutation(len(who))[: rl.scale(quick=4000, full=len(who))]]
real = np.array([with_others(sheet, reader) for sheet, reader in who])
shuffled = [np.where(np.arange(len(s))[:, None] == r, rng.permutation(s[r]), s) for s, r in who]
control = np.array([with_others(sheet, reader) for sheet, (_, reader) in zip(shuffled, who)])
threshold = np.quantile(control, 0.95)

# %% tags=["figure"]
# Figure: how far readers, and shuffled readers, go with the others
(axes,) = plots.panels(1)
axes.axvline(threshold, color=plots.GREY, linewidth=0.8, label="nineteen in twenty of the shuffled lie left of here")
plots.cumulative({"the same, shuffled": control, "readers": real}, ax=axes, roles=("reference", "judge"), xlim=(-1, 1))
axes.set_xlabel("correlation with the other readers of the page")
axes.set_title(f"{np.mean(real < threshold):.0%} of the readers can't be told from a shuffle")
Picture(
    axes, "Cumulative shares of readers and shuffled readers by correlation with others: two well separated curves."
)

# %% [markdown]
# Does that *prove* that those people were careless? Look at the same persons again: pick the lowest tenth on the first
# eight sentences of their page, and measure them on the other seven.

# %%
first, second = (np.array([with_others(s, r, at) for s, r in who]) for at in (slice(0, 8), slice(8, None)))
lowest = first <= np.quantile(first, 0.1)
anyone = rng.random(len(who)) < 0.1
for name, group in (("lowest tenth", lowest), ("a random tenth", anyone)):
    print(f"{name:<15} first half {first[group].mean():.2f}, second half {second[group].mean():.2f}")

# %% [markdown]
# On the half that picked them they look terrible, on the other half only somewhat worse than anybody: most of it was
# bad luck. Whoever excludes raters by the same answers that they then report will always report an improvement. The
# second half is the honest number.
#
# ### Pitfall: annotation quality
#
# | what goes wrong | what helps |
# | --- | --- |
# | someone does not read | a few questions with a known answer, in between; time per question; `with_others` on *new* items |
# | a hard question | several raters per question, or the answer "tie"; a margin |
# | each means something else by "better" | written guidelines, a round of practice, talking about the disputed ones |
# | habits (always left, always the longer one) | sides at random for each rater; check the share of "left" and of "longer" |
# | raters who are all alike | choose them for whom the model is to serve; report who they were |
# | out with all who disagree | first ask whether they are wrong or a minority: agreement is not truth |
#
# ## 7. From pairs to strengths
#
# Bradley and Terry give each text one number $s$ and say that a better one does not always win, only more often:
#
# $$P(a \text{ beats } b) = \frac{e^{s_a}}{e^{s_a} + e^{s_b}} = \sigma(s_a - s_b).$$
#
# Every reward model of this course is built on this line: chapter 04 replaces the free number $s$ by a network that
# reads the text.

# %% tags=["exercise"]
from rlhf_lesson.bradley_terry import win_probability

# %% [markdown]
# The likeliest strengths, given who beat whom how often, have no formula but a simple fixed point. With $p = e^s$,
# $w_{ij}$ wins of $i$ over $j$ and $n_{ij} = w_{ij} + w_{ji}$ games,
#
# $$p_i \leftarrow \frac{\sum_j w_{ij} + \text{prior}}{\sum_j n_{ij} / (p_i + p_j) + 2\, \text{prior} / (p_i + 1)}.$$
#
# In words: an item's wins, divided by what it was up against. The prior plays a few imaginary draws against an item of
# strength 0.

# %% tags=["exercise"]
from rlhf_lesson.bradley_terry import bradley_terry_strengths

# %% [markdown]
# Forty sentences, eight ratings of each make the pairs (a tie is half a win for both), and *seven other* ratings are
# kept for the test.

# %%
win_probability, bradley_terry_strengths = yours("win_probability"), yours("bradley_terry_strengths")
strengths = jax.jit(bradley_terry_strengths)
ITEMS, FIT = 40, 8
enough = [s for s in movies if len(s.ratings) >= 15]


def sheet_of_strangers(seed):
    """Ratings of random sentences: (8, 40) to fit and (7, 40) to test."""
    items = np.random.default_rng(seed).choice(len(enough), ITEMS, replace=False)
    ratings = np.array([enough[i].ratings[:15] for i in items]).T
    return ratings[:FIT], ratings[FIT:]


def won(ratings):
    """w_ij: how often i was rated above j, a tie counting half; (items, items)."""
    lead = ratings[:, :, None] - ratings[:, None, :]
    return ((lead > 0) + 0.5 * (lead == 0)).sum(axis=0) * (1 - np.eye(ratings.shape[1]))


fit, test = sheet_of_strangers(0)
score = np.asarray(strengths(jnp.asarray(won(fit), jnp.float32)))

# %% [markdown]
# **Predict, then run.** Left: is the strength, which knows only who beat whom, a straight line in what *other* people's
# points say? Right: when the model gives a sentence a chance of nine in ten, how often does it win among the other
# people?

# %%
pair = np.triu_indices(ITEMS, 1)
chances, shares = [], []
for seed in range(rl.scale(quick=10, full=50)):
    eight, seven = sheet_of_strangers(seed)
    s = strengths(jnp.asarray(won(eight), jnp.float32))
    chance = np.asarray(win_probability(s[:, None], s[None, :]))[pair]
    share = won(seven)[pair] / len(seven)
    chances += np.maximum(chance, 1 - chance).tolist()  # of the favourite
    shares += np.where(chance < 0.5, 1 - share, share).tolist()
bins = np.array_split(np.argsort(chances), 8)
calibration = [{"predicted": np.mean(np.take(chances, b)), "observed": np.mean(np.take(shares, b))} for b in bins]

# %% tags=["figure"]
# Figure: strengths against other people's ratings, and predicted against observed wins
left, right = plots.panels(2)
plots.points(test.mean(axis=0), {"a sentence": score}, ax=left, roles=["proxy"], ylabel="strength (nats)")
left.set(xlabel="mean rating by other people (points)", title="Who beats whom gives the order back")
plots.calibration_curve(right, calibration, title="Somewhat too sure of itself")
right.lines[-1].set_label("Bradley-Terry")
right.legend(fontsize=8)
Picture(left, "Strength against other people's mean rating, nearly on a line; and predicted against observed wins.")

# %% [markdown]
# The order comes back nearly whole. The chances are too bold in the middle: the strengths were fitted to eight people's
# luck as well as to the sentences, and other people do not share that luck. Every model that is fitted without a penalty
# does this a little, and the reward model of chapter 04 will do it more.
#
# ### Pitfall: a player who never lost
#
# **Predict, then run.** Three players; the first has beaten both others in every game. What is its strength by plain
# maximum likelihood?

# %%
perfect = jnp.array([[0.0, 3.0, 3.0], [0.0, 0.0, 2.0], [0.0, 1.0, 0.0]])
for prior in (0.0, 0.1, 1.0):
    for steps in (50, 5000):
        print(
            f"prior {prior}, {steps:>4} steps:", np.round(bradley_terry_strengths(perfect, steps=steps, prior=prior), 2)
        )

# %% [markdown]
# Without a prior it runs away for ever, and what you get depends on when you stop. With few games per item this is the
# normal case, not the exception, so a leaderboard needs its prior (or its early stopping) in the caption.
#
# ## 8. A budget of judgements
#
# You can pay for a number of judgements. Ask about many different pairs once each, or about few pairs several times, so
# that each answer is reliable?
#
# **Predict, then run.** Which plan finds the better strengths for the same money? Everything is measured against the
# mean of seven people who took no part.

# %%
every_pair = np.array(pair).T


def ask(judgements, votes, seed):
    """Wins after so many judgements, `votes` people for each pair, and the test people's mean."""
    rng = np.random.default_rng([seed, judgements, votes])
    fit, test = sheet_of_strangers(seed)
    wins = np.zeros((ITEMS, ITEMS), np.float32)
    for i, j in every_pair[rng.choice(len(every_pair), judgements // votes, replace=False)]:
        lead = fit[rng.choice(FIT, votes, replace=False)][:, [i, j]]
        better = np.mean((lead[:, 0] > lead[:, 1]) + 0.5 * (lead[:, 0] == lead[:, 1])) * votes
        wins[i, j], wins[j, i] = better, votes - better
    return wins, test.mean(axis=0)


def recovery(judgements, votes, seeds):
    """Correlation of the strengths with the test people's mean, one per seed."""
    wins, truths = zip(*(ask(judgements, votes, seed) for seed in range(seeds)))
    guesses = np.asarray(strengths_of_many(jnp.asarray(np.stack(wins))))
    return np.array([together(guess, truth) for guess, truth in zip(guesses, truths)])


# %%
strengths_of_many = jax.jit(jax.vmap(bradley_terry_strengths))
budgets, seeds = (40, 80, 160, 320, 640), rl.scale(quick=24, full=200)
plans = {votes: [recovery(budget, votes, seeds) for budget in budgets] for votes in (1, 4, 8)}
names = {1: "one person per pair", 4: "four people per pair", 8: "eight people per pair"}

# %% tags=["figure"]
# Figure: how well three plans recover the strengths, against the number of judgements
(axes,) = plots.panels(1)
roles = ("proxy", "gold", "policy")
means = {names[votes]: [row.mean() for row in rows] for votes, rows in plans.items()}
for role, rows in zip(roles, plans.values()):
    low, high = np.quantile(rows, (0.1, 0.9), axis=1)
    axes.fill_between(budgets, low, high, color=plots.ROLES[role]["color"], alpha=0.15, linewidth=0)
legend = f"mean and middle 80 % of {seeds} draws"
plots.lines(budgets, means, ax=axes, roles=roles, marks=True, legend=legend, xscale="log", ylim=(0, 1))
axes.set(xticks=budgets, xticklabels=budgets, xlabel=f"judgements in all, for {ITEMS} sentences")
axes.set(ylabel="correlation with other people's mean", title="For the same money, many pairs beat sure pairs")
axes.minorticks_off()
Picture(axes, "Correlation against the number of judgements for three plans: one person per pair is best throughout.")

# %% [markdown]
# For *learning*, spread the money over many pairs: the model averages over noise by itself. So this course's reward
# model learns from pairs with one reader each. For *measuring*, several people per pair are worth their money: a test
# set with a single opinion per pair can't tell a bad model from a disputed question.
#
# ## 9. Now you
#
# Write guidelines first; a few lines will do. When is a text better than another? When is it a tie? What must not count,
# length for instance? Then label, and see how far you agree with the crowd. Write the guidelines into a file called
# `my_guidelines.md` beside this notebook, and the labelling app shows them with each pair.
#
# Two ways lead to the same file, `my_labels.jsonl`. **The app**: run the next cell and use the mouse or the keys. It can
# be stopped at any time, and never asks the same thing twice.

# %%
from rlhf_lesson.widgets.label import label

label(30)

# %% [markdown]
# **Without widgets**: read the pairs that the next cell prints and type your answers into it, in order: `A`, `B`, `tie`
# or `skip`, separated by spaces. Run the cell again; it files them and prints what is left.

# %%
my_answers = ""  # for example "A B tie A"
session = labels.Labelling(questions(30))
for answer in my_answers.split():
    session.decide(answer)
waiting = [q for q in session.questions if q.either_way not in session.decided]
for q in waiting[: rl.scale(quick=3, full=10)]:
    print(f"A: {q.response_a}\nB: {q.response_b}\n")
print(f"{len(waiting)} of {len(session.questions)} pairs wait for you; empty `my_answers` after each run")

# %% [markdown]
# After labelling in the app, run on from the cell above: it reads the file. Your labels stay on your disk. Chapter 04
# can train a reward model on `labels.my_choices()` and chapter 06 can steer a policy by it. If you have not labelled
# anything yet, a stranger from the data stands in for you below, so that the comparison runs.

# %%
mine = [vote for vote in session.decided.values() if vote.vote in labels.VOTES]
ratings = {s.text: s.ratings for s in movies}


def stand_in(question):
    lead = np.sign(ratings[question.response_a][0] - ratings[question.response_b][0])
    return Vote(*question, labels.VOTES[{1: 0, -1: 1, 0: 2}[int(lead)]], "a stranger")


you = f"you, on {len(mine)} pairs" if mine else "a stranger in your place"
report = label_agreement.against_raters(mine or [stand_in(q) for q in session.questions], movies)
print(you)
print(label_agreement.table(report))

# %% [markdown]
# ### How to read this
#
# - **Compare the first row with the last.** The last row is a single rater against the rest of the crowd: what a good
#   annotator reaches. Nobody reaches perfect agreement, and nobody should.
# - **The intervals are wide.** Thirty pairs say little about $\kappa$; that is why the interval stands there.
# - **Read the pairs on which you and the crowd part.** Slips? Another idea of "better"? A pair on which you are right? Each
#   answer leads to another change of your guidelines.
#
# With a friend or a class: give each person a name (`labels.Labelling(..., annotator="kim")`), put the files together
# with `label_agreement.merge`, and its `between_labellers` and `alpha` say how far *you* agree with each other. Then talk
# about the disputed pairs, change the guidelines, and label a fresh set. That round does more for quality than a hundred
# further labels.

# %% [markdown]
# ## 10. What it measured
#
# Beside your run stands the ceiling question of the whole course: how well can *any* model predict one person's choice?
# The five-seed numbers come from the results file that the benchmarks wrote.

# %%
course = measured("chain", made_by="chain_seeds.py")["penalised_summary"]["reward.accuracy_single_rater"]
crowd = {s.text: s.mean for s in movies}
decided = [pair for pair in sampled["anywhere"] if not pair.tie]
print(
    f"tied, two sentences from anywhere:     {np.mean([p.tie for p in sampled['anywhere']]):.0%}, one page: "
    f"{np.mean([p.tie for p in sampled['one page']]):.0%}"
)
print(f"one reader's choice is the crowd's:    {np.mean([crowd[p.chosen] > crowd[p.rejected] for p in decided]):.0%}")
print(f"the course's reward model predicts it: {course['mean']:.1%} ± {course['std']:.1%} (seeds; chapter 04)")
print(
    f"kappa, all films and pages of praise:  {agreement['films'][1]:.2f}, {agreement['films, pages full of praise'][1]:.2f}"
)
print(f"readers like a shuffle:                {np.mean(real < threshold):.0%}")
print(f"best plan at {budgets[1]} judgements:          {names[max(names, key=lambda v: plans[v][1].mean())]}")

# %% [markdown]
# ## 11. What a framework would do for you here
#
# - **TRL** expects a *preference* data set: `prompt`, `chosen`, `rejected`, as texts or as lists of messages, or only
#   the last two with the prompt as their common beginning. Ratings, rankings, ties and agreement are your business. Its
#   `extract_prompt` finds the common beginning.
# - **Tunix** has preference training (its `DPOTrainer` takes prompts with chosen and rejected responses) and rewards as
#   Python functions for its RL learners. It has no part that collects or checks human feedback.
# - **InstructGPT** hired about forty people, chosen by a screening test in which their answers were compared with the
#   researchers'. They ranked four to nine responses to a prompt, and the paper prints the guidelines and reports
#   agreement, also of people who had provided no training data.
# - Annotation tools (Label Studio, Argilla) give you the screen, several raters per question and an export. Your
#   `krippendorff_alpha` reads that export.
#
# ## 12. Mini-challenge
#
# In words, half a page: you are to write the guidelines for raters who compare two answers of a *film recommender*.
# (1) When is an answer better? Put your criteria in an order, and say what wins if two of them clash. (2) Name one case
# that has to be a tie and one that has to be skipped. (3) Which habit of raters do you fear most, and which number of
# this chapter would show it to you? (4) You can afford one thousand judgements: how many pairs, how many people per pair,
# and how many for the test set? Give your guidelines to someone else, let both of you label ten pairs, and change the
# sentence that caused most quarrels.
#
# ## Sources
#
# - Hutto and Gilbert 2014, *VADER: a parsimonious rule-based model for sentiment analysis of social media text* (the
#   ratings)
# - Cohen 1960, *A coefficient of agreement for nominal scales*
# - Feinstein and Cicchetti 1990, *High agreement but low kappa: the problems of two paradoxes*
# - Krippendorff 2011, *Computing Krippendorff's alpha-reliability*
# - Bradley and Terry 1952, *Rank analysis of incomplete block designs*; Zermelo 1929; Hunter 2004, *MM algorithms for
#   generalized Bradley-Terry models*
# - Ouyang et al. 2022, [InstructGPT](https://arxiv.org/abs/2203.02155), section 3 and appendix B
# - Touvron et al. 2023, [Llama 2](https://arxiv.org/abs/2307.09288), section 3 (margins)
# - Casper et al. 2023, [Open problems and fundamental limitations of RLHF](https://arxiv.org/abs/2307.15217), section 3
