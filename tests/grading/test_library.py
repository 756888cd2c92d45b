"""What an answer may import: the package's text, without the answers that are still asked for."""

import re

from grading.class_of_two import TWO
from rlhf_lesson.grading import library


def test_what_is_still_asked_for_is_cut_out_of_the_library():
    texts = library.for_exercise(TWO, "gae")["library"]
    assert "def masked_mean(values" in texts["rlhf_lesson.arrays"].replace("\n    ", "")
    assert "is what this exercise asks for" in texts["rlhf_lesson.advantages"]
    assert not re.search(r"delta.*lam", texts["rlhf_lesson.advantages"])
    assert "is what this exercise asks for" in library.for_exercise(TWO, "masked_mean")["library"]["rlhf_lesson.arrays"]
