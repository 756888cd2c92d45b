"""The commands that train a policy: on samples and a reward (ppo, grpo, reinforce), or on preferences (dpo).

What they share with the other commands is in commands.py.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tyro

from rlhf_lesson.commands import Stage, check_own, compare, load_policy, load_scorers, own_rows, source_of
from rlhf_lesson.data import own, uses
from rlhf_lesson.data.own_report import Report
from rlhf_lesson.data.prompts import Prompts
from rlhf_lesson.data.snippets import Snippets
from rlhf_lesson.measures import pairwise_accuracy
from rlhf_lesson.models.decoder import Decoder
from rlhf_lesson.models.heads import ScalarModel
from rlhf_lesson.models.pretrained import BASE
from rlhf_lesson.seeds import stage_key
from rlhf_lesson.study import evaluate
from rlhf_lesson.study.chain import NORMALISING, Chain
from rlhf_lesson.train import dpo, grpo, ppo, reinforce
from rlhf_lesson.train.rollout import Reward
from rlhf_lesson.train.text_scorer import Scorer, TextScorer

DEMO = Path("demo/models")
MEASURED = 256  # held-out prompts that the results are measured on, at most


@dataclass(frozen=True)
class OnSamples(Stage):
    """What the commands have in common that sample responses and train on their scores."""

    policy: Path = DEMO / "sft"
    proxy: Path = DEMO / "proxy"  # the reward model that is optimised
    gold: Path | None = None  # only measured, never optimised; without --prompts it is demo/models/gold
    asked: Annotated[Path | None, tyro.conf.arg(name="prompts")] = None  # a file of your own prompts (docs/data.md)
    handling: Annotated[own.Handling, tyro.conf.arg(name="")] = field(default_factory=own.Handling)  # of --prompts

    def loop(
        self,
        policy: Decoder,
        prompts: Prompts,
        scorers: Mapping[str, ScalarModel],
        ids: Mapping[str, int],
        reward: Reward,
    ) -> Callable:
        """(state=...) -> iterator of the loop; `ids` are pad_id and end_id. Each command has its own."""
        raise NotImplementedError

    def run(self) -> dict:
        check_own(self.asked, self.handling, "--prompts")
        return self._own(self.asked) if self.asked else self._snippets()

    def _snippets(self) -> dict:
        """The beginnings of the course's film snippets, measured against gold and judge."""
        policy, tokenizer = load_policy(self.policy)
        scorers = load_scorers({"proxy": self.proxy, "gold": self.gold or DEMO / "gold"}, tokenizer)
        data = Snippets(tokenizer, 0)
        prompts = data.prompts("gold", "proxy")
        foreign = {name: scorer for name, scorer in scorers.items() if isinstance(scorer, TextScorer)}
        scorers |= self._normalised(foreign, policy, prompts, tokenizer) if foreign else {}
        built = Chain(data, policy, scorers, {})
        loop = self._loop(policy, prompts, scorers, tokenizer)
        tuned = self.drive(lambda state: loop(state=state)).policy
        return self.save(tuned, tokenizer, compare(tuned, built, 256, self.config.seed))

    def _own(self, asked: Path) -> dict:
        """Your own prompts; the scores get mean 0 and spread 1 on the policy's own answers, so that beta keeps its meaning."""
        policy, tokenizer = load_policy(self.policy)
        models = load_scorers({"proxy": self.proxy} | ({"gold": self.gold} if self.gold else {}), tokenizer)
        room = policy.config.context - self.config.response
        prompts, held_out, report = own.prepare_prompts(source_of(asked), self.handling, tokenizer, room=room)
        print(report, file=sys.stderr)
        scorers = self._normalised(models, policy, prompts, tokenizer)
        loop = self._loop(policy, prompts, scorers, tokenizer)
        tuned = self.drive(lambda state: loop(state=state), report).policy
        return self.save(tuned, tokenizer, self._gains(tuned, policy, scorers, held_out, tokenizer, report))

    def _normalised(self, models: Mapping[str, Scorer], policy: Decoder, prompts: Prompts, tokenizer):
        """The models with mean 0 and spread 1 on the policy's own answers."""
        return evaluate.normalise_on_samples(
            models,
            policy,
            Prompts(*(x[:NORMALISING] for x in prompts)),
            stage_key(self.config.seed, "normalise on own prompts"),
            tokenizer,
            response=self.config.response,
            temperature=self.config.temperature,
        )

    def _loop(self, policy: Decoder, prompts: Prompts, scorers: Mapping[str, Scorer], tokenizer) -> Callable:
        """The loop; a scorer that reads text cannot be one of those in the compiled rollout."""
        inside = {name: scorer for name, scorer in scorers.items() if isinstance(scorer, ScalarModel)}
        proxy = scorers["proxy"]
        reward = proxy.reward(tokenizer) if isinstance(proxy, TextScorer) else "proxy"
        ids = {"pad_id": tokenizer.pad_token_id, "end_id": tokenizer.eos_token_id}
        return self.loop(policy, prompts, inside, ids, reward)

    def _gains(self, tuned: Decoder, policy: Decoder, scorers, held_out: Prompts, tokenizer, report: Report) -> dict:
        """Scores before and after on held-out prompts, the same for both, with the standard error of each gain."""
        results = {"data": report.counts()}
        if not len(held_out.tokens):
            return results
        draw = partial(
            evaluate.sample,
            reference=policy,
            scorers=scorers,
            prompts=Prompts(*(x[:MEASURED] for x in held_out)),
            tokenizer=tokenizer,
            response=self.config.response,
            temperature=self.config.temperature,
        )
        before, after = (draw(m, key=stage_key(self.config.seed, "measure on own prompts")) for m in (policy, tuned))
        for name in scorers:
            gain = after.scores[name] - before.scores[name]
            results[f"{name}_before"], results[f"{name}_after"] = (
                float(s.scores[name].mean()) for s in (before, after)
            )
            results[f"{name}_gain_standard_error"] = (
                float(gain.std(ddof=1) / len(gain) ** 0.5) if len(gain) > 1 else None
            )
        return results | {"kl_nats": float(after.kl.mean()), "prompts_measured": len(after.kl)}


