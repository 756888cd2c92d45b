# %% [markdown]
# # 01 · A small language model, and the alignment problem
#
# **Goal.** Take the language model of this course apart: from text to tokens, from tokens to logits, from logits to
# log-probabilities, entropies and samples. Then see what it can *not* do: want anything.
#
# **Time.** Plan two and a half hours. The set-up cell says how long the machine computes and what the exercises take.
#
# **Measured here.** How surprised the model is by a text and by the same words shuffled; that no token sees the future;
# what temperature costs and buys; and how kind its film reviews are when nobody asked for kindness.

# %% tags=["setup"]
import rlhf_lesson as rl
from rlhf_lesson.course.checks import check, hint, solution, yours

rl.setup("01_language_model")

# %%
import json
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.data.batches import pad
from rlhf_lesson.measures import distinct
from rlhf_lesson.models.pretrained import BASE, load_base
from rlhf_lesson.models.tokenizer import decode, encode
from rlhf_lesson.models.vader import vader_score
from rlhf_lesson.view import plots
from rlhf_lesson.view.plots import Picture

model, tokenizer = load_base()
model.config

# %% [markdown]
# ## 1. Text becomes tokens
#
# The model is a GPT-2, small enough for a laptop, which read film reviews and other short texts for some minutes. It
# never sees letters. A *tokenizer* cuts a text into pieces from a fixed vocabulary; frequent words are one piece, rare
# ones several. Three more pieces stand for no text: `<pad>`, `<end>` and `<begin>`.
#
# **Predict, then run.** Which of the words below are one piece, and which are cut?

# %%
sentence = "the acting is superb, but the plot is preposterous."
ids = encode(tokenizer, [sentence])[0]
print(len(sentence), "characters,", len(ids), "tokens:")
print(" | ".join(tokenizer.decode([i]) for i in ids))

# %% [markdown]
# ## 2. Tokens become probabilities
#
# A language model is a distribution over texts, written one token at a time by the chain rule of probability:
#
# $$p(x_1, \dots, x_T) = \prod_{t=1}^{T} p(x_t \mid x_{\lt t}).$$
#
# The network reads the tokens up to place $t$ and answers with one logit $z_v$ for each piece $v$ of the vocabulary, its
# opinion on what comes *next*. The softmax turns logits into probabilities. Losses, KL and PPO's ratio all need the
# logarithm of one of them:
#
# $$\log p(x) = z_x / \tau - \operatorname{logsumexp}_v (z_v / \tau), \qquad \tau: \text{temperature, normally } 1.$$
#
# Do not take the logarithm of a softmax: a small probability rounds to 0 and its logarithm to $-\infty$. And compute in
# float32 whatever the logits are in.

# %% tags=["exercise"]
from rlhf_lesson.logprobs import token_logprobs

# %%
token_logprobs = yours("token_logprobs")


def read(text):
    """A text as one row <begin> text <end> and padding: its tokens, their mask, and the model's logits."""
    row = [tokenizer.bos_token_id, *encode(tokenizer, [text])[0], tokenizer.eos_token_id]
    tokens, mask = pad([row], 1, 24, pad_id=tokenizer.pad_token_id)  # one width, so it compiles once
    return tokens, mask, predict(model, tokens, mask)


@jax.jit
def predict(model, tokens, mask):
    return model(tokens, mask)  # (B, T, V)


tokens, mask, logits = read(sentence)
logp = token_logprobs(logits[:, :-1], tokens[:, 1:])  # the logits at t predict token t + 1
print("logits:", logits.shape, " log-probs:", logp.shape, " real ones:", mask[:, 1:].sum())

# %% [markdown]
# ### Pitfall: the shift
#
# The logits at place $t$ belong to token $t + 1$, so one of the two must be shifted. Forget it and no error is
# raised: the shapes agree. In this library the shift is written in one place only, and losses get logits and targets
# that already belong together.
#
# **Predict, then run.** Without the shift the model is asked for the token it has just read. Is it less surprised, or
# more?

