# %% [markdown]
# # 02 · Supervised fine-tuning: showing what you want
#
# **Goal.** Teach the model of chapter 01 to do as it is told, by showing it examples: what to ask, what a good answer
# looks like, where it ends. You write the mask that says which tokens are learnt, the loss, and the two text formats
# that most data sets use. Your functions then drive real training runs.
#
# **Time.** Plan ninety minutes. The set-up cell says how long the machine computes and what the exercises take.
#
# **Measured here.** What the model says before and after; how far it obeys, by a judge that it never saw; what happens
# without the end token and when the prompt is learnt too; what one format is worth to a model that learnt another; and
# what the policy is like that all later chapters start from.

# %% tags=["setup"]
import rlhf_lesson as rl
from rlhf_lesson.course.checks import check, hint, solution, yours

rl.setup("02_supervised_fine_tuning")

# %%
import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.data import feedback
from rlhf_lesson.data.batches import pad
from rlhf_lesson.data.examples import to_examples, whole
from rlhf_lesson.data.records import Demonstration
from rlhf_lesson.measures import distinct
from rlhf_lesson.models.generate import generate
from rlhf_lesson.models.pretrained import load_base
from rlhf_lesson.models.tokenizer import decode, encode
from rlhf_lesson.models.vader import vader_score
from rlhf_lesson.study.chain import trained_chain
from rlhf_lesson.train import reward_model, sft
from rlhf_lesson.train.progress import bar
from rlhf_lesson.view import plots
from rlhf_lesson.view.plots import Picture
from rlhf_lesson.view.results import measured

base, tokenizer = load_base()
built = trained_chain()  # trains the course's models, once on this machine; gold is this chapter's judge

# %% [markdown]
# ## 1. The idea
#
# At the end of chapter 01 an instruction was just more text to continue. The simplest cure is to show what should
# follow an instruction. A *demonstration* is a prompt $x$ and a response $y$ that a person wrote or approved of.
# Supervised fine-tuning (SFT) is pretraining once more, on demonstrations, and with one change: only the response
# counts,
#
# $$L = \frac{\sum_t m_t \, \big(-\log p(y_t \mid x, y_{\lt t})\big)}{\sum_t m_t}, \qquad
# m_t = 1 \text{ on tokens of the response, else } 0.$$
#
# Nothing else is new. What decides is the data, the mask and the format, so these are what you write.
#
# ## 2. Demonstrations, and a template for them
#
# We want a model that writes a kind sentence when we ask for one, and an unkind one when we ask for that. Nobody needs
# to write them: people have rated thousands of sentences. A sentence that the crowd found clearly positive becomes the
# answer to one instruction, a clearly negative one to the other.

# %%
ASKED = {True: "write about a good film.", False: "write about a bad film."}
LONGEST = 16  # tokens of a response, so that all rows fit one width and compile once


def demonstrations(*splits):
    """Rows {"instruction", "response"} out of what people rated."""
    rated = [s for split in splits for s in built.data.by_split[split] if abs(s.mean) > 1.5]
    texts = [feedback.normalise(s.text) for s in rated]
    short = [len(ids) < LONGEST for ids in encode(tokenizer, texts)]
    rows = [{"instruction": ASKED[s.mean > 0], "response": text} for s, text in zip(rated, texts)]
    return [row for row, fits in zip(rows, short) if fits]


learnt_from, held_back = demonstrations("proxy", "gold"), demonstrations("eval")
good = np.mean([row["instruction"] == ASKED[True] for row in learnt_from])
print(f"{len(learnt_from)} demonstrations ({good:.0%} on good films), and {len(held_back)} kept back")
for row in learnt_from[:3]:
    print(row)

# %% [markdown]
# A model reads one text, not a dictionary. A *template* makes the text, and says where the prompt ends:
#
# `### Instruction:` and the instruction, a blank line, `### Response:`, and then the response. Many data sets have a third
# field, `input` or `context`, with the text that the instruction is about. It stands between the two, below a heading
# `### Input:` of its own: a row that lost it would teach the model to answer without having read the question.
#
# It is arbitrary. What matters is that training and use write it in exactly the same way, newline by newline.

# %% tags=["exercise"]
from rlhf_lesson.data.chats import parse_instruction

