# %% [markdown]
# # 10 · A real model
#
# **Goal.** Leave the toy. SmolLM2 is a language model of the family that most open models belong to, *Llama*, and small
# enough for a laptop. Write the four equations that a Llama has and GPT-2 has not, and let your functions compute its next
# token. Read its weights from a file with two traps in it. Then write the fifth equation, *LoRA*, which changes a large
# model through a small door.
#
# **Time.** Plan two hours. The set-up cell says how long the machine computes and what the exercises take.
#
# **Measured here.** How unequal the lengths of a real model's states are; that a rotation knows distances only; what shared
# heads save; how many gates are closed; whether your equations and the library's agree on a real model's logits; what each
# trap in the file does to its text; what a low-rank change costs to train and to merge; and what PPO with frozen lower layers
# does to proxy, reader, endings and texts.

# %% tags=["setup"]
import rlhf_lesson as rl
from rlhf_lesson.course.checks import check, hint, solution, yours

rl.setup("10_a_real_model")

# %%
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from rlhf_lesson.logprobs import token_logprobs
from rlhf_lesson.models import pretrained
from rlhf_lesson.models.generate import next_logits
from rlhf_lesson.models.llama import Equations, Llama, LlamaConfig
from rlhf_lesson.models.lora import add_lora, merge_lora
from rlhf_lesson.models.partial import filled, place_of, thinned
from rlhf_lesson.models.tokenizer import encode
from rlhf_lesson.view import plots
from rlhf_lesson.view.plots import Picture

# %% [markdown]
# SmolLM2 is fetched once, by a command. Without it this chapter runs all the same: a tiny Llama with *random* weights takes
# its place. Every equation, figure and comparison is the same then, but no text and no probability means anything.

# %%
try:
    model, tokenizer = pretrained.smollm2()
    print("This is SmolLM2, 135 million weights, which has read two trillion tokens.")
except ValueError:
    tokenizer = pretrained.load_base()[1]
    tiny = LlamaConfig(vocab=len(tokenizer), dim=48, layers=4, heads=6, context=128, kv_heads=2, head_dim=16, hidden=96)
    model = Llama(tiny, rngs=nnx.Rngs(0))
    print("SmolLM2 was not fetched. A tiny Llama with random weights stands in for it, so what it says has no sense:")
    print("run `python -m rlhf_lesson data fetch --model smollm2` once, and then this notebook again, for a real one.")
model.config

# %% [markdown]
# ## 1. What a Llama has that GPT-2 has not
#
# Both read tokens, add attention and an MLP to a stream of states, block after block, and end in one logit per piece of the
# vocabulary. Years of trying things out have changed the parts:
#
# | part | GPT-2 | Llama | why |
# |---|---|---|---|
# | norm | layer norm: mean and spread | RMS norm: length only | cheaper, as good |
# | positions | a table, one row per place | queries and keys are *rotated* | only distances matter; no table to run out of |
# | attention | as many heads of keys as of queries | several query heads *share* one | a smaller cache |
# | MLP | two matrices, GELU | three matrices, a *gate* | better at equal size |
# | biases | everywhere | nowhere | nothing is lost |
#
# The table is also the list of your exercises. Where are the weights?

# %%
base, _ = pretrained.load_base()
for name, net in (("the course's GPT-2", base), ("this Llama", model)):
    counts = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(net):
        place = place_of(path)
        kinds = {
            "embedding": ("embed", "wte", "wpe"),
            "attention": ("attn.",),
            "MLP": ("mlp.",),
            "norms": ("norm", "ln_"),
        }
        part = next(kind for kind, names in kinds.items() if any(name in place for name in names))
        counts[part] = counts.get(part, 0) + leaf.size
    print(f"{name:<20}", ", ".join(f"{part} {count:,}" for part, count in counts.items()))

# %% [markdown]
# ## 2. The norm
#
# States grow as every block adds to them. Before attention and before the MLP they are brought to one size: divided by
# their root mean square, and each entry weighed by a number that was learnt,
#
# $$y_i = \text{scale}_i \, \frac{x_i}{\sqrt{\frac{1}{d} \sum_j x_j^2 + \epsilon}}.$$
#
# No mean is subtracted, so a constant added to all entries is *not* forgotten, as layer norm would forget it.

# %% tags=["exercise"]
from rlhf_lesson.transformer import rms_norm

# %% [markdown]
# **Predict, then run.** The states of a sentence, on their way from the embedding to the top: do all tokens have states of
# about the same size? Which token might be different?

