"""By keyboard in a real JupyterLab: a killed kernel loses no label, and a dashboard starts, pauses, goes on and stops real PPO.

Also in bare pages without a kernel: the gallery answers a diagnosis, and the frontier switches methods, scorer and axis.
"""

import os
import re
import signal
from pathlib import Path

import pytest
from browser import SECONDS, bare, dark, notebook
from project import TESTS
from widgets.test_frontier import methods
from widgets.test_gallery import runs

from rlhf_lesson.data import labels
from rlhf_lesson.widgets.frontier import Frontier
from rlhf_lesson.widgets.gallery import Gallery

pytestmark = pytest.mark.slow

SHOTS = os.environ.get("RLHF_LESSON_SHOTS")  # a folder for screenshots to be looked at
SLOW = 180 * SECONDS  # a kernel that imports JAX and compiles, on a busy machine


def shoot(page, name):
    if SHOTS:
        page.locator(".rl").last.screenshot(path=Path(SHOTS) / f"{name}.png")


def shoot_both(page, name):
    """JupyterLab in both themes."""
    if SHOTS:
        for on in (True, False):
            dark(page, on)
            page.wait_for_timeout(500)
            shoot(page, f"{name}_lab_{'dark' if on else 'light'}")


def has(page, selector, attribute, value):
    """Waits until an element's attribute is this."""
    page.wait_for_selector(f'{selector}[{attribute}="{value}"]', timeout=SLOW)


# ---- labelling -----------------------------------------------------------------------------------

LABELS = """
import os
from rlhf_lesson.data.questions import Question
from rlhf_lesson.widgets.label import label
open("pid", "w").write(str(os.getpid()))
open("my_guidelines.md", "w").write("Praise of the whole film counts more than praise of an actor.")
app = label(file="mine.jsonl", questions=[Question("", f"first text {i}", f"second text {i}") for i in range(12)])
app
"""


def test_labels_by_keyboard_survive_a_killed_kernel(chromium, lab):
    file = lab.folder / "mine.jsonl"

    def on_disk():
        return [vote.vote for vote in labels.read(file)]

    with notebook(chromium, lab, LABELS, name="labels") as page:
        has(page, ".rl-desk", "data-number", "0")
        page.locator(".rl-desk").focus()
        expected = []
        keys = [("ArrowLeft", "A"), ("ArrowRight", "B"), ("ArrowDown", "tie"), ("s", "skip"), ("t", "tie"), ("2", "B")]
        for number, (key, vote) in enumerate(keys, 1):
            page.keyboard.press(key)
            has(page, ".rl-desk", "data-number", str(number))
            expected.append(vote)
            assert on_disk() == expected, "the next pair is shown, so the last decision must be on disk"
        page.keyboard.press("u")
        has(page, ".rl-desk", "data-number", "5")
        assert on_disk() == expected[:5]
        assert "5 of 12 decided (2 without difference, 1 skipped)" in page.locator(".rl-count").inner_text()
        assert "Praise of the whole film" in page.locator(".rl-rules").inner_text()
        assert page.locator(".jp-Cell").count() == 1, "a key reached JupyterLab, which acted on the notebook"
        shoot_both(page, "label")

        page.locator(".rl-desk").focus()
        page.keyboard.press("ArrowRight")
        has(page, ".rl-desk", "data-number", "6")
        old = int((lab.folder / "pid").read_text())
        os.kill(old, signal.SIGKILL)
        page.keyboard.press("ArrowLeft")  # nobody hears it
        page.wait_for_selector(".rl-says.rl-warning", timeout=SLOW)
        assert "NOT saved" in page.locator(".rl-says").inner_text()
        assert on_disk() == [*expected[:5], "B"]

        dialog = page.locator(".jp-Dialog button").first  # JupyterLab: the kernel died and starts again
        dialog.wait_for(timeout=SLOW)
        dialog.click()
        status = "jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status"
        page.wait_for_function(f"() => {status} === 'idle'", timeout=SLOW)
        page.evaluate("() => { jupyterapp.commands.execute('notebook:run-all-cells') }")
        page.wait_for_function(
            "() => document.querySelector('.rl-count')?.textContent.startsWith('6 of 12')"
            " && !document.querySelector('.rl-says.rl-warning')",
            timeout=SLOW,
        )
        assert int((lab.folder / "pid").read_text()) != old
        has(page, ".rl-desk", "data-number", "6")
        page.locator(".rl-desk").focus()
        page.keyboard.press("ArrowLeft")
        has(page, ".rl-desk", "data-number", "7")
        assert on_disk() == [*expected[:5], "B", "A"]