# %%
parse_instruction = yours("parse_instruction")
prompt, response = parse_instruction(learnt_from[0])
print(repr(prompt), "\n ->", repr(response))
print(len(encode(tokenizer, [prompt])[0]), "tokens of prompt for", len(encode(tokenizer, [response])[0]), "of response")

# %% [markdown]
# Most of that prompt is template. This tokenizer has never seen capital letters, so the headings fall into small
# pieces. Large models get single tokens for their turns, for this reason among others.
#
# ## 3. Which tokens are learnt
#
# A row of the batch is prompt, response, end token, padding. The prompt is *read*: the network attends to it. It is not
# *learnt*: we do not want a model that writes instructions. And the end token is learnt like a word, since it is the
# only thing that ever tells the model to stop.

# %% tags=["exercise"]
from rlhf_lesson.data.batches import response_mask

# %%
response_mask = yours("response_mask")
examples = to_examples([Demonstration(*parse_instruction(row)) for row in learnt_from], tokenizer)
batch = sft.make_batch(examples[:21], 21, 48, tokenizer.pad_token_id, response_mask)
kind = np.where(batch.learn, 2, np.where(batch.mask, 1, 0))
share = batch.learn.sum() / batch.mask.sum()

# %% tags=["figure"]
# Figure: which places of a batch are read, and which are learnt
names = {0: "padding", 1: "prompt: read", 2: "response: learnt"}
axes = plots.heatmap(kind, label="kind of token", names=names, xlabel="token", ylabel="row")
axes.set_title(f"{share:.0%} of the real tokens are learnt")
Picture(axes, "A batch as a map: a block of prompts on the left, ragged responses in the middle, padding on the right.")

# %% [markdown]
# ### Pitfall: the border between prompt and response
#
# Prompt and response are cut into tokens *separately* above. Cut the whole text at once and look for the border
# afterwards, and you may not find it: a piece can span it, for instance a space and the word after it. Then training
# sees other tokens than generation, which starts from the prompt alone. If you must cut at once, check that the
# prompt's tokens are the beginning of the whole's.
#
# ## 4. The loss
#
# One token's loss is its surprise, and you have it already:
#
# $$L_t = -\log p(y_t \mid x, y_{\lt t}).$$
#
# It is left unreduced, so that mask and mean are visible where they are chosen. The loop takes the mean over *tokens*,
# so a long response weighs more than a short one.

# %% tags=["exercise"]
from rlhf_lesson.losses import cross_entropy_loss

# %%
cross_entropy_loss = yours("cross_entropy_loss")


@jax.jit
def surprise(model, batch):
    """Summed surprise of the tokens to learn, and how many they are."""
    each = cross_entropy_loss(model(batch.tokens, batch.mask)[:, :-1], batch.tokens[:, 1:])
    return jnp.sum(jnp.where(batch.learn[:, 1:], each, 0.0)), jnp.sum(batch.learn[:, 1:])


def held_out(model, examples):
    """Nats per response token; all batches have one shape, (21, 48), so this compiles once."""
    parts = [examples[i : i + 21] for i in range(0, len(examples), 21)]
    sums = [surprise(model, sft.make_batch(part, 21, 48, tokenizer.pad_token_id)) for part in parts]
    total, count = np.sum(sums, axis=0)
    return float(total / count)


test = to_examples([Demonstration(*parse_instruction(row)) for row in held_back], tokenizer)
print(f"before any training: {held_out(base, test):.2f} nats per token of a held-out response")

# %% [markdown]
# ## 5. Before
#
# What does the base model answer? Two scores say how kind a text is. *Gold* reads a text and says what people would have
# rated it (chapter 04 shows how that was learnt from people's ratings); 0 is an average text of the course's policy, 1 is one
# spread above. The *judge* counts words by rules. Nothing in this chapter trains on either.
#
# **Predict, then run.** Will the base model answer the two instructions differently at all?

# %%
COUNT, NEW_TOKENS = rl.scale(quick=64, full=512), 24


def gold(texts):
    """Gold's score of each text by itself."""
    judge = built.scorers["gold"]
    if judge is built.scorers["sibling"]:  # SmolLM2 was not fetched: a reward model of the course takes its place
        return reward_model.score(judge, whole(tokenizer, texts), pad_id=tokenizer.pad_token_id)
    return judge(texts)


