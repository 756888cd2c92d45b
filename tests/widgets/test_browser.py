"""The simulator in a real JupyterLab, by keyboard: it answers faster than the eye, trains live, and leaks nothing.

Times are measured and printed, and written where RLHF_LESSON_TIMES says; what is asserted is loose, for busy machines.
"""

import json
import os
from pathlib import Path

import pytest
from browser import SECONDS, bare, dark, notebook
from project import TESTS

from rlhf_lesson.widgets import look
from rlhf_lesson.widgets.simulator import Simulator

pytestmark = pytest.mark.slow

SHOTS = os.environ.get("RLHF_LESSON_SHOTS")  # a folder for screenshots to be looked at
TIMES = os.environ.get("RLHF_LESSON_TIMES")  # a JSON file for the measured times
SLOW = 240 * SECONDS  # a kernel that imports JAX and compiles, on a busy machine
CELL = f"""
import sys
sys.path.insert(0, {str(TESTS)!r})
import tiny_chain
from rlhf_lesson.widgets.simulator import Simulator
simulator = Simulator(iterations=400, chain=tiny_chain.chain)
simulator
"""
# From a key press, or a step of a drag, to the first frame after the picture has changed.
WATCH = """() => {
  window.redraws = [];
  const mark = document.querySelector('.rl [data-layer="now proxy"]');
  new MutationObserver(() => window.redraws.push(performance.now())).observe(mark, { attributes: true });
  document.querySelector('.rl input[name=beta]').addEventListener('keydown', () => { window.pressed = performance.now(); }, true);
}"""
DRAG = """async (milliseconds) => {
  const input = document.querySelector('.rl input[name=beta]'), from = Number(input.min), to = Number(input.max);
  const start = performance.now(), before = window.redraws.length;
  for (let now = start; now - start < milliseconds; ) {
    input.value = from + (to - from) * 0.9 * Math.abs(Math.sin((now - start) / 700));
    input.dispatchEvent(new Event('input', { bubbles: true }));
    now = await new Promise((next) => requestAnimationFrame(next));
  }
  return (window.redraws.length - before) / (performance.now() - start) * 1000;
}"""


def shoot(page, name):
    if SHOTS:
        page.locator(".rl").last.screenshot(path=Path(SHOTS) / f"simulator_{name}.png")


