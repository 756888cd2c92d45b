"""Exercises of chapter 01: from logits to probabilities of tokens, sampling, and a proof that nothing looks ahead.

Leaves out the model. A sample is compared as a histogram of many draws, wide enough that chance fails nobody.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson import logprobs
from rlhf_lesson.course.exercise import Case, Exercise, NotAnAnswer, Slip, describe
from rlhf_lesson.course.specs.chapter_00 import ragged
from rlhf_lesson.measures import looks_ahead
from rlhf_lesson.models.generate import keep_top_k, keep_top_p, sample_token

# ---- log-probabilities of tokens -----------------------------------------------------------------


def logits_and_tokens(rng, *, scale: float = 1.5, shift: float = 0.0, half: bool = False, **coefficients) -> Case:
    """Logits of some texts and the ids at the same places; `half` gives them as bfloat16."""
    shape = [(4, 6), (2, 3, 5)][rng.integers(2)]
    logits = (scale * rng.normal(size=shape) + shift).astype(np.float32)
    tokens = rng.integers(0, shape[-1], shape[:-1]).astype(np.int32)
    return Case((jnp.asarray(logits, jnp.bfloat16) if half else logits, tokens), coefficients)


def chosen(table, tokens):
    """The table's entry at each token."""
    return jnp.take_along_axis(table, tokens[..., None], axis=-1)[..., 0]


TOKEN_LOGPROBS = Exercise(
    name="token_logprobs",
    chapter=1,
    minutes=15,
    difficulty=2,
    points=6,
    reference=logprobs.token_logprobs,
    cases={
        "plain numbers at some temperature": lambda rng: logits_and_tokens(
            rng, temperature=float(rng.uniform(0.5, 0.8))
        ),
        "a temperature above 1": lambda rng: logits_and_tokens(rng, temperature=1.7),
        "the default temperature is 1": logits_and_tokens,
        "a constant added to a row changes nothing": lambda rng: logits_and_tokens(rng, shift=300.0),
        "a very unlikely token has a finite log-probability": lambda rng: logits_and_tokens(rng, scale=150.0),
        "bfloat16 is cast to float32 first": lambda rng: logits_and_tokens(rng, half=True, scale=4.0),
    },
    slips=(
        Slip(
            "the temperature is ignored",
            "Divide the logits by it before the softmax.",
            lambda z, y, *, temperature=1.0: logprobs.token_logprobs(z, y),
        ),
        Slip(
            "multiplied by the temperature",
            "A high temperature flattens: divide by it.",
            lambda z, y, *, temperature=1.0: logprobs.token_logprobs(z, y, temperature=1 / temperature),
        ),
        Slip(
            "the temperature comes after the softmax",
            "Then the probabilities no longer sum to 1: divide the logits, not their log-softmax.",
            lambda z, y, *, temperature=1.0: logprobs.token_logprobs(z, y) / temperature,
        ),
        Slip(
            "the log is missing",
            "These are probabilities.",
            lambda z, y, *, temperature=1.0: jnp.exp(logprobs.token_logprobs(z, y, temperature=temperature)),
        ),
        Slip(
            "the sign is wrong",
            "This is the surprise: a log-probability is at most 0.",
            lambda z, y, *, temperature=1.0: -logprobs.token_logprobs(z, y, temperature=temperature),
        ),
        Slip(
            "not normalised",
            "A logit is no log-probability yet: take away the logsumexp of its row.",
            lambda z, y, *, temperature=1.0: chosen(z, y) / temperature,
        ),
        Slip(
            "normalised over time",
            "The probabilities of one place sum to 1 over the vocabulary, the last axis.",
            lambda z, y, *, temperature=1.0: chosen(jax.nn.log_softmax(z / temperature, axis=-2), y),
        ),
        Slip(
            "the likeliest token's",
            "The log-probability of the given token is asked for, not the largest one.",
            lambda z, y, *, temperature=1.0: jnp.max(jax.nn.log_softmax(z / temperature), -1),
        ),
        Slip(
            "shifted by one token",
            "Nothing is shifted here: the logits at t are those of the token at t.",
            lambda z, y, *, temperature=1.0: logprobs.token_logprobs(z, jnp.roll(y, -1, -1), temperature=temperature),
        ),
        Slip(
            "summed over time",
            "One number a token is asked for.",
            lambda z, y, *, temperature=1.0: logprobs.token_logprobs(z, y, temperature=temperature).sum(-1),
        ),
        Slip(
            "the log of a softmax",
            "A tiny probability rounds to 0, and its log to -infinity: stay in logs (logsumexp, log_softmax).",
            lambda z, y, *, temperature=1.0: jnp.log(chosen(jax.nn.softmax(z.astype(jnp.float32) / temperature), y)),
        ),
        Slip(
            "exponentials overflow",
            "exp(300) is infinite in float32: jax.nn.logsumexp takes the largest logit out first.",
            lambda z, y, *, temperature=1.0: chosen(z / temperature, y) - jnp.log(jnp.exp(z / temperature).sum(-1)),
        ),
        Slip(
            "computed in bfloat16",
            "Its third digit is wrong: logits.astype(jnp.float32) comes first.",
            lambda z, y, *, temperature=1.0: chosen(jax.nn.log_softmax(z / temperature), y).astype(jnp.float32),
        ),
    ),
    hints=(
        "The logit of the token, less the log of the summed exponentials of its row.",
        "jnp.take_along_axis(scaled, tokens[..., None], axis=-1)[..., 0] picks; jax.nn.logsumexp(scaled, axis=-1) normalises.",
        "scaled = logits.astype(jnp.float32) / temperature; picked as in hint 2, minus the logsumexp",
    ),
)