# %%
forgotten = token_logprobs(logits, tokens)
print(f"shifted:   {-logp[mask[:, 1:]].mean():.2f} nats per token")
print(f"forgotten: {-forgotten[mask].mean():.2f} nats per token")
print(f"uniform:   {np.log(model.config.vocab):.2f} nats per token, the log of the vocabulary")

# %% [markdown]
# ## 3. Surprise
#
# $-\log p(x_t \mid x_{\lt t})$ is the *surprise* of a token, in nats. Summed over a text it says how unlikely the text is;
# its mean is the loss that pretraining lowers, and the exponential of that is called *perplexity*. The sum with the other
# sign is the log-probability of the whole text,
#
# $$\log p(y) = \sum_t m_t \log p(y_t \mid y_{\lt t}),$$
#
# which DPO compares between two answers. It is a sum over real tokens, and not a mean: a longer text *is* less probable.

# %% tags=["exercise"]
from rlhf_lesson.logprobs import sequence_logprob

# %% [markdown]
# **Predict, then run.** At which word is the model most surprised? And does the sum grow if the same words come in
# another order?

# %%
sequence_logprob = yours("sequence_logprob")
words = sentence.split(" ")
order = np.random.default_rng(0).permutation(len(words))
shuffled = " ".join(words[i] for i in order)
totals, surprises = [], []
for text in (sentence, shuffled):
    tokens, mask, logits = read(text)
    logp = token_logprobs(logits[:, :-1], tokens[:, 1:])
    totals.append(-float(sequence_logprob(logp, mask[:, 1:])[0]))
    pieces = [tokenizer.decode([i]) for i in tokens[mask][1:]]
    surprises.append((pieces, -logp[mask[:, 1:]]))

# %% tags=["figure"]
# Figure: the surprise at each token, as written and shuffled
panels = plots.panels(1, 2, height=5)
for axes, what, total, (pieces, surprise) in zip(panels, ("as written", "shuffled"), totals, surprises):
    plots.bars(pieces, {"policy": surprise}, ax=axes, tilt=40, ylabel="surprise (nats)", ylim=(0, 14))
    axes.set_title(f"{what}: {total:.0f} nats in all")
Picture(panels[0], "Surprise at each token, for a sentence and for the same words shuffled, which surprise more.")

# %% [markdown]
# ## 4. No token sees the future: causality by gradient
#
# Training predicts all tokens of a text at once, so the network must not look ahead: the attention is masked with a lower
# triangle. A wrong mask raises no error either; the loss merely becomes wonderfully small. Here is a proof by derivative.
# The log-probability of token $t + 1$ may depend on what stands at place $s$ only if $s \le t$:
#
# $$\frac{\partial \log p(x_{t+1} \mid x_{\le t})}{\partial e_s} = 0 \quad \text{for all } s > t,$$
#
# exactly 0, not nearly. Each place has a row of its own in the table of position embeddings, so the slope with respect to
# row $s$ of that table is the slope with respect to what is read at place $s$. Given the square of all slopes, how far
# does a model look ahead?

# %% tags=["exercise"]
from rlhf_lesson.measures import looks_ahead

# %% [markdown]
# **Predict, then run.** Draw the picture first: which half is black? Is the diagonal in it?

# %%
looks_ahead = yours("looks_ahead")
tokens, mask, _ = read("it is not a bad film at all.")
places = mask.sum() - 1


def logp_at(model, t):
    return token_logprobs(model(tokens, mask)[:, :-1], tokens[:, 1:])[0, t]


slope = jax.jit(jax.grad(logp_at))  # gradients of all weights; wpe is the table of position embeddings
rows = [jax.tree.leaves(slope(model, t).wpe)[0][:places] for t in range(places)]  # (places, D) each
influence = np.linalg.norm(np.stack(rows), axis=-1)  # (predicted, read)
ahead = float(looks_ahead(influence))
pieces = [tokenizer.decode([i]) for i in tokens[mask]]
print("largest slope on a later token:", ahead)