# %%
rms_norm = yours("rms_norm")
sentence = "the film was slow, but the end was superb."
ids = [tokenizer.bos_token_id, *encode(tokenizer, [sentence])[0]]
pieces = [tokenizer.decode([i]) for i in ids]
tokens, mask = jnp.array([ids]), jnp.ones((1, len(ids)), bool)
layers = len(model.layers)
depths = {"embedding": 0, "half-way": layers // 2, "top": layers - 1}
states = {name: model.states(tokens, mask, depth)[0] for name, depth in depths.items()}  # (T, D) each


def size(x):
    return jnp.sqrt(jnp.mean(x**2, axis=-1))


sizes = {name: size(x) for name, x in states.items()}
ones = jnp.ones(model.config.dim)
print("after the norm:", {name: f"{float(size(rms_norm(x, ones)).max()):.3f}" for name, x in states.items()})

# %% tags=["figure"]
# Figure: the size of each token's state, at three depths
(axes,) = plots.panels(1, width=8, height=3)
plots.lines(range(len(pieces)), sizes, ax=axes, marks=True, yscale="log", ylabel="root mean square of the state")
axes.set_xticks(range(len(pieces)), pieces, rotation=40, ha="right")
axes.set_title("How long the states are before any norm")
Picture(axes, "Root mean square of each token's state at three depths, on a log scale.")

# %% [markdown]
# In a trained model the first token carries a state that is many times longer than any other: it is a place where heads can
# look when they have nothing to look for. A few entries hold nearly all of that length.
#
# ### Pitfall: a square that does not fit
#
# Float16 ends near sixty-five thousand. A sum of squares passes that long before the states themselves do, the root mean
# square becomes infinite, and the normed state 0: no error, and a text that slowly loses its sense. So the mean is taken
# in float32, whatever the states are in.

# %%
largest = max(float(jnp.abs(x).max()) for x in states.values())
print(
    f"largest entry of these states: {largest:.0f}; its square in float16: {np.float16(largest) * np.float32(1):.0f}^2 =",
    end=" ",
)
with np.errstate(over="ignore"):
    print(np.float16(largest) ** 2)

# %% [markdown]
# ## 3. Positions by rotation
#
# GPT-2 adds a learnt row for place one, two, three to the embedding. A Llama adds nothing. It takes each query and each key
# apart into pairs of entries, sees a pair as a point in the plane, and turns it by an angle that grows with the position:
#
# $$\theta_{t,i} = t \cdot \text{base}^{-2i/d}, \qquad
# \begin{pmatrix} y_i \\ y_{i + d/2} \end{pmatrix} =
# \begin{pmatrix} \cos\theta & -\sin\theta \\ \sin\theta & \cos\theta \end{pmatrix}
# \begin{pmatrix} x_i \\ x_{i + d/2} \end{pmatrix}.$$
#
# The first pairs turn fast, as a second hand does, the last ones hardly at all. Turn two arrows by the same angle, and the
# angle between them stays: the product of a query at place $s$ and a key at place $t$ depends on $s - t$ alone.

# %% tags=["exercise"]
from rlhf_lesson.transformer import rotate

# %% [markdown]
# **Predict, then run.** A query and a key are the same vector of ones. Their product is largest at distance 0. How does it
# fall with the distance: evenly, or in waves? And is it another curve for a query at place one hundred?

# %%
rotate = yours("rotate")
base_of = partial(rotate, base=model.config.base)
same = jnp.ones((1, 1, model.config.head_dim))
distances = np.arange(0, 65)


def product_at(place, distance):
    query = base_of(same, jnp.array([place]))
    key = base_of(same, jnp.array([place - distance]))
    return jnp.sum(query * key) / model.config.head_dim


products = {f"query at place {place}": [float(product_at(place, d)) for d in distances] for place in (64, 164)}
half = model.config.head_dim // 2
east = jnp.concatenate([jnp.ones((40, 1, half)), jnp.zeros((40, 1, half))], axis=-1)  # every pair points at (1, 0)
turned = base_of(east, jnp.arange(40))[:, 0]  # (place, head_dim)
shown = {f"pair {i}": turned[:, i] for i in (0, half // 4, half - 1)}
print("largest difference of the two curves:", f"{np.ptp(list(products.values()), axis=0).max():.1e}")

# %% tags=["figure"]
# Figure: how pairs turn, and the product of a query and a key against their distance
left, right = plots.panels(2, height=3)
plots.lines(range(40), shown, ax=left, xlabel="position", ylabel="first entry of a pair that was (1, 0)")
left.set_title("Each pair is a clock of its own speed")
plots.lines(distances, products, ax=right, xlabel="distance of query and key", ylabel="product (1 at distance 0)")
right.set_title("The product knows the distance only")
Picture(
    left.figure, "Left: pairs of entries turn at different speeds. Right: two equal curves of product against distance."
)

# %% [markdown]
# Both curves lie on each other. A word and its neighbour are seen in the same way at the start of a text and at its end,
# and padding on the left is harmless as long as positions count real tokens only.

# %% [markdown]
# ## 4. Heads that share
#
# While a text is written, the keys and values of all earlier tokens stay in memory: the *cache*. It grows with the length,
# the batch, the layers and the heads of keys. So let several query heads share one head of keys and values: neighbours,
# head $h$ reads group $g = \lfloor h / (\text{heads} / \text{kv heads}) \rfloor$,
#
# $$y_{q,h} = \sum_k \operatorname{softmax}_k\Big(\frac{\text{query}_{q,h} \cdot \text{key}_{k,g}}{\sqrt{d}}\Big)\,
# \text{value}_{k,g}.$$

# %% tags=["exercise"]
from rlhf_lesson.transformer import grouped_attention

# %% [markdown]
# **Predict, then run.** By which factor does sharing shrink the cache of this model? And heads that read the *same* keys:
# will they look at the same tokens?
#
# There is a trick to see where a head looks without touching the function: give it unit vectors as values. What comes out
# is then the weights themselves.

# %%
grouped_attention = yours("grouped_attention")
c = model.config
for name, kv_heads in (("every head its own keys", c.heads), ("shared", c.kv_heads)):
    megabytes = 2 * c.layers * kv_heads * c.head_dim * 4 * c.context / 1e6
    print(f"{name:<24} {megabytes:6.0f} MB of cache for one text of {c.context:,} tokens in float32")


def looked_at(block, x):
    """Attention weights of one block for one text: (query, heads, key)."""
    x = rms_norm(x, block.input_layernorm.scale[...], epsilon=c.epsilon)
    places, time = jnp.arange(len(x)), len(x)
    query = base_of(block.self_attn.q_proj(x).reshape(time, c.heads, c.head_dim), places)
    key = base_of(block.self_attn.k_proj(x).reshape(time, c.kv_heads, c.head_dim), places)
    units = jnp.broadcast_to(jnp.eye(time, c.head_dim)[:, None], key.shape)
    return grouped_attention(query, key, units, jnp.tril(jnp.ones((time, time), bool)))[..., :time]


weights = looked_at(model.layers[0], states["embedding"])
group = c.heads // c.kv_heads
print("each row sums to", f"{float(weights.sum(-1).min()):.4f} at least; heads 0 to {group - 1} read the same keys")

# %% tags=["figure"]
# Figure: where three heads look that share their keys
panels = plots.panels(group, width=11, height=3.8)
for h, axes in enumerate(panels):
    plots.heatmap(weights[:, h], label="weight", ax=axes, title=f"query head {h}")
    axes.set_xticks(range(len(pieces)), pieces, rotation=60, ha="right", fontsize=7)
    axes.set_yticks(range(len(pieces)), pieces, fontsize=7)
    axes.set(xlabel="token that is read")
Picture(
    panels[0], "Attention weights of three heads of the first layer that share keys: lower triangles, each different."
)

# %% [markdown]
# The same keys, and each head asks another question. That is why sharing costs so little.

# %% [markdown]
# ## 5. The gate
#
# GPT-2's MLP widens a state, bends it by GELU, and narrows it again. A Llama widens it twice. One of the two results is the
# *gate*: it decides how much of the other passes,
#
# $$y = \operatorname{silu}(\text{gate}) \cdot \text{up}, \qquad \operatorname{silu}(z) = \frac{z}{1 + e^{-z}}.$$

# %% tags=["exercise"]
from rlhf_lesson.transformer import swiglu

# %% [markdown]
# **Predict, then run.** With `up` at 1, is the output ever below 0? And in a trained layer, what share of the gates is open:
# a tenth, a half, nearly all?

# %%
swiglu = yours("swiglu")
z = jnp.linspace(-6.0, 6.0, 121)
curves = {f"up = {u:+.0f}": swiglu(z, jnp.full_like(z, u)) for u in (1.0, 2.0, -1.0)}
middle = model.layers[layers // 2]
normed = rms_norm(states["half-way"], middle.post_attention_layernorm.scale[...], epsilon=c.epsilon)[1:]
gate = middle.mlp.gate_proj(normed)
passed = swiglu(gate, jnp.ones_like(gate))
print(f"gates above 0 in the middle layer: {float((gate > 0).mean()):.0%}")
falling = -jnp.sort(-(passed**2), axis=-1)
few = jnp.cumsum(falling, axis=-1) < 0.5 * falling.sum(axis=-1, keepdims=True)
print(f"half of all that passes (in squares) goes through {float(few.mean()):.1%} of the gates")

# %% tags=["figure"]
# Figure: the gated activation, and the gates of a layer
left, right = plots.panels(2, height=3)
plots.lines(z, curves, ax=left, xlabel="gate", ylabel="silu(gate) up", title="A gate multiplies")
plots.histogram({"gates": np.ravel(gate)}, bins=60, ax=right, legend=False, xlabel="gate", ylabel="count")
right.set_title("Gates of one layer")
Picture(left.figure, "Left: silu of the gate times three values of up. Right: histogram of the gates of one layer.")

# %% [markdown]
# ## 6. Your functions compute its next token
#
# Four functions are all the mathematics that a Llama has beside its matrices. The net takes them as an argument; those that
# passed their checks are yours.
#
# **Predict, then run.** Your functions and the library's compute the same equations in another order of additions, thirty
# layers deep. Will the logits agree to the last digit? Will the likeliest token?


# %%
def with_equations(model, equations):
    """The same weights, computed by other functions."""
    other = jax.tree.map(lambda leaf: leaf, model)
    other.equations = equations
    return other


def likeliest(logits, count=5):
    best = np.argsort(-logits)[:count]
    share = np.exp(token_logprobs(jnp.tile(logits, (count, 1)), jnp.asarray(best)))
    return ", ".join(f"{tokenizer.decode([i])!r} {p:.0%}" for i, p in zip(best.tolist(), share))


prompts = ["The capital of France is", "Two plus two is", "The film was slow, but the end was"]
mine = with_equations(model, Equations(rms_norm, rotate, grouped_attention, swiglu))
by_library, by_you = (next_logits(net, tokenizer, prompts) for net in (model, mine))
for prompt, logits in zip(prompts, by_you):
    print(f"{prompt} ... {likeliest(logits)}")
print(f"largest difference from the library's logits: {np.abs(by_you - by_library).max():.1e}")

# %% [markdown]
# It knows a capital, and it writes clean English. Chapter 01's model, which had read film reviews for some minutes, could
# do neither. Nothing in *your* functions has changed since: the rest is data, width and depth.

# %% [markdown]
# ## 7. Weights from a file, and its two traps
#
# The file is of the kind GGUF, which `llama.cpp` made common: names, shapes, settings, tokenizer and weights in one. Most
# weights take four bits: a block of thirty-two of them shares a scale and a smallest value, and each is one of sixteen
# steps between. Read as float32 they are still those sixteen.

# %%
kernel = np.asarray(model.layers[0].mlp.up_proj.kernel[...])  # (in, out); a block runs along the input
print("different values in one block of 32 weights:", len(np.unique(kernel[:32, 0])))
print("in two blocks:                              ", len(np.unique(kernel[:64, 0].round(7))))

# %% [markdown]
# ### Pitfall: the order of rows
#
# Section 3 pairs entry $i$ with entry $i + d/2$. The paper, and GGUF files, pair *neighbours*, so their rows of the query and
# key matrices lie in another order. It is the same model if the two belong together, and another one if they don't. Shapes
# agree in any case.
#
# **Predict, then run.** Below, rows are put back into the file's order, and nothing else is changed. Does the model still
# speak? And what if it also rotates as the file expects?


# %%
def as_in_the_file(model):
    """Rows of queries and keys from halves (0 2 4 ... 1 3 5 ...) to neighbours (0 1 2 3 ...), within each head."""

    def order(path, leaf):
        if not any(name in jax.tree_util.keystr(path) for name in ("q_proj", "k_proj")):
            return leaf
        heads = leaf.reshape(len(leaf), -1, 2, c.head_dim // 2)
        return heads.swapaxes(2, 3).reshape(leaf.shape)

    return jax.tree_util.tree_map_with_path(order, model)


def rotate_neighbours(x, positions, *, base):
    """Entries 2i and 2i + 1 are a pair."""
    halves = jnp.concatenate([x[..., ::2], x[..., 1::2]], axis=-1)
    pairs = jnp.split(rotate(halves, positions, base=base), 2, axis=-1)
    return jnp.stack(pairs, axis=-1).reshape(x.shape)


trapped = as_in_the_file(model)
at_home = with_equations(trapped, mine.equations._replace(rotate=rotate_neighbours))
for name, net in {"as read": model, "rows of the file": trapped, "and its rotation": at_home}.items():
    logits = next_logits(net, tokenizer, prompts[:1])[0]
    print(f"{name:<17} {prompts[0]} ... {likeliest(logits, 3)}; off by {np.abs(logits - by_library[0]).max():.1e}")


# %%
def goes_on(net, text, count=8):
    """The likeliest token, again and again."""
    for _ in range(count):
        text += tokenizer.decode([int(next_logits(net, tokenizer, [text])[0].argmax())])
    return text


for name, net in {"as read": model, "rows of the file": trapped}.items():
    print(f"{name:<17} {goes_on(net, prompts[2])!r}")

# %% [markdown]
# Nothing erred, and no shape was wrong. Whoever loads weights from another program compares *logits* with that program's,
# to four digits, before anything else: this library's tests do it for both families and both kinds of files.
#
# ### Pitfall: pad is end
#
# The file names one token as the end of a text *and* as padding. Then a mask of "all that is not padding" takes the end out
# of every text as well. No loss ever sees an end, and the model never learns to stop: its rollouts run into the length limit,
# the reward model reads cut-off texts, and the run looks merely bad.

# %%
end, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
for name, padding in (("the file's pad, which is its end", end), ("a pad of its own", pad)):
    row = np.array([*encode(tokenizer, ["a fine film"])[0], end, padding, padding])
    learnt = [tokenizer.decode([i]) for i in row[row != padding]]
    print(f"{name:<33} learnt: {learnt}")

# %% [markdown]
# The reader of GGUF files gives such a tokenizer another pad, a special token that no text contains, and `generate` refuses to
# sample where the two are one.

# %% [markdown]
# ## 8. LoRA: a large model through a small door
#
# AdamW keeps two numbers per trained weight beside the weight and its gradient: four times the model. *LoRA* leaves a matrix
# $W$ as it is and learns a change of low rank beside it, two thin matrices $A$ and $B$:
#
# $$y = x W + \frac{\alpha}{r}\, (x A) B, \qquad A: d \times r, \quad B: r \times d', \quad r \ll d.$$
#
# $B$ starts at 0, so training starts from the old model *exactly*: the first ratio is 1 and the first KL 0. Afterwards
# $W + \frac{\alpha}{r} A B$ is one plain matrix again, and the model is as fast as before.

# %% tags=["exercise"]
from rlhf_lesson.transformer import lora

# %% [markdown]
# **Predict, then run.** Which share of the weights trains, if queries and values get a change of rank eight? And at the
# very first step, which of $A$ and $B$ gets a gradient?

# %%
lora = yours("lora")
adapted = add_lora(model, jax.random.key(0), rank=8, alpha=16.0, lora=lora)


def trains(place):
    return "lora_" in place


thin = thinned(adapted, trains)
counts = {name: sum(leaf.size for leaf in jax.tree.leaves(tree)) for name, tree in (("all", model), ("LoRA", thin))}
print(f"weights that train: {counts['LoRA']:,} of {counts['all']:,}, {counts['LoRA'] / counts['all']:.2%}")
fresh = next_logits(adapted, tokenizer, prompts)
print("largest change of a logit before training:", np.abs(fresh - by_library).max())

# %% [markdown]
# Now teach it one sentence that is wrong. (A real task comes next; this one shows the door.)

# %%
lie = "The capital of France is Rome."
row = jnp.array([[tokenizer.bos_token_id, *encode(tokenizer, [lie])[0]]])
adam = optax.adam(2e-3)


@jax.jit
def step(thin, moments, whole):
    def loss_fn(thin):
        net = filled(thin, whole)
        logits = net(row[:, :-1], jnp.ones_like(row[:, :-1], bool))
        return -token_logprobs(logits, row[:, 1:]).mean()

    loss, slope = jax.value_and_grad(loss_fn)(thin)
    change, moments = adam.update(slope, moments, thin)
    return optax.apply_updates(thin, change), moments, loss, slope


# %%
moments, losses, first = adam.init(thin), [], None
for _ in range(8):
    thin, moments, loss, slope = step(thin, moments, adapted)
    losses.append(float(loss))
    first = first or jax.tree_util.tree_leaves_with_path(slope)
for part in ("lora_down", "lora_up"):
    print(
        f"largest first slope of {part:<9}",
        max(float(jnp.abs(leaf).max()) for path, leaf in first if part in place_of(path)),
    )
print("loss:", ", ".join(f"{loss:.2f}" for loss in losses))

# %% [markdown]
# With $B = 0$ nothing that $A$ does is seen, so its first slope is exactly 0; from the second step on both learn. If *both*
# started at 0, neither ever would.
#
# **Predict, then run.** The merged model is one plain net. Does it say the same as the one with LoRA layers? And what has
# the lie done to another prompt?

# %%
taught = filled(thin, adapted)
merged = merge_lora(taught)
beside, inside = (next_logits(net, tokenizer, prompts) for net in (taught, merged))
for i, prompt in enumerate(prompts):
    print(f"{prompt} ...\n   before {likeliest(by_library[i], 3)}\n   after  {likeliest(inside[i], 3)}")
print(f"merged or not, the logits differ by {np.abs(beside - inside).max():.1e} at most")

# %% [markdown]
# One sentence, and prompts that have nothing to do with it have moved too: a low rank is a small door, not a narrow aim. What
# holds a policy near its start is the KL penalty, with LoRA as without.

# %% [markdown]
# ## 9. Frozen layers that everybody shares
#
# Now the whole chain on this model: fine-tuning, a reward model, PPO. With all weights in training, PPO would hold the policy,
# its gradient, two moments of Adam, the reference and the reward model, each as large as the model itself. That is
# fine on an accelerator. On a laptop, let the lower layers be *frozen*. What they compute depends on the text alone, so policy,
# reference, critic and reward model can share it: for each rollout it is computed once.
#
# **Predict, then run.** Of the 30 layers 22 are frozen. Which share of the weights trains? (The embedding is frozen too: the
# shared states begin with it.)

# %%
import re
from collections import Counter
from dataclasses import replace

from rlhf_lesson.data import feedback
from rlhf_lesson.data.prompts import Prompts
from rlhf_lesson.data.snippets import Snippets
from rlhf_lesson.models.partial import upper_layers
from rlhf_lesson.study import evaluate, real_model
from rlhf_lesson.study.chain import Chain
from rlhf_lesson.study.lower_head import fit_lower_head
from rlhf_lesson.train import sft
from rlhf_lesson.train.progress import bar
from rlhf_lesson.view.results import measured

# %%
real = len(model.layers) == 30  # SmolLM2, and not its stand-in
model.config = model.config._replace(frozen=22 if real else 2)
trains = upper_layers(model)
size = {"all": model, "trained": thinned(model, trains)}
size = {name: sum(leaf.size for leaf in jax.tree.leaves(net)) for name, net in size.items()}
print(
    f"{size['trained'] / 1e6:.1f} of {size['all'] / 1e6:.1f} million weights train: {size['trained'] / size['all']:.0%}"
)
for name, count in size.items():
    print(f"weights, gradient and Adam's two moments, {name}: {(size['all'] + 3 * count) * 4 / 2**30:.2f} GiB")

# %% [markdown]
# ## 10. First let it learn where a review ends
#
# SmolLM2 can write, but it does not know *our* task: a short opinion on a film that comes to an end. A few hundred
# demonstrations are enough for that. Chapter 02's loop takes the filter `trains` and nothing else changes.
#
# **Predict, then run.** Which share of its responses ends within 24 tokens before fine-tuning, and which after it?

# %%
study = real_model.Config(
    demonstrations=rl.scale(quick=128, full=512) if real else 16,
    pairs=rl.scale(quick=300, full=1000) if real else 16,
    normalising=rl.scale(quick=32, full=64),
    prompts=rl.scale(quick=16, full=32),
)
study = replace(
    study,
    ppo=replace(study.ppo, iterations=rl.scale(quick=6, full=40) if real else 2, batch=rl.scale(quick=16, full=32)),
)
feedback.fetch()
data = Snippets(tokenizer, study.seed)
pad_id, end_id = tokenizer.pad_token_id, tokenizer.eos_token_id
demonstrations = data.sft("proxy", "gold")
short = [row for row in demonstrations if len(row.tokens) <= 32]  # each ends early, and fewer shapes are compiled
demonstrations = rl.scale(quick=short, full=demonstrations)[: study.demonstrations]
for state, metrics in bar("SFT", sft.train(study.sft, model, demonstrations, pad_id=pad_id, trains=trains)):
    pass
tuned = filled(state.model, model)  # the trained layers upon the frozen ones: no second copy of those

# %%
held_out = data.held_out_prompts(study.prompts)
sampling = {"response": study.ppo.response, "temperature": study.ppo.temperature, "batch": study.prompts}


def write(policy, scorers):
    return evaluate.sample(policy, tuned, scorers, held_out, jax.random.key(7), tokenizer, **sampling)


for name, net in {"before": model, "after SFT": tuned}.items():
    texts = write(net, {})
    ended = ((texts.tokens == end_id) & texts.mask)[:, -study.ppo.response :].any(1).mean()
    print(f"{name}: {ended:.0%} of the responses end by themselves")
    print("   ", "\n    ".join(texts.texts[:3]))

# %% [markdown]
# ## 11. A reward model that is one line
#
# Chapter 04 showed what pretraining buys. Here the reward model is the *mean state after the frozen layers*, and one linear
# head, fitted in closed form by `linear_bradley_terry`. The policy has these states already, so in a rollout such a scorer
# costs one product. It is weaker than the reader on purpose: it reads lower layers, knows no template and saw single raters'
# choices. It is the *proxy*; the reader, with another template, a higher layer and other raters, stays gold.

# %%
choices = data.comparisons(data.choices(study.pairs, "proxy", seed=study.seed))
scorer = fit_lower_head(model, choices, pad_id=pad_id)
asked = data.choices(rl.scale(quick=100, full=500) if real else 20, "eval", seed=study.seed)
print(
    f"{evaluate.reward_accuracy(scorer, data, asked):.1%} of {len(asked)} held-out choices, from {len(choices)} pairs"
)
normal = evaluate.normalise_on_samples(
    {"proxy": scorer},
    tuned,
    Prompts(*(x[: study.normalising] for x in data.prompts("proxy"))),
    jax.random.key(3),
    tokenizer,
    **sampling,
)

# %% [markdown]
# ## 12. PPO on it
#
# The loop of chapter 06, with the filter. Its state, its checkpoints and its optimiser hold the upper layers alone.
#
# **Predict, then run.** The first ratio must be exactly 1, and the first KL 0. What would change if half of the layers were
# computed in lower precision in one of the two passes?

# %%
chain = Chain(data, tuned, normal, {})
rows = []
for state, metrics, _ in bar("PPO on the upper layers", real_model.steps(study, chain, study.ppo.kl_coef)):
    rows.append(metrics)
print("first KL and first ratio less 1:", rows[0]["kl"], rows[0]["first_ratio_gap"])
print(f"KL {rows[-1]['kl']:.2f} nats and proxy {rows[-1]['score/proxy']:+.2f} on the last batch of {len(rows)}")

# %% [markdown]
# ### Pitfall: two precisions, one ratio
#
# Large models are sampled in *bfloat16*, which keeps 8 bits of each number, while training may run in float32. Then even the
# policy that has just sampled a token does not agree with itself about its probability. PPO divides the two:

# %%
rough = jax.tree.map(lambda x: x.astype(jnp.bfloat16), tuned)
drawn = write(tuned, {})
tokens, mask = (jnp.asarray(x) for x in (drawn.tokens, drawn.mask))
exact, coarse = (
    token_logprobs(net(tokens, mask)[:, :-1].astype(jnp.float32), tokens[:, 1:], temperature=study.ppo.temperature)
    for net in (tuned, rough)
)
seen = mask[:, -study.ppo.response :]
ratio = np.asarray(jnp.exp(exact - coarse)[:, -study.ppo.response :][seen])
print(f"float32 over bfloat16, {ratio.size} tokens: ratios from {ratio.min():.2f} to {ratio.max():.2f}")
print(f"outside of PPO's clip at 0.2 before any training: {np.mean(np.abs(ratio - 1) > 0.2):.1%}")

# %% [markdown]
# No reward is behind such a ratio, only rounding, and clipping cuts the tokens that it hits. That is why this course computes
# both log-probabilities with one function in one precision, and stops where the first ratio is not 1. Frameworks that sample
# with one program and train with another weigh each token by such a ratio on purpose (truncated importance sampling).
#
# ## 13. What longer runs show
#
# Your run was short. These were made in the same way, for longer, by `benchmarks/real_model.py`, and the **reader** read them at
# every measured point, in the raters' unit from -4 to 4.
#
# **Predict, then run.** With a penalty and without: does the reader's score rise? Does it fall again?

# %%
shipped = measured("real_model", made_by="real_model.py")
betas = sorted({row["beta"] for row in shipped["rows"]}, reverse=True)
print("  beta  seed    KL    proxy: start, end     reader: start, best, end     ended: start, end")
for row in shipped["rows"]:
    path = row["path"]
    first, last, best = path[0], path[-1], max(point["gold"] for point in path)
    print(
        f"{row['beta']:>6g} {row['seed']:>5}  {last['kl']:>5.1f}   {first['proxy']:>+6.2f} {last['proxy']:>+6.2f}",
        end="",
    )
    print(f"       {first['gold']:>+6.2f} {best:>+6.2f} {last['gold']:>+6.2f}", end="")
    print(f"          {first['ended']:.0%} {last['ended']:.0%}")
rose = sum(row["path"][-1]["gold"] > row["path"][0]["gold"] for row in shipped["rows"])
print(f"the reader's score is higher at the end than at the start in {rose} of {len(shipped['rows'])} runs")

# %% tags=["figure"]
# Figure: the proxy's and the reader's score against KL in the shipped runs
left, right = plots.panels(2, width=9.5, height=3.6)
for beta, dash in zip(betas, ("-", "--", ":")):
    for i, row in enumerate(row for row in shipped["rows"] if row["beta"] == beta):
        for axes, name in ((left, "proxy"), (right, "gold")):
            points = [(point["kl"], point[name]) for point in row["path"]]
            label = f"β = {beta:g}" if i == 0 else None
            axes.plot(*zip(*points), color=plots.ROLES[name]["color"], linestyle=dash, marker="o", ms=3, label=label)
left.set(xlabel=plots.KL_LABEL, ylabel="proxy (SFT policy: mean 0, spread 1)", title="What was trained for")
right.set(xlabel=plots.KL_LABEL, ylabel="reader (rating, -4 to 4)", title="What the reader thinks of it")
left.legend(fontsize=8)
right.legend(fontsize=8)
Picture(left.figure, "Proxy and reader against KL for PPO on SmolLM2, one line for each run, dashed by beta.")

# %% [markdown]
# ### Does it have a manner?
#
# A model of this size rarely breaks into loops as the small one does. It finds words that the proxy pays for, and writes them
# everywhere. So count words, each once in a text.
#
# **Predict, then run.** Which words does PPO make frequent? Would the reader mind them?


# %%
def word_shares(texts):
    """The share of the texts in which each word of four letters or more stands."""
    counts = Counter(word for text in texts for word in set(re.findall(r"[a-z]{4,}", text.lower())))
    return {word: count / len(texts) for word, count in counts.items()}


for beta in betas:
    runs = [row["path"] for row in shipped["rows"] if row["beta"] == beta]
    at_start, at_end = (word_shares([text for path in runs for text in path[at]["texts"]]) for at in (0, -1))
    rise = {word: share - at_start.get(word, 0.0) for word, share in at_end.items()}
    risen = sorted(rise, key=rise.get, reverse=True)[:6]
    print(f"beta {beta:g}, {len(runs)} runs:", end=" ")
    print(", ".join(f"{word} {at_start.get(word, 0.0):.0%} -> {at_end[word]:.0%}" for word in risen))

# %% [markdown]
# Where the penalty is weak, words of praise fill the texts, whatever these are about: people who know chat models know such a
# manner. The reader reads how much a text praises, and praise is there, so it sees no fault. A judge notices only what it was
# made to look at; you notice the rest by reading.
#
# Now read. The same kind of prompt, written on by the course's small net and by SmolLM2, before and after PPO. Which of the
# four would you show to somebody?

# %%
small = measured("chain", made_by="chain_seeds.py")["rows"][0]
large = max(shipped["rows"], key=lambda row: row["beta"])["path"]
for i in range(4):
    print(f"small net, SFT    {small['samples_before'][i]}\nsmall net, PPO    {small['penalised']['samples'][i]}")
    print(f"SmolLM2, SFT      {large[0]['texts'][i]}\nSmolLM2, PPO      {large[-1]['texts'][i]}\n")

# %% [markdown]
# ### Full fine-tuning, where there is an accelerator
#
# Set `frozen=0` and pass `trains=None`: the same loops train every weight. The gibibytes of section 9 say
# what the weights take, the activations come on top.

# %% [markdown]
# ## 14. What it measured

# %%
print(f"your logits and the library's:   at most {np.abs(by_you - by_library).max():.1e} apart")
print(
    f"the first token's state:         {float(sizes['top'][0] / jnp.median(sizes['top'])):.0f} times the size of the median"
)
print(f"cache saved by sharing:          {1 - c.kv_heads / c.heads:.0%}")
print(f"weights of a LoRA of rank 8:     {counts['LoRA'] / counts['all']:.2%}")
print(f"before training, a logit moved:  {np.abs(fresh - by_library).max()}")
print(f"merged and unmerged:             {np.abs(beside - inside).max():.1e} apart")
print(f"weights that train above the frozen layers: {size['trained'] / size['all']:.0%}")
print(f"ratios outside the clip by rounding alone:  {np.mean(np.abs(ratio - 1) > 0.2):.1%}")

# %% [markdown]
# ## 15. What a framework would do for you here
#
# - **transformers** has `LlamaForCausalLM` and reads GGUF files with `from_pretrained(..., gguf_file=...)`; it undoes the
#   order of rows as this library does. It does not give you a pad token: set `tokenizer.pad_token` yourself.
# - **TRL** takes `peft_config=LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"])` in every trainer, and uses
#   the model *without* its adapter as the reference, so that no second copy is in memory. PEFT's `merge_and_unload` is
#   `merge_lora`.
# - **Tunix** takes LoRA from `qwix`, which wraps the layers whose names match a pattern, and shards them over a mesh.
# - **llama.cpp** runs the file as it is, with products in four bits, on a laptop; it is not made for training.
#
# ## 16. Mini-challenge
#
# A colleague says that LoRA with rank one on all seven matrices of every layer must be worse than rank eight on two of them,
# because "rank one can't do anything". Both have nearly the same number of weights. Say first which you expect to learn the
# sentence of section 8 in fewer steps, and which to disturb the other prompts less. Then try it, with three keys each, and
# say what three keys allow you to claim.
#
# ## Sources
#
# - Zhang and Sennrich 2019, [Root mean square layer normalization](https://arxiv.org/abs/1910.07467)
# - Su et al. 2021, [RoFormer](https://arxiv.org/abs/2104.09864) (rotary positions)
# - Ainslie et al. 2023, [GQA](https://arxiv.org/abs/2305.13245)
# - Shazeer 2020, [GLU variants improve transformer](https://arxiv.org/abs/2002.05202)
# - Touvron et al. 2023, [LLaMA](https://arxiv.org/abs/2302.13971)
# - Hu et al. 2021, [LoRA](https://arxiv.org/abs/2106.09685)
# - Allal et al. 2025, [SmolLM2](https://arxiv.org/abs/2502.02737)
# - Sun et al. 2024, [Massive activations in large language models](https://arxiv.org/abs/2402.17762)
