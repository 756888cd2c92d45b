# %% [markdown]
# # 00 · Warm-up in JAX
#
# **Goal.** Be at ease with the five tools that every later chapter is made of: `grad`, `vmap`, masks, `scan` and
# `jit`, and with random keys. You write three small functions; the second half of the chapter trains a real language
# model through one of them.
#
# **Time.** Plan an hour. The set-up cell says how long the machine computes and how many minutes the exercises take.
#
# **Measured here.** What a forgotten mask does to a training run; how often a function compiles; what one long
# response costs to compile as a loop and as a scan.
#
# You need Python, NumPy and the idea of a derivative. No RLHF yet: chapter 01 begins with that.

# %% tags=["setup"]
import rlhf_lesson as rl
from rlhf_lesson.course.checks import check, hint, solution, yours

rl.setup("00_jax_warmup")

# %%
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax

from rlhf_lesson.data.batches import WIDTHS, pad
from rlhf_lesson.losses import cross_entropy_loss
from rlhf_lesson.models.pretrained import load_base
from rlhf_lesson.models.tokenizer import encode
from rlhf_lesson.view import plots
from rlhf_lesson.view.plots import Picture

# %% [markdown]
# ## 1. `grad`: a derivative is a function too
#
# A language model gives every token $v$ of its vocabulary a number $z_v$, a *logit*. The log of their summed
# exponentials,
#
# $$\operatorname{logsumexp}(z) = \log \sum_v e^{z_v},$$
#
# is in every loss of this course. `jax.grad` takes a function that returns one number and gives back the function
# of its derivatives.
#
# **Predict, then run.** What is $\partial \operatorname{logsumexp}(z) / \partial z_v$? Work it out on paper. You know
# the answer by another name, and it sums to a round number.

# %%
logits = jnp.array([2.0, 1.0, 0.0, -1.0])
slope = jax.grad(jax.nn.logsumexp)(logits)
print("gradient:", slope, " sum:", slope.sum())
print("softmax: ", jax.nn.softmax(logits))

# %% [markdown]
# The slope of the logsumexp *is* the probability of each token. That is why raising the log-probability of one token,
# $z_v - \operatorname{logsumexp}(z)$, pushes all others down in proportion to how probable they are.

# %% [markdown]
# ## 2. `vmap`: write it for one, run it for all
#
# An equation about one response should be written for one response. `jax.vmap` adds the batch. Below, one function
# knows nothing of batches; `in_axes` says which argument has one row per response (`0`) and which is shared (`None`).


# %%
def surprise_of(row, token):
    """-log p(token) under one row of logits, in nats."""
    return jax.nn.logsumexp(row) - row[token]


rows = jnp.array([[2.0, 1.0, 0.0, -1.0], [0.0, 0.0, 0.0, 0.0]])
print("one row each:   ", jax.vmap(surprise_of)(rows, jnp.array([0, 3])))
print("token 0 in both:", jax.vmap(surprise_of, in_axes=(0, None))(rows, 0))

# %% [markdown]
# The second row is uniform over its tokens, so its surprise is the log of their number: nobody could have known
# better.

# %% [markdown]
# ## 3. Masks: responses end at different places
#
# Arrays are rectangles and texts are not, so a batch of texts is *padded* to one width, and a *mask* $m_i$ says which
# places are real. From now on a mean without its mask is a bug. The right one is
#
# $$\operatorname{mean}_m(x) = \frac{\sum_i m_i\, x_i}{\sum_i m_i}.$$
#
# Two edges decide whether it survives a long run: an *empty* mask must give 0 rather than 0/0, and what stands on
# padding must never be read, not even if it is `NaN`. Remember that `NaN` times 0 is `NaN`.

# %% tags=["exercise"]
from rlhf_lesson.arrays import masked_mean

# %% [markdown]
# The check says *which* mistake it recognises. The next cell lets the rest of the chapter run on your function if it
# passed, else on the library's.

# %%
masked_mean = yours("masked_mean")
values = jnp.array([[1.0, 2.0, 3.0], [4.0, 50.0, 50.0]])
real = jnp.array([[True, True, True], [True, False, False]])
print("plain mean: ", values.mean())
print("masked mean:", masked_mean(values, real))
print("per row:    ", jax.vmap(masked_mean)(values, real))

# %% [markdown]
# The mean of the two row means is another number than the mean of all real tokens: long responses weigh more in the
# latter. Neither is wrong. Which one a method means is a real choice, and chapters 06 and 09 meet it again.
#
# ### Pitfall: the mask protects the value, not the gradient
#
# **Predict, then run.** `x` holds a 0 on padding, and `log(0)` is $-\infty$. The masked mean is finite. Is its
# gradient?

# %%
x, keep = jnp.array([1.0, 2.0, 0.0]), jnp.array([True, True, False])


