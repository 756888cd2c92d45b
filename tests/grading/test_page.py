"""The student's page runs and loads nothing in a browser, and says what was not readable, and each chapter's points."""

from grading.made_results import RESULTS, SCRIPT, of_chapters
from rlhf_lesson.grading.page import page as page_of


def test_feedback_runs_and_loads_nothing_in_a_browser(chromium, tmp_path):
    asked, blocked, dialogs = [], [], []
    page = chromium.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.on("console", lambda message: blocked.append(message.text))
    for i, result in enumerate(RESULTS):
        file = tmp_path / f"{i}.html"
        file.write_bytes(page_of(result))
        page.goto(file.as_uri())
        page.wait_for_timeout(50)
        assert page.title() != "owned" and "points" in page.title()
        assert page.evaluate("document.querySelectorAll('script, img, svg, iframe, form, link, base').length") == 0
        assert page.evaluate("getComputedStyle(document.body).maxWidth") == "768px", "its own style is let through"
        assert page.locator("article").count() == 3 and page.locator("body").is_visible()
        assert asked == [file.as_uri()], "it loads nothing"
        asked.clear()
    assert not dialogs and not blocked, blocked


def test_the_pages_policy_stops_a_script_that_got_in(chromium, tmp_path):
    whole = page_of(RESULTS[0]).decode().replace("<main>", f"<main>{SCRIPT}<p style='color:red'>x</p>")
    (tmp_path / "injected.html").write_text(whole)
    page, blocked = chromium.new_page(), []
    page.on("console", lambda message: blocked.append(message.text))
    page.goto((tmp_path / "injected.html").as_uri())
    page.wait_for_timeout(200)
    assert page.title() != "owned"
    assert sum("Content Security Policy" in text for text in blocked) >= 3


def test_a_page_says_each_chapters_points_and_that_a_hand_in_was_not_readable():
    text = page_of(of_chapters("ann", ("gae", 6, 4.0, ""), ("k1", 5, 1.0, "raised"), ("k2", 5, 2.0, "raised"))).decode()
    assert "Chapter 5: 3 of 8. Chapter 6: 4 of 4." in text
    assert (
        "Not readable, so nothing was marked: hw.pdf is no notebook"
        in page_of(of_chapters("bob", ("gae", 6, 0.0, "unreadable"), unreadable="hw.pdf is no notebook")).decode()
    )
