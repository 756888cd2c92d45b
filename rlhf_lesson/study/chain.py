"""The models that chapters and widgets start from: SFT policy, proxy and gold, trained once on a machine, then read from disk.

Leaves out training itself (`demo.build`) and resuming: a build that was killed starts again, it takes two minutes.
"""

import hashlib
import json
from pathlib import Path

from rlhf_lesson.disk import cache_folder, write_atomically
from rlhf_lesson.models.checkpoint import load_model, save_model
from rlhf_lesson.models.pretrained import load_base
from rlhf_lesson.study import demo

SCORERS = ("proxy", "gold")


def folder(config: demo.Config) -> Path:
    """Where the models of these settings lie: in the cache, under a name that changes with the settings and the base model."""
    base = (config.base / "model.safetensors").read_bytes()
    stages = [config.snippets, config.pairs, config.seed, config.sft, config.gold, config.proxy]
    sampling = [config.ppo.response, config.ppo.temperature]  # the scores are normalised on such samples
    name = hashlib.sha256(base + repr(stages + sampling).encode()).hexdigest()[:12]
    return cache_folder() / "course" / name


def trained_chain(config: demo.Config | None = None) -> demo.Chain:
    """What PPO starts from: data, SFT policy, normalised reward models, and what was measured of them.

    The first call on a machine fetches the ratings and trains, about two minutes on two CPU cores, with progress; later
    ones read what it wrote. RLHF_LESSON_CACHE moves the cache, to a mounted drive for instance.

    Args:
      config: the demo's settings; None for its defaults, which the course uses throughout.

    Raises:
      ValueError: the ratings can't be fetched; the text says how to.
    """
    config = config or demo.Config()
    home = folder(config)
    if not (home / "results.json").is_file():  # written last: without it the folder is unfinished
        print("Training the course's models, once on this machine: SFT policy, gold and proxy reward model.")
        made = demo.build(config)
        for name, model in {"sft": made.sft, **made.scorers}.items():
            save_model(model, home / name)
        write_atomically(home / "results.json", json.dumps(made.results).encode())
    data = demo.Data(load_base(config.base)[1], config.seed)
    scorers = {name: load_model(home / name) for name in SCORERS}
    return demo.Chain(data, load_model(home / "sft"), scorers, json.loads((home / "results.json").read_text()))