def too_late(x):
    return masked_mean(jnp.log(x), keep)


def in_time(x):
    return masked_mean(jnp.log(jnp.where(keep, x, 1.0)), keep)


print("values:   ", too_late(x), in_time(x))
print("too late: ", jax.grad(too_late)(x))
print("in time:  ", jax.grad(in_time)(x))

# %% [markdown]
# The chain rule multiplies the mask's 0 by the infinite slope of the logarithm, and $0 \cdot \infty$ is `NaN`. Choose
# *before* the dangerous function as well as after it. One such `NaN` ends a PPO run without an error message.

# %% [markdown]
# ## 4. `scan`: a loop that compiles once
#
# The *return* of a token is its own reward and, discounted by $\gamma$, everything that comes later:
#
# $$G_t = r_t + \gamma\, G_{t+1}, \qquad G = 0 \text{ after the last real token}.$$
#
# Each return needs the next one, so nothing can be computed all at once. `jax.lax.scan(step, start, xs,
# reverse=True)` walks over `xs` from its end; `step` takes what is carried and one element, and returns what to carry
# on and what to write down.

# %% tags=["exercise"]
from rlhf_lesson.advantages import discounted_returns

# %%
discounted_returns = yours("discounted_returns")
length, width = 12, 16
real = jnp.arange(width) < length
rewards = jnp.where(jnp.arange(width) == length - 1, 1.0, -0.02)  # a price for each token, a score at the end

discounts = (1.0, 0.9, 0.6)
returns = {f"discount {discount}": discounted_returns(rewards, real, discount=discount) for discount in discounts}

# %% tags=["figure"]
# Figure: the returns of one response, for three discounts
axes = plots.lines(range(width), returns, marks=True, xlabel="token t", ylabel="return (reward units)")
axes.axvspan(length - 0.5, width - 0.5, color="#dddddd", label="padding")
axes.set_title("A smaller discount hides the score from early tokens")
axes.legend(fontsize=8)
Picture(
    axes, "Returns of a response with one score at its end: nearly flat without discount, else lost towards the start."
)

# %% [markdown]
# A response has a reward mainly at its end, so with a small discount the first tokens hardly learn of it. RLHF
# therefore nearly always uses $\gamma = 1$: a text is short, and its beginning is not worth less than its end.
#
# ### Why not a Python loop?
#
# Under `jit` a Python loop is *unrolled*: a response of T tokens becomes T copies of the step, and the compiler has
# to make sense of them all.
#
# **Predict, then run.** If the response gets eight times as long, how does the time to compile grow for each of the
# two?


# %%
def loop_returns(rewards, real, discount=0.9):
    """The same returns by a Python loop, for comparison."""
    out, later = [None] * len(rewards), 0.0
    for t in reversed(range(len(rewards))):
        later = jnp.where(real[t], rewards[t], 0.0) + discount * later
        out[t] = later
    return jnp.stack(out)


def seconds_to_compile(function, length):
    arrays = jnp.ones(length), jnp.ones(length, bool)
    start = time.perf_counter()
    jax.jit(lambda *arrays: function(*arrays)).lower(*arrays).compile()  # a new function each time: nothing is cached
    return time.perf_counter() - start


seconds_to_compile(discounted_returns, 4)  # the first of all compilations warms JAX up
lengths = rl.scale(quick=(8, 16, 32, 64), full=(16, 32, 64, 128))
returns_by = {"unrolled Python loop": loop_returns, "scan": discounted_returns}
compiling = {name: [seconds_to_compile(f, n) for n in lengths] for name, f in returns_by.items()}

# %% tags=["figure"]
# Figure: the time to compile, against the length of a response
axes = plots.lines(lengths, compiling, marks=True, xlabel="tokens in a response", xticks=lengths, ylim=(0, None))
axes.set_ylabel("time to compile (s)")
axes.set_title("The loop's price grows faster than the response, the scan's hardly at all")
Picture(axes, "Seconds to compile against response length: a rising line for the loop, a flat one for scan.")

# %% [markdown]
# ## 5. `jit`, and the recompilation hunt
#
# `jax.jit` compiles a function once for every *kind* of call: the shapes and types of its arrays, and the values of
# its static arguments. A training run that compiles at every step spends its hour on compiling. Python code inside
# the function runs only while JAX *traces* it, and that is how one can count.


# %%
def compilations(function, calls, **options):
    """How often `jax.jit(function)` is traced, and so compiled, over a list of calls."""
    traced = []

    def watched(*args):
        traced.append(args)  # a side effect: it happens while tracing only
        return function(*args)

    compiled = jax.jit(watched, **options)
    for args in calls:
        compiled(*args)
    return len(traced)


