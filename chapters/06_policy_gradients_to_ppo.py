# %% [markdown]
# # 06 · Policy gradients to PPO
#
# **Goal.** Train the policy on the reward model. You start from the shortest algorithm that works, REINFORCE with a
# baseline, and add the pieces of PPO one at a time: what each repairs, its equation, its code. At the end a real PPO
# run is driven by your own functions.
#
# **Time.** Plan three hours; the set-up cell says how many minutes the exercises take and how long the machine
# computes.
#
# **Measured here.** What a baseline does to the noise of a gradient; where each token's reward comes from; how far
# REINFORCE and PPO get at which KL; and, over five seeds, what PPO gains and what best-of-n gains at the same KL.

# %% tags=["setup"]
import rlhf_lesson as rl
from rlhf_lesson.course.checks import check, hint, solution, yours

rl.setup("06_policy_gradients_to_ppo")

# %%
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

from rlhf_lesson.advantages import leave_one_out
from rlhf_lesson.arrays import masked_mean
from rlhf_lesson.kl import k1
from rlhf_lesson.measures import distinct, mean_and_interval, pairwise_accuracy, score_at
from rlhf_lesson.study import demo
from rlhf_lesson.study.chain import trained_chain
from rlhf_lesson.train import ppo, reinforce
from rlhf_lesson.train.background import sampler
from rlhf_lesson.train.progress import bar
from rlhf_lesson.view import plots
from rlhf_lesson.view.plots import Picture
from rlhf_lesson.view.results import measured
from rlhf_lesson.widgets.clip import Clip
from rlhf_lesson.widgets.dashboard import dashboard
from rlhf_lesson.widgets.gae import GAE

# %%
built = trained_chain()  # the SFT policy of chapter 02, the scorers of chapter 04; trained once on a machine
config, tokenizer = demo.Config(), built.data.tokenizer
ids = {"pad_id": tokenizer.pad_token_id, "end_id": tokenizer.eos_token_id}
prompts = built.data.prompts("gold", "proxy")

# %% [markdown]
# ## 1. A gradient through sampling
#
# The objective is an expectation over texts that the policy itself writes, and sampling has no derivative: a token is
# drawn, or it is not. The way round is an identity of one line. Since $\nabla \pi = \pi \, \nabla \log \pi$,
#
# $$\nabla\, \mathbb{E}_{y \sim \pi}[r(y)] = \mathbb{E}_{y \sim \pi}\big[ r(y)\, \nabla \log \pi(y) \big].$$
#
# The right side *can* be sampled: draw texts, score them, and push up the log-probability of each in proportion to its
# score. The reward model is never differentiated; a person with a stopwatch would do as well.
#
# A constant $b$ may be taken away from every score, because $\mathbb{E}[\nabla \log \pi] = 0$: probabilities always sum
# to one. What is left is the *advantage* $A = r - b$: better or worse than usual? JAX differentiates losses, so we need
# a number whose gradient is minus that of the identity:
#
# $$L_t = -\log \pi(y_t)\, A_t, \qquad \text{no gradient through } A.$$

# %% tags=["exercise"]
from rlhf_lesson.losses import policy_gradient_loss

# %% [markdown]
# ### What a baseline is for
#
# A toy with four actions has a gradient that can be summed exactly. Below, it is estimated many times from a few
# samples each: once with the plain rewards, once with each reward less the mean of the *others* in its batch.
#
# **Predict, then run.** All rewards are well above 0. Does the baseline move the mean of the estimates? Their spread?
# And what would an estimate do to an action that was drawn often but is worse than average, without a baseline?

# %%
policy_gradient_loss = yours("policy_gradient_loss")
theta, reward_of = jnp.array([1.0, 0.5, 0.0, -0.5]), jnp.array([5.0, 6.0, 7.0, 5.5])
exact = jax.grad(lambda theta: jax.nn.softmax(theta) @ reward_of)(theta)


def estimate(key, baseline):
    """The policy gradient from sixteen sampled actions, whose rewards are a little noisy."""
    draw, noise = jax.random.split(key)
    actions = jax.random.categorical(draw, theta, shape=(16,))
    advantages = baseline(reward_of[actions] + jax.random.normal(noise, (16,)))

    def loss(theta):
        return policy_gradient_loss(jax.nn.log_softmax(theta)[actions], advantages).mean()

    return -jax.grad(loss)(theta)


keys = jax.random.split(jax.random.key(0), 2000)
baselines = {"no baseline": lambda rewards: rewards, "less the mean of the others": leave_one_out}
estimates = {name: jax.vmap(partial(estimate, baseline=f))(keys)[:, 2] for name, f in baselines.items()}

