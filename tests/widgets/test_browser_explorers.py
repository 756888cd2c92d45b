"""The explorers as people meet them: in JupyterLab, by keyboard alone, and 300 redraws of each in a bare page."""

import pytest
from browser import bare, dark, in_kernel, notebook

from rlhf_lesson.widgets import look
from rlhf_lesson.widgets.best_of_n import BestOfN
from rlhf_lesson.widgets.bradley_terry import BradleyTerry
from rlhf_lesson.widgets.clip import Clip
from rlhf_lesson.widgets.gae import GAE
from rlhf_lesson.widgets.kl_estimators import KLEstimators
from rlhf_lesson.widgets.next_token import NextToken

pytestmark = pytest.mark.slow

SIMPLE = {"bradley_terry": BradleyTerry, "clip": Clip, "gae": GAE, "kl_estimators": KLEstimators, "best_of_n": BestOfN}
CELL = """
from flax import nnx
from IPython.display import display
from rlhf_lesson.models.heads import ScalarModel
from rlhf_lesson.models.pretrained import load_base
from rlhf_lesson.widgets import best_of_n, bradley_terry, clip, gae, kl_estimators, next_token, score

model, tokenizer = load_base()
scorers = {"proxy": score.reward_scorer(ScalarModel(model, rngs=nnx.Rngs(0)), tokenizer), "judge": score.judge_scorer}
widgets = [bradley_terry.BradleyTerry(), clip.Clip(), gae.GAE(), kl_estimators.KLEstimators(), best_of_n.BestOfN(),
           next_token.NextToken(model, tokenizer), score.ScoreExplorer(scorers)]
display(*widgets)
"""
TITLES = ["Bradley", "PPO", "Generalised", "Estimating", "Best of n", "The next token", "What do the scorers see"]
# What is drawn and said, without the controls' own knobs and values.
PICTURE = """root => [...root.querySelectorAll("svg, [role=status], table, .rl-sentence")]
  .map(part => part.outerHTML).join().replace(/rl-handle.*?aria-valuetext="[^"]*"/g, "")"""


@pytest.fixture(scope="module")
def page(chromium, lab):
    with notebook(chromium, lab, CELL, name="explorers") as page:
        page.locator(".rl").nth(len(TITLES) - 1).wait_for(timeout=180_000)
        yield page


def widget(page, title):
    return page.locator(f'.rl[aria-label^="{title}"]')


def press(page, root, control, *keys):
    """Presses keys on the focused control; fails unless it keeps the focus and the picture changes."""
    before = root.evaluate(PICTURE)
    control.focus()
    for key in keys:
        page.keyboard.press(key)
    changed = f"([root, before]) => (({PICTURE})(root)) !== before"
    page.wait_for_function(changed, arg=[root.element_handle(), before], timeout=20_000)
    assert control.evaluate("it => it === document.activeElement"), "JupyterLab took the focus"


@pytest.mark.parametrize("title", TITLES)
def test_every_control_moves_by_keyboard_and_the_picture_changes(page, title):
    root = widget(page, title)
    for slider in root.locator("input[type=range]").all():
        value = float(slider.input_value())
        there, back = (
            ("ArrowLeft", "ArrowRight") if value >= float(slider.get_attribute("max")) else ("ArrowRight", "ArrowLeft")
        )
        press(page, root, slider, there)
        assert float(slider.input_value()) != value
        press(page, root, slider, back)
        assert float(slider.input_value()) == pytest.approx(value)
    for handle in root.locator("[role=slider]").all():
        value = float(handle.get_attribute("aria-valuenow"))
        press(page, root, handle, "ArrowUp")
        assert float(handle.get_attribute("aria-valuenow")) == pytest.approx(value + 0.1)
    for drop_down in root.locator("select").all():
        chosen = drop_down.evaluate("it => it.selectedIndex")
        press(page, root, drop_down, "ArrowDown")
        assert drop_down.evaluate("it => it.selectedIndex") == chosen + 1
    for group in root.locator("fieldset").all():
        first = group.locator("input").first
        before = root.evaluate(PICTURE)
        first.focus()
        page.keyboard.press("ArrowRight")
        assert group.locator("input").nth(1).is_checked()
        page.wait_for_function(
            f"([r, b]) => (({PICTURE})(r)) !== b", arg=[root.element_handle(), before], timeout=20_000
        )
    for button in root.locator("button").all():
        press(page, root, button, "Enter")
    for typed in root.locator("input[type=text], textarea").all():
        press(page, root, typed, "Control+a", "g", "o", "o", "d")


