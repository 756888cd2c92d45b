"""From records of texts to the token rows that a loop takes: one function per loop, and no record is left out silently.

    pairs, _ = formats.read("pairs.jsonl", formats.parse_pair)
    comparisons = to_comparisons(pairs, tokenizer)  # for train/reward_model.py
    choices = to_choices(pairs, tokenizer)  # for train/dpo.py

Prompt and response are encoded one after the other, so a prompt has the same ids in front of every response. Each row begins with
the begin token, and each response ends with the end token.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from rlhf_lesson.data.batches import WIDTHS
from rlhf_lesson.data.records import Demonstration, Pair, Ranking, Rating, Vote
from rlhf_lesson.models.tokenizer import encode

CONTEXT = max(WIDTHS)  # tokens of the longest row that batches.py pads to


class Example(NamedTuple):
    """Token ids of prompt + completion, and how many of them are prompt; the end token is part of the completion."""

    tokens: Sequence[int]
    prompt: int


class Comparison(NamedTuple):
    """k responses of one prompt as token ids (prompt included), best first; a pair is k = 2, chosen first."""

    responses: tuple[Sequence[int], ...]

    @property
    def target(self) -> float:
        """Always 0: an order of responses has no number to learn."""
        return 0.0


class Rated(NamedTuple):
    """One response as token ids (prompt included) and its rating, or the mean of its ratings."""

    response: Sequence[int]
    target: float

    @property
    def responses(self) -> tuple[Sequence[int], ...]:
        """The one response, so that ratings and comparisons are batched alike."""
        return (self.response,)


class Choice(NamedTuple):
    """A prompt and two responses as token ids; the end token is part of a response, the begin token of the prompt."""

    prompt: Sequence[int]
    chosen: Sequence[int]
    rejected: Sequence[int]


# ---- texts to ids ------------------------------------------------------------------------------


def whole(tokenizer, texts: Sequence[str], *, context: int = CONTEXT) -> list[list[int]]:
    """Each text as <begin> text <end>: what reward models read.

    Args:
      tokenizer: of the model that will read the rows.
      texts: already normalised, if the model needs it.
      context: the longest row, in tokens.

    Returns:
      One row of token ids per text, in their order.

    Raises:
      ValueError: a text is longer than the context: shorten it.
    """
    return [begin + text for begin, text in _split(tokenizer, [("", text) for text in texts], None, context)]


def _split(
    tokenizer, texts: Sequence[tuple[str, str]], normalise: Callable[[str], str] | None, context: int
) -> list[tuple[list[int], list[int]]]:
    """(prompt, response) texts as ids: <begin> and the prompt, then the response and <end>.

    Raises:
      ValueError: prompt and response together are longer than the context.
    """
    flat = [normalise(part) if normalise else part for text in texts for part in text]
    ids = iter(encode(tokenizer, [part for part in flat if part]))
    parts = [next(ids) if part else [] for part in flat]
    rows = []
    for prompt, response, text in zip(parts[::2], parts[1::2], texts, strict=True):
        length = len(prompt) + len(response) + 2
        if length > context:
            raise ValueError(
                f"{length} tokens are more than the context of {context}: shorten {''.join(text)[:60]!r}..."
            )
        rows.append(([tokenizer.bos_token_id, *prompt], [*response, tokenizer.eos_token_id]))
    return rows


# ---- records to rows ---------------------------------------------------------------------------


def to_examples(
    records: Sequence[Demonstration],
    tokenizer,
    *,
    normalise: Callable[[str], str] | None = None,
    context: int = CONTEXT,
) -> list[Example]:
    """Demonstrations for supervised fine-tuning (train/sft.py): the prompt is read, the response is learnt.

    Args:
      records: demonstrations, their templates already in the text (see data/chats.py).
      tokenizer: of the model that will be trained.
      normalise: applied to every text first; `feedback.normalise` for the model that ships, which knows lower case only.
      context: the longest row, in tokens.

    Returns:
      One example per record, in their order.

    Raises:
      ValueError: a record is longer than the context: shorten it.
    """
    rows = _split(tokenizer, [(r.prompt, r.response) for r in records], normalise, context)
    return [Example(prompt + response, len(prompt)) for prompt, response in rows]


def to_comparisons(
    records: Sequence[Pair | Ranking | Vote],
    tokenizer,
    *,
    normalise: Callable[[str], str] | None = None,
    context: int = CONTEXT,
) -> list[Comparison]:
    """Pairs, votes or rankings for a reward model (train/reward_model.py): prompt and response as one row, the best first.

    Args:
      records: pairs and votes without ties, or rankings that all have the same number of responses.
      tokenizer: of the model that will be trained.
      normalise: applied to every text first; `feedback.normalise` for the model that ships, which knows lower case only.
      context: the longest row, in tokens.

    Returns:
      One comparison per record, in their order.

    Raises:
      ValueError: a record is a tie or longer than the context, or the records have different numbers of responses.
    """
    ordered = [(record.prompt, _best_first(record, i)) for i, record in enumerate(records)]
    sizes = {len(responses) for _, responses in ordered}
    if len(sizes) > 1:
        raise ValueError(f"the records have {sorted(sizes)} responses: train on records of one size at a time")
    texts = [(prompt, response) for prompt, responses in ordered for response in responses]
    rows = [prompt + response for prompt, response in _split(tokenizer, texts, normalise, context)]
    size = max(sizes, default=1)
    return [Comparison(tuple(rows[i : i + size])) for i in range(0, len(rows), size)]


def to_choices(
    records: Sequence[Pair | Vote],
    tokenizer,
    *,
    normalise: Callable[[str], str] | None = None,
    context: int = CONTEXT,
) -> list[Choice]:
    """Pairs or votes for DPO (train/dpo.py), which learns the probability of a response given its prompt.

    Args:
      records: pairs and votes without ties, each with a prompt.
      tokenizer: of the policy.
      normalise: applied to every text first; `feedback.normalise` for the model that ships, which knows lower case only.
      context: the longest row, in tokens.

    Returns:
      One choice per record, in their order.

    Raises:
      ValueError: a record is a tie, has no prompt, or is longer than the context.
    """
    texts = []
    for i, record in enumerate(records):
        if not record.prompt.strip():
            raise ValueError(
                f"record {i} has no prompt, and DPO compares responses to one: give each record its prompt"
            )
        texts += [(record.prompt, response) for response in _best_first(record, i)]
    rows = _split(tokenizer, texts, normalise, context)
    return [
        Choice(prompt, chosen, rejected) for (prompt, chosen), (_, rejected) in zip(rows[::2], rows[1::2], strict=True)
    ]


def to_rated(
    records: Sequence[Rating],
    tokenizer,
    *,
    normalise: Callable[[str], str] | None = None,
    context: int = CONTEXT,
) -> list[Rated]:
    """Ratings for a reward model that learns numbers (`reward_model.rating_objective`): one row for each response.

    Several ratings of one response to one prompt become their mean, in the order of their first appearance.

    Args:
      records: ratings, all on one scale.
      tokenizer: of the model that will be trained.
      normalise: applied to every text first; `feedback.normalise` for the model that ships, which knows lower case only.
      context: the longest row, in tokens.

    Returns:
      One row per different response, with the mean of its ratings.

    Raises:
      ValueError: a record is longer than the context: shorten it.
    """
    ratings: dict[tuple[str, str], list[float]] = {}
    for record in records:
        ratings.setdefault((record.prompt, record.response), []).append(record.rating)
    rows = _split(tokenizer, list(ratings), normalise, context)
    return [
        Rated(prompt + response, sum(numbers) / len(numbers))
        for (prompt, response), numbers in zip(rows, ratings.values(), strict=True)
    ]


def _best_first(record: Pair | Ranking | Vote, number: int) -> tuple[str, ...]:
    """The responses of a record in the order of preference.

    Raises:
      ValueError: the record is a tie, which prefers neither.
    """
    if isinstance(record, Ranking):
        return tuple(record.responses[i] for i in record.ranking)
    pair = record.pair if isinstance(record, Vote) else record
    if pair.tie:
        raise ValueError(
            f"record {number} is a tie, and a tie prefers neither response: leave ties out before this step"
        )
    return pair.chosen, pair.rejected
