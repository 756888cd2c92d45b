# %% [markdown]
# # 05 · Best-of-n, KL, and the optimum in closed form
#
# **Goal.** Chapter 04 made a number; now we optimise against it, and nothing is trained yet. You measure how far one
# policy is from another, exactly and from samples; you write down the policy that RLHF is looking for; and you build
# the strongest simple method there is, which draws n answers and keeps the best.
#
# **Time.** Plan two and a half hours. The set-up cell says how long the machine computes and what the exercises take.
#
# **Measured here.** Bias and spread of three KL estimators against the exact KL; what proxy and gold reward cost in
# KL, for the closed-form optimum and for best-of-n, from one pool of real responses; how many of its samples such an
# estimate really rests on; and how far the n in best-of-n carries.

# %% tags=["setup"]
import rlhf_lesson as rl
from rlhf_lesson.course.checks import check, hint, solution, yours

rl.setup("05_best_of_n_and_kl")

# %%
import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.measures import mean_and_interval, pairwise_accuracy
from rlhf_lesson.models.generate import keep_top_k, next_logits
from rlhf_lesson.models.pretrained import load_base
from rlhf_lesson.study.chain import trained_chain
from rlhf_lesson.study.demo import ppo_path
from rlhf_lesson.study.pool import load as load_pool
from rlhf_lesson.study.pool_runs import CLEAN
from rlhf_lesson.train.descend import descend
from rlhf_lesson.view import plots
from rlhf_lesson.view.plots import Picture
from rlhf_lesson.view.results import measured

built = trained_chain()
tokenizer = built.data.tokenizer
base, _ = load_base()

# %% [markdown]
# ## 1. How far is one policy from another?
#
# The reward model was trained on human text. The farther a policy moves from what it knows, the less the score means;
# so we need a distance. RLHF uses the Kullback-Leibler divergence of the policy $\pi$ from its reference,
#
# $$\mathrm{KL}(\pi \,\|\, \pi_{\text{ref}}) = \sum_v \pi_v \,(\log \pi_v - \log \pi_{\text{ref}, v}),$$
#
# in *nats*. Read it as: draw from $\pi$; how much less surprised is $\pi$ than the reference? It is 0 for equal
# policies and never negative. It is not symmetric, and that matters: what $\pi$ never does costs nothing, what *the
# reference* never does costs infinitely much. For a whole response the KL is the sum over its tokens, each given
# those before it.
#
# Mind the edge: $0 \cdot (-\infty)$ is `NaN` to a computer, and $0$ here.

# %% tags=["exercise"]
from rlhf_lesson.kl import exact_kl

# %% [markdown]
# **Predict, then run.** The SFT policy against the base model, after some first words: at which of them have they
# grown farthest apart? Then take the SFT policy cut to its forty likeliest tokens: what is its KL from the uncut one,
# and what is it the other way round?


# %%
def what_follows(model, text):
    """Log-probabilities of the next token, (V,)."""
    return jax.nn.log_softmax(next_logits(model, tokenizer, [text])[0])


exact_kl = yours("exact_kl")
for text in ("the", "the film is", "i have never", "it is one of the", "a film about"):
    sft, ref = what_follows(built.sft, text), what_follows(base, text)
    print(f"{text:<18} SFT from base {exact_kl(sft, ref):.3f}, base from SFT {exact_kl(ref, sft):.3f} nats")
sft = what_follows(built.sft, "the film is")
cut = jax.nn.log_softmax(keep_top_k(sft[None], 40)[0])
print(
    f"cut from whole: {exact_kl(cut, sft):.3f} = -log(mass that is kept): {-jax.nn.logsumexp(sft[cut > -jnp.inf]):.3f}"
)
print(f"whole from cut: {exact_kl(sft, cut)}")

# %% [markdown]
# The last line is a real trap: a *reference* with top-k or top-p on gives some of the policy's tokens probability 0,
# and the KL becomes infinite. References are never cut.
#
# ## 2. KL from samples
#
# The sum over a vocabulary is affordable for one token. Over whole responses it is not: there are more texts than
# atoms in the universe. So the KL is estimated from samples *of the policy*. With
# $d = \log \pi(y) - \log \pi_{\text{ref}}(y)$, three estimators are in use:
#
# $$k_1 = d, \qquad k_2 = \tfrac{1}{2} d^2, \qquad k_3 = e^{-d} - 1 + d.$$

# %% tags=["exercise"]
from rlhf_lesson.kl import k1

# %% tags=["exercise"]
from rlhf_lesson.kl import k2

# %% tags=["exercise"]
from rlhf_lesson.kl import k3

