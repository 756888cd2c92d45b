"""A notebook's picture has words, whatever shows it."""

import pytest

from rlhf_lesson.view import plots
from rlhf_lesson.view.plots import Picture


def test_a_panel_stands_for_its_whole_figure():
    left, right = plots.panels(2)
    assert Picture(right, "Two empty panels.").figure is left.figure


def test_a_picture_is_an_image_with_its_words_in_front_of_what_the_axes_say():
    picture = Picture(plots.lines([1, 2], {"proxy": [3, 4]}, title="A < B"), "Proxy rises.")
    assert repr(picture) == picture.alt and picture.alt.startswith("Proxy rises. A < B. ")
    html = picture._repr_html_()
    assert html.startswith('<img alt="Proxy rises. A &lt; B') and "data:image/png;base64," in html


def test_a_picture_without_words_is_refused():
    with pytest.raises(ValueError, match="say in a sentence what the figure shows"):
        Picture(plots.figure(), " ")