def hidden_and_head(rng, *, tokens: int = 7, chunk: int = 3, gradient: int | None = None, **coefficients) -> Case:
    dim, vocab = 4, 6
    hidden, head = rng.normal(size=(tokens, dim)), rng.normal(size=(vocab, dim))
    targets = rng.integers(0, vocab, tokens).astype(np.int32)
    return Case(
        (hidden.astype(np.float32), head.astype(np.float32), targets), {"chunk": chunk, **coefficients}, gradient
    )


def in_chunks(hidden, head, targets, *, chunk, temperature=1.0, keep_rest=True, held=0, last_only=False, across=False):
    """Chunk by chunk in a plain loop, with a switch for each slip; right at the defaults."""
    out = []
    for i in range(0, len(targets), chunk):
        rows = slice(i, i + chunk)
        if len(targets[rows]) < chunk and not keep_rest:
            break
        states = jax.lax.stop_gradient(hidden[rows]) if held == 1 else hidden[rows]
        logits = states @ (jax.lax.stop_gradient(head) if held == 2 else head).T
        scaled = logits / temperature
        if across:
            scaled = scaled - jax.nn.logsumexp(scaled, axis=0, keepdims=True)
            out.append(chosen(scaled, targets[rows]))
        else:
            out.append(logprobs.token_logprobs(logits, targets[rows], temperature=temperature))
    return out[-1] if last_only else jnp.concatenate(out) if out else jnp.zeros(0)