# %% tags=["figure"]
# Figure: estimates of one slope, with and without a baseline
named = {f"{name}: {found.mean():.2f} ± {found.std():.2f}": found for name, found in estimates.items()}
axes = plots.histogram(named, bins=80, roles=("policy", "gold"), title="Same mean, less noise")
axes.set(xlabel="estimated slope for the best action", ylabel="estimates")
plots.levels(
    {f"exact: {exact[2]:.2f}": exact[2]}, ax=axes, roles=["reference"], vertical=True, legend="mean and spread"
)
Picture(axes, "Two histograms of gradient estimates with the same mean; with a baseline it is several times narrower.")

# %% [markdown]
# Without a baseline every action that was drawn is pushed up, good or bad, and only the average over many batches sorts
# it out. The baseline compares at once.
#
# ### Pitfall: the loss is not a loss
#
# Its value means nothing. It does not fall while the policy improves, and a plot of it cannot be read. Watch the score,
# the KL, the entropy and samples instead. And it is true for samples of the *present* policy only: after one step the
# samples are old. Section 6 is about that.

# %% [markdown]
# ## 2. REINFORCE writes film reviews
#
# The same on the language model: the "action" is a whole continuation, its log-probability a sum over tokens, and its
# reward the proxy's score less $\beta$ times its log-ratio to the reference, which is the KL penalty of chapter 05
# ($\beta$ times `k1`):
#
# $$R(y) = r(y) - \beta \log \frac{\pi(y)}{\pi_{\text{ref}}(y)}, \qquad A(y) = R(y) - \text{mean of the others}.$$
#
# Every token of a response gets the same $A$: nothing says which word earned it. There is one step on each rollout, no
# critic, no clipping. The loop is `rlhf_lesson/train/reinforce.py`; read it now, it is short.
#
# A loop can ask only what reads tokens: the proxy, and its *sibling*, a second opinion from a net of the same family that
# other raters taught. Gold reads text and is slow; it is asked in section 9, once for each finished policy.
#
# **Predict, then run.** Which rises first, proxy or KL? By how much does the sibling, which the run never sees, lag behind?


# %%
simple = reinforce.Config(
    iterations=rl.scale(quick=12, full=40), temperature=config.ppo.temperature, kl_coef=config.ppo.kl_coef
)
steps = reinforce.train(simple, built.sft, prompts, built.models, policy_gradient_loss=policy_gradient_loss, **ids)
rows = []
for state, metrics, rollout in bar("REINFORCE", steps):
    rows.append(metrics)
simple_policy, simple_path = state.policy, demo.ppo_path(rows)

# %% tags=["figure"]
# Figure: score and KL of the REINFORCE run
left, right = plots.panels(2, height=3)
iterations = range(1, len(simple_path) + 1)
scores = {name: [point[name] for point in simple_path] for name in ("proxy", "sibling")}
plots.lines(
    iterations, scores, ax=left, marks=True, xlabel="iteration", ylabel=plots.SCORE_LABEL, title="The score rises"
)
kl = {"KL": [point["kl"] for point in simple_path]}
plots.lines(iterations, kl, ax=right, roles=["policy"], marks=True, xlabel="iteration")
right.set(ylabel="KL (nats per response)", title="and the policy moves away")
Picture(left.figure, "REINFORCE: scores of proxy and sibling, and the KL from the reference, over the iterations.")

# %% [markdown]
# It works. What, then, is PPO for? Some complaints about what you have just run:
#
# | complaint | PPO's answer | your function |
# |---|---|---|
# | every token of a response gets the same credit | a reward for each token | `kl_shaped_rewards` |
# | the baseline knows nothing of the text so far | a critic, and a mixture of its guesses with what came | `gae` |
# | advantages are large in one rollout and small in the next, or all of one sign | whitening | `masked_whiten` |
# | a rollout is expensive and used only once | several steps on it, clipped | `ppo_clip_loss`, `value_clip_loss` |
# | a $\beta$ that suits one reward model does not suit the next | a controller | `adaptive_kl_coef` |
#
# We take them in order. Whether they are worth answering for texts as short as ours is another question: section 9 asks it.

# %% [markdown]
# ## 3. A reward for each token
#
# The KL penalty is a sum over tokens, so each token can pay its own part. The score belongs to the whole response, and
# comes when it is over:
#
# $$r_t = -\beta \log \frac{\pi(y_t)}{\pi_{\text{ref}}(y_t)} + \text{score} \cdot [t \text{ is the last real token}].$$
#
# The last token pays its penalty *and* gets the score. The sum over the response is $R(y)$ of section 2: the total
# is the same; only its split over tokens is new.

# %% tags=["exercise"]
from rlhf_lesson.rewards import kl_shaped_rewards

# %% [markdown]
# **Predict, then run.** Below is one response of your last rollout. Can a token's penalty be *above* 0? And what is the
# sum of all bars?