# %% tags=["figure"]
# Figure: the influence of each token read on each token predicted
(axes,) = plots.panels(1, width=6.5, height=4.6)
share = influence / influence.max(axis=1, keepdims=True)
plots.heatmap(share, label="influence (largest of the row: 1)", ax=axes, title="Nothing above the diagonal")
axes.set_xticks(range(places), pieces[:-1], rotation=60, ha="right", fontsize=8)
axes.set_yticks(range(places), pieces[1:], fontsize=8)
axes.set(xlabel="token that is read", ylabel="token that is predicted", aspect="equal")
Picture(axes, "Influence of each token read on each token predicted: a lower triangle, its upper half exactly zero.")

# %% [markdown]
# ## 5. Entropy: how sure it is before it looks
#
# Surprise is about the token that came. *Entropy* is the surprise one should expect, over all tokens that could come:
#
# $$H = -\sum_v p_v \log p_v.$$
#
# It is 0 when one token is certain and the log of the vocabulary when all are equal. PPO's entropy falls as a policy makes
# up its mind; when it falls too far, all answers are one answer. A logit of $-\infty$ is a token that can't come, and
# adds 0 rather than $0 \cdot \infty$.

# %% tags=["exercise"]
from rlhf_lesson.logprobs import entropy

# %%
entropy = yours("entropy")
subjects = {
    "film reviews": ["one of the best films of the year.", "the jokes are old, and nobody seems to want to be there."],
    "cooking": ["peel the onions and fry them in butter.", "let the dough rise in a warm place until morning."],
}
for subject, texts in subjects.items():
    for text in texts:
        tokens, mask, logits = read(text)
        expected = entropy(logits[:, :-1])[mask[:, 1:]].mean()
        surprise = -token_logprobs(logits[:, :-1], tokens[:, 1:])[mask[:, 1:]].mean()
        print(f"{subject:<13} expected (entropy) {expected:.2f}, found {surprise:.2f} nats per token: {text}")

# %% [markdown]
# If a text came from the model itself, the two would agree on average: the entropy *is* the mean surprise of its own
# samples. A well-worn phrase surprises it less than it expects, another subject much more. A gap between the two on your
# own data says that the model has been trained on something else. Section 7 tests the agreement.

# %% [markdown]
# ## 6. Probabilities become text
#
# To write, draw a token, append it, and ask again. Three knobs change what is drawn:
#
# - **temperature** $\tau$ divides the logits: below 1 the probable becomes more probable, above 1 less so;
# - **top-k** keeps the k most probable tokens and sets all other logits to $-\infty$;
# - **top-p** (the *nucleus*) keeps the smallest set of most probable tokens whose probability reaches p.
#
# Temperature comes first, then top-k, then top-p of what is left. The token that carries the sum *over* p still belongs
# to the nucleus, or a certain token would leave nothing to draw from. Two cuts, and then the function that draws:

# %% tags=["exercise"]
from rlhf_lesson.models.generate import keep_top_k

# %% tags=["exercise"]
from rlhf_lesson.models.generate import keep_top_p

# %% tags=["exercise"]
from rlhf_lesson.models.generate import sample_token

# %% [markdown]
# ### What the knobs do to one choice

# %%
sample_token = yours("sample_token")


def what_follows(text):
    _, mask, logits = read(text)
    return logits[0, mask.sum() - 2]  # the last real place is <end>; the one before it predicts what follows the text


row = what_follows("the film is")
best = jnp.argsort(-row)[:12]
pieces = [tokenizer.decode([i]) for i in best.tolist()]
copies = jnp.tile(row, (12, 1))
chances = {f"temperature {t}": jnp.exp(token_logprobs(copies, best, temperature=t)) for t in (0.5, 1.0, 1.5)}

# %% tags=["figure"]
# Figure: the twelve likeliest next tokens, at three temperatures
axes = plots.bars(pieces, chances, tilt=40, ylabel="probability", title='What follows "the film is"')
Picture(
    axes,
    "Probabilities of the twelve likeliest next tokens: low temperature favours the first ones, high ones flatten.",
)