CHUNKED_TOKEN_LOGPROBS = Exercise(
    name="chunked_token_logprobs",
    chapter=1,
    minutes=25,
    difficulty=3,
    points=8,
    reference=logprobs.chunked_token_logprobs,
    cases={
        "plain numbers; the last chunk is not full": lambda rng: hidden_and_head(rng, temperature=0.7),
        "the chunks fill up exactly": lambda rng: hidden_and_head(rng, tokens=6),
        "one chunk has room for all": lambda rng: hidden_and_head(rng, tokens=3, chunk=5),
        "the slope by the hidden states is that of the plain form": lambda rng: hidden_and_head(rng, gradient=0),
        "the slope by the head too": lambda rng: hidden_and_head(rng, gradient=1),
    },
    slips=(
        Slip(
            "the temperature is ignored",
            "Hand it on to token_logprobs.",
            lambda *args, chunk, temperature=1.0: in_chunks(*args, chunk=chunk),
        ),
        Slip("the last rows are lost", "Pad the last chunk: it need not be full.", partial(in_chunks, keep_rest=False)),
        Slip("only the last chunk comes back", "Collect all chunks.", partial(in_chunks, last_only=True)),
        Slip(
            "the padding comes back too",
            "Cut the answer to as many rows as came in: [:tokens].",
            lambda h, w, y, *, chunk, temperature=1.0: jnp.pad(
                in_chunks(h, w, y, chunk=chunk, temperature=temperature), (0, -len(y) % chunk or chunk)
            ),
        ),
        Slip(
            "the chunks stay apart",
            "Flatten (chunks, chunk) to one row of numbers.",
            lambda h, w, y, *, chunk, temperature=1.0: jnp.pad(
                in_chunks(h, w, y, chunk=chunk, temperature=temperature), (0, -len(y) % chunk)
            ).reshape(-1, chunk),
        ),
        Slip(
            "rows are dealt out to the chunks",
            "reshape(-1, chunk) keeps neighbours together; after reshape(chunk, -1) the answer is in another order.",
            lambda h, w, y, *, chunk, temperature=1.0: jnp.concatenate(
                [in_chunks(h[i::chunk], w, y[i::chunk], chunk=len(y), temperature=temperature) for i in range(chunk)]
            ),
        ),
        Slip(
            "normalised over the chunk",
            "logsumexp runs over the vocabulary, the last axis.",
            partial(in_chunks, across=True),
        ),
        Slip(
            "one sum in place of one number a token",
            "The caller adds them up.",
            lambda *args, **kwargs: jnp.sum(in_chunks(*args, **kwargs)),
        ),
        Slip(
            "the sign is wrong", "A log-probability is at most 0.", lambda *args, **kwargs: -in_chunks(*args, **kwargs)
        ),
        Slip(
            "the gradient stops at the hidden states",
            "jax.checkpoint computes logits again; jax.lax.stop_gradient would forget how they came about.",
            partial(in_chunks, held=1),
        ),
        Slip("the gradient stops at the head", "The head is trained as well.", partial(in_chunks, held=2)),
    ),
    hints=(
        "Pad the rows to whole chunks, work on one chunk at a time, put the pieces together and cut the padding off.",
        "-tokens % chunk rows are missing; reshape to (-1, chunk, dim); jax.lax.map over a function under @jax.checkpoint.",
        "one_chunk: token_logprobs(states @ head.T, ids, temperature=temperature); then lax.map(...).reshape(-1)[:tokens]",
    ),
)


def scores_of_tokens(rng, *, padding: float | None = None, empty: bool = False, flat: bool = False) -> Case:
    """Log-probabilities of some responses and their mask."""
    rows, time = int(rng.choice([3, 4])), int(rng.choice([5, 7]))
    logp, mask = -rng.gamma(2.0, 1.0, (rows, time)), ragged(rng, rows, time)
    if empty:
        mask[1] = False
    logp = (logp if padding is None else np.where(mask, logp, padding)).astype(np.float32)
    return Case((logp[0], mask[0]) if flat else (logp, mask))


SEQUENCE_LOGPROB = Exercise(
    name="sequence_logprob",
    chapter=1,
    minutes=5,
    difficulty=1,
    points=3,
    reference=logprobs.sequence_logprob,
    cases={
        "plain numbers": scores_of_tokens,
        "one response alone gives one number": lambda rng: scores_of_tokens(rng, flat=True),
        "padding is never read, not even -infinity": lambda rng: scores_of_tokens(rng, padding=-np.inf),
        "an empty response has log-probability 0": lambda rng: scores_of_tokens(rng, empty=True),
    },
    slips=(
        Slip("the mask is ignored", "Padding is no part of the response.", lambda p, m: jnp.sum(p, -1)),
        Slip(
            "a mean in place of a sum",
            "Probabilities multiply, so their logs add up; nothing is divided by the length.",
            lambda p, m: jnp.sum(jnp.where(m, p, 0.0), -1) / jnp.maximum(jnp.sum(m, -1), 1),
        ),
        Slip(
            "summed over all responses", "One number a response: axis=-1.", lambda p, m: jnp.sum(jnp.where(m, p, 0.0))
        ),
        Slip("summed over the wrong axis", "Time is the last axis.", lambda p, m: jnp.sum(jnp.where(m, p, 0.0), 0)),
        Slip("the sign is wrong", "It is at most 0.", lambda p, m: -jnp.sum(jnp.where(m, p, 0.0), -1)),
        Slip(
            "the log is lost",
            "Log-probabilities are asked for.",
            lambda p, m: jnp.exp(jnp.sum(jnp.where(m, p, 0.0), -1)),
        ),
        Slip("the mask is inverted", "True marks real tokens.", lambda p, m: jnp.sum(jnp.where(m, 0.0, p), -1)),
        Slip(
            "the last token is left out",
            "The end token belongs to the response: it has a probability too.",
            lambda p, m: jnp.sum(jnp.where(m & jnp.roll(m, -1, -1).at[..., -1].set(False), p, 0.0), -1),
        ),
        Slip(
            "multiplied by the mask",
            "-inf times 0 is NaN: choose with jnp.where.",
            lambda p, m: jnp.sum(p * m.astype(p.dtype), -1),
        ),
    ),
    hints=(
        "What is the log of a product?",
        "Set padding to 0 with jnp.where, then sum over the last axis.",
        "jnp.sum(jnp.where(mask, logp, 0.0), axis=-1)",
    ),
)