def tempered(row, temperature):
    return jax.nn.softmax(row / temperature)


row = jnp.arange(4.0)
prompt_lengths = np.random.default_rng(0).integers(3, 60, 40)
temperatures = np.linspace(0.5, 1.5, 11).tolist()

# %% [markdown]
# The cure for ragged lengths is to pad each row to the next of a few widths, and the first function of the cure is yours:
# the narrowest width that a row fits into, and an error with a sentence for a row that fits into none.

# %% tags=["exercise"]
from rlhf_lesson.data.batches import next_width

# %% [markdown]
# **Predict, then run.** Six ways to call a compiled function. How often does each compile? Put your guesses into the
# cell before you run it; there are as many prompt lengths and temperatures as the cell above says.

# %%
next_width = yours("next_width")
my_guesses = (0, 0, 0, 0, 0, 0)
hunt = {
    "ragged prompts": compilations(jnp.sum, [(jnp.ones(n),) for n in prompt_lengths]),
    "padded prompts": compilations(jnp.sum, [(jnp.ones(next_width(int(n))),) for n in prompt_lengths]),
    "static temperature": compilations(tempered, [(row, t) for t in temperatures], static_argnums=1),
    "traced temperature": compilations(tempered, [(row, t) for t in temperatures]),
    "types": compilations(tempered, [(row, t) for t in (1, 1.0, jnp.float32(1.0), np.float32(1.0))]),
    "scales": compilations(tempered, [(scale * row, 1.0) for scale in (1.0, 10.0, 100.0)]),
}
for (name, count), guess in zip(hunt.items(), my_guesses):
    print(f"{name:<20} compiled {count:>2} times, you guessed {guess:>2} {'✓' if guess == count else ''}")

# %% [markdown]
# What the hunt shows, and what the library makes of it:
#
# - **Ragged prompts** compile once per length. `batches.pad` takes each row to the next of a few widths, so that a
#   whole run needs a handful of programs.
# - A **static** argument compiles once per value. A temperature, a clip range or a KL coefficient belongs among the
#   *traced* ones; what sets a shape (how many tokens to sample) has to be static.
# - The Python numbers `1` and `1.0` and a float32 array are different *types* of argument. Pick one.
# - Values never matter: only shapes, types and static arguments do.
#
# ### Pitfall: a fresh function is a fresh cache
#
# `jax.jit(lambda ...)` written *inside* a loop is another function each time and compiles each time. Build compiled
# functions once, outside.

# %% [markdown]
# ## 6. Keys: randomness is an argument
#
# JAX has no hidden random state. A function that draws takes a `key`, and the same key gives the same numbers. So a
# key is used once and then *split*.
#
# **Predict, then run.** We draw four "independent" candidates and keep the best, in two ways. Which of them is better
# than one draw?

# %%
many = jax.random.split(jax.random.key(0), 2000)
same_key = jax.vmap(lambda key: jnp.max(jnp.stack([jax.random.normal(key) for _ in range(4)])))(many)
split_key = jax.vmap(lambda key: jnp.max(jax.vmap(jax.random.normal)(jax.random.split(key, 4))))(many)
print(f"best of four with one key used four times: {same_key.mean():+.2f} on average")
print(f"best of four with a key split in four:     {split_key.mean():+.2f} on average")

# %% [markdown]
# The first line is a policy whose samples are all equal: best-of-n gains nothing, and PPO's advantages all vanish.
# No error is raised. JAX can look for the mistake if you ask it to; the tests of this course always do.

# %%
key = jax.random.key(1)
with jax.debug_key_reuse(True):
    try:
        print(jax.random.normal(key) + jax.random.normal(key))
    except jax.errors.KeyReuseError:
        print("KeyReuseError: this key was used before. Split it.")

# %% [markdown]
# ## 7. All of it at once: train the language model that ships
#
# The course ships with a small GPT-2 that has read film reviews (chapter 01 takes it apart). Here it meets another
# subject. The model is a *pytree*, a tree of arrays, so `jax.grad` differentiates with respect to all its weights,
# and Optax turns slopes into an update. The loss is the mean surprise, in nats per token, and your `masked_mean`
# decides what "mean" means.

# %%
model, tokenizer = load_base()
hotels = """The room was clean and the bed was soft.
We waited an hour for our keys, and nobody at the front desk said that they were sorry about it.
Breakfast was cold.
A quiet hotel by the sea, with a small garden and a pool that our children did not want to leave.
Never again!
The towels smelled of smoke and the shower did not work, so we asked for another room and got none.
Great view.
The staff were kind, and they carried our bags up three stairs without being asked.""".lower().split("\n")
texts = [[tokenizer.bos_token_id, *ids, tokenizer.eos_token_id] for ids in encode(tokenizer, hotels)]
tokens, mask = pad(texts, len(texts), 32, pad_id=tokenizer.pad_token_id)
print(f"{sum(x.size for x in jax.tree.leaves(model)):,} weights; {mask.sum()} real tokens in {mask.size} places")


