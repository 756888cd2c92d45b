"""The reader: a judge of film reviews that has read far more English than the course's own nets.

SmolLM2-135M, frozen, reads `Movie review: "<text>"` and then `The reviewer thought the movie was`; one linear probe turns the state
that it has there into a rating, from -4 to 4. The probe's numbers are in assets/reader.json with their card, made by
benchmarks/reader.py from the ratings of the gold split. It reads text, so it takes any model's samples, outside compiled loops.
"""

import json
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from tqdm.auto import tqdm

from rlhf_lesson.arrays import last_token_state
from rlhf_lesson.data.batches import check_rows, pad, plan
from rlhf_lesson.data.feedback import normalise
from rlhf_lesson.models.llama import Llama
from rlhf_lesson.models.pretrained import smollm2, smollm2_file
from rlhf_lesson.models.tokenizer import encode
from rlhf_lesson.precision import fast_bfloat16

TEMPLATE = 'Movie review: "{}"\nThe reviewer thought the movie was'
LAYER = 24  # of 30; from 16 up ratings are read about equally well (benchmarks/results/reader.json)
FILE = Path(__file__).parents[1] / "assets" / "reader.json"


class Probe(NamedTuple):
    """A linear reading of states: rating = state . weights + bias, from -4 (very negative) to 4 (very positive)."""

    weights: Float[np.ndarray, " dim"]
    bias: float

    def __call__(self, states: Float[np.ndarray, "texts dim"]) -> Float[np.ndarray, " texts"]:
        return states @ self.weights + self.bias


class Reader(NamedTuple):
    """SmolLM2 and its probe."""

    model: Llama
    tokenizer: Any
    probe: Probe
    layer: int = LAYER
    card: dict[str, Any] | None = None  # what the probe was made from, and how well it reads held-out texts

    def read(self, texts: Sequence[str]) -> Float[np.ndarray, " texts"]:
        """What the raters would say of each text on average, as far as the reader can tell.

        Args:
          texts: film reviews, or what a policy wrote; they are normalised here, and equal ones are read once.

        Returns:
          Rating units: people's means lie between -4 and 4, the probe's readings of odd texts may lie beyond.
        """
        return self.probe(read_states(self.model, self.tokenizer, texts, layers=(self.layer,))[:, 0])

    __call__ = read  # as `evaluate.sample` asks a scorer of texts

    @property
    def correlation(self) -> float:
        """With the raters' means of held-out snippets, from -1 to 1; measured when the probe was made."""
        return self.card["correlation_with_ratings_of_held_out_texts"]

    def normalised(self, readings: Float[np.ndarray, " texts"]) -> "Reader":
        """The same reader in the unit of reward models: mean 0 and spread 1 where these readings were taken.

        Args:
          readings: of a reference policy's samples, in rating units.
        """
        mean, std = float(np.mean(readings)), float(np.std(readings))
        return self._replace(probe=Probe(self.probe.weights / std, (self.probe.bias - mean) / std))


@lru_cache(maxsize=1)
def _loaded(file: Path, rounded: bool) -> tuple[Llama, Any]:
    """SmolLM2, which takes some seconds to load and which nobody trains here: once in a process. The file tells caches apart."""
    model, tokenizer = smollm2()
    if rounded:
        model = jax.tree.map(lambda x: x.astype(jnp.bfloat16), model)
    return model, tokenizer


def reader(file: Path | str = FILE) -> Reader:
    """SmolLM2 with the probe that ships. The first call of a process takes some seconds.

    Where bfloat16 is fast (`precision.fast_bfloat16`) its weights are rounded to it: a text is read more than twice as fast,
    and its rating moves by a hundredth of a point.

    Args:
      file: of the probe.

    Raises:
      ValueError: SmolLM2 was not fetched; the message has the command.
    """
    model, tokenizer = _loaded(smollm2_file(), fast_bfloat16())
    kept = json.loads(Path(file).read_text(encoding="utf-8"))
    return Reader(model, tokenizer, Probe(np.array(kept["weights"]), kept["bias"]), kept["card"]["layer"], kept["card"])


def reader_if_fetched() -> Reader | None:
    """The reader, or None and a sentence where its model was not fetched."""
    try:
        return reader()
    except ValueError as error:
        tqdm.write(
            f"No reader: {error}. A gold reward model on the proxy's own base takes its place: what fools the one fools"
            " the other."
        )
        return None


@partial(jax.jit, static_argnames=("layers", "last"))
def _last_states(model: Llama, tokens, mask, layers: tuple[int, ...], last: Callable):
    """What layers have in common is computed once: the compiler sees that it is the same."""
    return [last(model.states(tokens, mask, layer), mask) for layer in layers]