def some_logits(rng, *, certain: bool = False, never: bool = False, **coefficients) -> Case:
    shape = [(4, 6), (2, 3, 5)][rng.integers(2)]
    logits = (1.5 * rng.normal(size=shape)).astype(np.float32)
    if certain:
        logits[..., rng.integers(shape[-1])] += 400.0
    if never:
        logits[..., 1] = -np.inf
    return Case((logits,), coefficients)


def entropy(logits, *, temperature=1.0, axis=-1):
    """-sum p log p by the plain formula."""
    logp = jax.nn.log_softmax(logits / temperature, axis=axis)
    return -jnp.sum(jnp.exp(logp) * logp, axis=axis)


ENTROPY = Exercise(
    name="entropy",
    chapter=1,
    minutes=10,
    difficulty=2,
    points=5,
    reference=logprobs.entropy,
    cases={
        "plain numbers at some temperature": lambda rng: some_logits(rng, temperature=float(rng.uniform(0.5, 0.8))),
        "the default temperature is 1": some_logits,
        "equal logits give the log of their number": lambda rng: Case(
            (np.full((2, int(rng.integers(3, 9))), 2.5, "f"),)
        ),
        "a certain token gives 0": lambda rng: some_logits(rng, certain=True),
        "a token that cannot occur adds 0": lambda rng: some_logits(rng, never=True),
    },
    slips=(
        Slip(
            "the sign is wrong",
            "An entropy is never negative.",
            lambda z, *, temperature=1.0: -entropy(z, temperature=temperature),
        ),
        Slip("the temperature is ignored", "softmax(logits / temperature).", lambda z, *, temperature=1.0: entropy(z)),
        Slip(
            "multiplied by the temperature",
            "Divide the logits by it.",
            lambda z, *, temperature=1.0: entropy(z, temperature=1 / temperature),
        ),
        Slip(
            "a mean in place of a sum",
            "The probabilities are the weights already: sum over the vocabulary.",
            lambda z, *, temperature=1.0: entropy(z, temperature=temperature) / z.shape[-1],
        ),
        Slip(
            "not weighted",
            "Each token's surprise counts as often as the token comes: times p.",
            lambda z, *, temperature=1.0: -jnp.mean(jax.nn.log_softmax(z / temperature), -1),
        ),
        Slip(
            "bits in place of nats",
            "Use the natural logarithm.",
            lambda z, *, temperature=1.0: entropy(z, temperature=temperature) / jnp.log(2.0),
        ),
        Slip(
            "a share of the largest entropy",
            "It is not divided by log(vocab).",
            lambda z, *, temperature=1.0: entropy(z, temperature=temperature) / jnp.log(z.shape[-1]),
        ),
        Slip(
            "logits in place of log-probabilities",
            "log p is the log-softmax of the logits, not the logits.",
            lambda z, *, temperature=1.0: -jnp.sum(jax.nn.softmax(z / temperature) * z / temperature, -1),
        ),
        Slip(
            "over the wrong axis",
            "The vocabulary is the last axis.",
            lambda z, *, temperature=1.0: entropy(z, temperature=temperature, axis=0),
        ),
        Slip(
            "the surprise of the likeliest token",
            "The expectation is over all tokens.",
            lambda z, *, temperature=1.0: -jnp.max(jax.nn.log_softmax(z / temperature), -1),
        ),
        Slip(
            "the log of a softmax",
            "A tiny probability rounds to 0, and 0 times log 0 is NaN: use log_softmax.",
            lambda z, *, temperature=1.0: (
                -jnp.sum(jax.nn.softmax(z / temperature) * jnp.log(jax.nn.softmax(z / temperature)), -1)
            ),
        ),
        Slip("0 times infinity", "Where log p is -inf, set it to 0 before you multiply.", entropy),
    ),
    hints=(
        "The expected surprise: each token's -log p, weighted with its p.",
        "jax.nn.log_softmax(logits / temperature) gives log p. Where it is -inf, 0 * -inf must become 0.",
        "-jnp.sum(jnp.exp(logp) * jnp.where(jnp.isneginf(logp), 0.0, logp), axis=-1)",
    ),
)