# %% [markdown]
# **Predict, then run.** How many tokens does it take to reach nine tenths of the probability after "the film is"? And
# inside a phrase that can continue in only one way? Top-k keeps k in both places.


# %%
keep_top_k, keep_top_p = yours("keep_top_k"), yours("keep_top_p")
for start in ("the film is", "i have never", "it is one of the worst films i have ever", "in spite"):
    row = what_follows(start)[None]
    top_k, nucleus = (int(jnp.isfinite(cut).sum()) for cut in (keep_top_k(row, 40), keep_top_p(row, 0.9)))
    print(f"{start:<42} top-k keeps {top_k}, the nucleus {nucleus:>4} tokens")

# %% [markdown]
# ### Play: the next token
#
# Type a text of your own, move the three knobs, and draw. The pale bars are what the model says, the dark ones what is
# drawn from. (Arrow keys move a slider; without widgets you see the same as a figure.)

# %%
from rlhf_lesson.widgets.next_token import NextToken

NextToken(model, tokenizer)

# %% [markdown]
# ## 7. It writes
#
# The cell below is all there is to generation: the prompt is read once, each new token goes through the network alone,
# and a cache keeps what attention needs of the earlier ones. `sample_token` is yours if it passed its check.


# %%
@partial(jax.jit, static_argnames=("length", "top_k", "top_p"))
def write(model, prompts, mask, key, *, length, temperature=1.0, top_k=0, top_p=1.0):
    """Samples `length` tokens after each prompt; returns tokens, their log-probs and the entropies, each (B, length)."""
    hidden, cache = model.prefill(prompts, mask, length)

    def step(carry, inputs):
        hidden, cache = carry
        key, slot = inputs
        logits = model.logits(hidden)
        token = sample_token(logits, key, temperature=temperature, top_k=top_k, top_p=top_p)
        seen = token, token_logprobs(logits, token), entropy(logits)
        return model.decode(token, slot, cache), seen

    slots = prompts.shape[1] + jnp.arange(length)
    _, out = jax.lax.scan(step, (hidden, cache), (jax.random.split(key, length), slots))
    return [x.T for x in out]


def until_end(tokens):
    """True up to and including the first <end>."""
    ended = np.cumsum(tokens == tokenizer.eos_token_id, axis=1)
    return (ended == 0) | ((ended == 1) & (np.asarray(tokens) == tokenizer.eos_token_id))


# %%
count = rl.scale(quick=64, full=512)


def sample(prompt, *, seed=0, **knobs):
    """`count` continuations of one prompt: texts, and the mean surprise and mean entropy of their tokens."""
    ids = [tokenizer.bos_token_id, *encode(tokenizer, [prompt])[0]]
    prompts, mask = pad([ids] * count, count, 16, pad_id=tokenizer.pad_token_id, left=True)  # one shape: compiled once
    tokens, logp, spread = write(model, prompts, mask, jax.random.key(seed), length=32, **knobs)
    real = until_end(tokens)
    return decode(tokenizer, tokens, real), -float(logp[real].mean()), float(spread[real].mean())


temperatures = (0.3, 0.5, 0.7, 1.0, 1.3)
written = {temperature: sample("the film", temperature=temperature) for temperature in temperatures}
for temperature, (texts, *_) in written.items():
    print(f"\ntemperature {temperature}")
    for text in texts[:2]:
        print("  the film", text)

# %% [markdown]
# **Predict, then run.** With rising temperature, what happens to the surprise (under the model at temperature 1) of what
# it writes, and to the share of distinct word pairs? Is there a temperature at which surprise and entropy agree?

# %%
means = {name: [each[i] for each in written.values()] for i, name in ((1, "surprise"), (2, "entropy"))}
different = [distinct(texts) for texts, *_ in written.values()]