@dataclass(frozen=True)
class PPO(OnSamples):
    """Train an SFT model with PPO against a reward model, on film prompts or on your own (--prompts)."""

    config: Annotated[ppo.Config, tyro.conf.arg(name="")] = field(default_factory=ppo.Config)

    def loop(
        self,
        policy: Decoder,
        prompts: Prompts,
        scorers: Mapping[str, ScalarModel],
        ids: Mapping[str, int],
        reward: Reward,
    ) -> Callable:
        critic = scorers.get("proxy")
        return partial(ppo.train, self.config, policy, prompts, scorers, reward=reward, critic=critic, **ids)


@dataclass(frozen=True)
class GroupConfig(grpo.Config):
    """Settings of GRPO and RLOO, with another name for one of them: --prompts is the file."""

    prompts: Annotated[int, tyro.conf.arg(name="batch")] = 16  # different prompts per rollout


@dataclass(frozen=True)
class GRPO(OnSamples):
    """Train an SFT model with GRPO or RLOO against a reward model, on film prompts or on your own (--prompts)."""

    method: Literal["grpo", "rloo"] = "grpo"
    config: Annotated[GroupConfig, tyro.conf.arg(name="")] = field(default_factory=GroupConfig)

    def loop(
        self,
        policy: Decoder,
        prompts: Prompts,
        scorers: Mapping[str, ScalarModel],
        ids: Mapping[str, int],
        reward: Reward,
    ) -> Callable:
        equations = {"grpo": grpo.GRPO, "rloo": grpo.RLOO}[self.method]
        return partial(grpo.train, self.config, policy, prompts, scorers, reward=reward, equations=equations, **ids)


@dataclass(frozen=True)
class Reinforce(OnSamples):
    """Train an SFT model with REINFORCE against a reward model, on film prompts or on your own (--prompts)."""

    config: Annotated[reinforce.Config, tyro.conf.arg(name="")] = field(default_factory=reinforce.Config)

    def loop(
        self,
        policy: Decoder,
        prompts: Prompts,
        scorers: Mapping[str, ScalarModel],
        ids: Mapping[str, int],
        reward: Reward,
    ) -> Callable:
        return partial(reinforce.train, self.config, policy, prompts, scorers, reward=reward, **ids)


@dataclass(frozen=True)
class DPO(Stage):
    """Train a policy on your own pairs of responses to a prompt (--data) with DPO, without a reward model."""

    every: int = 20
    policy: Path = BASE  # folder of the language model to start from, usually one that `sft` made
    data: Path | None = None  # your own pairs: a file, a folder of files, or hub:NAME of a data set (docs/data.md)
    handling: Annotated[own.Handling, tyro.conf.arg(name="")] = field(default_factory=own.Handling)
    config: Annotated[dpo.Config, tyro.conf.arg(name="")] = field(default_factory=dpo.Config)

    def run(self) -> dict:
        if self.data is None:
            raise ValueError("dpo needs pairs of responses to a prompt: give a file with --data (docs/data.md)")
        policy, tokenizer = load_policy(self.policy)
        rows, held_out, report = own_rows(self.data, uses.DPO, self.handling, tokenizer, policy)
        pad_id = tokenizer.pad_token_id
        tuned = self.drive(
            lambda state: dpo.train(self.config, policy, rows, pad_id=pad_id, state=state), report
        ).policy
        results: dict = {"data": report.counts()}
        if held_out:
            config = self.config
            margins = dpo.implicit_margins(
                tuned, policy, held_out, kl_coef=config.kl_coef, pad_id=pad_id, temperature=config.temperature
            )
            accuracy = pairwise_accuracy(margins, np.zeros_like(margins))
            results |= {"accuracy": accuracy, "standard_error": (accuracy * (1 - accuracy) / len(margins)) ** 0.5}
        return self.save(tuned, tokenizer, results)