# %% [markdown]
# **Predict, then run.** Which of the three is right on average? Which can be negative? Which has the smallest spread?
# Your answers may depend on the distance.
#
# Below, the policies are the SFT policy's next-token distribution at several temperatures, the reference is the same
# at temperature 1, and every mean and spread is an exact sum over the vocabulary: no sampling noise.

# %%
estimators = {name: yours(name) for name in ("k1", "k2", "k3")}


def moments(estimator, logp, ref_logp):
    """Mean and standard deviation of one sample's estimate, by summing over the vocabulary."""
    value, p = estimator(logp, ref_logp), jnp.exp(logp)
    mean = jnp.sum(p * value)
    return float(mean), float(jnp.sqrt(jnp.sum(p * (value - mean) ** 2)))


temperatures = {"cooler": np.linspace(0.5, 0.97, 12), "hotter": np.linspace(1.03, 1.6, 12)}
exact, means, spreads = {}, {}, {}
for way, values in temperatures.items():
    policies = [jax.nn.log_softmax(sft / t) for t in values]
    exact[way] = [float(exact_kl(policy, sft)) for policy in policies]
    rows = {name: [moments(k, policy, sft) for policy in policies] for name, k in estimators.items()}
    means[way] = {f"{name}, mean": [mean for mean, _ in pairs] for name, pairs in rows.items()}
    spreads[way] = {name: [spread for _, spread in pairs] for name, pairs in rows.items()}

# %% tags=["figure"]
# Figure: mean and spread of three estimators against the exact KL
panels = plots.panels(2, width=7.5, height=3.6)
for axes, way in zip(panels, exact):
    plots.lines(exact[way], means[way], ax=axes, legend=False, xlabel="exact KL (nats)", xscale="log", yscale="log")
    for line, spread in zip(axes.get_lines(), spreads[way].values()):
        axes.plot(exact[way], spread, ".", linestyle=line.get_linestyle(), color=line.get_color(), linewidth=0.8)
    axes.plot(exact[way], exact[way], color="#bbbbbb", linewidth=4, zorder=0, label="exact")
    axes.set(ylabel="estimate (nats)", title=f"A {way} policy (dots: spread)")
panels[0].legend(fontsize=8)
Picture(panels[0], "Mean and spread of k1, k2, k3 against the exact KL: k1 and k3 are right on average, k2 is biased.")

# %% [markdown]
# $k_1$ and $k_3$ lie on the grey line at every distance, $k_2$ leaves it. Close to the reference $k_3$ is far
# steadier than $k_1$: that is why it is popular. But look at its dots to the right: where the reference finds a token
# much likelier than the policy does, $e^{-d}$ explodes, and a rare sample carries the whole mean. No estimator is
# best everywhere. The estimates that one sees in a run are sums over the tokens of a response and means over
# responses:

# %%
count, policy = 8, jax.nn.log_softmax(sft / 0.8)
tokens = jax.random.choice(jax.random.key(0), policy.size, (5000, count), p=jnp.exp(policy))  # many batches of them
truth = float(exact_kl(policy, sft))
print(f"exact: {truth:.3f} nats per token; means of {count} tokens:")
for name, estimator in estimators.items():
    means = np.asarray(estimator(policy[tokens], sft[tokens])).mean(axis=1)
    print(f"{name}: {means.mean():.3f} ± {means.std():.3f}, below 0 in {np.mean(means < 0):.1%} of the batches")
wrong = np.asarray(estimators["k1"](sft[tokens], policy[tokens])).mean()
print(f"k1 with its arguments swapped: {wrong:+.3f}")

# %% [markdown]
# ### Play: the estimators
#
# Move the policy away from its reference, change the number of samples, and let the *reference* do the sampling,
# which is a common mistake.

# %%
from rlhf_lesson.widgets.kl_estimators import KLEstimators

KLEstimators()

# %% [markdown]
# ### Pitfall: a good value can have a wrong gradient
#
# It is tempting to add an estimator to the loss and let `jax.grad` do the rest. But the samples came from $\pi$ too,
# and the gradient doesn't see that. What is left is the expectation of the estimator's own gradient,
# $\mathbb{E}_{y \sim \pi}[\nabla k]$.
#
# **Predict, then run.** Which of the three has the gradient of the KL? On six outcomes everything can be summed.

# %%
theta, ref6 = jax.random.normal(jax.random.key(1), (2, 6))
ref6 = jax.nn.log_softmax(ref6)
right = jax.grad(lambda x: exact_kl(jax.nn.log_softmax(x), ref6))(theta)
other_way = jax.grad(lambda x: exact_kl(ref6, jax.nn.log_softmax(x)))(theta)


def as_loss(estimator):
    """Gradient of the mean over infinitely many samples, which were drawn before and stay as they are."""
    p = jax.nn.softmax(theta)
    return jax.grad(lambda x: jnp.sum(p * estimator(jax.nn.log_softmax(x), ref6)))(theta)