# %% tags=["figure"]
# Figure: surprise, entropy and variety of samples, against temperature
left, right = plots.panels(2)
plots.lines(temperatures, means, ax=left, marks=True, xlabel="temperature", ylabel="nats per token")
left.set_title("Cold text is predictable")
plots.lines(temperatures, {"distinct word pairs": different}, ax=right, roles=["judge"], marks=True, ylim=(0, 1))
right.set(xlabel="temperature", ylabel="share of distinct word pairs", title="and repeats itself")
Picture(left, "Surprise and entropy of samples, and their share of distinct word pairs, against temperature.")

# %% [markdown]
# At temperature 1 surprise and entropy meet, up to sampling noise, as section 5 promised. Colder text repeats itself;
# hotter text falls apart. There is no setting of the knobs that makes it *better*, only likelier or more varied.
#
# ### Pitfall: which probability is stored?
#
# The sampler drew from the *tempered, cut* distribution; the surprise above is that of the plain one. PPO divides new by
# old probabilities. If the old ones come from another temperature, or from after a top-p cut, the very first ratio is not
# 1 and training is wrong from its first step. `rlhf_lesson.models.generate` stores log-probs at the sampling temperature, and
# every loop of the library asserts that the first ratio is 1.

# %% [markdown]
# ### Pitfall: the logits do not fit
#
# A training step keeps the logits of all its tokens for the backward pass: one row of the vocabulary's length per token. In
# a large model that is the largest array of all, and only one number of each row is needed. So the rows are computed in
# chunks: hidden states times the output head, the log-probability of each token, and the logits are forgotten.
# `jax.checkpoint` makes the backward pass forget them too; it computes them a second time. The last chunk need not be full.

# %% tags=["exercise"]
from rlhf_lesson.logprobs import chunked_token_logprobs

# %% [markdown]
# **Predict, then run.** Both forms compute the same sums. Will their answers agree to the last digit? And how much smaller
# are the logits that exist at a time?

# %%
chunked_token_logprobs = yours("chunked_token_logprobs")
tokens, mask, logits = read(sentence)
hidden = model.hidden(tokens, mask)[0, :-1]  # (T, D): what the output head reads
head = model.wte.embedding[...]  # (V, D): the output head is the embedding table
in_chunks = chunked_token_logprobs(hidden, head, tokens[0, 1:], chunk=5)
apart = jnp.abs(in_chunks - token_logprobs(logits[0, :-1], tokens[0, 1:])).max()
print(f"largest difference: {apart:.1e} nats")
for what, rows in (("all at once", len(hidden)), ("in chunks", 5)):
    print(f"{what:<12} {rows * len(head) * 4 / 1e3:6.0f} kB of logits at a time")

# %% [markdown]
# ## 8. The alignment problem
#
# The model is good at one thing: going on as its training texts did. Ask it for something.

# %%
for prompt in (
    "question: is this a good film? answer:",
    "please write a kind review of the film.",
    "translate into french: the film",
):
    texts, *_ = sample(prompt, temperature=0.7)
    print(f"\n{prompt}")
    for text in texts[:2]:
        print("   ...", text)

# %% [markdown]
# It does not refuse, and it does not obey: instructions are text to it, to be continued. What we want is in none of its
# training losses. Say that we want *kind* reviews. An independent judge (a rule-based sentiment score from -1 to 1, which
# no model here was trained on) can measure how kind they are.
#
# **Predict, then run.** How kind are reviews after the neutral prompt "the film"? And how far do a loving and a hating
# first sentence move the mean? Write down three numbers.

# %%
starts = ("the film", "i loved this film. it is", "i hated this film. it is")
kindness = {}
for start in starts:
    texts = [text for seed in (1, 2) for text in sample(start, temperature=0.7, seed=seed)[0]]
    kindness[start] = np.array([vader_score(text) for text in texts])
mean_and_error = {start: (scores.mean(), scores.std(ddof=1) / len(scores) ** 0.5) for start, scores in kindness.items()}