# ---- the dashboard -------------------------------------------------------------------------------

PPO = f"""
import sys; sys.path.insert(0, {str(TESTS)!r})
import jax, jax.numpy as jnp, tiny
from rlhf_lesson.train import ppo
from rlhf_lesson.widgets.dashboard import dashboard
sevens = jax.tree_util.Partial(lambda tokens, mask: jnp.sum((tokens == 7) & mask, axis=1) / jnp.sum(mask, axis=1))
config = ppo.Config(iterations=4000, batch=32, response=8, learning_rate=3e-3)
steps = ppo.train(config, tiny.model(layers=1), tiny.prompts(), {{"proxy": sevens}}, pad_id=0, end_id=1)
live = dashboard(steps, sample=lambda state: [f"after {{int(state.step)}} updates"], prompt="the film", every=3)
live
"""
AFTER = "state = live.result(); print('updates', int(state.step), 'rows', len(live.rows), live.loop.status)"


def test_a_real_ppo_run_starts_pauses_goes_on_and_stops_by_keyboard(chromium, lab):
    def step():
        return int(page.locator(".rl[data-status]").get_attribute("data-step"))

    def reach(count):
        page.wait_for_function(
            f"() => Number(document.querySelector('.rl[data-status]').dataset.step) >= {count}", timeout=SLOW
        )

    with notebook(chromium, lab, PPO, name="dashboard") as page:
        has(page, ".rl", "data-status", "ready")
        assert page.locator(".rl-pause").get_attribute("aria-disabled") == "true"
        page.locator(".rl-start").focus()
        page.keyboard.press("Enter")
        has(page, ".rl", "data-status", "running")
        reach(6)
        page.locator(".rl-pause").focus()
        page.keyboard.press("Space")
        has(page, ".rl", "data-status", "paused")
        paused = step()
        page.wait_for_timeout(1500)
        assert step() == paused
        line = page.locator('[data-layer="kl"]').get_attribute("d")
        assert len(re.findall("[ML]", line)) == paused, "the curve has a point for every iteration"
        label = page.locator('.rl-panels svg[role="img"]').nth(1).get_attribute("aria-label")
        assert label.startswith("KL (nats per response)") and f"after {paused} iterations" in label
        assert page.locator(".rl-samples li").first.inner_text() == f"after {paused - paused % 3} updates"
        assert re.search(r"about \d+ (s|min) left", page.locator(".rl-clock").inner_text())
        shoot_both(page, "dashboard")

        page.locator(".rl-start").focus()
        page.keyboard.press("Enter")
        reach(paused + 3)
        page.locator(".rl-stop").focus()
        page.keyboard.press("Enter")
        has(page, ".rl", "data-status", "stopped")
        stopped = step()
        page.evaluate(
            """code => { const notebook = jupyterapp.shell.currentWidget.content;
            jupyterapp.commands.execute('notebook:insert-cell-below').then(() => {
              notebook.activeCell.model.sharedModel.setSource(code);
              jupyterapp.commands.execute('notebook:run-cell'); }); }""",
            AFTER,
        )
        page.locator(f"text=updates {stopped} rows {stopped} stopped").wait_for(timeout=SLOW)