def show(name, slope):
    print(f"{name:<24}", "  ".join(f"{x + 0.0:+.3f}" for x in np.round(np.asarray(slope), 3)))


show("KL(policy || reference)", right)
for name, estimator in estimators.items():
    show(f"{name} as a loss", as_loss(estimator))
show("KL(reference || policy)", other_way)
old = jax.nn.log_softmax(theta)  # who sampled: its log-probabilities are numbers, the new policy's have a gradient
show("k3 times the ratio", as_loss(lambda logp, ref: jnp.exp(logp - old) * estimators["k3"](logp, ref)))

# %% [markdown]
# $k_1$ as a loss pulls nowhere at all. $k_2$, whose *value* was biased, has exactly the right gradient for one token.
# (Summed over a response it is right only token by token: it ignores that a token also decides which tokens follow,
# and so the KL that is still to come.) $k_3$ follows the gradient of the KL in the *other* direction. Times
# the ratio of new to old policy, whose gradient counts too, it is right again: the last line. (TRL's GRPO does that by default
# since it has `use_bias_correction_kl`.) The safe way, and PPO's (chapter 06): put $-\beta k_1$ into the
# **reward**, and let the policy gradient account for the sampling.
#
# ## 3. The policy that RLHF is looking for
#
# Here is the goal of the whole course in one line: high score, small distance,
#
# $$\max_\pi\; J(\pi) = \mathbb{E}_{y \sim \pi}[r(y)] - \beta\, \mathrm{KL}(\pi \,\|\, \pi_{\text{ref}}).$$
#
# Over *all* policies its maximum has a closed form: tilt the reference by the exponentiated score,
#
# $$\pi^*(y) = \frac{\pi_{\text{ref}}(y)\, e^{r(y) / \beta}}{Z}, \qquad
# Z = \sum_y \pi_{\text{ref}}(y)\, e^{r(y)/\beta}, \qquad J(\pi^*) = \beta \log Z.$$
#
# (Write $J(\pi) = \beta \log Z - \beta\, \mathrm{KL}(\pi \,\|\, \pi^*)$ and it is plain: nothing beats $\pi^*$.)
# Small $\beta$ trusts the score, large $\beta$ the reference. Adding a constant to all scores changes nothing.

# %% tags=["exercise"]
from rlhf_lesson.kl import tilted_policy

# %% [markdown]
# To see it on real text we need responses, and many: one pool serves the rest of the chapter. It holds thousands of samples
# of the SFT policy for each of a few held-out prompts, all scored by proxy *and* gold. Only the proxy will ever choose. Gold
# takes its time to read, so the pool comes with the course (`benchmarks/pool.py` made it).

# %%
tilted_policy = yours("tilted_policy")
shipped = load_pool()
prompts, size = len(shipped.prompts), shipped.size
columns = {"proxy": CLEAN, "gold": "gold", "judge": "judge"}
score = {name: jnp.asarray(shipped.scores(column)) for name, column in columns.items()}
within = [np.corrcoef(p, g)[0, 1] for p, g in zip(score["proxy"], score["gold"])]
print(f"{prompts} prompts, {size} responses each; correlation of proxy and gold within a prompt: {np.mean(within):.2f}")

# %% [markdown]
# **Predict, then run.** Eight responses to one prompt. Before looking: at which $\beta$ does the best of them get
# half of the probability? And which wins at a large $\beta$?

# %%
eight = score["proxy"][0, :8]
uniform = jnp.full(8, -jnp.log(8.0))  # each was drawn once: all that the sample knows of the reference
order = np.argsort(-eight)
chances = {
    f"beta {beta:g}" if beta < 1e6 else "reference": jnp.exp(tilted_policy(uniform, eight, kl_coef=beta))[order]
    for beta in (1e6, 2.0, 0.7, 0.25)
}
opening = shipped.prompts[0].strip()
answers = [f"{shipped.texts[0][i].strip()[:46]}  {float(eight[i]):+.1f}" for i in order]

# %% tags=["figure"]
# Figure: the probability of eight responses at four values of beta
(axes,) = plots.panels(1, width=7.5, height=3.6)
plots.bars(answers, chances, ax=axes, across=True, xlabel="probability")
axes.figure.suptitle(f'Smaller beta, fewer answers to "{opening}"', fontsize=11)
Picture(axes, "Probabilities of eight responses under the tilted policy: as beta falls the best takes all.")

# %% [markdown]
# Don't take the formula's word for it. Climb the hill by gradient from the reference, and throw ten thousand random
# policies at it.

# %%
beta = 0.7