# %%
def continued(model, rows, *, seed=0):
    """One sampled continuation of each row of ids: the texts, and which of them came to an end."""
    tokens, mask = pad(rows, len(rows), 32, pad_id=tokenizer.pad_token_id, left=True)
    sampled = generate(
        model,
        tokens,
        mask,
        jax.random.key(seed),
        response=NEW_TOKENS,
        temperature=0.7,
        end_id=tokenizer.eos_token_id,
        pad_id=tokenizer.pad_token_id,
    )
    ended = np.any(np.asarray(sampled.tokens) == tokenizer.eos_token_id, axis=1)
    return decode(tokenizer, sampled.tokens, sampled.mask), ended


# %%
def instruction(text):
    return parse_instruction({"instruction": text, "response": "."})[0]


def obedience(model, ask=instruction):
    """What a model answers to either instruction, `COUNT` times, and what the answers are worth."""
    answers = {}
    for wanted, text in ASKED.items():
        prompt = [tokenizer.bos_token_id, *encode(tokenizer, [ask(text)])[0]]
        texts, ended = continued(model, [prompt] * COUNT)
        scores = gold([text or "." for text in texts])  # an answer without words counts as a full stop
        judge = np.mean([vader_score(text) for text in texts])
        answers[wanted] = {"texts": texts, "ended": ended.mean(), "gold": scores, "judge": judge}
    return answers


def gap(answers):
    """Mean gold score of the answers to "good" less that of the answers to "bad", and its standard error.

    Both were sampled with the same noise, so they are compared in pairs: what the noise does to both cancels.
    """
    lead = answers[True]["gold"] - answers[False]["gold"]
    return float(lead.mean()), float(lead.std(ddof=1) / len(lead) ** 0.5)


# %%
def report(name, answers):
    mean, error = gap(answers)
    print(f"{name}: good minus bad {mean:+.2f} ± {error:.2f} gold")
    for wanted, row in answers.items():
        print(f'  "{ASKED[wanted]}" gold {row["gold"].mean():+.2f}, judge {row["judge"]:+.2f}')
        for text in row["texts"][:3]:
            print("     ", text)


before = obedience(base)
report("base model", before)

# %% [markdown]
# ## 6. The run
#
# Your template made the rows, your mask and your loss drive the loop. It is the ordinary one: shuffle, batch, gradient,
# AdamW, with a rising and then falling learning rate.
#
# **Predict, then run.** The loss starts where section 4 measured it. Where will it end: near 0, near half, or not far
# below? Think of how many sentences would be a right answer.

# %%
use = rl.scale(quick=960, full=len(examples))
config = sft.Config(batch_tokens=1024, learning_rate=1e-3, epochs=rl.scale(quick=1, full=3))


def fine_tune(examples, name, mask=response_mask):
    """Fine-tunes a copy of the base model on the first `use` examples: the model and its loss at every step."""
    steps = sft.train(
        config,
        base,
        examples[:use],
        pad_id=tokenizer.pad_token_id,
        cross_entropy_loss=cross_entropy_loss,
        response_mask=mask,
    )
    curve = []
    for state, metrics in bar(name, steps):
        curve.append(metrics["loss"])
    return state.model, curve


obeying, curve = fine_tune(examples, "fine-tune")

# %%
levels = {"base model": held_out(base, test), "fine-tuned": held_out(obeying, test)}

# %% tags=["figure"]
# Figure: the training loss, with the held-out loss before and after
(axes,) = plots.panels(1)
axes.plot(curve, linewidth=0.7, color=plots.ROLES["policy"]["color"], alpha=0.5)
smoothed = {"training, smoothed": plots.smooth(curve, 9)}
plots.lines(range(len(curve)), smoothed, ax=axes, roles=["policy"], xlabel="step", ylim=(0, None))
axes.set(ylabel="loss (nats per response token)", title="It learns what kind of text is wanted, not the text")
plots.levels({f"held out, {name}: {level:.2f}": level for name, level in levels.items()}, ax=axes)
axes.legend(fontsize=8, loc="lower left")
Picture(axes, "The training loss falls a little and flattens far above zero; held-out loss before and after as lines.")

# %% [markdown]
# The loss stays high because thousands of sentences would have been right, and the model is asked for one of them. In
# SFT the loss is a poor measure of success. Look at what it writes.
#
# ## 7. After