# %%
def surprise(model, tokens, mask):
    """-log p of each token but the first, given those before it, and which of these places are real."""
    logits = model(tokens, mask)[:, :-1]  # place t predicts token t + 1
    return cross_entropy_loss(logits, tokens[:, 1:]), mask[:, 1:]


before, real = surprise(model, tokens, mask)

# %% tags=["figure"]
# Figure: the surprise at each token of the eight texts
axes = plots.heatmap(np.where(real, before, np.nan), label="surprise (nats)", xlabel="token", ylabel="text")
axes.set_title("Each row is a text; white is padding")
Picture(axes, "Map of the surprise at each token of eight hotel reviews; half of the rectangle is empty padding.")

# %% [markdown]
# **Predict, then run.** Two runs from the same weights, with the same optimiser. One averages over real tokens; the
# other forgets the mask, so padding counts as text to be learnt. Both are *measured* on real tokens. The forgetful
# run has more places to learn from: does it do better, equally well, or worse?


# %%
def fine_tune(mean, steps):
    """The surprise on real tokens before each step of a run whose loss is `mean(surprise, mask)`."""
    adam = optax.adam(3e-4)

    @jax.jit
    def train_step(model, state):
        def loss_fn(model):
            each, real = surprise(model, tokens, mask)
            return mean(each, real), masked_mean(each, real)

        (_, measured), slopes = jax.value_and_grad(loss_fn, has_aux=True)(model)
        updates, state = adam.update(slopes, state)
        return optax.apply_updates(model, updates), state, measured

    tuned, state, curve = model, adam.init(model), []
    for _ in range(steps):
        tuned, state, measured = train_step(tuned, state)
        curve.append(float(measured))
    return curve


# %%
steps = rl.scale(quick=25, full=100)
runs = {"your masked mean": fine_tune(masked_mean, steps), "mask forgotten": fine_tune(lambda x, _: jnp.mean(x), steps)}
worse = runs["mask forgotten"][-1] - runs["your masked mean"][-1]

# %% tags=["figure"]
# Figure: the surprise on real tokens during both runs
axes = plots.lines(range(steps), runs, xlabel="step", ylabel="surprise on real tokens (nats)", ylim=(0, None))
axes.set_title(f"Forgetting the mask for {steps} steps: {worse:+.2f} nats per token")
Picture(axes, "Surprise on real tokens falls in both runs; without the mask it falls more slowly.")

# %% [markdown]
# `tuned` began as the very object `model`, and `model` has not changed: an update returns a *new* pytree. So
# `reference = policy` is a true snapshot in this course. With an optimiser that writes in place, the same line would
# make a reference that moves with the policy, and a KL that is exactly 0 for ever.

# %% [markdown]
# ## 8. What it measured

# %%
saved = 1 - hunt["padded prompts"] / hunt["ragged prompts"]
print(f"forgotten mask: {worse:+.2f} nats per token on real tokens after {steps} steps")
print(f"padding to {len(WIDTHS)} widths saves {saved:.0%} of the compilations of {len(prompt_lengths)} prompts")
longer = lengths[-1] / lengths[0]
for name, seconds in compiling.items():
    print(f"{name:<22} {longer:.0f} x the tokens: {seconds[-1] / seconds[0]:.1f} x the time to compile")

# %% [markdown]
# ## 9. What a framework would do for you here
#
# - **Tunix** (RLHF in JAX) compiles its train steps and asks for a longest prompt and a longest response in its
#   rollout settings: these are the fixed shapes of section 5.
# - **TRL** (PyTorch) compiles nothing by default, so ragged batches cost it little; its PPO code has a `masked_mean`
#   and a `masked_whiten` of its own, since the masks are the same problem everywhere.
# - **InstructGPT** used no discount for its advantages: the $\gamma = 1$ of section 4.
#
# ## 10. Mini-challenge
#
# In words: a colleague's PPO run takes a second per step at first and ten seconds after a day, and its samples have
# become longer. Name two causes that this chapter would make you look for, and for each the one line of code that
# would tell you.
#
# ## Sources
#
# - [JAX: thinking in JAX](https://docs.jax.dev/en/latest/notebooks/thinking_in_jax.html), and "the sharp bits" beside
#   it
# - R. Sutton and A. Barto, *Reinforcement Learning*, second edition, chapter 3 (returns)
# - Huang et al. 2024, [The N+ implementation details of RLHF with PPO](https://arxiv.org/abs/2403.17031)
# - Ouyang et al. 2022, [InstructGPT](https://arxiv.org/abs/2203.02155), appendix C