# %%
kl_shaped_rewards = yours("kl_shaped_rewards")
shape = partial(kl_shaped_rewards, kl_coef=config.ppo.kl_coef)
length = rollout.response_mask.sum(axis=1)
short = rollout.has_end & (length >= 8) & (length <= 14)
row = int(jnp.argmax(jnp.where(short, rollout.scores["proxy"], -jnp.inf)))
given = (rollout.logp[row], rollout.ref_logp[row], rollout.response_mask[row])
whole = shape(rollout.scores["proxy"][row], *given)
penalty = shape(0.0, *given)

pieces = [tokenizer.decode([i]) for i in rollout.tokens[row, -len(whole) :][given[2]]]

# %% tags=["figure"]
# Figure: the reward of each token of one response
parts = {"KL penalty": penalty[: len(pieces)], "score": (whole - penalty)[: len(pieces)]}
axes = plots.bars(pieces, parts, roles=("reference", "proxy"), tilt=40, ylabel="reward (score units)")
axes.set_title(f"Small prices, one score: {whole.sum():+.2f} in all")
Picture(axes, "Rewards of the tokens of one response: small KL prices of both signs, and the score on the last token.")

# %% [markdown]
# A token that the policy now finds *less* likely than the reference does earns a little. Only the mean over the
# policy's own samples must be positive: that mean is the KL.
#
# ### Pitfall: one place too far
#
# With the score at `sum(mask)` instead of `sum(mask) - 1`, the number lands on padding, where every later step masks it
# out. No error is raised, the KL goes to 0, and the run looks calm. You will meet it in chapter 07's gallery.
#
# ### Responses that never end
#
# A response that hits the length limit was cut off. The reward model sees half a sentence, and may like it. So take
# something away where the end token is missing:
#
# $$\text{score}' = \text{score} - \text{penalty} \cdot [\text{no end token}].$$

# %% tags=["exercise"]
from rlhf_lesson.rewards import missing_end_penalty

# %%
missing_end_penalty = yours("missing_end_penalty")


def reward(rollout):
    """What your PPO run will be paid for: the proxy's score, less a point where the end is missing."""
    return missing_end_penalty(rollout.scores["proxy"], rollout.has_end, penalty=1.0)


unfinished = ~rollout.has_end
print(f"cut off: {unfinished.mean():.0%} of the responses of the last rollout")
print(f"their mean score before: {masked_mean(rollout.scores['proxy'], unfinished):+.2f}")
print(f"and after:               {masked_mean(reward(rollout), unfinished):+.2f}")

# %% [markdown]
# ## 4. A critic, and generalised advantages
#
# A *critic* $V_t$ guesses, before each token, the rewards still to come. Here it is one more output of the same
# network, the *value head*. A baseline that has read the text so far knows that a review that begins "a waste of" is in
# trouble, and does not blame the words that follow. One guess against the next gives an advantage at once:
#
# $$\delta_t = r_t + \gamma V_{t+1} - V_t.$$
#
# If the critic is wrong, so is $\delta$. Waiting for the real rewards is never wrong, but noisy. *Generalised advantage
# estimation* mixes all waits, with weight $\lambda$ per token:
#
# $$A_t = \delta_t + \gamma \lambda A_{t+1}, \qquad V = A = 0 \text{ after the last real token}.$$
#
# It is the scan of chapter 00 over $\delta$ in place of rewards.

# %% tags=["exercise"]
from rlhf_lesson.advantages import gae

# %% [markdown]
# **Predict, then run.** A response has twelve tokens and a score of 1 at its end. A good critic changes its mind at
# token 6, the word that makes the review a kind one. Which $\lambda$ gives that word all the credit? And which
# $\lambda$ is useless with a critic that says 0 everywhere, as a new value head does?

# %%
gae = yours("gae")
real = jnp.ones(12, bool)
at_the_end = jnp.zeros(12).at[-1].set(1.0)
critics = {"a good critic": jnp.where(jnp.arange(12) < 6, 0.2, 0.8), "a new critic, 0 everywhere": jnp.zeros(12)}
credit = {
    name: {f"λ = {lam}": gae(at_the_end, values, real, discount=1.0, lam=lam) for lam in (0.0, 0.95, 1.0)}
    for name, values in critics.items()
}

# %% tags=["figure"]
# Figure: the advantage of each token, for three λ and two critics
left, right = plots.panels(2, sharey=True)
for axes, (name, curves) in zip((left, right), credit.items()):
    plots.lines(range(1, 13), curves, ax=axes, marks=True, legend=axes is right, xlabel="token", title=name)
left.set(ylabel="advantage (score units)")
Picture(
    left.figure,
    "Advantages for three lambdas. Lambda 0 credits the turning token only, or, without a critic, the last.",
)

# %% [markdown]
# $\lambda = 0$ believes the critic, $\lambda = 1$ believes the sample, and `0.95` is the usual bargain. Draw other
# rewards and another critic by hand:

# %%
GAE(preset="the critic sees token 5 turn it")