# %% tags=["figure"]
# Figure: the judge's scores after three first sentences
labels = [f'"{start} ...": {mean:+.2f} ± {error:.2f}' for start, (mean, error) in mean_and_error.items()]
axes = plots.cumulative(dict(zip(labels, kindness.values())), legend="mean and its standard error", xlim=(-1, 1))
axes.set(xlabel="judge's score of the continuation", ylabel="share of samples at or below")
axes.set_title("All three prompts get every mood")
Picture(axes, "Cumulative share of samples by the judge's score after a neutral, a loving and a hating start.")

# %% [markdown]
# A prompt steers as far as the training texts happened to go along with it, and here that is not far: read the means with
# their errors. It says nothing about *what people prefer*. That is the alignment problem in small: the objective that we
# can write down (likely text) is not the one that we have (text that people want).
#
# RLHF replaces the objective. People compare outputs, a reward model $r$ learns from the comparisons, and the policy
# $\pi$ is trained to earn reward without leaving the language model $\pi_{\text{ref}}$ that knows how to write:
#
# $$\max_{\pi}\; \mathbb{E}_{y \sim \pi(\cdot \mid x)}\big[ r(x, y) \big] -
# \beta\, \mathrm{KL}\big(\pi \,\|\, \pi_{\text{ref}}\big).$$
#
# Every symbol has its chapter: $\pi_{\text{ref}}$ in 02, people in 03, $r$ in 04, KL and the optimum in 05, the
# maximisation in 06, and in 07 what goes wrong because $r$ is only a model of what people want.

# %% [markdown]
# ## 9. What it measured
#
# Beside your own run stand the numbers that were measured when the model was made.

# %%
card = json.loads((BASE / "card.json").read_text(encoding="utf-8"))
_, surprise_at_one, entropy_at_one = written[1.0]
print(f"the words shuffled:      {totals[1] - totals[0]:+.0f} nats")
print(f"slope on later tokens:   {ahead}")
print(f"own samples, temp. 1:    surprise {surprise_at_one:.2f}, entropy {entropy_at_one:.2f} nats per token")
print(f"kindness by prompt:      {', '.join(f'{scores.mean():+.2f}' for scores in kindness.values())}")
print(f"kind without asking:     {(kindness['the film'] > 0).mean():.0%} of the samples")
print(
    f"held-out human texts:    {card['nats_per_token']:.2f} nats per token, {card['bits_per_byte']:.2f} bits per byte"
)
print(f"weights:                 {card['parameters']:,}")

# %% [markdown]
# ## 10. What a framework would do for you here
#
# - **TRL** and **Tunix** both call `token_logprobs` `selective_log_softmax`. It gathers the chosen logit first, since the
#   log-softmax of a large vocabulary is the largest array of a training step (`chunked_token_logprobs`
#   makes it smaller still).
# - **Tunix** has a `Sampler` with temperature, top-k, top-p and a preallocated cache, and can hand sampling to vLLM or
#   SGLang; **TRL** uses `transformers`' `generate` or vLLM. A second sampler means second probabilities: they are where
#   "sampled and re-scored log-probs agree" fails first.
# - **InstructGPT** samples its rollouts at temperature 1, so that both distributions are the same.
#
# ## 11. Mini-challenge
#
# Find a prompt and a setting of the three knobs that raise the mean kindness above everything in section 8, and the share
# of distinct word pairs with it. Then read ten of the samples aloud. What did the judge miss? Keep your answer: it is the
# subject of chapter 07.
#
# ## Sources
#
# - Radford et al. 2019, *Language models are unsupervised multitask learners* (GPT-2)
# - Shannon 1948, *A mathematical theory of communication*
# - Fan et al. 2018, [Hierarchical neural story generation](https://arxiv.org/abs/1805.04833) (top-k)
# - Holtzman et al. 2020, [The curious case of neural text degeneration](https://arxiv.org/abs/1904.09751) (top-p)
# - Askell et al. 2021, [A general language assistant as a laboratory for alignment](https://arxiv.org/abs/2112.00861)
# - Ouyang et al. 2022, [InstructGPT](https://arxiv.org/abs/2203.02155)
# - Hutto and Gilbert 2014, *VADER: a parsimonious rule-based model for sentiment analysis* (the judge)
