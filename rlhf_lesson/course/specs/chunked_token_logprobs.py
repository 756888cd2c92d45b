"""DOC."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson import logprobs
from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.token_logprobs import chosen, logprobs_by_one_hot, logprobs_by_vmap


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


EXERCISE = Exercise(
    name="chunked_token_logprobs",
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
    right_answers=(chunked_all_at_once, chunked_by_loop, chunked_by_scan),
)