def test_every_control_has_a_name_and_keeps_its_arrow_keys(page):
    unnamed = """roots => roots.flatMap(root => [...root.querySelectorAll("input, select, textarea, button, [tabindex]")])
      .filter(it => !(it.labels?.length || it.ariaLabel || it.getAttribute("aria-label") || it.textContent.trim())
        || !("lmSuppressShortcuts" in it.dataset)).map(it => it.outerHTML)"""
    assert page.locator(".rl").evaluate_all(unnamed) == []
    pictures = page.locator(".rl > svg, .rl .rl-plot > svg")
    assert all(pictures.evaluate_all("all => all.map(it => it.getAttribute('aria-label').length > 20)"))


def test_the_kernel_hears_what_the_keyboard_did(page):
    slider = widget(page, "PPO").locator("input[type=range]").first
    slider.focus()
    page.keyboard.press("End")
    page.wait_for_timeout(500)
    assert in_kernel(page, "widgets[1].ratio") == pytest.approx(2.35)


def test_what_python_sets_is_drawn(page):
    before = widget(page, "PPO").evaluate(PICTURE)
    in_kernel(page, "widgets[1].set_trait('advantage', -1.5)")
    changed = f"([r, b]) => (({PICTURE})(r)) !== b"
    page.wait_for_function(changed, arg=[widget(page, "PPO").element_handle(), before], timeout=20_000)
    assert widget(page, "PPO").locator("output").nth(1).inner_text() == "−1.5"


def test_a_reward_follows_the_pointer(page):
    handle = widget(page, "Generalised").locator("[aria-label='reward of token 3']")
    handle.scroll_into_view_if_needed()
    box = handle.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] - 40, steps=5)
    page.mouse.up()
    page.wait_for_function("it => Number(it.getAttribute('aria-valuenow')) > 0.4", arg=handle.element_handle())


def test_colours_follow_jupyterlabs_theme(page):
    ink = "root => getComputedStyle(root).color"
    light = widget(page, "PPO").evaluate(ink)
    dark(page)
    assert widget(page, "PPO").evaluate(ink) != light
    dark(page, on=False)
    assert widget(page, "PPO").evaluate(ink) == light


# ---- without a kernel -----------------------------------------------------------------------------


def usage(session):
    """(bytes of the page's JavaScript heap, nodes of its documents), after a collection."""
    session.send("HeapProfiler.collectGarbage")
    return session.send("Runtime.getHeapUsage")["usedSize"], session.send("Memory.getDOMCounters")["nodes"]


REDRAW = """async ([name, values, times]) => {
  for (let i = 0; i < times; i += 1) {
    model.set(name, values[i % values.length]);
    await new Promise(requestAnimationFrame);
  }
}"""


@pytest.mark.parametrize("name", [*SIMPLE, "next_token"])
def test_300_redraws_cost_less_than_20_megabytes_and_no_elements(chromium, name):
    made = {**SIMPLE, "next_token": NextToken}[name]()
    trait, values = {
        "bradley_terry": ("chosen", [-1.0, 0.5, 2.0]),
        "clip": ("ratio", [0.5, 1.1, 1.9]),
        "gae": ("lam", [0.1, 0.5, 0.9]),
        "kl_estimators": ("distance", [0.5, 1.5, 2.5]),
        "best_of_n": ("n", [2.0, 20.0, 200.0]),
        "next_token": ("temperature", [0.5, 1.0, 2.0]),
    }[name]
    with bare(chromium, look.esm(name), look.css(name), made.state()) as page:
        session = page.context.new_cdp_session(page)
        page.evaluate(REDRAW, [trait, values, 30])  # what is kept once, is kept now
        bytes_before, nodes_before = usage(session)
        page.evaluate(REDRAW, [trait, values, 300])
        bytes_after, nodes_after = usage(session)
        assert bytes_after - bytes_before < 20e6
        assert nodes_after - nodes_before < 100
        page.evaluate("() => end()")


@pytest.mark.parametrize("name", SIMPLE)
def test_a_page_draws_light_and_dark_by_the_readers_system(chromium, name):
    inks = set()
    for scheme in ("light", "dark"):
        with bare(chromium, look.esm(name), look.css(name), SIMPLE[name]().state(), scheme=scheme) as page:
            inks.add(page.locator(".rl").evaluate("root => getComputedStyle(root).color"))
    assert len(inks) == 2