# %%
after = obedience(obeying)
report("fine-tuned", after)

# %% tags=["figure"]
# Figure: gold scores of the answers to both instructions, before and after
panels = plots.panels(2, sharey=True)
for axes, name, answers in zip(panels, ("before", "after"), (before, after)):
    scores = {ASKED[wanted]: row["gold"] for wanted, row in answers.items()}
    mean, error = gap(answers)
    plots.cumulative(scores, ax=axes, roles=("judge", "policy"), legend=axes is panels[0], xlabel="gold score")
    axes.set(ylabel="", title=f"{name}: good minus bad {mean:+.2f} ± {error:.2f}")
panels[0].set_ylabel("share of answers at or below")
Picture(panels[0], "Cumulative shares of the gold score of answers to both instructions, before and after fine-tuning.")

# %% [markdown]
# Two things changed. Both curves moved to the right, because the model now writes whole sentences about films where it
# used to write fragments. And it now distinguishes the two instructions, which were the same to it before. It obeys *on
# average*: many answers to "good" are still unkind. Forty-odd steps have taught it a tendency, and imitation cannot tell
# a good answer from a fair one. That is what the reward of later chapters adds.
#
# ## 8. Two ways to get the mask wrong
#
# **Predict, then run.** Two more runs with the same examples. In one the end token is left out of the mask; in the other
# the prompt is learnt as well. Which will do more harm, and to which number: the held-out loss, the share of answers
# that come to an end, or the gap?


# %%
def without_end(mask, prompt):
    """The response but its last token, which is the end."""
    return response_mask(mask, prompt) & np.pad(mask[:, 1:], ((0, 0), (0, 1)))


def with_prompt(mask, prompt):
    return mask


wrong = {"end not learnt": without_end, "prompt learnt too": with_prompt}
runs = {"your mask": (obeying, after)}
for name, mask in wrong.items():
    model, _ = fine_tune(examples, name, mask)
    runs[name] = model, obedience(model)

# %%
print(f"{'':<18} held-out loss   came to an end   words   good minus bad")
for name, (model, answers) in {"base model": (base, before), **runs}.items():
    ended = np.mean([row["ended"] for row in answers.values()])
    words = np.mean([len(text.split()) for row in answers.values() for text in row["texts"]])
    mean, error = gap(answers)
    print(f"{name:<18} {held_out(model, test):>13.2f} {ended:>16.0%} {words:>7.1f} {mean:>+10.2f} ± {error:.2f}")

# %% [markdown]
# ### Pitfall: the loss that can't see it
#
# Read the first row of the two wrong ones with care. A run that never learns the end token is *graded on it* here,
# because the held-out loss uses the right mask. Had it been graded with its own mask, it would have looked fine. The rule
# is older than RLHF: a measurement must not share the bug of what it measures.
#
# Learning the prompt is the smaller mistake here: the template is always the same, is known by heart after a few steps
# and then has no gradient left. It costs more when prompts are long and varied, since then the capacity goes into
# imitating users.
#
# ## 9. Turns: the chat format
#
# A dialogue is a list of messages with roles. As text, in the manner of Anthropic's hh-rlhf data, every turn begins with
# a blank line and a speaker. To let the model answer, the text ends with an *opened* turn: `\n\nAssistant:` and nothing
# after it.

# %% tags=["exercise"]
from rlhf_lesson.data.chats import render

# %% [markdown]
# And back again: what a model wrote has to become messages, so that it can be stored, judged and answered. A reply may
# hold blank lines and colons of its own. And a model that has seen many dialogues may well go on with the *user's* next
# turn; the way back is what notices that.

# %% tags=["exercise"]
from rlhf_lesson.data.chats import messages_of

# %%
render, messages_of = yours("render"), yours("messages_of")
talk = [
    {"role": "system", "content": "be brief."},
    {"role": "user", "content": "how was the film?\n\nand the end: any good?"},
    {"role": "assistant", "content": "slow. the end is worth it."},
    {"role": "user", "content": ASKED[True]},
]
text = render(talk, reply=True)
print(text)
assert messages_of(text) == [*talk, {"role": "assistant", "content": ""}]
print("\nand the same talk by this tokenizer's own chat template:")
print(tokenizer.apply_chat_template(talk, tokenize=False, add_generation_prompt=True))