# ---- sampling ------------------------------------------------------------------------------------

SHARES = np.array([0.42, 0.25, 0.15, 0.11, 0.07])  # of five tokens; every top-p below lies far from their sums


def five_tokens(rng, rows: int = 3) -> np.ndarray:
    """Logits of five tokens in random order, each row with a constant of its own."""
    noise = rng.uniform(-0.02, 0.02, (rows, 5)) + rng.normal(size=(rows, 1))
    return rng.permuted(np.log(SHARES) + noise, axis=1).astype(np.float32)


def to_cut(rng, *, limit: float, never: bool = False) -> Case:
    logits = five_tokens(rng, int(rng.choice([3, 4])))
    if never:
        logits = np.where(logits == logits.min(1, keepdims=True), -np.inf, logits).astype(np.float32)
    return Case((logits, limit))


def only(logits, keep, rest=-jnp.inf):
    return jnp.where(keep, logits, rest)


def rank(logits):
    """0 for the likeliest of a row, and so on."""
    return jnp.argsort(jnp.argsort(-logits, axis=-1), axis=-1)


def by_k(wrong):
    """A slip at k; at k = 0 it keeps all, as everybody does."""
    return lambda z, k: wrong(z, k) if k else z


KEEP_TOP_K = Exercise(
    name="keep_top_k",
    chapter=1,
    minutes=10,
    difficulty=1,
    points=4,
    reference=keep_top_k,
    cases={
        "the k largest of each row stay as they are": lambda rng: to_cut(rng, limit=int(rng.integers(2, 4))),
        "k = 1 leaves the likeliest": lambda rng: to_cut(rng, limit=1),
        "k = vocabulary keeps all": lambda rng: to_cut(rng, limit=5),
        "k = 0 keeps all": lambda rng: to_cut(rng, limit=0),
    },
    slips=(
        Slip(
            "the others become 0",
            "exp(0) = 1: a token that is out needs -inf.",
            by_k(lambda z, k: only(z, rank(z) < k, 0.0)),
        ),
        Slip("the k smallest stay", "Large logits are probable tokens.", by_k(lambda z, k: only(z, rank(-z) < k))),
        Slip("one too many", "The k-th largest is the last to stay.", by_k(lambda z, k: only(z, rank(z) <= k))),
        Slip("one too few", "The k-th largest stays too: <, not <=.", by_k(lambda z, k: only(z, rank(z) < k - 1))),
        Slip(
            "one threshold for all rows",
            "Each row has its own k-th largest.",
            by_k(lambda z, k: only(z, z >= jnp.sort(z, axis=None)[-k])),
        ),
        Slip(
            "the first k tokens",
            "The largest logits, not the first ids.",
            by_k(lambda z, k: only(z, jnp.arange(z.shape[1]) < k)),
        ),
        Slip("over the wrong axis", "The vocabulary is the last axis.", by_k(lambda z, k: only(z, rank(z.T).T < k))),
        Slip(
            "sorted",
            "Every logit keeps its place: it belongs to one token.",
            by_k(lambda z, k: only(jnp.sort(z, descending=True), jnp.arange(z.shape[1]) < k)),
        ),
        Slip("only the k values", "The row keeps its length.", by_k(lambda z, k: jax.lax.top_k(z, k)[0])),
        Slip(
            "probabilities in place of logits",
            "What is kept stays as it was.",
            by_k(lambda z, k: jax.nn.softmax(only(z, rank(z) < k))),
        ),
        Slip("k = 0 keeps none", "0 switches the cut off.", lambda z, k: only(z, rank(z) < k)),
    ),
    hints=(
        "Which number must a logit reach to stay? It is another one in each row.",
        "jax.lax.top_k(logits, k)[0] holds the k largest of each row, in falling order.",
        "threshold = jax.lax.top_k(logits, k)[0][:, -1:]; jnp.where(logits < threshold, -jnp.inf, logits); k = 0 first",
    ),
)