def objective(theta):
    """J of the policy softmax(theta)."""
    logp = jax.nn.log_softmax(theta)
    return jnp.sum(jnp.exp(logp) * eight) - beta * exact_kl(logp, uniform)


best = tilted_policy(uniform, eight, kl_coef=beta)
top = descend(lambda theta: -objective(theta), jnp.zeros(8), learning_rate=0.05, steps=500)  # downhill on -J
gap = jnp.abs(jax.nn.softmax(top) - jnp.exp(best)).max()
others = jax.vmap(objective)(3.0 * jax.random.normal(jax.random.key(2), (10_000, 8)))
print(f"closed form {objective(best):.4f}, beta log Z {beta * jax.nn.logsumexp(uniform + eight / beta):.4f}")
print(f"climbed {objective(top):.4f}; largest difference in probability {gap:.1e}")
print(f"best of ten thousand random policies: {others.max():.4f}")

# %% [markdown]
# So why does anyone train? Because this policy can't be *sampled*: its $Z$ sums over every possible text. PPO, DPO
# and best-of-n are three ways to get near it. On a finite pool, though, we can have it exactly, and see what it would
# do.
#
# ## 4. Re-weighting a pool
#
# Take all responses of a prompt as the outcomes and $1/N$ as the reference. Then the tilted policy is a set of
# *weights*, and any number of the optimum, proxy or gold or KL, is a weighted mean:
#
# $$\mathbb{E}_{\pi^*}[g] \approx \sum_i w_i\, g_i, \qquad w_i = \frac{e^{r_i/\beta}}{\sum_j e^{r_j/\beta}}, \qquad
# \mathrm{ESS} = \frac{1}{\sum_i w_i^2}.$$
#
# The *effective sample size* says how many responses the mean really rests on. When it is near 1, "the optimum" is a
# single lucky sample.
#
# **Predict, then run.** As $\beta$ falls, proxy rises. Does gold? Does the gap between them grow? At which $\beta$ is
# the effective sample size down to ten?

# %%
reference = jnp.full(size, -jnp.log(float(size)))


def point(logp):
    """Means over prompts: KL, scores and effective sample size of policies over the pool, given as (prompts, pool)."""
    weight = jnp.exp(logp)
    values = {name: float(jnp.mean(jnp.sum(weight * s, axis=1))) for name, s in score.items()}
    ess = float(jnp.mean(1.0 / jnp.sum(weight**2, axis=1)))
    return {"kl": float(jnp.mean(jax.vmap(exact_kl, (0, None))(logp, reference))), "ess": ess, **values}


def tilted(beta):
    return point(jax.vmap(lambda s: tilted_policy(reference, s, kl_coef=beta))(score["proxy"]))


betas = (1e6, *np.geomspace(10, 0.1, 25))
optimum = [tilted(beta) for beta in betas]
print("    beta     KL   proxy   gold   effective sample size")
for beta, row in zip(betas[::2], optimum[::2]):
    print(f"{beta:>8.3g} {row['kl']:>6.2f} {row['proxy']:>+7.2f} {row['gold']:>+6.2f} {row['ess']:>9.1f} of {size}")

# %% tags=["figure"]
# Figure: what the optimum earns, and the samples that this rests on
left, right = plots.panels(2, width=7.5, height=3.6)
kl = np.array([row["kl"] for row in optimum])
scores = {name: [row[name] - optimum[0][name] for row in optimum] for name in ("proxy", "gold")}
plots.lines(kl, scores, ax=left, marks=True, xlabel=plots.KL_LABEL, ylabel="gain over the SFT policy")
left.set_title("What the optimum would earn")
plots.lines(kl, {"ESS": [row["ess"] for row in optimum]}, ax=right, roles=["policy"], marks=True)
plots.lines(kl, {"N exp(-KL)": size * np.exp(-kl)}, ax=right, roles=["reference"], xlabel=plots.KL_LABEL)
right.set(ylabel="effective sample size", yscale="log", title="How few samples it rests on")
Picture(left, "Proxy and gold of the tilted policy rise with KL, gold less; the effective sample size falls to a few.")

# %% [markdown]
# Three findings. Reward is bought with KL, and at a falling rate. **Gold rises less than the proxy that chooses**: part of
# what the proxy likes is its own error, and selection collects errors. (How much less is to be expected, section 7 will say.)
# And the samples run out exponentially: each nat divides the effective number by $e$ or more.
#
# ### Pitfall: a small pool makes a small optimum
#
# The right panel is also a warning about the left one: no policy over $N$ samples is farther away than $\log N$ nats,
# so beyond that the pool *can't* show what the optimum would do. The same $\beta$ on smaller pools:

