"""What the tests of marking share: a process that workers are forked from, one for each file."""

import pytest

from rlhf_lesson.grading.workers import Zygote


@pytest.fixture(scope="module")
def zygote():
    with Zygote() as zygote:
        yield zygote