# %% [markdown]
# Nearly the same, and that is the trap: `User:` is not `Human:`. Every model comes with a template of its own, which is
# stored beside its tokenizer for this reason.
#
# In a dialogue of several turns the mask has a choice: learn the last reply only, as `response_mask` does, or every turn
# of the assistant. The latter gets more out of each dialogue, but learns early replies that a better model would not have
# given.
#
# **Predict, then run.** We train a second model on the same demonstrations as chats. Then each of the two models is asked
# in both formats. Does it obey in the format that it has not learnt?


# %%
def question(text):
    return render([{"role": "user", "content": text}], reply=True)


def as_chat(row):
    """A demonstration as (prompt, response); the response keeps its leading space."""
    both = [{"role": "user", "content": row["instruction"]}, {"role": "assistant", "content": row["response"]}]
    return question(row["instruction"]), render(both).removeprefix(question(row["instruction"]))


assert as_chat(learnt_from[0])[1] == " " + learnt_from[0]["response"]
chats = to_examples([Demonstration(*as_chat(row)) for row in learnt_from], tokenizer)
chatting, _ = fine_tune(chats, "fine-tune on chats")
models, formats = {"instructions": obeying, "chats": chatting}, {"instructions": instruction, "chats": question}
asked_in = {(a, b): obedience(models[a], formats[b]) for a in models for b in formats if a != b or a == "chats"}
asked_in["instructions", "instructions"] = after
gaps = {f"asked in the format of {b}": [gap(asked_in[a, b]) for a in models] for b in formats}

# %% tags=["figure"]
# Figure: how far each model obeys, in either format
(axes,) = plots.panels(1, width=6.5, height=3)
heights, errors = ({label: [pair[i] for pair in row] for label, row in gaps.items()} for i in (0, 1))
names = [f"learnt from {name}" for name in models]
plots.bars(names, heights, errors=errors, ax=axes, roles=("proxy", "gold"), ylabel="good minus bad (gold)")
axes.set_title("How far each model obeys, in either format")
axes.axhline(0, color=plots.GREY, linewidth=0.6)
Picture(axes, "Gap between the two instructions for two models, each asked in the format it learnt and in the other.")

# %%
reply = messages_of(question(ASKED[True]) + " " + asked_in["chats", "chats"][True]["texts"][0])
print("read back:", reply)
turns = [len(messages_of(question(ASKED[True]) + " " + text)) for text in asked_in["chats", "chats"][True]["texts"]]
print(f"{np.mean(np.array(turns) > 2):.0%} of the replies went on into a turn that is not the assistant's")

# %% [markdown]
# ### Pitfall: a wrong template fails silently
#
# No error is raised when the format is wrong. The text is fluent, the model merely obeys less, and everybody blames the model.
# Three checks cost a minute: print one prompt with `repr`; compare the ids of the prompt in use with the beginning of a
# training row; and make sure that there is exactly one `<begin>`, which templates and tokenizers both like to add.

# %%
used = [tokenizer.bos_token_id, *encode(tokenizer, [instruction(ASKED[True])])[0]]
row = next(e for e, d in zip(examples, learnt_from) if d["instruction"] == ASKED[True])
assert list(row.tokens[: row.prompt]) == used and used.count(tokenizer.bos_token_id) == 1
print("the prompt in use is the beginning of a training row:", len(used), "tokens")

# %% [markdown]
# ## 10. The policy that the course starts from
#
# From here on the course needs no instructions: its task is to continue a film review, and *how* is what the raters
# will decide. So its SFT policy was trained by the same loop on plain snippets: the first one to four words are the
# prompt, the rest and the end are learnt. It becomes $\pi_{\text{ref}}$, the anchor of everything that follows.
#
# **Predict, then run.** The base model has read film reviews, too. What can SFT on such snippets still change?

# %%
snippets = [example for example in built.data.sft("eval") if len(example.tokens) <= 48]
snippets = snippets[: rl.scale(quick=420, full=None)]
prompts = built.data.held_out_prompts(COUNT)
rows = [tokens[mask].tolist() for tokens, mask in zip(np.asarray(prompts.tokens), np.asarray(prompts.mask))]
starts = decode(tokenizer, prompts.tokens, prompts.mask)
states = {"base model": base, "SFT policy": built.sft}
endings = {name: continued(model, rows) for name, model in states.items()}
for i in range(4):
    print(f"\n{starts[i]} ...")
    for name, (texts, _) in endings.items():
        print(f"   {name}: {texts[i]}")

