"""The log-probabilities of tokens from hidden states, a few rows at a time, so that all logits never exist at once.

The last chunk need not be full, and the gradients must be those of the plain form.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.mistakes import changed, ignoring
from rlhf_lesson.course.specs.token_logprobs import chosen, logprobs_by_one_hot, logprobs_by_vmap
from rlhf_lesson.logprobs import chunked_token_logprobs, token_logprobs


def hidden_and_head(
    rng: np.random.Generator,
    *,
    tokens: int = 7,
    chunk: int = 3,
    temperature: float | None = None,
    gradient: int | None = None,
) -> Case:
    """Hidden states of some tokens, the head, and the tokens; without `temperature` the default is asked for."""
    dim, vocab = 4, 6
    hidden = rng.normal(size=(tokens, dim)).astype(np.float32)
    head = rng.normal(size=(vocab, dim)).astype(np.float32)
    targets = rng.integers(0, vocab, tokens).astype(np.int32)
    coefficients = {} if temperature is None else {"temperature": temperature}
    return Case((hidden, head, targets), {"chunk": chunk, **coefficients}, gradient)


# ---- slips ---------------------------------------------------------------------------------------


def pieces(hidden, head, targets, *, chunk, temperature=1.0):
    """The right answer of each chunk."""
    chunks = [slice(i, i + chunk) for i in range(0, len(targets), chunk)]
    return [token_logprobs(hidden[rows] @ head.T, targets[rows], temperature=temperature) for rows in chunks]


in_chunks = changed(pieces, jnp.concatenate)


def without_the_rest(hidden, head, targets, *, chunk, temperature=1.0):
    """Nothing comes back for the last chunk if it is not full."""
    full = len(targets) // chunk * chunk
    return in_chunks(hidden, head, targets, chunk=chunk, temperature=temperature)[:full]


def with_padding(hidden, head, targets, *, chunk, temperature=1.0):
    """0 for each row that was added; a whole chunk of them if the last one was full."""
    right = in_chunks(hidden, head, targets, chunk=chunk, temperature=temperature)
    return jnp.pad(right, (0, -len(targets) % chunk or chunk))


def chunk_by_chunk(hidden, head, targets, *, chunk, temperature=1.0):
    """One row of numbers per chunk."""
    right = in_chunks(hidden, head, targets, chunk=chunk, temperature=temperature)
    return jnp.pad(right, (0, -len(targets) % chunk)).reshape(-1, chunk)


def dealt_out(hidden, head, targets, *, chunk, temperature=1.0):
    """Every `chunk`-th token is put into the same chunk."""
    order = jnp.concatenate([jnp.arange(i, len(targets), chunk) for i in range(chunk)])
    return in_chunks(hidden, head, targets, chunk=chunk, temperature=temperature)[order]


def normalised_over_the_chunk(hidden, head, targets, *, chunk, temperature=1.0):
    """The probabilities of a token sum to 1 over the places of a chunk."""
    chunks = [slice(i, i + chunk) for i in range(0, len(targets), chunk)]
    logp = [jax.nn.log_softmax(hidden[rows] @ head.T / temperature, axis=0) for rows in chunks]
    return chosen(jnp.concatenate(logp), targets)


def hidden_held(hidden, head, targets, *, chunk, temperature=1.0):
    """No gradient flows into the hidden states."""
    return in_chunks(jax.lax.stop_gradient(hidden), head, targets, chunk=chunk, temperature=temperature)


def head_held(hidden, head, targets, *, chunk, temperature=1.0):
    """No gradient flows into the head."""
    return in_chunks(hidden, jax.lax.stop_gradient(head), targets, chunk=chunk, temperature=temperature)


# ---- right answers in other words ----------------------------------------------------------------


def chunked_all_at_once(hidden, head, targets, *, chunk, temperature=1.0):
    return logprobs_by_one_hot(hidden @ head.T, targets, temperature=temperature)


def chunked_by_loop(hidden, head, targets, *, chunk, temperature=1.0):
    parts = [
        logprobs_by_vmap(hidden[i : i + chunk] @ head.T, targets[i : i + chunk], temperature=temperature)
        for i in range(0, hidden.shape[0], chunk)
    ]
    return jnp.concatenate(parts)


def chunked_by_scan(hidden, head, targets, *, chunk, temperature=1.0):
    missing = -len(targets) % chunk
    hidden = jnp.concatenate([hidden, jnp.zeros((missing, hidden.shape[1]))]).reshape(-1, chunk, hidden.shape[1])
    targets = jnp.concatenate([targets, jnp.zeros(missing, targets.dtype)]).reshape(-1, chunk)

    def step(_, rows):
        return None, logprobs_by_one_hot(rows[0] @ head.T, rows[1], temperature=temperature)

    out = jax.lax.scan(step, None, (hidden, targets))[1]
    return out.ravel()[: out.size - missing]


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="chunked_token_logprobs",
    minutes=25,
    difficulty=3,
    points=8,
    reference=chunked_token_logprobs,
    cases={
        "plain numbers; the last chunk is not full": lambda rng: hidden_and_head(rng, temperature=0.7),
        "the chunks fill up exactly": lambda rng: hidden_and_head(rng, tokens=6),
        "one chunk has room for all": lambda rng: hidden_and_head(rng, tokens=3, chunk=5),
        "the slope by the hidden states is that of the plain form": lambda rng: hidden_and_head(rng, gradient=0),
        "the slope by the head too": lambda rng: hidden_and_head(rng, gradient=1),
    },
    slips=(
        Slip("the temperature is ignored", "Hand it on to token_logprobs.", ignoring(in_chunks, "temperature")),
        Slip("the last rows are lost", "Pad the last chunk: it need not be full.", without_the_rest),
        Slip("only the last chunk comes back", "Collect all chunks.", changed(pieces, lambda answers: answers[-1])),
        Slip("the padding comes back too", "Cut the answer to as many rows as came in: [:tokens].", with_padding),
        Slip("the chunks stay apart", "Flatten (chunks, chunk) to one row of numbers.", chunk_by_chunk),
        Slip(
            "rows are dealt out to the chunks",
            "reshape(-1, chunk) keeps neighbours together; after reshape(chunk, -1) the answer is in another order.",
            dealt_out,
        ),
        Slip(
            "normalised over the chunk", "logsumexp runs over the vocabulary, the last axis.", normalised_over_the_chunk
        ),
        Slip("one sum in place of one number per token", "The caller adds them up.", changed(in_chunks, jnp.sum)),
        Slip("the sign is wrong", "A log-probability is at most 0.", changed(in_chunks, jnp.negative)),
        Slip(
            "the gradient stops at the hidden states",
            "jax.checkpoint computes logits again; jax.lax.stop_gradient would forget how they came about.",
            hidden_held,
        ),
        Slip("the gradient stops at the head", "The head is trained as well.", head_held),
    ),
    hints=(
        "Pad the rows to whole chunks, work on one chunk at a time, put the pieces together and cut the padding off.",
        "-tokens % chunk rows are missing; reshape to (-1, chunk, dim); jax.lax.map over a function under @jax.checkpoint.",
        "one_chunk: token_logprobs(states @ head.T, ids, temperature=temperature); then lax.map(...).reshape(-1)[:tokens]",
    ),
    right_answers=(chunked_all_at_once, chunked_by_loop, chunked_by_scan),
)