# %% [markdown]
# The critic learns too. Its target is the *return* $G_t = A_t + V_t$.
#
# ### Pitfall: the target is taken before whitening
#
# The next section rescales $A$. Returns made from rescaled advantages are not in the reward's units any more: the
# critic then chases a moving target of its own making.

# %% [markdown]
# ## 5. Whitening
#
# Advantages differ from rollout to rollout: a critic that guesses too low makes all of them positive, and a prompt that
# divides the samples makes them large. Over one rollout, real tokens only, shift them to mean 0 and scale them to variance 1:
#
# $$\hat A_i = \frac{A_i - \operatorname{mean}_m(A)}{\sqrt{\operatorname{var}_m(A) + \epsilon}}, \qquad 0 \text{ on
# padding}.$$

# %% tags=["exercise"]
from rlhf_lesson.arrays import masked_whiten

# %% [markdown]
# A reason that is often given is *not* among these: that the step would otherwise depend on the reward model's scale. With
# plain gradient descent it would. Adam divides each gradient by its own running size, so a constant factor drops out; the
# cell below multiplies all rewards by a hundred and shows it. What whitening does fix is the weight of this loss against the
# critic's (`value_coef`) and the differences *between* rollouts, which Adam's memory is too long to follow.
#
# **Predict, then run.** If the mask is forgotten, the zeros on padding enter the mean and the variance. Are the real
# tokens' advantages then too large or too small?

# %%
masked_whiten = yours("masked_whiten")
mask = rollout.response_mask
shaped = jax.vmap(shape)(reward(rollout), rollout.logp, rollout.ref_logp, mask)
advantages = jax.vmap(gae)(shaped, rollout.values, mask)
whitened = {"masked": masked_whiten(advantages, mask), "mask forgotten": masked_whiten(advantages, jnp.ones_like(mask))}
print(f"padding: {1 - mask.mean():.0%} of the places")
for name, values in {"as they are": advantages, **whitened}.items():
    mean = masked_mean(values, mask)
    spread = masked_mean((values - mean) ** 2, mask) ** 0.5
    print(f"{name:<15} mean {mean:+.2f}, spread {spread:.2f} on real tokens")
share = float(1 - mask.mean())
print(f"zeros on a share p of the places make the spread 1 / sqrt(1 - p) = {(1 - share) ** -0.5:.2f}: too large")

# %%
tx, slopes = optax.adam(1e-3), jax.random.normal(jax.random.key(5), (20, 3))
for factor in (1.0, 100.0):
    state, moved = tx.init(jnp.zeros(3)), jnp.zeros(3)
    for slope in slopes:  # twenty gradients, as they would come with rewards of this scale
        step, state = tx.update(factor * slope, state)
        moved += step
    print(
        f"gradients times {factor:>3.0f}: after twenty steps of Adam the parameters have moved by {np.round(moved, 5)}"
    )

# %% [markdown]
# ## 6. Several steps on one rollout: the clip
#
# Sampling is the expensive part. After one step the samples come from a policy that is no longer the current one; the
# *ratio* corrects for it,
#
# $$\rho_t = \frac{\pi(y_t)}{\pi_{\text{old}}(y_t)} = e^{\log \pi(y_t) - \log \pi_{\text{old}}(y_t)},$$
#
# but only near $\rho = 1$ can it be trusted. PPO takes the *more pessimistic* of two losses:
#
# $$L_t = \max\big( -A_t\, \rho_t,\; -A_t \operatorname{clip}(\rho_t, 1 - \epsilon, 1 + \epsilon) \big).$$

# %% tags=["exercise"]
from rlhf_lesson.losses import ppo_clip_loss

# %% [markdown]
# **Predict, then run.** Sketch the slope of the loss against $\rho$ for $A = +1$ and for $A = -1$. In which of the four
# regions outside the clip is it exactly 0? Why not in all four?

# %%
ppo_clip_loss = yours("ppo_clip_loss")
ratios = jnp.linspace(0.5, 1.5, 200)
slope = jax.vmap(jax.grad(ppo_clip_loss), in_axes=(0, None, None))  # by log pi, at each ratio
slopes = {}
for advantage in (1.0, -1.0):
    unclipped = jax.vmap(jax.grad(lambda logp, a=advantage: -a * jnp.exp(logp)))(jnp.log(ratios))
    slopes[advantage] = {"PPO": slope(jnp.log(ratios), 0.0, advantage), "without the clip": unclipped}

# %% tags=["figure"]
# Figure: slope of the clipped loss against the ratio
left, right = plots.panels(2, height=3, sharey=True)
for axes, (advantage, curves) in zip((left, right), slopes.items()):
    plots.lines(ratios, curves, ax=axes, roles=("policy", "reference"), legend=axes is right, xlabel="ratio")
    axes.set_title(f"advantage {advantage:+.0f}")
    axes.axvspan(0.8, 1.2, color="#eeeeee")