# %%
by_size = {}
for part in (size, 32, 8):
    pieces = score["proxy"].reshape(-1, part)  # every pool cut into pools of `part`
    weights = jax.nn.softmax(pieces / jnp.array(betas[1:])[:, None, None], axis=-1)  # (betas, pools, part)
    by_size[f"pools of {part}"] = jnp.mean(jnp.sum(weights * pieces, -1), -1)

# %% tags=["figure"]
# Figure: the optimum's proxy score against beta, for three sizes of pool
axes = plots.lines(betas[1:], by_size, marks=True, xlabel="beta (score units per nat)", xscale="log")
axes.set(ylabel="proxy score", title="With small beta the answer depends on the pool's size")
Picture(axes, "Proxy score of the tilted policy against beta for three pool sizes: they part where beta is small.")

# %% [markdown]
# Where the lines part, the estimate is too low, and nothing in the number itself tells you. **Mitigation:** print the
# effective sample size beside every re-weighted mean, and do not read below a few dozen.
#
# ## 5. Best-of-n
#
# Now a policy that *can* be sampled, without training anything: draw $n$ responses, hand out the one with the highest
# score.
#
# $$y = \arg\max_{i \le n} r(y_i), \qquad y_1, \dots, y_n \sim \pi_{\text{ref}}.$$

# %% tags=["exercise"]
from rlhf_lesson.rewards import best_of_n

# %% [markdown]
# **Predict, then run.** The best of sixteen, by proxy, against one fresh response to the same prompt: how often does
# it win *by proxy*? (Any of seventeen responses is equally likely to be the highest.) And by gold?

# %%
best_of_n = yours("best_of_n")
n = 16
group = score["proxy"][:, :n]
rows = np.asarray(best_of_n(group.reshape(-1), n)) - n * np.arange(prompts)
for i in range(4):
    print("drawn first:", shipped.prompts[i] + shipped.texts[i][0])
    print("best of 16: ", shipped.prompts[i] + shipped.texts[i][rows[i]], "\n")
wins = {}
for name, scores in score.items():
    best_one, fresh = np.asarray(scores[np.arange(prompts), rows]), np.asarray(scores[:, n:])
    wins[name] = pairwise_accuracy(best_one[:, None], fresh)
print({name: f"{value:.1%}" for name, value in wins.items()}, f"expected by proxy: n / (n + 1) = {n / (n + 1):.1%}")

# %% [markdown]
# By proxy the win rate follows from counting alone and says nothing about quality: a random number as the score would
# win as often. Gold's win rate is the finding.
#
# ### How far has it moved?
#
# The best-of-n policy has a KL from its reference like any other. For $n$ draws it is at most
#
# $$\mathrm{KL}(\pi_n \,\|\, \pi_{\text{ref}}) \le \log n - \frac{n - 1}{n}.$$

# %% tags=["exercise"]
from rlhf_lesson.kl import best_of_n_kl_bound

# %% [markdown]
# Much of the literature takes this for an equation. It is one where every outcome is rare and no scores tie. To see
# when it isn't, compute the policy itself. An outcome with score $s$ is handed out if all $n$ draws score at most $s$
# and not all below; tied outcomes share that chance:
#
# $$\pi_n(v) = \frac{\pi_{\text{ref}}(v)}{F(s) - F(s^-)} \Big[ F(s)^n - F(s^-)^n \Big], \qquad F(s) = P(\text{score} \le s),
# \quad F(s^-) = P(\text{score} \lt s).$$

# %% tags=["exercise"]
from rlhf_lesson.kl import best_of_n_logprobs

# %% tags=["exercise"]
from rlhf_lesson.kl import best_of_n_kl

# %% [markdown]
# **Predict, then run.** A die: six outcomes, equally likely, all scores different. Where does best-of-n end for large
# $n$, and how far can that be? And a reward that only says right or wrong, with one answer in ten right?

# %%
best_of_n_kl_bound, best_of_n_logprobs = yours("best_of_n_kl_bound"), yours("best_of_n_logprobs")
best_of_n_kl = yours("best_of_n_kl")
worlds = {
    "a pool of our responses": (reference, score["proxy"][0]),
    "a die": (jnp.full(6, -jnp.log(6.0)), jnp.arange(6.0)),
    "right (one in ten) or wrong": (jnp.log(jnp.array([0.9, 0.1])), jnp.array([0.0, 1.0])),
}
draws = 2 ** jnp.arange(9)
bound = jax.vmap(best_of_n_kl_bound)(draws)
moves = {name: jax.vmap(best_of_n_kl, (None, None, 0))(logp, scores, draws) for name, (logp, scores) in worlds.items()}