def nucleus(logits, p, *, rest=-jnp.inf, more=False, less=False, rising=False, axis=-1, share=jax.nn.softmax):
    """The nucleus by ranks, with a switch for each slip; right at the defaults."""
    share = share(logits, axis=axis)
    order = jnp.argsort(share if rising else -share, axis=axis)
    falling = jnp.take_along_axis(share, order, axis=axis)
    upto = jnp.cumsum(falling, axis=axis)
    stays = upto <= p if less else upto - falling < p
    stays = stays | jnp.roll(stays, 1, axis) if more else stays
    return jnp.where(jnp.take_along_axis(stays, jnp.argsort(order, axis=axis), axis=axis), logits, rest)


def below_one(wrong):
    """A slip at p below 1; at p = 1 it keeps all."""
    return lambda z, p: wrong(z, p) if p < 1.0 else z


KEEP_TOP_P = Exercise(
    name="keep_top_p",
    chapter=1,
    minutes=20,
    difficulty=3,
    points=6,
    reference=keep_top_p,
    cases={
        "the smallest set that reaches p": lambda rng: to_cut(rng, limit=float(rng.choice([0.55, 0.75]))),
        "a small p leaves the likeliest": lambda rng: to_cut(rng, limit=0.05),
        "a large p cuts the last only": lambda rng: to_cut(rng, limit=0.88),
        "tokens that cannot occur stay out": lambda rng: to_cut(rng, limit=0.6, never=True),
        "p = 1 keeps all": lambda rng: to_cut(rng, limit=1.0),
    },
    slips=(
        Slip(
            "the set stops short of p",
            "The token that carries the sum over p belongs to it: look at what lies before each token.",
            below_one(partial(nucleus, less=True)),
        ),
        Slip("one too many", "Once p is reached, no further token stays.", below_one(partial(nucleus, more=True))),
        Slip(
            "the others become 0", "exp(0) = 1: a token that is out needs -inf.", below_one(partial(nucleus, rest=0.0))
        ),
        Slip("the least probable stay", "Sort from the most probable down.", below_one(partial(nucleus, rising=True))),
        Slip(
            "every token likelier than p stays",
            "p is about a sum of probabilities, not about single ones.",
            below_one(lambda z, p: only(z, jax.nn.softmax(z) >= p)),
        ),
        Slip(
            "a share of the likeliest as threshold",
            "That is min-p; top-p adds up.",
            below_one(lambda z, p: only(z, jax.nn.softmax(z) >= p * jax.nn.softmax(z).max(-1, keepdims=True))),
        ),
        Slip(
            "not sorted",
            "The most probable first, not the lowest id.",
            below_one(lambda z, p: only(z, jnp.cumsum(jax.nn.softmax(z), -1) - jax.nn.softmax(z) < p)),
        ),
        Slip("over the wrong axis", "The vocabulary is the last axis.", below_one(partial(nucleus, axis=0))),
        Slip(
            "not normalised",
            "exp(logits) does not sum to 1: use softmax.",
            below_one(partial(nucleus, share=lambda z, axis: jnp.exp(z))),
        ),
        Slip(
            "left in sorted order",
            "Every logit keeps its place.",
            below_one(lambda z, p: nucleus(jnp.sort(z, descending=True), p)),
        ),
        Slip(
            "a share of the tokens",
            "p is a probability, not a share of the vocabulary.",
            below_one(lambda z, p: only(z, rank(z) < p * z.shape[1])),
        ),
    ),
    hints=(
        "Sort a row from its most probable token down. How much probability lies before each?",
        "before = cumsum(softmax(sorted)) - softmax(sorted); a token stays if before < p. Which is the smallest logit that stays?",
        "least = jnp.min(jnp.where(before < p, order, jnp.inf), -1, keepdims=True); jnp.where(logits < least, -jnp.inf, logits)",
    ),
)

DRAWS = 20_000  # a row; two histograms of it differ by more than 0.035 about once in 10^11 comparisons


def shares_drawn(answer):
    """How often each of the five tokens was drawn in the first half of the rows, and in the second."""
    tokens = np.asarray(answer)
    if tokens.shape != (2 * DRAWS,) or tokens.dtype.kind not in "iu":
        kind = f" of {answer.dtype}" if hasattr(answer, "dtype") else ""
        raise NotAnAnswer(
            f"one whole number for each of {2 * DRAWS} rows is asked for, and it returns {describe(answer)}{kind}"
        )
    return np.stack([np.bincount(np.clip(half, 0, 5), minlength=6) for half in tokens.reshape(2, -1)]) / DRAWS