left.set(ylabel="slope of the loss by log π")
Picture(left.figure, "Slope of the clipped loss: zero above the clip for a good token, zero below it for a bad one.")

# %%
Clip(advantage=-1.0, ratio=1.4)

# %% [markdown]
# Where the policy has already gone far enough in the *wanted* direction the slope is 0. Where it has gone too far in
# the wrong direction the slope stays, so that a mistake can be undone.
#
# ### Pitfall: the first ratio
#
# On the first step after a rollout nothing has moved yet: every ratio is 1 and nothing is clipped. If not, old and new
# log-probabilities come from different temperatures, masks, positions, dropout or weights, and the run is wrong from
# its first step. `ppo` stops with a sentence. Many published loops don't look.
#
# ### The same idea for the critic
#
# The value may not run away from its guess during the rollout either:
#
# $$V_{\text{clip}} = V_{\text{old}} + \operatorname{clip}(V - V_{\text{old}}, -\epsilon, \epsilon), \qquad
# L_t = \tfrac12 \max\big( (V - G)^2, (V_{\text{clip}} - G)^2 \big).$$

# %% tags=["exercise"]
from rlhf_lesson.losses import value_clip_loss

# %% [markdown]
# **Predict, then run.** The old guess is 0 and the return is 1. From which $V$ on does the critic stop learning? What
# happens below 0?

# %%
value_clip_loss = yours("value_clip_loss")
values = jnp.linspace(-0.6, 1.6, 220)
clipped = jax.vmap(jax.grad(value_clip_loss), in_axes=(0, None, None))(values, 0.0, 1.0)

# %% tags=["figure"]
# Figure: slope of the critic's loss against its value
axes = plots.lines(values, {"clipped": clipped, "plain squared error": values - 1.0}, roles=(None, "reference"))
axes.set(xlabel="value now (old value 0, return 1)", ylabel="slope of the loss", title="Only so far in one rollout")
axes.axvspan(-0.2, 0.2, color="#eeeeee")
Picture(axes, "Slope of the critic's clipped loss: zero once the value has moved a clip's width towards the return.")

# %% [markdown]
# ## 7. A controller for the KL
#
# $\beta$ has a unit, score per nat, so the right one depends on the reward model. It is easier to name a KL. The
# controller raises $\beta$ when the policy is beyond the target and lowers it when it is nearer:
#
# $$e = \operatorname{clip}\Big(\frac{\mathrm{KL}}{\text{target}} - 1,\, -0.2,\, 0.2\Big), \qquad
# \beta' = \beta \Big(1 + e\, \frac{\text{responses in this rollout}}{\text{horizon}}\Big).$$

# %% tags=["exercise"]
from rlhf_lesson.kl import adaptive_kl_coef

# %% [markdown]
# **Predict, then run.** A toy policy drifts towards a KL of $1 / \beta$, a tenth of the way at each iteration. Which
# horizon reaches the target first? Which one overshoots?

# %%
adaptive_kl_coef = yours("adaptive_kl_coef")
kls, betas = {}, {}
for horizon in (200.0, 1000.0, 5000.0):
    beta, kl, name = 0.1, 0.0, f"horizon {horizon:.0f} responses"
    kls[name], betas[name] = [], []
    for _ in range(120):
        kl = kl + 0.1 * (1.0 / beta - kl)
        beta = float(adaptive_kl_coef(beta, kl, target=6.0, horizon=horizon, episodes=64))
        kls[name].append(kl)
        betas[name].append(beta)

# %% tags=["figure"]
# Figure: KL and β of a toy policy under the controller
left, right = plots.panels(2, height=3)
plots.lines(range(1, 121), kls, ax=left, legend=False, xlabel="iteration", title="The KL finds its target")
plots.levels({"target": 6.0}, ax=left, roles=["reference"], legend=False)
left.set(ylabel="KL (nats per response)")
plots.lines(range(1, 121), betas, ax=right, xlabel="iteration", title="because β moves")
right.set(ylabel="β (score units per nat)")
Picture(
    left.figure, "A toy KL under the controller: the short horizon swings around the target, the long one hardly moves."
)

# %% [markdown]
# ## 8. PPO, with your equations
#
# The loop takes its equations as an argument. Whatever passed its check is yours; the rest is the library's. Each
# iteration:
#
# 1. sample a response to each prompt; measure it under policy, critic, reference, proxy and sibling (one compiled
#    program);
# 2. scores, rewards, advantages, returns, whitening; then two passes over the rollout in two mini-batches (another
#    one).
#
# The learning rate is part of the method: it falls in a straight line to 0 over the run, so a policy that calms down
# towards the end may do so because it has to. The cell prints the settings that matter.
#
# The dashboard is live: it shows curves, what the policy writes, and it can pause. **Predict, then run.** Which curve
# will rise first, which must stay near 0 all the time, and which would worry you?

