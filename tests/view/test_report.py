"""The report opens from disk, says what its pictures show, and runs nothing that a sample contains."""

import json
from html.parser import HTMLParser

import pytest

from rlhf_lesson.view import plots, report

RESULTS = {
    "sft.val_loss": 3.5,
    "ppo.kl_nats": 7.25,
    "something.new": 2,
    "bestofn": [{"n": 1, "kl": 0.0, "proxy": 0.0, "gold": 0.0}, {"n": 4, "kl": 0.636, "proxy": 1.25, "gold": 0.5}],
}
EVIL = '<script>alert("x")</script> & <img src=https://example.org/a.png>'
SAMPLES = [
    {
        "prompt": "the film",
        "before": EVIL,
        "after": "the film is warm – très bien",
        "best_of_n": "the film is good",
        "proxy_before": 0.125,
        "proxy_after": 1.5,
        "gold_before": 0.0,
        "gold_after": 0.75,
        "judge_before": -0.5,
        "judge_after": 0.875,
        "kl_after": 8.25,
    }
]


class Page(HTMLParser):
    """Collects tags with their attributes, and the text of the whole page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.open = [], "", []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("img", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes another tag"

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("report") / "made by write_report"
    figure = plots.frontier_figure([[{"kl": float(i), "proxy": 0.5 * i, "gold": 0.2 * i} for i in range(9)]])
    report.write_report(out, RESULTS, SAMPLES, {"reward_against_kl": figure})
    return out


@pytest.fixture(scope="module")
def page(folder):
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def test_every_tag_is_closed(page):
    assert page.open == []


def test_the_page_asks_nothing_of_a_network(page):
    for tag, attrs in page.tags:
        assert tag not in ("script", "link", "iframe", "base")
        for name in ("src", "href", "srcset", "action"):
            assert attrs.get(name, "data:").startswith("data:"), (tag, attrs)
    assert not any("url(" in text or "@import" in text for text in [report.STYLE])


def test_every_picture_carries_its_bytes_and_an_alt_text(page):
    (image,) = page.all("img")
    assert image["src"].startswith("data:image/png;base64,iVBOR")
    assert "Proxy reaches" in image["alt"]


def test_a_caller_may_word_the_alt_text_and_an_empty_one_is_refused():
    figure = plots.figure()
    assert 'alt="two &quot;lines&quot;"' in report.page({}, [], {"a": figure}, {"a": 'two "lines"'})
    with pytest.raises(ValueError, match="say in a sentence"):
        report.picture(figure, " ")


def test_what_a_sample_contains_is_shown_and_not_run(page):
    assert EVIL in page.text


def test_samples_stand_side_by_side_with_their_scores_and_kl(page):
    assert "proxy +0.12, gold +0.00, judge -0.50" in page.text
    assert "proxy +1.50, gold +0.75, judge +0.88, KL 8.2" in page.text


def test_every_number_says_what_it_is_and_which_direction_is_good(page):
    assert "7.250how far PPO went from SFTnats per responselower for the same gain" in page.text
    assert "something.new2" in page.text and "0.6361.2500.500" in page.text
    assert all(len(about) == 3 and all(about) for about in report.MEANING.values())


def test_tables_have_headers_and_can_be_scrolled_by_keyboard(page):
    assert {head["scope"] for head in page.all("th")} == {"col", "row"}
    assert all(div["tabindex"] == "0" and div["aria-label"] for div in page.all("div"))
    assert len(page.all("caption")) == len(page.all("table")) == 4


def test_light_dark_and_paper_are_all_styled():
    assert "prefers-color-scheme: dark" in report.STYLE and "@media print" in report.STYLE


def test_samples_and_metrics_are_read_back_as_they_were(folder):
    rows = [json.loads(line) for line in (folder / "samples.jsonl").read_text(encoding="utf-8").splitlines()]
    assert rows == SAMPLES
    assert json.loads((folder / "metrics.json").read_text()) == RESULTS
    assert sorted(f.name for f in folder.iterdir()) == ["metrics.json", "report.html", "samples.jsonl"]


def test_a_number_that_is_no_number_becomes_null(tmp_path):
    report.write_report(tmp_path, {"ppo.kl_nats": float("nan"), "bestofn": [{"n": 1, "kl": float("inf")}]}, [], {})
    assert json.loads((tmp_path / "metrics.json").read_text()) == {
        "ppo.kl_nats": None,
        "bestofn": [{"n": 1, "kl": None}],
    }


def test_the_report_opens_with_three_rows_for_each_of_three_prompts():
    texts = {"before": "a film that ends", "after": "a film to love", "free": "love love love"}
    row = {"prompt": "a film", **texts, "proxy_free": 4.0, "gold_free": -1.0, "proxy_before": 0.0, "gold_before": 0.0}
    shown = Page(report.page({}, [row] * 5, {})).text
    assert shown.index("What the penalty is for") < shown.index("Samples")
    opening = shown[: shown.index("Samples")]
    assert [opening.count(word) for word in ("before PPO", "with the penalty", "without it")] == [3, 3, 3]
    assert opening.count("love love loveproxy +4.00, gold -1.00") == 3


@pytest.mark.parametrize("kind, word", [("reader", "forty times larger"), ("reward model", "the proxy's own base")])
def test_the_report_says_who_gold_is(kind, word):
    assert word in Page(report.page({"gold.is": kind}, [], {})).text