def presses(page, count=25) -> float:
    """Median milliseconds from an arrow key to the changed picture."""
    page.locator(".rl input[name=beta]").focus()
    took = []
    for i in range(count):
        seen = page.evaluate("window.redraws.length")
        page.keyboard.press("ArrowLeft" if i % 2 else "ArrowRight")
        page.wait_for_function("seen => window.redraws.length > seen", arg=seen, timeout=SLOW)
        took.append(page.evaluate("seen => window.redraws[seen] - window.pressed", seen))
    return sorted(took)[count // 2]


def record(**times):
    print(times)
    if TIMES:
        file = Path(TIMES)
        known = json.loads(file.read_text()) if file.is_file() else {}
        file.write_text(json.dumps(known | times, indent=1) + "\n")


@pytest.fixture
def shown(chromium):
    """The simulator in a bare page without a kernel."""
    with bare(chromium, look.esm("simulator"), look.css("simulator"), Simulator().state()) as page:
        page.wait_for_selector("[data-ready=true]", timeout=60 * SECONDS)
        page.evaluate(WATCH)
        yield page


def test_in_jupyterlab_keys_move_it_and_live_ppo_starts_progresses_and_stops(chromium, lab):
    with notebook(chromium, lab, CELL, "print(simulator.beta)", name="simulator", height=1500) as page:
        page.locator(".rl[data-ready=true]").wait_for(timeout=SLOW)
        page.evaluate(WATCH)
        page.locator(".rl input[name=beta]").focus()
        page.keyboard.press("ArrowLeft")
        page.wait_for_selector('.rl[data-beta="0.89"]', timeout=SLOW)
        assert page.locator(".jp-Cell.jp-mod-selected").count() == 1, "an arrow key reached JupyterLab"
        record(lab_key_to_redraw_ms=presses(page), lab_redraws_per_second=page.evaluate(DRAG, 3000))

        page.locator(".rl .rl-train").focus()
        page.keyboard.press("Enter")
        page.wait_for_selector('.rl[data-live="running"]', timeout=SLOW)
        page.wait_for_function("() => Number(document.querySelector('.rl').dataset.points) >= 3", timeout=SLOW)
        assert page.locator('.rl [data-layer="live proxy"]').get_attribute("d"), "the points are on the axes"
        page.locator(".rl .rl-stop").focus()
        page.keyboard.press("Enter")
        page.wait_for_selector('.rl[data-live="stopped"]', timeout=SLOW)
        assert 0 < int(page.locator(".rl").get_attribute("data-step")) < 400
        shoot(page, "lab_light")
        if SHOTS:
            dark(page)
            page.wait_for_timeout(500)
            shoot(page, "lab_dark")


def test_a_key_redraws_within_50_ms_and_a_drag_20_times_a_second(shown):
    found = {"key_to_redraw_ms": presses(shown), "redraws_per_second": shown.evaluate(DRAG, 3000)}
    record(**found)
    assert found["key_to_redraw_ms"] <= 50
    assert found["redraws_per_second"] >= (20 if not os.environ.get("CI") else 10)


def test_300_redraws_cost_less_than_20_mb_and_no_new_elements(shown):
    tools = shown.context.new_cdp_session(shown)

    def heap():
        tools.send("HeapProfiler.collectGarbage")
        elements = shown.evaluate("document.querySelectorAll('*').length")
        return tools.send("Runtime.getHeapUsage")["usedSize"], elements

    beta = """async (n) => {
      for (let i = 0; i < n; i += 1) {
        window.model.set('beta', 0.05 + 0.01 * (i % 90));
        await new Promise((next) => requestAnimationFrame(next));
      }
    }"""
    shown.evaluate(beta, 20)
    (before, elements), drawn = heap(), shown.evaluate("window.redraws.length")
    shown.evaluate(beta, 300)
    after, now = heap()
    assert shown.evaluate("window.redraws.length") - drawn >= 250
    record(megabytes_for_300_redraws=(after - before) / 1e6)
    assert after - before < 20e6 and now == elements


def test_a_redraw_follows_a_trait_that_python_sets(shown):
    shown.evaluate("() => window.model.set('n', 256)")
    shown.wait_for_selector('[data-n="256"]')
    shown.evaluate("() => window.model.set('beta', null)")
    shown.wait_for_selector('[data-beta="∞"]')
    assert shown.locator("input[name=beta]").get_attribute("aria-valuetext") == "∞"


def test_live_points_and_progress_are_drawn_and_the_buttons_follow(chromium):
    state = Simulator().state() | {"can_train": True}
    with bare(chromium, look.esm("simulator"), look.css("simulator"), state) as page:
        page.wait_for_selector("[data-ready=true]", timeout=60 * SECONDS)
        page.evaluate("() => { window.sent = []; window.model.send = (message) => window.sent.push(message.do); }")

        def press(button):
            page.locator(button).focus()
            page.keyboard.press("Enter")

        press(".rl-stop")
        press(".rl-train")
        assert page.evaluate("window.sent") == ["train"], "nothing runs, so there is nothing to stop"
        point = {"run": 1, "beta": 1.0, "step": 1, "kl": 2.0, "proxy": 1.0, "gold": 0.5, "judge": 0.2}
        page.evaluate("p => window.model.set('points', [p, { ...p, step: 2, kl: 3 }])", point)
        page.evaluate(
            "() => window.model.set('progress', { status: 'running', doing: 'PPO', step: 2, steps: 40, left: 9 })"
        )
        page.wait_for_selector('[data-live="running"][data-points="2"]')
        assert "PPO 2 of 40, about 9 s left" in page.locator(".rl-live").inner_text()
        assert page.locator('[data-layer="live proxy"]').get_attribute("d").count("M") == 4  # two strokes a cross
        press(".rl-train")
        press(".rl-stop")
        assert page.evaluate("window.sent") == ["train", "stop"], "one run at a time"


def test_the_widget_can_be_taken_away(shown):
    shown.evaluate("() => window.end()")
    before = shown.evaluate("window.redraws.length")
    shown.evaluate("async () => { window.model.set('beta', 0.2); await new Promise((next) => setTimeout(next, 200)); }")
    assert shown.evaluate("window.redraws.length") == before


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_its_colours_follow_the_page(chromium, scheme):
    with bare(
        chromium, look.esm("simulator"), look.css("simulator"), Simulator(beta=0.3).state(), scheme=scheme
    ) as page:
        page.wait_for_selector("[data-ready=true]", timeout=60 * SECONDS)
        colour = page.evaluate("getComputedStyle(document.querySelector('.rl')).color")
        shoot(page, scheme)
        assert colour == ("rgb(26, 26, 26)" if scheme == "light" else "rgb(232, 232, 232)")