# %%
equations = ppo.Equations(
    kl_shaped_rewards=kl_shaped_rewards,
    gae=gae,
    masked_whiten=masked_whiten,
    ppo_clip_loss=ppo_clip_loss,
    value_clip_loss=value_clip_loss,
    adaptive_kl_coef=adaptive_kl_coef,
)
settings = replace(
    config.ppo,
    iterations=rl.scale(quick=28, full=80),
    kl_target=6.0,  # nats per response, where the controller steers to
    kl_horizon=320.0,
    missing_end_penalty=0.0,  # `reward` has it already
)
for name in ("iterations", "batch", "epochs", "minibatches", "learning_rate", "warmup", "clip", "kl_coef"):
    print(f"{name} {getattr(settings, name):g}", end="  ")
steps = ppo.train(settings, built.sft, prompts, built.models, reward=reward, equations=equations, **ids)
key = jax.random.key(1)
show = sampler("the film", tokenizer, key, response=settings.response, temperature=settings.temperature)
live = dashboard(steps, sample=show, prompt="the film", every=7, title="PPO with your equations")
live

# %%
policy = live.start().result().policy
curve = live.rows

# %% [markdown]
# ### Reading the curves
#
# - **score/proxy** is paid for, **score/sibling** is not. It comes from the proxy's own family, though; what an independent
#   reader says of these texts is in section 9 and chapter 07.
# - **KL** starts at exactly 0, or the reference is not the policy you started from.
# - **entropy** may fall, but not to the floor.
# - **clip_fraction** is a thermometer of the step size: near a half it is far too large. It falls with the learning rate,
#   which starts at its peak unless there is a warm-up.
# - **kl_coef** falls while the KL is below its target, and rises beyond it: the controller at work.
# - **explained_variance** is the critic's share of the returns that it foresaw. Below 0 it is worse than a constant.

# %%
print("KL of the first rollout:      ", curve[0]["kl"])
print("largest first ratio less 1:   ", max(row["first_ratio_gap"] for row in curve))
print("largest share of clipped ratios:", f"{max(row['clip_fraction'] for row in curve):.1%}")
ended = next((row for row in curve if row["missing_end"] < 0.5 * curve[0]["missing_end"]), curve[-1])
print(
    f"without an end: {curve[0]['missing_end']:.0%} at first, half of that by iteration {ended['step']:.0f}; ", end=""
)
print(f"the KL was {ended['kl']:.1f} nats by then, and responses went from {curve[0]['length']:.0f} ", end="")
print(f"to {curve[-1]['length']:.0f} tokens in all")

# %% tags=["figure"]
# Figure: eight curves of the PPO run
curves = {**plots.PPO_CURVES, "kl_coef": "β (score per nat)", "explained_variance": "variance explained"}
panels = plots.training_curves(plots.panels(4, 2, width=9, height=4.4), curve, curves)
panels[0].figure.suptitle("Score and KL rise together, and fewer and fewer ratios are clipped", fontsize=11)
Picture(panels[0], "Eight curves of the PPO run: proxy, sibling, KL, entropy, ends, clipping, beta and the critic.")

# %% [markdown]
# A part of the early KL is not spent on kinder words but on *ending*, since `reward` charges for a missing end: read in the
# last two lines above how far the policy had moved when it had learnt half of that.

# %% [markdown]
# ## 9. Before and after
#
# Same held-out prompts and the same noise for all three policies, so what differs is what was learnt. Now gold reads, too.
# The last column is the objective of chapter 05 itself, $J = \text{proxy} - \beta\, \mathrm{KL}$ at the $\beta$ of the
# REINFORCE run: a policy whose $J$ is below that of SFT would have done better not to train.
#
# **Predict, then run.** What will the reviews have in common after training? Read the samples before the numbers.

# %%
policies = {"sft": built.sft, "reinforce": simple_policy, "ppo": policy}
samples = demo.compare(config, policies, built)
for i in range(6):
    print(f"\n{samples['sft'].prompts[i]} ...")
    for name, drawn in samples.items():
        print(f"  {name:<10} {drawn.texts[i]}")

# %%
if built.scorers["gold"] is built.scorers["sibling"]:
    print("SmolLM2 was not fetched: gold is the sibling here, and an independent opinion is missing from this table")
columns = ("proxy", "gold", "judge", "KL (nats)", "distinct word pairs", "gold beats SFT", "J")
print(f"{'':<12}" + "".join(f"{name:>20}" for name in columns))
table = {}
for name, drawn in samples.items():
    means = [float(drawn.scores[scorer].mean()) for scorer in columns[:3]]
    wins = pairwise_accuracy(drawn.scores["gold"], samples["sft"].scores["gold"])
    kl = float(drawn.kl.mean())
    table[name] = [*means, kl, distinct(drawn.texts), wins, means[0] - config.ppo.kl_coef * kl]
    print(f"{name:<12}" + "".join(f"{value:>20.2f}" for value in table[name]))