def many_draws(rng, **coefficients) -> Case:
    """Two rows of logits, each many times, and a fresh key."""
    logits = np.repeat(five_tokens(rng, 2), DRAWS, axis=0)
    return Case((logits, jax.random.key(int(rng.integers(2**31)))), coefficients)


def drawn(logits, key, *, temperature=1.0, top_k=0, top_p=1.0, gumbel=None):
    scaled = keep_top_p(keep_top_k(logits / temperature, top_k), top_p)
    return jnp.argmax(scaled + (jax.random.gumbel(key, logits.shape) if gumbel is None else gumbel(key)), axis=-1)


SAMPLE_TOKEN = Exercise(
    name="sample_token",
    chapter=1,
    minutes=15,
    difficulty=2,
    points=6,
    reference=sample_token,
    rtol=0.0,
    atol=0.035,
    seen=shares_drawn,
    cases={
        "a low temperature sharpens": lambda rng: many_draws(rng, temperature=float(rng.uniform(0.45, 0.6))),
        "a high temperature flattens": lambda rng: many_draws(rng, temperature=3.0),
        "the top k": lambda rng: many_draws(rng, top_k=int(rng.integers(2, 4))),
        "the top p": lambda rng: many_draws(rng, top_p=0.55),
        "temperature first, then the top p": lambda rng: many_draws(rng, temperature=0.4, top_p=0.6),
        "the top k first, then the top p of what is left": lambda rng: many_draws(rng, top_k=2, top_p=0.55),
        "the defaults are the model's own distribution": many_draws,
    },
    slips=(
        Slip(
            "the temperature is ignored",
            "Divide the logits by it.",
            lambda z, key, *, temperature=1.0, **k: drawn(z, key, **k),
        ),
        Slip(
            "multiplied by the temperature",
            "Divide the logits by it: below 1 the likely tokens become likelier.",
            lambda z, key, *, temperature=1.0, **k: drawn(z, key, temperature=1 / temperature, **k),
        ),
        Slip(
            "the likeliest token",
            "Draw, don't take the argmax.",
            lambda z, key, *, temperature=1.0, **k: jnp.argmax(z, -1),
        ),
        Slip(
            "probabilities in place of logits",
            "jax.random.categorical wants logits.",
            lambda z, key, *, temperature=1.0, top_k=0, top_p=1.0: jax.random.categorical(
                key, jax.nn.softmax(keep_top_p(keep_top_k(z / temperature, top_k), top_p))
            ),
        ),
        Slip(
            "the same noise in every row",
            "One call with the whole batch gives every row noise of its own.",
            lambda z, key, **k: drawn(z, key, gumbel=lambda key: jax.random.gumbel(key, z.shape[1:])[None], **k),
        ),
        Slip(
            "all kept tokens equally often",
            "The logits decide how often each is drawn.",
            lambda z, key, *, temperature=1.0, top_k=0, top_p=1.0: jax.random.categorical(
                key, jnp.where(jnp.isneginf(keep_top_p(keep_top_k(z / temperature, top_k), top_p)), -jnp.inf, 0.0)
            ),
        ),
        Slip("over the wrong axis", "The vocabulary is the last axis.", lambda z, key, **k: jnp.argmax(z, axis=0)),
        Slip("the top k is ignored", "keep_top_k(logits, top_k).", lambda z, key, *, top_k=0, **k: drawn(z, key, **k)),
        Slip(
            "the top p is ignored", "keep_top_p(logits, top_p).", lambda z, key, *, top_p=1.0, **k: drawn(z, key, **k)
        ),
        Slip(
            "what is cut gets logit 0",
            "exp(0) = 1 may be likely: a token that is out needs -inf.",
            lambda z, key, *, temperature=1.0, top_k=0, top_p=1.0: jax.random.categorical(
                key, jnp.nan_to_num(keep_top_p(keep_top_k(z / temperature, top_k), top_p), neginf=0.0)
            ),
        ),
        Slip(
            "the temperature comes last",
            "top_p looks at the tempered probabilities.",
            lambda z, key, *, temperature=1.0, top_k=0, top_p=1.0: drawn(
                keep_top_p(keep_top_k(z, top_k), top_p), key, temperature=temperature
            ),
        ),
        Slip(
            "top p before top k",
            "First the k likeliest; p is a share of what they hold together.",
            lambda z, key, *, temperature=1.0, top_k=0, top_p=1.0: drawn(
                keep_top_k(keep_top_p(z / temperature, top_p), top_k), key
            ),
        ),
    ),
    hints=(
        "Three steps change the logits; the fourth draws.",
        "Divide by the temperature, then keep_top_k, then keep_top_p; jax.random.categorical draws one token a row.",
        "jax.random.categorical(key, keep_top_p(keep_top_k(logits / temperature, top_k), top_p), axis=-1)",
    ),
)

