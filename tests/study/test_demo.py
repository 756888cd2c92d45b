"""The whole chain on a tiny model and real ratings, much shortened: everything it promises is on disk."""

import json
from dataclasses import replace
from html.parser import HTMLParser

import pytest
import tiny_chain

from rlhf_lesson.models.checkpoint import load_model
from rlhf_lesson.study import demo

PROMISED = (
    "sft.val_loss reward.accuracy_single_rater gold.correlation ppo.proxy_gain ppo.gold_gain ppo.judge_gain"
    " ppo.win_rate_gold ppo.kl_nats ppo.distinct2_before ppo.distinct2_after bestofn seconds.total seconds.compile"
    " free.proxy_gain free.gold_gain free.kl_nats free.distinct2_after path free_path"
).split()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    base = tiny_chain.base(tmp_path_factory.mktemp("base"))
    config = demo.Config(base=base, snippets=400, pairs=400, pool=4, prompts=64)
    short = {s: replace(getattr(config, s), epochs=1) for s in ("sft", "gold", "proxy")}
    short["sft"] = replace(short["sft"], learning_rate=3e-2)  # a random model has everything to learn
    out = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "reader_if_fetched", tiny_chain.reader)
        demo.run(replace(config, **short, ppo=replace(config.ppo, iterations=2, epochs=1)), out)
    return out


def test_every_promised_number_is_there_and_finite(folder):
    metrics = json.loads((folder / "metrics.json").read_text())
    assert set(PROMISED) <= set(metrics) and None not in metrics.values()
    assert metrics["sft.val_loss"] < 8.7, "no better than a guess among 6,144 pieces"
    assert 0.3 < metrics["reward.accuracy_single_rater"] < 0.9
    assert metrics["bestofn"][-1]["proxy"] > metrics["bestofn"][0]["proxy"]


def test_samples_and_models_can_be_read_back(folder):
    rows = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
    assert len(rows) == 32 and all(row["before"].startswith(row["prompt"]) for row in rows)
    for name in ("sft", "ppo", "free", "proxy"):
        assert load_model(folder / "models" / name)


def test_the_report_opens_from_disk_alone(folder):
    class Page(HTMLParser):
        def handle_starttag(self, tag, attributes):
            given = dict(attributes)
            assert not any(str(v).startswith(("http", "//")) for v in given.values())
            if tag == "img":
                assert len(given["alt"]) > 20

    Page().feed((folder / "report.html").read_text())