# %% [markdown]
# Which of the two is better? You can't say from this table: they have different KLs and used a different number of
# responses. Put them into one figure.

# %%
rows = measured("chain", made_by="chain_seeds.py")["rows"]
seeds = [demo.ppo_path(each["penalised"]["curve"]) for each in rows]
best = [
    {name: float(np.mean([each["bestofn"][i][name] for each in rows])) for name in ("kl", "proxy", "gold")}
    | {"n": point["n"]}
    for i, point in enumerate(rows[0]["bestofn"])
]
paths = {"PPO": demo.ppo_path(curve), "REINFORCE": simple_path}

# %% tags=["figure"]
# Figure: score against KL, of your two runs and of five seeds
left, right = plots.panels(2, width=10, height=4, sharey=True)
for (method, path), marker in zip(paths.items(), "ox"):
    kl, *scores = (plots.smooth([point[name] for point in path]) for name in ("kl", "proxy", "sibling"))
    named = {f"{method}, {role}": score for role, score in zip(("proxy", "sibling"), scores)}
    plots.lines(kl, named, ax=left, roles=("proxy", "sibling"), marks=marker)
left.set(xlabel=plots.KL_LABEL, ylabel=plots.SCORE_LABEL, title="Your two runs")
plots.reward_against_kl(right, seeds, best, title="Five seeds, and best-of-n of the SFT policy", window=1)
Picture(left.figure, "Score against KL: your PPO and REINFORCE runs, and five seeds of PPO with best-of-n beside them.")

# %%
for at in (0, -1):
    both = [each["equal_kl"][at] for each in rows]
    lead = mean_and_interval([row["best_of_n_gold"] - row["ppo_gold"] for row in both])
    print(
        f"at {np.mean([row['kl'] for row in both]):.1f} nats best-of-n has gained {lead['mean']:+.2f} gold more than PPO ",
        end="",
    )
    print(f"(95 % over seeds: {lead['low']:+.2f} to {lead['high']:+.2f})")

# %%
beta = config.ppo.kl_coef
gains = {"best-of-n, its best n": [], "PPO": []}  # of J over the SFT policy, by seed
for each in rows:
    start = each["bestofn"][0]["proxy"]
    gains["best-of-n, its best n"].append(max(p["proxy"] - start - beta * p["kl"] for p in each["bestofn"]))
    gains["PPO"].append(each["penalised"]["ppo.proxy_gain"] - beta * each["penalised"]["ppo.kl_nats"])
for name, found in gains.items():
    print(f"{name:<22} J gained over SFT at β = {beta:g}, {len(found)} seeds: {mean_and_interval(found)['mean']:+.2f}")
for name in ("reinforce", "ppo"):
    print(f"your {name:<17} J gained over SFT: {table[name][-1] - table['sft'][-1]:+.2f}")
at = min(max(point["kl"] for point in path) for path in paths.values())
for name, path in paths.items():
    curves = ([point[which] for point in path] for which in ("kl", "proxy", "sibling"))
    kl, proxy, sibling = (plots.smooth(values) for values in curves)
    steps = (
        f"{len(path)} rollouts, {len(path) * (settings.epochs * settings.minibatches if name == 'PPO' else 1)} steps"
    )
    print(f"your {name:<10} at {at:.1f} nats: proxy {score_at(at, kl, proxy):+.2f}, ", end="")
    print(f"sibling {score_at(at, kl, sibling):+.2f}; {steps} of Adam")

# %% [markdown]
# Two sober observations. First, look at your two runs at the same KL (last lines). If plain REINFORCE keeps up, remember what
# the comparison is worth: one seed, far fewer steps of the optimiser, and another reward, since only your PPO was charged for
# missing ends. The complaints of section 2 are about cost and stability on large models; chapter 09 asks over seeds which
# method is ahead. Second, at equal KL **best-of-n is hard to beat**: read above whether PPO does it, and with what certainty.
# Its price is to sample $n$ times for every answer, for ever; PPO pays once. Compare within a panel only: the left one shows
# training prompts, and your PPO was charged for missing ends while your REINFORCE was not; on the right everything was
# measured on the same held-out prompts, and the proxy alone was the reward. A charge that only one method pays changes what
# that method is trying to do.

# %% [markdown]
# ## 10. What it measured
#
# Your run beside five seeds, each with its own SFT policy, reward models and PPO, at a fixed $\beta$ (read from
# `benchmarks/results/chain.json`). A single run, yours included, is one draw from that spread.

