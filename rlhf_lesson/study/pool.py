"""A pool of the SFT policy's own responses with every score, and what re-weighting it says: the KL-regularised optimum, best-of-n.

The pool that ships was sampled and scored by benchmarks/pool.py; widgets/simulator.py draws it.

A pool is a small world in which RLHF is solved exactly: each of a prompt's N responses counts 1/N under the reference, and
every policy here is N other weights. Beyond log N nats it can say nothing, and shortly before that little: watch `ess`.
"""

import gzip
import json
from collections.abc import Sequence
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rlhf_lesson.arrays import Scalar
from rlhf_lesson.kl import best_of_n_logprobs, exact_kl, tilted_policy
from rlhf_lesson.rewards import best_of_n_estimate

ASSET = Path(__file__).parents[1] / "assets" / "pool.gz"
ENOUGH = 50.0  # effective samples; with fewer, the estimate is in truth only a lower bound (a convention)


class Proxy(NamedTuple):
    """Which reward model is optimised: how many labelled pairs it learnt from, and what share of them was turned round."""

    pairs: int
    noise: float  # added to what single raters are unsure of anyway, in [0, 0.5]


# ---- the pool on disk ----------------------------------------------------------------------------


class Pool:
    """Prompts, responses, and one row of numbers a response; the file's bytes are what the browser reads as well.

        gzip( JSON of the header, "\\n", float16 scores of shape (columns, prompts, pool), responses, one a line )

    Args:
      content: the bytes of such a file.
    """

    def __init__(self, content: bytes):
        self.content = content
        head, _, rest = gzip.decompress(content).partition(b"\n")
        self.header = json.loads(head)
        self.prompts: list[str] = self.header["prompts"]
        self.size: int = self.header["pool"]  # N, responses a prompt
        shape = (len(self.header["columns"]), len(self.prompts), self.size)
        numbers = np.frombuffer(rest[: 2 * int(np.prod(shape))], "<f2").reshape(shape).astype(np.float32)
        self._columns = dict(zip(self.header["columns"], numbers, strict=True))
        self._rest = rest[2 * int(np.prod(shape)) :]

    @cached_property
    def texts(self) -> list[list[str]]:
        """Responses without their prompt, by prompt."""
        lines = self._rest.decode().split("\n")
        return [lines[i : i + self.size] for i in range(0, len(lines), self.size)]

    @property
    def proxies(self) -> list[Proxy]:
        return [Proxy(**row) for row in self.header["proxies"]]

    def scores(self, name: str | Proxy) -> Float[np.ndarray, "prompts pool"]:
        """ "logp" (nats under the reference), "gold", "judge" (-1 to 1), or a proxy's scores."""
        return self._columns[column(name)]


def column(name: str | Proxy) -> str:
    """What a column is called in the file."""
    return name if isinstance(name, str) else f"proxy {name.pairs} {name.noise:g}"


def pack(
    prompts: Sequence[str],
    texts: Sequence[Sequence[str]],
    scores: dict[str | Proxy, Float[np.ndarray, "prompts pool"]],
    **header,
) -> bytes:
    """The bytes of a pool's file.

    Args:
      prompts: as the reader sees them.
      texts: a list of responses a prompt, all as long.
      scores: name -> one number a response.
      header: what else is worth keeping, as JSON.

    Raises:
      ValueError: a response holds a line break.
    """
    lines = [text for row in texts for text in row]
    if any("\n" in line for line in lines):
        raise ValueError("a response holds a line break, which separates responses in the file: replace it")
    proxies = [name._asdict() for name in scores if isinstance(name, Proxy)]
    head = {"prompts": list(prompts), "pool": len(texts[0]), "columns": [column(n) for n in scores], "proxies": proxies}
    numbers = np.stack(list(scores.values())).astype("<f2").tobytes()
    content = json.dumps({**head, **header}).encode() + b"\n" + numbers + "\n".join(lines).encode()
    return gzip.compress(content, 9, mtime=0)


