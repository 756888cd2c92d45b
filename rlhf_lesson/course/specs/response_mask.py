"""Which tokens of each row are learnt: the real ones that come after the prompt.

It is plain NumPy: the mask is made on the way into the batch, outside the compiled step.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.mistakes import changed
from rlhf_lesson.data.batches import response_mask


def prompts_and_responses(rng, *, no_prompt: bool = False, all_prompt: bool = False, filler: bool = False) -> Case:
    """The mask of some rows of prompt, response and padding, and how long each prompt is."""
    rows, time = int(rng.choice([3, 4])), int(rng.choice([9, 11]))
    prompt, response = rng.integers(2, 4, rows), rng.integers(2, 5, rows)
    if no_prompt:
        prompt[0] = 0
    if all_prompt:
        response[1] = 0
    mask = np.arange(time) < (prompt + response)[:, None]
    if filler:
        mask[-1], prompt[-1] = False, 0
    return Case((mask, prompt))


# ---- slips ---------------------------------------------------------------------------------------


def after(mask, prompt):
    """The places that come after each row's prompt, padding included."""
    return np.arange(mask.shape[1]) >= np.asarray(prompt)[:, None]


def without_the_end(mask, prompt):
    """The last real token of each row is left out."""
    followed = np.pad(mask[:, 1:], ((0, 0), (0, 1)))
    return response_mask(mask & followed, prompt)


# ---- right answers in other words ----------------------------------------------------------------


def mask_by_loop(mask, prompt):
    out = mask.copy()
    for row, length in zip(out, prompt, strict=True):
        row[:length] = False
    return out


def mask_by_counting(mask, prompt):
    return mask & (np.cumsum(np.ones_like(mask, int), axis=1) > np.asarray(prompt)[:, None])


def mask_in_jax(mask, prompt):
    return jax.vmap(lambda row, n: jnp.logical_and(row, jnp.arange(row.size) >= n))(
        jnp.asarray(mask), jnp.asarray(prompt)
    )


def mask_by_lists(mask, prompt):
    return np.array([[real and t >= n for t, real in enumerate(row)] for row, n in zip(mask, prompt, strict=True)])


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="response_mask",
    minutes=10,
    difficulty=2,
    points=5,
    reference=response_mask,
    traceable=False,
    cases={
        "the response alone is learnt": prompts_and_responses,
        "without a prompt all real tokens are learnt": lambda rng: prompts_and_responses(rng, no_prompt=True),
        "a prompt without a response teaches nothing": lambda rng: prompts_and_responses(rng, all_prompt=True),
        "a row of padding teaches nothing": lambda rng: prompts_and_responses(rng, filler=True),
    },
    slips=(
        Slip("the prompt is learnt too", "Reading is not predicting: t >= prompt.", lambda mask, prompt: mask),
        Slip("padding is learnt too", "Only real tokens: combine with the mask.", after),
        Slip(
            "the prompt in place of the response",
            "The response begins where the prompt ends.",
            lambda mask, prompt: mask & ~after(mask, prompt),
        ),
        Slip(
            "the first token of the response is left out",
            "Places count from 0: the first response token stands at t = prompt.",
            lambda mask, prompt: response_mask(mask, prompt + 1),
        ),
        Slip(
            "the last token of the prompt is learnt",
            "The prompt's places are 0 to prompt - 1.",
            lambda mask, prompt: response_mask(mask, prompt - 1),
        ),
        Slip("the end token is left out", "A model that is never taught to end never does.", without_the_end),
        Slip(
            "every row has the first one's prompt",
            "prompt[:, None] compares each row with its own.",
            lambda mask, prompt: response_mask(mask, np.full_like(prompt, prompt[0])),
        ),
        Slip(
            "the length of the response in place of the prompt's",
            "`prompt` counts the tokens before the response.",
            lambda mask, prompt: response_mask(mask, mask.sum(1) - prompt),
        ),
        Slip(
            "the prompt's length is counted from the end",
            "The prompt stands at the beginning, the padding at the end.",
            lambda mask, prompt: response_mask(mask, mask.shape[1] - prompt),
        ),
        Slip("True on what is not learnt", "True marks the tokens that count.", changed(response_mask, np.logical_not)),
        Slip(
            "cut to the response",
            "The mask keeps the width of the tokens: one True or False for each.",
            lambda mask, prompt: response_mask(mask, prompt)[:, int(prompt.min()) :],
        ),
    ),
    hints=(
        "Two conditions for each place: a real token stands there, and it comes after the prompt.",
        "np.arange(mask.shape[1]) numbers the places; prompt[:, None] compares each row with its own prompt.",
        "mask & (np.arange(mask.shape[1]) >= prompt[:, None])",
    ),
    right_answers=(mask_by_loop, mask_by_counting, mask_in_jax, mask_by_lists),
)