# %%
print(f"{'':<12} held-out loss   came to an end   distinct word pairs   judge   gold")
for name, (texts, ended) in endings.items():
    full = [f"{start} {rest}" for start, rest in zip(starts, texts)]
    kindness = np.mean([vader_score(text) for text in full])
    print(
        f"{name:<12} {held_out(states[name], snippets):>13.2f} {ended.mean():>16.0%} {distinct(texts):>21.2f}"
        f" {kindness:>+7.2f} {gold(full).mean():>+6.2f}"
    )

# %% [markdown]
# SFT has not made it *kind*: it imitates all the raters' sentences, kind or not. It has moved it towards the texts on
# which the reward models will be at home, and that is what it is for. PPO can only strengthen what the policy already
# does now and then, so a policy that never writes a decent review could not be rewarded for one.

# %% [markdown]
# ## 11. What it measured
#
# Your run has one seed. The spread of the course's SFT over five seeds is in the results file of the benchmarks.

# %%
for name, answers in {"before": before, "after": after}.items():
    mean, error = gap(answers)
    print(f"good minus bad, {name + ':':<19}{mean:+.2f} ± {error:.2f} gold (± is sampling only)")
for (learnt, asked), answers in asked_in.items():
    if learnt != asked:
        mean, error = gap(answers)
        print(f"learnt {learnt + ', asked in ' + asked:<28}{mean:+.2f} ± {error:.2f}")
for name, (model, answers) in runs.items():
    ended = np.mean([row["ended"] for row in answers.values()])
    print(f"{name:<35}{held_out(model, test):.2f} nats per token, {ended:.0%} come to an end")
course = measured("chain", made_by="chain_seeds.py")["penalised_summary"]["sft.val_loss"]
print(f"the course's SFT, all held-out snippets, five seeds: {course['mean']:.3f} ± {course['std']:.3f} nats per token")

# %% [markdown]
# ## 12. What a framework would do for you here
#
# - **TRL**'s `SFTTrainer` takes texts, prompt-completion pairs or lists of messages and applies the chat template. With
#   prompt-completion data it learns the completion alone, as you did; for messages `assistant_only_loss` learns every
#   assistant turn, and needs a template that marks these turns. It can also pack several short texts into one row.
# - **Tunix**'s `PeftTrainer` takes `TrainingInput(input_tokens, input_mask)`: its default loss shifts by one token, as
#   the loop here does, and counts the targets whose `input_mask` is true. So the response mask is yours to make there
#   as well. With a LoRA model it trains the adapters alone.
# - **InstructGPT** learnt from demonstrations that its labelers wrote, for sixteen epochs. The validation loss was at its
#   best after the first, but people preferred the later models: section 6's warning, at scale.
#
# ## 13. Mini-challenge
#
# In words: a team fine-tunes on ten thousand dialogues of its own support staff. The new model is polite, and it makes
# up order numbers. (1) Which property of imitation explains it? (2) Write one demonstration that would have helped, and
# one that would have made it worse although it is a good answer. (3) Their held-out loss fell the whole time: which two
# measurements of this chapter would you have asked for?
#
# To try: ask the fine-tuned model `write of a great film.` and `say something nice.` It never saw these. How much of its
# obedience carries over, and what would you change in the *data* to make more of it carry over?
#
# ## Sources
#
# - Ouyang et al. 2022, [InstructGPT](https://arxiv.org/abs/2203.02155), section 3
# - Wei et al. 2022, [Finetuned language models are zero-shot learners](https://arxiv.org/abs/2109.01652)
# - Taori et al. 2023, *Stanford Alpaca: an instruction-following LLaMA model* (the template)
# - Bai et al. 2022, [Training a helpful and harmless assistant](https://arxiv.org/abs/2204.05862) (the dialogues)
# - Zhou et al. 2023, [LIMA: less is more for alignment](https://arxiv.org/abs/2305.11206)
# - [TRL: SFT trainer](https://huggingface.co/docs/trl/sft_trainer), [Tunix](https://github.com/google/tunix)