@lru_cache(maxsize=1)
def load() -> Pool:
    """The pool that ships: a dozen held-out prompts, 2,048 responses each.

    Raises:
      ValueError: it is not there.
    """
    if not ASSET.is_file():
        raise ValueError(f"no pool in {ASSET}: run `python benchmarks/pool.py` in a checkout to make it")
    return Pool(ASSET.read_bytes())


# ---- policies as weights -------------------------------------------------------------------------


class Point(NamedTuple):
    """A policy over a pool: how far it is from the reference, and what it is worth on average."""

    kl: float  # nats per response
    proxy: float
    gold: float
    judge: float
    ess: float  # effective number of responses that the numbers rest on


def reference(size: int) -> Float[Array, " pool"]:
    """log 1/N of each response."""
    return jnp.full(size, -jnp.log(jnp.asarray(float(size))))


def tilted(score: Float[Array, " pool"], *, kl_coef: Scalar) -> Float[Array, " pool"]:
    """log pi* of each response: `kl.tilted_policy` on the pool.

        pi*(y_i) = exp(r_i / beta) / sum_j exp(r_j / beta),      the reference for beta = infinity

    Args:
      score: r_i, of the proxy.
      kl_coef: beta, above 0, inf too, in score units per nat.
    """
    return tilted_policy(reference(score.size), score, kl_coef=kl_coef)


def effective_size(logp: Float[Array, " pool"]) -> Float[Array, ""]:
    """How many equally weighted responses would give as certain an average.

        1 / sum_i p_i^2,      N for the reference, 1 where one response has all the weight

    Source: Kish 1965; for importance sampling Kong 1992.
    """
    return 1.0 / jnp.sum(jnp.exp(2.0 * logp))


def _values(pool: Pool, prompt: int, proxy: Proxy) -> Float[Array, "3 pool"]:
    return jnp.asarray(np.stack([pool.scores(of)[prompt] for of in (proxy, "gold", "judge")]), float)


@jax.jit
def _tilted_point(values: Float[Array, "3 pool"], kl_coef: Scalar) -> tuple:
    logp = tilted(values[0], kl_coef=kl_coef)
    return exact_kl(logp, reference(logp.size)), values @ jnp.exp(logp), effective_size(logp)


@partial(jax.jit, static_argnames="n")
def _best_point(values: Float[Array, "3 pool"], n: int) -> tuple:
    uniform = reference(values.shape[1])
    means = jnp.stack([best_of_n_estimate(values[0], value, n) for value in values])
    logp = best_of_n_logprobs(uniform, values[0], n)
    return exact_kl(logp, uniform), means, effective_size(logp)


def _point(kl, means, ess) -> Point:
    return Point(float(kl), *map(float, means), ess=float(ess))


def closed_form(pool: Pool, prompt: int, proxy: Proxy, *, kl_coef: float) -> Point:
    """The KL-regularised optimum for one prompt: what PPO would reach if it were perfect.

    Args:
      pool: responses and scores.
      prompt: its index.
      proxy: what is optimised.
      kl_coef: beta, above 0; inf gives the reference exactly.
    """
    return _point(*_tilted_point(_values(pool, prompt, proxy), kl_coef))


def best_of_n(pool: Pool, prompt: int, proxy: Proxy, n: int) -> Point:
    """The best of n responses to one prompt by the proxy: unbiased means (`best_of_n_estimate`), KL exact on the pool.

    Args:
      pool, prompt, proxy: as in `closed_form`.
      n: from 1 to the pool's size.
    """
    return _point(*_best_point(_values(pool, prompt, proxy), n))


def mean_point(points: Sequence[Point]) -> Point:
    """Several prompts' points as one: plain means, and the *smallest* effective size, since that is the weak spot."""
    means = [float(np.mean(values)) for values in zip(*points, strict=True)]
    return Point(*means[:-1], ess=min(point.ess for point in points))


def pick(logp: Float[Array, " pool"], chance: float) -> int:
    """The response at which the running sum of probabilities passes `chance`, a uniform number in [0, 1)."""
    upto = np.cumsum(np.exp(np.asarray(logp, float)))
    return int(min(np.searchsorted(upto, chance * upto[-1], side="right"), len(upto) - 1))
