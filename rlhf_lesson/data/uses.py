"""What each loop can learn from a record of feedback: a reward model, DPO, supervised fine-tuning, and loops on prompts.

A loop that can learn nothing from a kind of record says so, and which command can.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from rlhf_lesson.data import examples
from rlhf_lesson.data.comparisons import pairs_from_ranking
from rlhf_lesson.data.records import Demonstration, Label, Pair, Ranking, Rating, Vote


class Use(NamedTuple):
    """How records become rows of a loop: `convert` makes records of one kind, `to_rows` makes token ids of them."""

    convert: Callable[[Any], list[Any]]
    to_rows: Callable[..., list[Any]]
    needs_prompt: bool = False


def _as_pair(record: Any) -> Any:
    return record.pair if isinstance(record, Vote) else record


def for_reward(record: Any) -> list[Any]:
    """What a reward model learns from: the record itself, or the pair that a vote names.

    Args:
      record: of any kind in data/records.py.

    Raises:
      ValueError: it is a demonstration, which neither compares nor judges.
    """
    if isinstance(record, Demonstration):
        raise ValueError(
            "a reward model learns from choices, rankings, ratings or labels, and these rows show a response to imitate:"
            " use `sft --data`"
        )
    return [_as_pair(record)]


def for_dpo(record: Any) -> list[Any]:
    """What DPO learns from: a pair, the pair that a vote names, or all pairs that a ranking decides.

    Args:
      record: of any kind in data/records.py.

    Raises:
      ValueError: it compares nothing.
    """
    if isinstance(record, Ranking):
        texts = record.responses
        return [Pair(record.prompt, texts[a], texts[b]) for a, b in pairs_from_ranking(record.ranking)]
    if not isinstance(record, Pair | Vote):
        raise ValueError(
            f"DPO learns from pairs, votes or rankings, and these rows are {type(record).__name__.lower()}s:"
            " use `reward --data` for ratings and labels, `sft --data` for demonstrations"
        )
    return [_as_pair(record)]


def for_sft(record: Any) -> list[Any]:
    """What supervised fine-tuning imitates: a demonstration, the chosen or best response, a response labelled good.

    A tie and a response labelled bad give nothing: neither was preferred.

    Args:
      record: of any kind in data/records.py.

    Raises:
      ValueError: it is a rating, which names nothing to imitate, or a prompt alone.
    """
    record = _as_pair(record)
    if isinstance(record, Rating):
        raise ValueError("ratings name no response to imitate: use `reward --data`, or write the best as completions")
    if isinstance(record, Demonstration):
        if not record.response.strip():
            raise ValueError("these rows are prompts without a response to imitate: use `ppo --prompts`")
        return [record]
    if isinstance(record, Label):
        return [Demonstration(record.prompt, record.response)] if record.good else []
    if isinstance(record, Ranking):
        return [Demonstration(record.prompt, record.responses[record.ranking[0]])]
    return [] if record.tie else [Demonstration(record.prompt, record.chosen)]


def reward_rows(records: Sequence[Any], tokenizer, **options: Any) -> list[Any]:
    """Records of one kind as rows of a reward model; `options` are those of `examples.to_comparisons`.

    Args:
      records: pairs, rankings, ratings or labels.
      tokenizer: of the model.
      options: normalise, context and cut.
    """
    kinds = {Rating: examples.to_rated, Label: examples.to_labelled}
    to_rows = kinds.get(type(records[0]), examples.to_comparisons) if records else examples.to_comparisons
    return to_rows(records, tokenizer, **options)


REWARD = Use(for_reward, reward_rows)
DPO = Use(for_dpo, examples.to_choices, needs_prompt=True)
SFT = Use(for_sft, examples.to_examples)
