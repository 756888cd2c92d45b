"""Questions: the same pairs for everybody, on sides of their own, and none that is held out."""

from functools import partial

import numpy as np

from rlhf_lesson.data import feedback
from rlhf_lesson.data.label_agreement import others
from rlhf_lesson.data.questions import questions


def test_more_questions_begin_with_the_same_ones(movies):
    some = [s for s in movies if feedback.split(s.id) == "proxy"]
    draw = partial(questions, sentences=some)
    assert draw(40)[:10] == draw(10) != draw(10, seed=1)
    assert len({q.either_way for q in draw(200)}) == 200


def test_annotators_get_the_same_pairs_on_sides_of_their_own(movies):
    one, other = (questions(100, annotator=name, sentences=movies) for name in ("ann", "bob"))
    assert [q.either_way for q in one] == [q.either_way for q in other]
    assert 30 < sum(a != b for a, b in zip(one, other, strict=True)) < 70


def test_the_default_questions_leave_held_out_snippets_alone(movies):
    where = {s.text: feedback.split(s.id) for s in reversed(movies)}
    assert {where[text] for q in questions(60) for text in q[1:]} == {"proxy"}


def test_the_shown_order_tells_nothing_of_the_ratings(movies):
    said = others(questions(400, sentences=movies), movies)
    assert 0.43 < np.mean(said.crowd == 0) < 0.57