# %% tags=["figure"]
# Figure: KL of best-of-n against n, in three worlds
(axes,) = plots.panels(1, height=3.6)
axes.plot(draws, bound, color="#bbbbbb", linewidth=4, label="bound")
plots.lines(draws, moves, ax=axes, marks=True, xlabel="n", ylabel="KL from reference (nats)", xscale="log")
axes.set(title="Exact where outcomes are many, far too large where they are few")
axes.set_xticks(draws, draws.tolist())
axes.minorticks_off()
Picture(axes, "KL of best-of-n against n: the bound, a pool close to it, a die and a right-or-wrong reward far below.")

# %% [markdown]
# No policy can move farther than to the best outcome, $-\log$ of its probability under the reference, and best-of-n
# stops there while the bound goes on. For free text with a real-valued score the bound is fine, as the pool shows;
# for multiple choice, or a verifier that says right or wrong, it is not.
#
# ### Play: exact and bound

# %%
from rlhf_lesson.widgets.best_of_n import BestOfN

BestOfN()

# %% [markdown]
# ## 6. The whole curve from one pool
#
# To measure best-of-n for each $n$, one could draw $n$ new responses again and again. The pool makes that
# unnecessary. Sort its $N$ scores; the $i$-th lowest is the best of $n$ without replacement if the other $n - 1$ come
# from the $i - 1$ below it:
#
# $$\widehat{V}_n = \sum_{i=n}^{N} \frac{\binom{i-1}{n-1}}{\binom{N}{n}}\, v_{(i)}.$$
#
# It averages over *every* subset of size $n$, is unbiased for fresh draws, and one pool gives all $n \le N$. Careful:
# binomials overflow. Build each weight from the one before.

# %% tags=["exercise"]
from rlhf_lesson.rewards import best_of_n_estimate

# %% [markdown]
# **Predict, then run.** Against the plain way, which cuts the pool into groups of $n$ and takes the mean over groups:
# same value? Same noise? The noise is seen by shuffling the pool.

# %%
best_of_n_estimate, few = yours("best_of_n_estimate"), 8
one_pool = score["proxy"][0]
keys = jax.random.split(jax.random.key(4), 2000)
shuffled = jax.vmap(lambda key: jax.random.permutation(key, one_pool))(keys)
plain = jax.vmap(lambda pool: jnp.mean(pool[best_of_n(pool, few)]))(shuffled[:200])
print(f"groups of {few}:   {plain.mean():.3f}, and {plain.std():.3f} of noise from the order alone")
print(f"every subset:  {best_of_n_estimate(one_pool, one_pool, few):.3f}, whatever the order")
print(f"brute force:   {shuffled[:, :few].max(axis=1).mean():.3f}, the mean over {len(keys)} random subsets")

# %% [markdown]
# ## 7. Two methods and a coin at equal KL
#
# Now everything in one figure: the optimum, best-of-n, and a *matched control* that picks the best of $n$ by a random
# number. It moves just as far; it must gain nothing. Chosen by proxy, judged by proxy and gold. All three are
# policies over the same pool, so their KL is exact.
#
# **Predict, then run.** How far is best-of-n below the optimum at equal KL? And where does the coin end?

