"""A tracker that is missing or unknown is said before the run begins."""

import sys

import pytest

from rlhf_lesson.train.runs import run


def go(folder, track):
    return list(run(lambda state: iter(()), folder, config={}, progress=False, track=track))


@pytest.mark.parametrize(("track", "library"), [("tensorboard", "tensorboardX"), ("wandb", "wandb")])
def test_a_missing_tracker_names_what_to_install(tmp_path, monkeypatch, track, library):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ValueError, match=rf'{library} is not installed: run pip install "rlhf-lesson\[trackers\]"'):
        go(tmp_path, track)


def test_an_unknown_tracker_is_refused(tmp_path):
    with pytest.raises(ValueError, match="use tensorboard, wandb or none"):
        go(tmp_path, "notebook")
