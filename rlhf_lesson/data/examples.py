"""From records of texts to the token rows that a loop takes: one function per loop, and no record is left out silently.

    pairs, _ = formats.read("pairs.jsonl", formats.parse_pair)
    comparisons = to_comparisons(pairs, tokenizer)  # for train/reward_model.py
    choices = to_choices(pairs, tokenizer)  # for train/dpo.py

Prompt and response are encoded one after the other, so a prompt has the same ids in front of every response. Each row begins with
the begin token, and each response ends with the end token.
"""

from collections.abc import Callable, Sequence

from rlhf_lesson.data.batches import WIDTHS
from rlhf_lesson.data.records import Demonstration, Label, Pair, Ranking, Rating, Vote
from rlhf_lesson.data.rows import Choice, Comparison, Example, Labelled, Rated
from rlhf_lesson.models.tokenizer import encode

CONTEXT = max(WIDTHS)  # of the model that ships, in tokens; pass another model's own


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
    return [begin + text for begin, (text,) in _split(tokenizer, [("", text) for text in texts], None, context)]


def _split(
    tokenizer,
    texts: Sequence[tuple[str, ...]],
    normalise: Callable[[str], str] | None,
    context: int,
    cut: bool = False,
) -> list[tuple[list[int], list[list[int]]]]:
    """(prompt, response, ...) texts as ids: <begin> and the prompt, and every response with <end>.

    Raises:
      ValueError: a prompt and one of its responses are longer than the context together, and `cut` is off.
    """
    flat = [normalise(part) if normalise else part for text in texts for part in text]
    ids = iter(encode(tokenizer, [part for part in flat if part]))
    parts = iter([next(ids) if part else [] for part in flat])
    rows = []
    for text in texts:
        prompt, *responses = (next(parts) for _ in text)
        row = [tokenizer.bos_token_id, *prompt], [[*response, tokenizer.eos_token_id] for response in responses]
        length = len(prompt) + max(map(len, responses)) + 2
        if length > context and not cut:
            raise ValueError(
                f"{length} tokens are more than the context of {context}: shorten {''.join(text)[:60]!r}..."
            )
        rows.append(_shortened(*row, context) if length > context else row)
    return rows


def _shortened(prompt: list[int], responses: list[list[int]], context: int) -> tuple[list[int], list[list[int]]]:
    """The row in at most `context` tokens: the begin token, the end of the prompt, and each response from its beginning."""
    responses = [response[: context - 1] for response in responses]
    room = context - 1 - max(map(len, responses))
    return prompt[:1] + prompt[1:][len(prompt) - 1 - room :], responses


# ---- records to rows ---------------------------------------------------------------------------


def to_examples(
    records: Sequence[Demonstration],
    tokenizer,
    *,
    normalise: Callable[[str], str] | None = None,
    context: int = CONTEXT,
    cut: bool = False,
) -> list[Example]:
    """Demonstrations for supervised fine-tuning (train/sft.py): the prompt is read, the response is learnt.

    Args:
      records: demonstrations, their templates already in the text (see data/chats.py).
      tokenizer: of the model that will be trained.
      normalise: applied to every text first; `feedback.normalise` for the model that ships, which knows lower case only.
      context: the longest row, in tokens.
      cut: shorten a row that is longer: first the prompt's beginning, then the end of the response, end token included.

    Returns:
      One example per record, in their order.

    Raises:
      ValueError: a record is longer than the context: shorten it, or pass cut=True.
    """
    rows = _split(tokenizer, [(r.prompt, r.response) for r in records], normalise, context, cut)
    return [Example(prompt + response, len(prompt)) for prompt, (response,) in rows]