# %%
ns = [2**k for k in range(size.bit_length() - 1) if 2**k <= size // 30]  # beyond, too few responses carry the mean


def kept_by(what, n):
    """Best-of-n over every prompt's pool, chosen by these scores: (prompts, pool)."""
    return point(jax.vmap(lambda s: best_of_n_logprobs(reference, s, n))(what))


of_n = [kept_by(score["proxy"], n) for n in ns]
near = [row for row in optimum if row["ess"] >= 30]  # the part that rests on enough responses
coins = jax.random.normal(jax.random.key(3), (20, *score["proxy"].shape))  # one coin has luck; twenty have less
by_coin = [[kept_by(coin, n) for coin in coins] for n in ns]
of_coin = [{name: float(np.mean([row[name] for row in rows])) for name in rows[0]} for rows in by_coin]
estimate = jax.vmap(best_of_n_estimate, (0, 0, None))
print("  n    KL   bound   proxy: policy, estimate   gold: policy, estimate")
for n, row in zip(ns, of_n):
    proxy, gold = (float(estimate(score["proxy"], score[name], n).mean()) for name in ("proxy", "gold"))
    print(f"{n:>3} {abs(row['kl']):>5.2f} {best_of_n_kl_bound(n):>6.2f} {row['proxy']:>+14.2f} {proxy:>+9.2f}", end="")
    print(f" {row['gold']:>+15.2f} {gold:>+9.2f}")

# %% [markdown]
# How much of gold's lag is over-optimisation? Less than it seems. A text that the proxy puts high is partly good and partly
# lucky, and gold gives back the luck: *regression to the mean*. If gold is $a + b \cdot \text{proxy}$ plus noise, then
# choosing by proxy must gain
#
# $$\Delta_{\text{gold}} = \rho\, \frac{\sigma_{\text{gold}}}{\sigma_{\text{proxy}}}\; \Delta_{\text{proxy}},$$
#
# with $\rho$ their correlation over the reference's responses. This is called *regressional Goodhart*, and it holds for any
# score with noise in it, however little it is pushed. Only what gold falls *below* this line is over-optimisation in the
# sense of chapter 07: the relation itself giving way where the proxy is high.
#
# **Predict, then run.** Is gold's gain on the line, above it or below? And where would you look for the first gap?

# %%
slopes = [
    np.corrcoef(p, g)[0, 1] * g.std() / p.std() for p, g in zip(np.asarray(score["proxy"]), np.asarray(score["gold"]))
]
weights = [jax.vmap(lambda s, n=n: jnp.exp(best_of_n_logprobs(reference, s, n)))(score["proxy"]) for n in ns]
print("  n    proxy's gain   expected of gold   gold's gain   share of what was expected")
for n, weight in list(zip(ns, weights))[1:]:
    gain = {name: np.asarray((weight * s).sum(1) - s.mean(1)) for name, s in score.items()}
    expected = float(np.mean(slopes * gain["proxy"]))
    got = float(gain["gold"].mean())
    print(f"{n:>3} {gain['proxy'].mean():>+14.2f} {expected:>+16.2f} {got:>+13.2f} {got / expected:>18.0%}")

# %% tags=["figure"]
# Figure: proxy and gold against KL for the optimum, best-of-n and a coin
(axes,) = plots.panels(1, height=4.4)
roles = ("proxy", "gold")
curves = {f"optimum, {name}": [row[name] - near[0][name] for row in near] for name in roles}
marks = {f"best of n, {name}": [row[name] - of_n[0][name] for row in of_n] for name in roles}
plots.lines([row["kl"] for row in near], curves, ax=axes, roles=roles)
plots.points([row["kl"] for row in of_n], marks, ax=axes, roles=roles)
by_luck = {"coins, gold": [row["gold"] - of_coin[0]["gold"] for row in of_coin]}
plots.lines([row["kl"] for row in of_coin], by_luck, ax=axes, roles=["reference"], marks=True, xlabel=plots.KL_LABEL)
proxy, gold = (of_n[-1][name] - of_n[0][name] for name in roles)
axes.set(ylabel="gain over the SFT policy", title=f"Best of {ns[-1]} gains {proxy:.1f} by proxy and {gold:.1f} by gold")
axes.legend(fontsize=8, ncols=2)
Picture(axes, "Proxy and gold against KL for the optimum, best-of-n close below it, and the mean of twenty coins.")

# %% [markdown]
# Best-of-n stays close to the optimum: at equal KL there is little to be won by cleverness (section 8 prints how
# little). That makes it the yardstick for every method in this course. Its price is paid at *inference*: $n$
# responses for each answer, for ever, and KL grows only with $\log n$, so a policy far from its reference is out of
# reach. What PPO buys is not a better frontier but a policy that needs one draw.
#
# The coins show what KL alone is worth: nothing, up to the noise of a pool of which they use ever fewer samples. And most of
# the gap between blue and orange is the regression of the table above, which no stronger optimiser is to blame for. Chapter
# 07 pushes on until the relation itself breaks.

# %% [markdown]
# ### Play: the KL-against-reward simulator
#
# A larger pool, $\beta$ and $n$ under your hands, other proxies (fewer pairs, more label noise), and PPO's
# paths, measured or live.

# %%
from rlhf_lesson.widgets.simulator import Simulator

Simulator()

# %% [markdown]
# ## 8. What it measured
#
# One pool is one SFT policy, one proxy, one gold. The shipped results repeat everything with five seeds, each with
# models of its own, and put PPO's path beside best-of-n (thin lines: seeds). Both were measured on the same held-out
# prompts: a path read from PPO's *training* prompts would start at another score, and the comparison would be one of prompts.

# %%
seeds = measured("chain", made_by="chain_seeds.py")["rows"]
start, end = of_n[0], of_n[-1]
print(f"this pool, best of {ns[-1]}: proxy {end['proxy']:+.2f}, gold {end['gold']:+.2f} at {end['kl']:.2f} nats")
frontier = np.interp([row["kl"] for row in of_n[1:]], *([r[k] for r in near] for k in ("kl", "proxy")))
share = [(row["proxy"] - start["proxy"]) / (top - start["proxy"]) for row, top in zip(of_n[1:], frontier)]
print(f"best of n earns {min(share):.0%} to {max(share):.0%} of the optimum's proxy gain at equal KL")
print(f"win rate of best-of-16 over a fresh response: proxy {wins['proxy']:.1%}, gold {wins['gold']:.1%}")

# %%
median = []
for points in zip(*(seed["bestofn"] for seed in seeds)):  # every seed's best of one, of two, of four ...
    print(f"best of {points[0]['n']:>3}, {len(points)} seeds: ", end="")
    proxy, gold = ([p[name] for p in points] for name in ("proxy", "gold"))
    spread = np.std(proxy, ddof=1), np.std(gold, ddof=1)
    print(f"proxy {np.mean(proxy):+.2f} ± {spread[0]:.2f}, gold {np.mean(gold):+.2f} ± {spread[1]:.2f}")
    median.append({name: float(np.median([p[name] for p in points])) for name in points[0]} | {"n": points[0]["n"]})
paths = [ppo_path(seed["penalised"]["curve"]) for seed in seeds]
ahead = [seed["equal_kl"][-1]["best_of_n_gold"] - seed["equal_kl"][-1]["ppo_gold"] for seed in seeds]
lead = mean_and_interval(ahead)
print(f"gold gained by best-of-n less PPO's at the largest KL of both: {lead['mean']:+.2f} ", end="")
print(f"(95 % {lead['low']:+.2f} to {lead['high']:+.2f}), above 0 in {sum(a > 0 for a in ahead)} of {len(ahead)} seeds")

# %% tags=["figure"]
# Figure: proxy and gold against KL, PPO's paths and best-of-n over five seeds
(axes,) = plots.panels(1, height=4.2)
clear = lead["low"] > 0 or lead["high"] < 0
who = "best-of-n earns more" if lead["mean"] > 0 else "PPO earns more"
title = f"At equal KL {who if clear else 'neither is clearly ahead'}; PPO needs one draw"
plots.reward_against_kl(axes, paths, median, title=title, root=True, window=1)
Picture(axes, "Proxy and gold against KL, five seeds: best-of-n as marks, PPO's paths as lines, on the same prompts.")

# %% [markdown]
# ### Pitfall: comparing methods at their best moments
#
# "Method A reached this reward, method B that one" says nothing while their KLs differ: everyone can buy reward.
# Compare at *equal KL*, with gold, over seeds, and say what each answer costs at inference.
#
# ## 9. What a framework would do for you here
#
# - **Tunix**: `compute_kl_divergence(per_token_logps, ref_per_token_logps, method=...)` knows `"kl"`, `"mse_kl"` and
#   `"low_var_kl"`: your $k_1$, $k_2$ and $k_3$. The default is the last. Inside a reward only $k_1$ gives the exact
#   gradient: what the policy gradient leaves out is the mean of the estimator's own gradient, and only that of $k_1$
#   is 0.
# - **TRL**: GRPO's optional penalty is $k_3$ in the loss. Its `BestOfNSampler` was deprecated in 2025 as out of
#   scope: best-of-n is a loop around `generate` and a reward model, as you wrote it.
# - **InstructGPT** penalises $k_1$ per token in the reward, with $\beta$ fixed. **WebGPT** (Nakano et al.) used
#   best-of-n in place of RL for its best model; there it is called rejection sampling.
#
# ## 10. Mini-challenge
#
# In words: a colleague writes, "Best-of-64 gets the same reward as our PPO policy, at a tenth of the KL. So PPO is
# useless, and we ship best-of-64." Name two measurements that you would ask for before you believe the first
# sentence, one way in which the conclusion could be right, and one in which it is wrong. Then the harder one: the
# reward is a verifier that says right or wrong. What do you now say about the "tenth of the KL"?
#
# ## Sources
#
# - Kullback and Leibler 1951, *On information and sufficiency*
# - Schulman 2020, [Approximating KL divergence](http://joschu.net/blog/kl-approx.html) ($k_1$, $k_2$, $k_3$)
# - Stiennon et al. 2020, [Learning to summarize from human feedback](https://arxiv.org/abs/2009.01325) (best-of-n and
#   its KL)
# - Nakano et al. 2021, [WebGPT](https://arxiv.org/abs/2112.09332), appendix I; Hilton and Gao 2022, *Measuring
#   Goodhart's law* (the estimator)
# - Beirami et al. 2024, [Theoretical guarantees on the best-of-n alignment policy](https://arxiv.org/abs/2401.01879)
#   (a bound, and the exact policy)
# - Yang et al. 2024, [Asymptotics of language model alignment](https://arxiv.org/abs/2404.01730) (best-of-n is nearly
#   the optimum)
# - Rafailov et al. 2023, [Direct preference optimization](https://arxiv.org/abs/2305.18290), equation 4 (the closed
#   form)
# - Gao et al. 2022, [Scaling laws for reward model overoptimization](https://arxiv.org/abs/2210.10760) (proxy and
#   gold against KL)