# ---- without a kernel ----------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_gallery_answers_a_diagnosis(chromium, scheme):
    gallery = Gallery(runs())
    right = gallery.runs[0]["name"]
    wrong = next(name for name in gallery.choices if name != right)
    with bare(chromium, Gallery._esm, Gallery._css, gallery.state(), scheme=scheme) as page:
        before = page.locator('[data-layer="kl"]').get_attribute("d")
        page.locator(".rl-choices button", has_text=wrong).focus()
        page.keyboard.press("Enter")
        page.wait_for_selector(".rl-answer.rl-wrong")
        said = page.locator(".rl-answer").inner_text()
        other = next(run for run in gallery.runs if run["name"] == wrong)
        assert other["diagnosis"][0] in said and gallery.runs[0]["story"] not in said
        page.locator(".rl-choices button", has_text=right).focus()
        page.keyboard.press("Space")
        page.wait_for_selector(".rl-answer.rl-right")
        said = page.locator(".rl-answer").inner_text()
        assert all(text in said for text in (*gallery.runs[0]["diagnosis"], gallery.runs[0]["story"]))
        assert "1 of 2 found" in page.locator(".rl").inner_text()
        page.screenshot(path=Path(SHOTS) / f"gallery_bare_{scheme}.png", full_page=True) if SHOTS else None
        page.locator('input[type="radio"]').first.focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function("b => document.querySelector('[data-layer=\"kl\"]').getAttribute('d') !== b", arg=before)
        assert page.locator(".rl-answer").get_attribute("data-told") == "false"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_frontier_switches_by_keyboard(chromium, scheme):
    shown = Frontier(methods())
    with bare(chromium, Frontier._esm, Frontier._css, shown.state(), scheme=scheme) as page:

        def path():
            return page.locator('[data-layer="median PPO"]').get_attribute("d")

        def table():
            return page.locator("tbody th").all_inner_texts()

        assert table() == [row["method"] for row in shown.at(shown.kl)]
        for box in ("root", "seeds", "DPO"):
            before = page.evaluate("() => document.querySelector('.rl-plot').outerHTML")
            page.locator(f'input[name="{box}"]').focus()
            page.keyboard.press("Space")
            page.wait_for_function("b => document.querySelector('.rl-plot').outerHTML !== b", arg=before)
        assert "DPO" not in table() and page.locator('[data-layer="median DPO"]').count() == 0
        before = path()
        page.locator('input[type="radio"]:checked').focus()
        page.keyboard.press("ArrowLeft")
        page.wait_for_function(
            "b => document.querySelector('[data-layer=\"median PPO\"]').getAttribute('d') !== b", arg=before
        )
        before = page.locator(".rl-says").inner_text()
        page.locator('input[name="place"]').focus()
        page.keyboard.press("ArrowLeft")
        page.wait_for_function("b => document.querySelector('.rl-says').innerText !== b", arg=before)
        page.screenshot(path=Path(SHOTS) / f"frontier_bare_{scheme}.png", full_page=True) if SHOTS else None


# ---- measured runs in JupyterLab --------------------------------------------------------------------

MEASURED = {
    "gallery": (
        "from rlhf_lesson.widgets.gallery import gallery\ngallery()",
        ".rl-choices button",
        "Enter",
        ".rl-answer",
    ),
    "frontier": (
        "from rlhf_lesson.widgets.frontier import frontier\nfrontier()",
        'input[name="root"]',
        "Space",
        ".rl-plot",
    ),
}


@pytest.mark.parametrize("name", MEASURED)
def test_measured_runs_answer_the_keyboard_in_jupyterlab(chromium, lab, name):
    code, control, key, told = MEASURED[name]
    with notebook(chromium, lab, code, name=name) as page:
        page.wait_for_selector(f".rl {control}", timeout=SLOW)
        shoot_both(page, name)
        before = page.evaluate("told => document.querySelector('.rl ' + told)?.outerHTML", told)
        page.locator(f".rl {control}").first.focus()
        page.keyboard.press(key)
        page.wait_for_function(
            "([told, before]) => document.querySelector('.rl ' + told)?.outerHTML !== before", arg=[told, before]
        )