# ---- causality -----------------------------------------------------------------------------------


def slopes(rng, *, ahead: float = 1.0, sign: float = 1.0, behind: float = 1.0) -> Case:
    """A square of slopes; those above the diagonal, where a later token was read, are scaled by `ahead`."""
    places = int(rng.integers(4, 7))
    full = np.sign(rng.normal(size=(places, places))) * rng.uniform(0.1, 0.9, (places, places))
    later = np.triu(np.ones((places, places), bool), 1)
    return Case((np.where(later, sign * ahead * np.abs(full), behind * full).astype(np.float32),))


def strictly_later(s):
    return jnp.triu(jnp.ones(s.shape, bool), 1)


LOOKS_AHEAD = Exercise(
    name="looks_ahead",
    chapter=1,
    minutes=10,
    difficulty=2,
    points=4,
    reference=looks_ahead,
    atol=1e-9,
    cases={
        "plain numbers": lambda rng: slopes(rng, behind=3.0),
        "a causal model gives exactly 0": lambda rng: slopes(rng, ahead=0.0),
        "a small leak is found": lambda rng: slopes(rng, ahead=1e-4),
        "a leak of negative slopes is found": lambda rng: slopes(rng, sign=-1.0, ahead=0.01),
    },
    slips=(
        Slip(
            "the past in place of the future",
            "Row t may read columns up to t: the leak is above.",
            lambda s: jnp.max(jnp.abs(jnp.tril(s, -1))),
        ),
        Slip(
            "the diagonal counts",
            "The prediction at t may read the token at t: begin one column later.",
            lambda s: jnp.max(jnp.abs(jnp.triu(s))),
        ),
        Slip("everything counts", "Reading the past is allowed.", lambda s: jnp.max(jnp.abs(s))),
        Slip(
            "the next token is overlooked",
            "s > t begins right beside the diagonal.",
            lambda s: jnp.max(jnp.abs(jnp.triu(s, 2))),
        ),
        Slip(
            "a sum in place of the largest",
            "The largest single slope is asked for.",
            lambda s: jnp.sum(jnp.abs(jnp.triu(s, 1))),
        ),
        Slip(
            "a mean in place of the largest",
            "One leak among many places would be averaged away.",
            lambda s: jnp.sum(jnp.abs(jnp.triu(s, 1))) / jnp.sum(strictly_later(s)),
        ),
        Slip(
            "the largest norm of a row",
            "Single slopes are compared.",
            lambda s: jnp.max(jnp.sqrt(jnp.sum(jnp.triu(s, 1) ** 2, 1))),
        ),
        Slip("signs are kept", "A negative slope is a leak as well: jnp.abs.", lambda s: jnp.max(jnp.triu(s, 1))),
        Slip(
            "True or False",
            "How large the leak is, not only whether there is one.",
            lambda s: jnp.any(jnp.triu(s, 1) != 0),
        ),
        Slip(
            "one answer a place",
            "One number for the whole model.",
            lambda s: jnp.max(jnp.abs(jnp.triu(s, 1)), axis=1),
        ),
        Slip(
            "a small leak is rounded away",
            "Exactly 0, not nearly: a leak may be small and still teach the model to cheat.",
            lambda s: jnp.where(looks_ahead(s) < 1e-3, 0.0, looks_ahead(s)),
        ),
    ),
    hints=(
        "Draw the square: rows predict, columns are read. Which half must be 0? Does the diagonal belong to it?",
        "jnp.triu(slopes, k=1) keeps what is above the diagonal.",
        "jnp.max(jnp.abs(jnp.triu(slopes, k=1)))",
    ),
)

EXERCISES = (
    TOKEN_LOGPROBS,
    SEQUENCE_LOGPROB,
    LOOKS_AHEAD,
    ENTROPY,
    KEEP_TOP_K,
    KEEP_TOP_P,
    SAMPLE_TOKEN,
    CHUNKED_TOKEN_LOGPROBS,
)
