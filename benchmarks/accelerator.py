"""What a lent GPU or TPU must show, in under nine minutes; adds to benchmarks/results/accelerator.json under the card's name.

    python -m rlhf_lesson data fetch && python -m rlhf_lesson course    # before: the chapters start from these models
    python benchmarks/accelerator.py

Parts, each a process of its own: a PPO iteration and sampling at the benchmark's shape and at that of GPT-2 (124 M weights), here
and in torch (TRL's PPO, from the extra "compare"), with the chip's peak memory; how far sampler and learner are apart by each
precision of products; the checks' verdict on every exercise's right answers; chapters 02 to 09, solved, at the quick and full
preset. Speed is measured alone on the chip. The others run three at a time, since much of their time is compiling, on the CPU;
their entries say how many ran at once. (Sixteen at once wait for the chip and for one another, and few come to their end.)
A part that was measured on this card is not measured again, so a second call goes on where the time ran out; what was not run is
listed. `--smoke` does it all with tiny nets.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import jax
import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))  # when a test imports this file
CORES = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
import shape  # noqa: E402

if CORES:  # `shape` pins one core, for CPU-seconds; here the clock on the wall counts
    os.sched_setaffinity(0, CORES)

from flax import nnx  # noqa: E402

from rlhf_lesson import chips  # noqa: E402
from rlhf_lesson.course.examine import examine  # noqa: E402
from rlhf_lesson.course.specs import EXERCISES  # noqa: E402
from rlhf_lesson.data.prompts import Prompts  # noqa: E402
from rlhf_lesson.data.snippets import Snippets  # noqa: E402
from rlhf_lesson.models.generate import generate  # noqa: E402
from rlhf_lesson.models.gpt2 import GPT2, ModelConfig  # noqa: E402
from rlhf_lesson.models.heads import ScalarModel  # noqa: E402
from rlhf_lesson.models.pretrained import load_base  # noqa: E402
from rlhf_lesson.train import ppo  # noqa: E402

OUT = HERE / "results" / "accelerator.json"
GPT2_SMALL = ModelConfig(vocab=50257, dim=768, layers=12, heads=12, context=1024)
TINY = ModelConfig(vocab=64, dim=16, layers=1, heads=2, context=64)
SIZES = {"benchmark": shape.SHAPE, "124M": GPT2_SMALL}
CHAPTERS = tuple(path.stem for path in sorted((HERE.parent / "solutions").glob("0[2-9]_*.ipynb")))
AT_ONCE = 3
PRECISIONS = ("default", "float32", "tensorfloat32", "bfloat16")


def names(smoke: bool) -> list[str]:
    """The parts in the order in which they are run: what nothing else can show comes first."""
    chapters = ("00_jax_warmup",) if smoke else CHAPTERS
    speed = [f"speed/{size}/{whose}" for size in SIZES for whose in ("ours", "torch")]
    checked = [f"checks/{number}" for number in sorted({e.chapter for e in EXERCISES.values()})]
    chapters = [f"chapter/{preset}/{name}" for preset in ("quick", "full") for name in chapters]
    return [*speed, "precision", *(checked[:1] if smoke else checked), *chapters]


# ---- the parts ---------------------------------------------------------------------------------


def precision(*, smoke: bool) -> dict[str, dict[str, float]]:
    """By precision of products: the largest gaps in two PPO iterations at temperatures 1 and 0.7, checks switched off."""
    policy, tokenizer = load_base()
    ids = {"pad_id": tokenizer.pad_token_id, "end_id": tokenizer.eos_token_id}
    if smoke:
        prompts = shape.prompts()
        policy = GPT2(TINY, rngs=nnx.Rngs(0))
        ids = shape.IDS
    else:
        prompts = Prompts(*(rows[:256] for rows in Snippets(tokenizer, 0).prompts("gold", "proxy")))
    prompts = Prompts(prompts.tokens % policy.config.vocab, prompts.mask)
    scorers = {"proxy": ScalarModel(policy, rngs=nnx.Rngs(0))}
    found = {}
    for name in PRECISIONS:
        rows = []
        for temperature in (1.0, 0.7):
            config = ppo.Config(iterations=2, batch=8 if smoke else 64, temperature=temperature)
            with jax.default_matmul_precision(name):
                steps = ppo.train(
                    config, policy, prompts, scorers, **ids, check_rollout=_listen, check_first_update=_listen
                )
                rows += [metrics for _, metrics, _ in steps]
        found[name] = {key: max(row[key] for row in rows) for key in ("sampler_gap", "first_ratio_gap")}
        found[name]["kl_at_step_0"] = max(abs(row["kl"]) for row in rows if row["step"] == 1)
    return found


def _listen(*_, **__) -> None:
    """A check that stops nothing: here its numbers are what is asked for."""


def ours(config: ModelConfig, *, repeats: int) -> dict[str, float]:
    """Median seconds of a PPO iteration with two networks, as TRL has them, and of sampling alone; peak memory."""
    policy = GPT2(config, rngs=nnx.Rngs(0))
    scorers = {"proxy": ScalarModel(GPT2(config, rngs=nnx.Rngs(1)), rngs=nnx.Rngs(2))}
    settings = ppo.Config(
        iterations=repeats + 1,
        batch=shape.BATCH,
        response=shape.RESPONSE,
        epochs=4,
        minibatches=1,
        separate_critic=True,
    )
    state = ppo.initial_state(settings, policy, scorers["proxy"])
    given = shape.prompts()
    prompts = Prompts(given.tokens % config.vocab, given.mask)

    def sample(i: int):
        key = jax.random.key(i)
        return generate(policy, prompts.tokens, prompts.mask, key, response=shape.RESPONSE, **shape.IDS)

    def step(i: int):
        nonlocal state
        draw, shuffle = jax.random.split(jax.random.key(i))
        rollout = ppo.collect(state.actor_critic, policy, scorers, prompts, draw, response=shape.RESPONSE, **shape.IDS)
        state, metrics = ppo.update(state, rollout, rollout.scores["proxy"], shuffle, config=settings)
        return metrics

    sampling = timed(lambda i: jax.block_until_ready(sample(i)), repeats)
    iteration = timed(lambda i: jax.block_until_ready(step(i)), repeats)
    stats = jax.devices()[0].memory_stats() or {}
    return summary(sampling, iteration) | {"peak_megabytes": round(stats.get("peak_bytes_in_use", 0) / 2**20)}


def torch(config: ModelConfig, *, repeats: int) -> dict[str, float]:
    """The same of transformers' sampling and TRL's PPO, in float32 products as well."""
    import torch
    import trl_compare  # needs trl and datasets

    on_chip = torch.cuda.is_available()
    torch.set_float32_matmul_precision("highest")
    os.sched_setaffinity(0, CORES)
    model = trl_compare.net(trl_compare.GPT2LMHeadModel, config).to("cuda" if on_chip else "cpu").eval()
    given = shape.prompts()
    rows = torch.tensor(given.tokens % config.vocab).long().to(model.device)
    mask = torch.tensor(given.mask).long().to(model.device)

    def sample(_: int):
        with torch.no_grad():
            model.generate(rows, attention_mask=mask, do_sample=True, max_new_tokens=shape.RESPONSE, eos_token_id=None)
        if on_chip:
            torch.cuda.synchronize()

    sampling = timed(sample, repeats)
    seconds = trl_compare.trl(config, updates=repeats + 1, use_cpu=not on_chip, clock=time.perf_counter)
    peak = torch.cuda.max_memory_allocated() if on_chip else 0
    return summary(sampling, seconds) | {"peak_megabytes": round(peak / 2**20), "torch": torch.__version__}


def chapter(name: str) -> dict:
    """Seconds and memory of a solved chapter in a fresh kernel, at the preset that RLHF_SCALE asks for."""
    import chapters

    return chapters.measure(HERE.parent / "solutions" / f"{name}.ipynb", None)[2]


def checks(number: int, *, smoke: bool) -> dict:
    """The right answers of a chapter's exercises that a check rejects here, by float32 products and by the chip's own."""
    exercises = [e for e in EXERCISES.values() if e.chapter == number][: 1 if smoke else None]
    rejected = {}
    for products in ("float32", "default"):
        with jax.default_matmul_precision(products), jax.numpy_rank_promotion("allow"):
            answers = [(e, answer) for e in exercises for answer in (e.reference, *e.right_answers)]
            rejected[products] = [e.name for e, answer in answers if not examine(e, answer, rounds=1).passed]
    return {"answers": len(answers), "rejected": rejected}


def timed(work: Callable[[int], object], repeats: int) -> list[float]:
    """Seconds of work(0), which compiles, then of work(1) to work(repeats)."""
    seconds = []
    for i in range(repeats + 1):
        begin = time.perf_counter()
        work(i)
        seconds.append(time.perf_counter() - begin)
    return seconds


def summary(sampling: list[float], iteration: list[float]) -> dict[str, float]:
    """Medians without the first call; tokens per second of sampling."""
    sample, step = (float(np.median(seconds[1:])) for seconds in (sampling, iteration))
    tokens = shape.BATCH * shape.RESPONSE
    first = {"first_sampling_seconds": sampling[0], "first_ppo_seconds": iteration[0]}
    return {"sampling_seconds": sample, "tokens_per_second": tokens / sample, "ppo_seconds": step, **first}


def part(name: str, *, smoke: bool) -> dict:
    """Measures one part in this process."""
    kind, *rest = name.split("/")
    if kind == "precision":
        return precision(smoke=smoke)
    if kind == "chapter":
        return chapter(rest[1])
    if kind == "checks":
        return checks(int(rest[0]), smoke=smoke)
    size, whose = rest
    config = TINY if smoke else SIZES[size]
    return {"ours": ours, "torch": torch}[whose](config, repeats=2 if smoke else 5)


# ---- all of them -------------------------------------------------------------------------------


def measured_apart(name: str, *, smoke: bool, seconds: float) -> dict:
    """A part in a process of its own: its numbers, or why there are none."""
    command = [sys.executable, __file__, "--part", name, *(["--smoke"] if smoke else [])]
    environment = os.environ | ({"RLHF_SCALE": name.split("/")[1]} if name.startswith("chapter/") else {})
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, env=environment, encoding="utf-8"
        )
    except subprocess.TimeoutExpired:
        return {"not_run": "the time ran out"}
    if done.returncode:
        return {"failed": done.stderr.strip()[-600:] or "without a word"}
    return json.loads(done.stdout.splitlines()[-1])


def run(path: Path, card: str, *, seconds: float, smoke: bool, only: str = "") -> dict:
    """Measures the parts that this card lacks, and writes the table after each; returns the card's."""
    end = time.monotonic() + seconds
    table = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    mine = table.setdefault(card, {})
    missing = [
        name
        for name in names(smoke)
        if name.startswith(only) and (name not in mine or {"not_run", "failed"} & set(mine[name]))
    ]
    alone = [name for name in missing if name.startswith("speed/")]
    others = [name for name in missing if name not in alone]
    at_once = max(1, min(AT_ONCE, len(others), len(CORES) // 2))

    def measured(name: str) -> tuple[str, dict]:
        begin = time.monotonic()
        left = end - begin
        found = measured_apart(name, smoke=smoke, seconds=left) if left > 0 else {"not_run": "the time ran out"}
        beside = {"at_once": at_once} if name in others else {}
        return name, found | beside | {"whole_seconds": round(time.monotonic() - begin, 1)}

    def write(name: str, found: dict) -> None:
        mine[name] = found
        path.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
        print(name, found, flush=True)

    for name in alone:
        write(*measured(name))
    with ThreadPoolExecutor(at_once) as pool:
        for done in as_completed([pool.submit(measured, name) for name in others]):
            write(*done.result())
    return mine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny nets and one short chapter, to see that it works")
    parser.add_argument("--minutes", type=float, default=8.5, help="then what is left is listed as not run")
    parser.add_argument("--only", default="", help="parts whose name begins so")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--part", help="measure this part in this process and print it")
    options = parser.parse_args()
    chips.prepare()
    if options.part:
        return print(json.dumps(part(options.part, smoke=options.smoke)))
    # in another process: JAX would keep its hold on the chip in this one
    ask = "import jax; print(jax.devices()[0].device_kind, jax.__version__, sep='\\n')"
    kind, version = subprocess.check_output([sys.executable, "-c", ask], text=True, encoding="utf-8").split("\n")[:2]
    card = f"{kind} ({platform.machine()}, {len(CORES) or os.cpu_count()} cores, jax {version})"
    run(options.out, card, seconds=60 * options.minutes, smoke=options.smoke, only=options.only)


if __name__ == "__main__":
    main()