def to_comparisons(
    records: Sequence[Pair | Ranking | Vote],
    tokenizer,
    *,
    normalise: Callable[[str], str] | None = None,
    context: int = CONTEXT,
    cut: bool = False,
) -> list[Comparison]:
    """Pairs, votes or rankings for a reward model (train/reward_model.py): prompt and response as one row, the best first.

    Args:
      records: pairs and votes without ties, or rankings that all have the same number of responses.
      tokenizer: of the model that will be trained.
      normalise: applied to every text first; `feedback.normalise` for the model that ships, which knows lower case only.
      context: the longest row, in tokens.
      cut: shorten a row that is longer: first the prompt's beginning, then the end of the response, end token included.

    Returns:
      One comparison per record, in their order.

    Raises:
      ValueError: a record is a tie or longer than the context, or the records have different numbers of responses.
    """
    texts = [(record.prompt, *_best_first(record, i)) for i, record in enumerate(records)]
    sizes = {len(text) - 1 for text in texts}
    if len(sizes) > 1:
        raise ValueError(f"the records have {sorted(sizes)} responses: train on records of one size at a time")
    rows = _split(tokenizer, texts, normalise, context, cut)
    return [Comparison(tuple(prompt + response for response in responses)) for prompt, responses in rows]


def to_choices(
    records: Sequence[Pair | Vote],
    tokenizer,
    *,
    normalise: Callable[[str], str] | None = None,
    context: int = CONTEXT,
    cut: bool = False,
) -> list[Choice]:
    """Pairs or votes for DPO (train/dpo.py), which learns the probability of a response given its prompt.

    Args:
      records: pairs and votes without ties, each with a prompt.
      tokenizer: of the policy.
      normalise: applied to every text first; `feedback.normalise` for the model that ships, which knows lower case only.
      context: the longest row, in tokens.
      cut: shorten a row that is longer: first the prompt's beginning, then the end of the response, end token included.

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
        texts.append((record.prompt, *_best_first(record, i)))
    return [Choice(prompt, *responses) for prompt, responses in _split(tokenizer, texts, normalise, context, cut)]


def to_rated(
    records: Sequence[Rating],
    tokenizer,
    *,
    normalise: Callable[[str], str] | None = None,
    context: int = CONTEXT,
    cut: bool = False,
) -> list[Rated]:
    """Ratings for a reward model that learns numbers (`objectives.rating_objective`): one row for each response.

    Several ratings of one response to one prompt become their mean, in the order of their first appearance.

    Args:
      records: ratings, all on one scale.
      tokenizer: of the model that will be trained.
      normalise: applied to every text first; `feedback.normalise` for the model that ships, which knows lower case only.
      context: the longest row, in tokens.
      cut: shorten a row that is longer: first the prompt's beginning, then the end of the response, end token included.

    Returns:
      One row per different response, with the mean of its ratings.

    Raises:
      ValueError: a record is longer than the context: shorten it, or pass cut=True.
    """
    ratings: dict[tuple[str, str], list[float]] = {}
    for record in records:
        ratings.setdefault((record.prompt, record.response), []).append(record.rating)
    rows = _split(tokenizer, list(ratings), normalise, context, cut)
    return [
        Rated(prompt + response, sum(numbers) / len(numbers))
        for (prompt, (response,)), numbers in zip(rows, ratings.values(), strict=True)
    ]


def to_labelled(
    records: Sequence[Label],
    tokenizer,
    *,
    normalise: Callable[[str], str] | None = None,
    context: int = CONTEXT,
    cut: bool = False,
) -> list[Labelled]:
    """Labels for a reward model that learns good from bad (`objectives.label_objective`): one row per label.

    Args:
      records: labels.
      tokenizer: of the model that will be trained.
      normalise: applied to every text first; `feedback.normalise` for the model that ships, which knows lower case only.
      context: the longest row, in tokens.
      cut: shorten a row that is longer: first the prompt's beginning, then the end of the response, end token included.

    Returns:
      One row per record, in their order: 1 for a good response, 0 for a bad one.

    Raises:
      ValueError: a record is longer than the context: shorten it, or pass cut=True.
    """
    rows = _split(tokenizer, [(r.prompt, r.response) for r in records], normalise, context, cut)
    return [Labelled(prompt + response, float(r.good)) for (prompt, (response,)), r in zip(rows, records, strict=True)]


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
