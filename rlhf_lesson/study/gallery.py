"""A gallery of broken runs: the real PPO loop with one mistake in it, for a reader to diagnose from curves.

The mistakes are in study/mistakes.py. The loop's own checks would stop some of these runs; here their sentences are recorded.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from rlhf_lesson.data.prompts import Prompts
from rlhf_lesson.models.decoder import Decoder
from rlhf_lesson.models.tokenizer import decode
from rlhf_lesson.study.mistakes import HEALTHY, SWITCHES, Switch
from rlhf_lesson.train import ppo as ppo_loop
from rlhf_lesson.train.checks import check_first_update, check_rollout, check_tokens
from rlhf_lesson.train.diagnose import diagnose
from rlhf_lesson.train.rollout import Rollout, collect

SHOWN = (
    "step score score/proxy score/sibling score/gold return kl entropy length missing_end repeats"
    " sampler_gap first_ratio_gap clip_fraction explained_variance value_loss"
).split()


@dataclass(frozen=True)
class Config:
    """Settings of the gallery."""

    samples: int = 8  # responses kept of the last rollout of each run
    ppo: ppo_loop.Config = field(
        default_factory=lambda: ppo_loop.Config(response=32, temperature=0.7, kl_coef=0.15)  # room to grow longer
    )


# ---- running them ----------------------------------------------------------------------------------


class Run(NamedTuple):
    """What a reader sees of a run, and the answer."""

    curve: list[dict[str, float]]  # one row per iteration
    samples: list[str]  # prompt and response, of the last rollout
    checks: list[str]  # sentences of the loop's own checks; in a lesson the first of them would have stopped the run
    diagnosis: list[str]  # sentences of `diagnose` on the whole run
    story: str


def _recorded(check: Callable, sentences: list[str]) -> Callable:
    """A check whose sentence is written down, and that lets the run go on."""

    def listen(*args, **named):
        try:
            check(*args, **named)
        except ValueError as error:
            sentences.append(str(error))

    return listen


def _repeats(now: Rollout, before: Rollout | None) -> float:
    """Share of response tokens equal to those at the same place one rollout earlier, beyond that between two rows.

    About 0 while each rollout draws its own noise, also where the policy says always the same.
    """
    if before is None:
        return 0.0
    tokens = np.asarray(now.tokens)[:, now.prompt :]
    mask = np.asarray(now.response_mask)
    old = np.asarray(before.tokens)[:, before.prompt :]
    old_mask = np.asarray(before.response_mask)

    def equal(other, other_mask):
        both = mask & other_mask
        return float(((tokens == other) & both).sum() / max(1, both.sum()))

    return equal(old, old_mask) - equal(np.roll(old, 1, axis=0), np.roll(old_mask, 1, axis=0))


def run(
    switch: Switch,
    config: Config,
    policy: Decoder,
    prompts: Prompts,
    scorers: Mapping[str, object],
    tokenizer,
) -> Run:
    """The real PPO loop with one mistake in it; the sentences of its checks are recorded and do not stop it.

    Args:
      switch: the mistake, or `HEALTHY`.
      config: settings.
      policy: start and reference.
      prompts: left-padded, at least one batch.
      scorers: "proxy", which is optimised, and others that read tokens, such as its "sibling".
      tokenizer: of the models.
    """
    sentences: list[str] = []
    _recorded(check_tokens, sentences)(getattr(tokenizer, switch.pads_with), tokenizer.eos_token_id)
    steps = ppo_loop.train(
        config.ppo,
        policy,
        prompts,
        scorers,
        reward=switch.reward,
        pad_id=tokenizer.pad_token_id,
        end_id=getattr(tokenizer, switch.waits_for),
        equations=switch.equations,
        collect=switch.wrap(collect),
        check_rollout=_recorded(check_rollout, sentences),
        check_first_update=_recorded(check_first_update, sentences),
    )
    rows, before = [], None
    for _, metrics, rollout in steps:
        rows.append({**metrics, "repeats": _repeats(rollout, before)})
        before = rollout
    texts = decode(tokenizer, rollout.tokens[: config.samples], rollout.mask[: config.samples])
    curve = [{name: float(f"{row[name]:.6g}") for name in SHOWN if name in row} for row in rows]
    return Run(curve, texts, _by_check(sentences), diagnose(rows), switch.story)


def _by_check(sentences: Sequence[str]) -> list[str]:
    """The first sentence of each check."""
    return list({sentence[:24]: sentence for sentence in reversed(sentences)}.values())[::-1]


def run_all(
    config: Config, policy: Decoder, prompts: Prompts, scorers: Mapping[str, object], tokenizer
) -> Iterator[tuple[str, Run]]:
    """The healthy run and then each broken one, by name, as they are finished; the arguments are those of `run`."""
    for name, switch in {"healthy": HEALTHY, **SWITCHES}.items():
        yield name, run(switch, config, policy, prompts, scorers, tokenizer)