def read_states(
    model: Llama,
    tokenizer,
    texts: Sequence[str],
    *,
    layers: tuple[int, ...] = (LAYER,),
    template: str = TEMPLATE,
    batch_tokens: int = 1024,
    last: Callable = last_token_state,
) -> Float[np.ndarray, "texts layers dim"]:
    """The state of a frozen model at the end of each text, put into a sentence that asks for an opinion.

    Shows its progress where it takes more than 5 seconds.

    Args:
      model: a Llama.
      tokenizer: of the model.
      texts: normalised here; equal ones are read once.
      layers: after how many layers.
      template: the sentence, with {} for the text.
      batch_tokens: padded tokens per compiled call.
      last: picks the last real token's state of each row.

    Raises:
      ValueError: a text is longer than the model's context.
    """
    plain = [normalise(text) for text in texts]
    place = {text: i for i, text in enumerate(dict.fromkeys(plain))}
    rows = encode(tokenizer, [template.format(text) for text in place])

    def of_batch(tokens, mask):
        return _last_states(model, tokens, mask, layers, last)

    pad_id = tokenizer.pad_token_id
    states = states_of_rows(of_batch, rows, model, kinds=len(layers), pad_id=pad_id, batch_tokens=batch_tokens)
    return states[[place[text] for text in plain]]


def states_of_rows(
    of_batch: Callable, rows: Sequence[Sequence[int]], model: Llama, *, kinds: int, pad_id: int, batch_tokens: int
) -> Float[np.ndarray, "rows kinds dim"]:
    """States of token rows, computed in batches of rows of like length; progress is shown where it takes more than 5 seconds.

    Args:
      of_batch: (tokens, mask) -> so many kinds of states, of each row one.
      rows: token ids, different ones.
      model: that reads them.
      kinds: how many states a row has.
      pad_id: the padding token.
      batch_tokens: padded tokens per compiled call.

    Raises:
      ValueError: `check_rows` refuses a row.
    """
    check_rows(rows, model.config)
    found = np.zeros((len(rows), kinds, model.config.dim), np.float32)
    batches = plan([len(row) for row in rows], batch_tokens=batch_tokens, seed=0, epoch=0, context=model.config.context)
    with tqdm(total=len(rows), desc="reading", unit="text", delay=5.0, mininterval=0.5) as line:
        for count, width, indices in batches:
            tokens, mask = pad([rows[i] for i in indices], count, width, pad_id=pad_id)
            for kind, states in enumerate(of_batch(tokens, mask)):
                found[indices, kind] = np.asarray(states)[: len(indices)]
            line.update(len(indices))
    return found


def ridge(x: Float[np.ndarray, "texts dim"], y: Float[np.ndarray, " texts"], strength: float) -> Probe:
    """Least squares with a penalty on the weights of the standardised states, in closed form.

        min_{w,b}  sum_i (y_i - z_i . w - b)^2 + strength |w|^2,      z = (x - mean) / std

        w = (Z'Z + strength I)^-1 Z' (y - mean(y))

    Args:
      x: states.
      y: ratings, or any numbers.
      strength: above 0; 0.1 to 100 times the number of texts is a good range for states of a language model.

    Returns:
      The probe of the states as they are: mean and std are folded into it.

    Source: Hoerl and Kennard 1970, "Ridge regression: biased estimation for nonorthogonal problems", eq. 2.1.
    """
    return _ridges(x, y, [strength])[0]


def _ridges(x, y, strengths: Sequence[float]) -> list[Probe]:
    """`ridge` for several strengths, which share the products."""
    mean, std = x.mean(0, dtype=float), x.std(0, dtype=float) + 1e-6
    z = (x - mean) / std
    products, target, one = z.T @ z, z.T @ (y - y.mean()), np.eye(z.shape[1])
    solved = [np.linalg.solve(products + strength * one, target) / std for strength in strengths]
    return [Probe(weights, float(y.mean() - mean @ weights)) for weights in solved]


def ridge_by_folds(
    x: Float[np.ndarray, "texts dim"],
    y: Float[np.ndarray, " texts"],
    strengths: Sequence[float],
    *,
    folds: int = 5,
    seed: int = 0,
) -> tuple[float, list[float]]:
    """The strength of `ridge` by cross-validation.

    Args:
      x: states.
      y: ratings.
      strengths: to choose from.
      folds: parts; each is predicted by what the others teach.
      seed: of the parts.

    Returns:
      The strength with the least mean squared error on the parts left out, and the correlation that each strength got there.
    """
    fold = np.random.default_rng(seed).permutation(len(x)) % folds
    guesses = np.zeros((len(strengths), len(x)))
    for k in range(folds):
        for i, probe in enumerate(_ridges(x[fold != k], y[fold != k], strengths)):
            guesses[i, fold == k] = probe(x[fold == k])
    error = np.mean((guesses - y) ** 2, axis=1)
    return float(strengths[int(error.argmin())]), [float(np.corrcoef(guess, y)[0, 1]) for guess in guesses]