# %%
yours_gain = {name: table["ppo"][i] - table["sft"][i] for i, name in enumerate(columns[:3])}
own_run = {**{f"ppo.{name}_gain": gain for name, gain in yours_gain.items()}, "ppo.kl_nats": table["ppo"][3]}
own_run |= {"ppo.win_rate_gold": table["ppo"][5], "ppo.distinct2_after": table["ppo"][4]}
for name, own in own_run.items():
    found = [each["penalised"][name] for each in rows]
    over = mean_and_interval(found)
    print(f"{name:<22} yours {own:6.2f}   five seeds {over['mean']:6.2f} ± {over['std']:.2f} (spread, n - 1)", end="")
    print(f"   mean, 95 %: {over['low']:.2f} to {over['high']:.2f}")

ends = [each["equal_kl"][-1] for each in rows]
ahead = sum(end["best_of_n_gold"] > end["ppo_gold"] for end in ends)
print(f"\nat the largest KL that both reach (about {np.mean([end['kl'] for end in ends]):.1f} nats)")
print(f"best-of-n has gained {np.mean([end['best_of_n_gold'] for end in ends]):.2f} gold, PPO on its way", end=" ")
print(f"{np.mean([end['ppo_gold'] for end in ends]):.2f}; best-of-n is ahead in {ahead} of {len(ends)} seeds")
paid = config.ppo.kl_coef * k1(*given[:2])[given[2]].sum()
print("section 3's rewards add up to score - β k1:", np.allclose(whole.sum(), rollout.scores["proxy"][row] - paid))

# %% [markdown]
# ## 11. Pitfalls, and what the loop does about them
#
# | pitfall | what you would see | here |
# |---|---|---|
# | old log-probs are stale or of another temperature | first ratio not 1 | `ppo` stops |
# | the reference moves, or is the policy itself | KL starts above 0, or never leaves 0 | `ppo` stops; `diagnose` |
# | the score lands on padding | returns 0, score flat | `diagnose` |
# | a share $p$ of padding in a mean | losses times $1 - p$; whitened advantages times $1 / \sqrt{1 - p}$ | one `masked_mean` |
# | dropout in the training pass | ratios off by a little, always | no dropout in a policy |
# | one key for all rollouts | the same luck every time | the key is folded with the iteration |
# | the proxy is not what people want | **none of these curves** | chapter 07 |
#
# ## 12. What a framework would do for you here
#
# - **InstructGPT** does what you did, at scale: a per-token KL penalty from the SFT policy, $\gamma = 1$, a clip of
#   `0.2`, rollouts at temperature 1, a single pass over each rollout, and a critic *initialised from the reward model*
#   rather than a head on the policy (`separate_critic=True` here). It mixes pretraining gradients into the update
#   (*PPO-ptx*) against forgetting.
# - **TRL** had `PPOTrainer` with `PPOConfig` in `trl.experimental.ppo`: `kl_coef` is $\beta$, `kl_estimator` chooses
#   `k1` or `k3`, `cliprange` and `cliprange_value` are the two clips, `lam` and `gamma` are those of section 4,
#   `missing_eos_penalty` subtracts as yours does. $\beta$ is fixed there; the adaptive controller was an option of its
#   first releases. The trainer has been removed from recent ones, in favour of methods without a critic (chapter 09).
# - **Tunix** has `PPOLearner` and `PPOConfig`: `beta`, `gae_lambda`, `epsilon`, `clip_range_value`. An `RLCluster`
#   gives actor, critic, reference, reward model and sampler a mesh of chips each. Mind `kl_method`: its default puts
#   the `k3` estimator (`low_var_kl`) into the *reward*, where chapter 05 showed that `k1` has the right gradient.
#
# ## 13. Mini-challenge
#
# Your manager wants the PPO row of section 9's table improved in its fourth column: less KL at the same gold score. You may
# change three numbers of `settings` and nothing else. Which three, in which direction, and what do you expect each to cost?
# Write it down, run it with two seeds (`seed=1`, `seed=2`), and say which of your expectations the seeds allow you to keep.
#
# ## Sources
#
# - Williams 1992, *Simple statistical gradient-following algorithms for connectionist reinforcement learning*
# - Kool et al. 2019, *Buy 4 REINFORCE samples, get a baseline for free!*
# - Schulman et al. 2016, [Generalised advantage estimation](https://arxiv.org/abs/1506.02438)
# - Schulman et al. 2017, [Proximal policy optimization](https://arxiv.org/abs/1707.06347)
# - Ziegler et al. 2019, [Fine-tuning language models from human preferences](https://arxiv.org/abs/1909.08593)
# - Stiennon et al. 2020, [Learning to summarize from human feedback](https://arxiv.org/abs/2009.01325)
# - Ouyang et al. 2022, [InstructGPT](https://arxiv.org/abs/2203.02155)
# - Huang et al. 2024, [The N+ implementation details of RLHF with PPO](https://arxiv.org/abs/2403.17031)
