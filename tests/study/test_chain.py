"""The chain of stages: trained once under a name of its settings, read from disk afterwards."""

from dataclasses import replace

import numpy as np
import pytest
import tiny_chain

from rlhf_lesson.seeds import stage_key
from rlhf_lesson.study import chain
from rlhf_lesson.study.demo import Config as DemoConfig
from rlhf_lesson.train.checks import same_tree

FEW = chain.Config(snippets=64, pairs=64)


def test_the_folder_changes_with_what_the_models_depend_on_and_with_nothing_else():
    home = chain.folder(chain.Config())
    assert chain.folder(replace(chain.Config(), pairs=64)) != home
    assert chain.folder(replace(chain.Config(), sft=replace(chain.Config().sft, seed=1))) != home
    assert chain.folder(replace(chain.Config(), ppo=replace(chain.Config().ppo, kl_coef=0.0))) == home
    assert chain.folder(DemoConfig(pool=8, prompts=64)) == home


def test_the_seed_reaches_every_stage_and_a_stage_keeps_its_own():
    config = chain.seeded(replace(chain.Config(), seed=3))
    assert (config.sft.seed, config.proxy.seed, config.ppo.seed) == (3, 3, 3)
    assert config.gold.seed not in (0, 3), "the gold model would start from the proxy's head"
    assert chain.seeded(config) == config
    own = chain.seeded(DemoConfig(seed=3, ppo=replace(chain.Config().ppo, seed=5)))
    assert isinstance(own, DemoConfig) and own.ppo.seed == 5 and own.sft.seed == 3


@pytest.fixture(scope="module")
def twice(tmp_path_factory):
    """A chain trained from a tiny model on a handful of texts, and the same chain as the next call reads it."""
    from rlhf_lesson.data import feedback

    few = replace(FEW, base=tiny_chain.base(tmp_path_factory.mktemp("base")))
    with pytest.MonkeyPatch.context() as patch:
        ratings = feedback.fetch()
        cache = tmp_path_factory.mktemp("cache")
        (cache / ratings.name).symlink_to(ratings)
        patch.setenv("RLHF_LESSON_CACHE", str(cache))
        first = chain.trained_chain(few)
        patch.setattr(chain, "build", None)  # a second training would fail
        return first, chain.trained_chain(few)


def test_a_second_call_reads_what_the_first_one_wrote(twice):
    first, second = twice
    assert same_tree(first.sft, second.sft) and first.results == second.results
    assert set(second.scorers) == {"proxy", "gold", "sibling"}
    assert all(same_tree(first.scorers[name], second.scorers[name]) for name in first.scorers)


def test_the_scores_have_mean_0_and_spread_1_on_samples_of_the_sft_policy(twice):
    built, _ = twice
    prompts = type(built.data.held_out_prompts(1))(*(x[:256] for x in built.data.prompts("proxy")))
    samples = built.sample(built.sft, prompts, stage_key(0, "normalising"))
    for name in built.scorers:
        assert abs(samples.scores[name].mean()) < 1e-3 and abs(samples.scores[name].std() - 1.0) < 1e-3
    assert set(samples.scores) == {"proxy", "gold", "sibling", "judge"} and np.abs(samples.scores["judge"]).max() <= 1.0


def test_accuracy_and_correlation_are_shares_and_correlations(twice):
    built, _ = twice
    assert set(built.results) == {
        *("sft.val_loss", "reward.accuracy_single_rater", "gold.correlation", "sibling.correlation")
    }
    assert built.results["gold.correlation"] == built.results["sibling.correlation"], "no reader in this cache"
    assert 0.3 < built.results["reward.accuracy_single_rater"] < 0.9 and -1 <= built.results["gold.correlation"] <= 1


@pytest.mark.slow
def test_the_courses_own_models_are_as_good_as_the_lessons_say():
    found = chain.trained_chain().results
    assert found["sft.val_loss"] < 4.8 and found["reward.accuracy_single_rater"] > 0.70
    assert found["sibling.correlation"] > 0.64
