"""The page without a kernel: opens from disk, asks no host for anything, works by keyboard, and counts as Python does."""

import json
from functools import partial
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from browser import SECONDS, bare
from float64 import float64

from rlhf_lesson.__main__ import main
from rlhf_lesson.study import pool
from rlhf_lesson.study.pool import Pool, Proxy
from rlhf_lesson.study.pool_runs import CLEAN
from rlhf_lesson.widgets import look, page
from rlhf_lesson.widgets.simulator import BETAS, Simulator

QUICK = {"Reward against KL": {"simulator": "Simulator", "best_of_n": "BestOfN"}, "Equations": {"clip": "Clip"}}


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    """A page of widgets that need no trained model."""
    out = tmp_path_factory.mktemp("page")
    made = page.write(out, QUICK)
    assert made["left_out"] == {} and made["bytes"] == (out / "index.html").stat().st_size
    return out / "index.html"


@pytest.fixture
def opened(chromium, written):
    """The page from disk; any request but for the file itself, and any error, fails the test."""
    tab = chromium.new_page(viewport={"width": 1000, "height": 900})
    asked, errors = [], []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    tab.goto(written.as_uri())
    tab.wait_for_selector("#simulator[data-ready=true]", timeout=60 * SECONDS)
    yield tab
    assert not errors
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [written.as_uri()]
    tab.close()


def test_every_widget_has_a_place_on_the_page_or_needs_python():
    placed = {name for names in page.SECTIONS.values() for name in names}
    files = {file.stem for file in look.STATIC.glob("*.js")}
    parts = {part for part in files for name in files if part.startswith(f"{name}_")}
    assert placed | set(page.NEEDS_PYTHON) == files - parts - {"look"}


def test_the_page_names_no_host(written):
    text = written.read_text()
    for word in ("https://", "http://"):
        assert text.replace("http://www.w3.org/2000/svg", "").count(word) == 0
    assert "default-src 'none'" in text


def test_a_widget_without_data_is_left_out_and_its_reason_given(tmp_path):
    def missing(name, maker):
        raise ValueError("run the benchmark first")

    sections = {"Equations": {"clip": "Clip"}, "Missing": {"nothing": "nowhere"}}
    with pytest.raises(ModuleNotFoundError):
        page.write(tmp_path, sections)
    with pytest.MonkeyPatch.context() as patch:
        known = page.state_of
        patch.setattr(page, "state_of", lambda name, maker: (known if name == "clip" else missing)(name, maker))
        made = page.write(tmp_path, sections)
    assert made["left_out"] == {"nothing": "run the benchmark first"}
    assert "Missing" not in (tmp_path / "index.html").read_text()


def test_the_command_writes_the_page(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(page, "write", partial(page.write, sections=QUICK))
    main(["page", "--out", str(tmp_path / "here")])
    assert json.loads(capsys.readouterr().out)["bytes"] == (tmp_path / "here" / "index.html").stat().st_size


# ---- by keyboard ---------------------------------------------------------------------------------


def data(tab, name):
    return tab.locator("#simulator").get_attribute(f"data-{name}")


def settle(tab, name, value):
    tab.wait_for_selector(f'#simulator[data-{name}="{value}"]', timeout=20 * SECONDS)


def test_the_sliders_move_by_arrow_keys_and_the_numbers_and_the_picture_follow(opened):
    before, curve = float(data(opened, "kl")), opened.locator('#simulator [data-layer="now proxy"]').get_attribute("d")
    opened.locator("#simulator input[name=beta]").focus()
    opened.keyboard.press("ArrowLeft")
    settle(opened, "beta", "0.89")
    assert float(data(opened, "kl")) > before
    assert opened.locator('#simulator [data-layer="now proxy"]').get_attribute("d") != curve
    opened.keyboard.press("End")
    settle(opened, "beta", "∞")
    assert float(data(opened, "kl")) == 0.0
    opened.locator("#simulator input[name=n]").focus()
    opened.keyboard.press("ArrowRight")
    settle(opened, "n", "32")


def test_a_small_beta_shows_the_warning(opened):
    trust = opened.locator("#simulator .rl-ess")
    assert "enough" in trust.inner_text()
    opened.locator("#simulator input[name=beta]").focus()
    opened.keyboard.press("Home")
    settle(opened, "beta", "0.020")
    assert "too small" in trust.inner_text() and "rl-warning" in trust.get_attribute("class")


def test_generate_response_by_keyboard_shows_three_responses_with_their_numbers(opened):
    opened.locator("#simulator select[name=prompt]").select_option("2")
    cards = opened.locator("#simulator .rl-cards section")
    assert cards.count() == 3
    before = cards.all_inner_texts()
    opened.locator("#simulator .rl-generate").focus()
    opened.keyboard.press("Enter")
    opened.wait_for_function(
        "old => document.querySelector('#simulator .rl-cards').innerText !== old", arg="\n".join(before)
    )
    prompt = pool.load().prompts[1]
    assert all(prompt in text and "gold" in text and "nats" in text for text in cards.all_inner_texts())


def test_every_control_has_a_name_and_is_reached_by_tab(opened):
    names = opened.locator("#simulator").evaluate(
        "el => [...el.querySelectorAll('input, select, button')].map((c) => c.labels?.[0]?.textContent || c.textContent)"
    )
    assert len(names) >= 10 and all(name.strip() for name in names)
    opened.locator("#simulator input[name=beta]").focus()
    for expected in ("n", "prompt", "pairs", "noise", "run_beta", "run_rate", "run_clip", "root", "judge"):
        opened.keyboard.press("Tab")
        assert opened.evaluate("document.activeElement.name") == expected
    picture = opened.locator("#simulator svg[role=img]").first
    assert "KL" in picture.get_attribute("aria-label") and "nats" in picture.get_attribute("aria-label")


def test_the_axis_the_judge_and_the_proxy_switch_what_is_drawn(opened):
    ticks = opened.locator("#simulator .rl-axis").first
    before = ticks.inner_html()
    opened.locator("#simulator input[name=root]").focus()
    opened.keyboard.press("Space")
    opened.wait_for_function("old => document.querySelector('#simulator .rl-axis').innerHTML !== old", arg=before)
    assert opened.locator('#simulator [data-layer="curve judge"]').count() == 0
    opened.locator("#simulator input[name=judge]").focus()
    opened.keyboard.press("Space")
    opened.wait_for_selector('#simulator [data-layer="curve judge"]', state="attached")
    assert opened.locator('#simulator [data-layer^="run "]').count() > 0
    opened.locator("#simulator select[name=pairs]").select_option("0")
    opened.wait_for_function("() => !document.querySelector('#simulator [data-layer^=\"run \"]')")
    assert "choose it to see them" in opened.locator("#simulator .rl-count").inner_text()


def test_the_other_widgets_of_the_page_answer_too(opened):
    picture = opened.locator("#clip svg").first
    before = picture.inner_html()
    opened.locator("#clip input[type=range]").first.focus()
    opened.keyboard.press("ArrowRight")
    opened.wait_for_function("old => document.querySelector('#clip svg').innerHTML !== old", arg=before)


# ---- the twin ------------------------------------------------------------------------------------

POINTS = """async ([cases]) => {
  const maths = window.module.default.maths, text = atob(window.model.get("packed").base64);
  const pool = await maths.unpack(Uint8Array.from(text, (letter) => letter.charCodeAt(0)));
  return cases.map(([prompt, name, beta, n]) => {
    const order = maths.order(pool.scores[name][prompt]);
    const { p, ...optimum } = maths.optimumPoint(pool, prompt, name, beta ?? Infinity);
    const { p: q, ...best } = maths.bestPoint(pool, prompt, name, order, n);
    const spread = [p, q].map((weights) => weights.reduce((a, b) => a + b));
    return { optimum, best, spread, text: pool.texts[prompt][7], pick: maths.pick(p, 0.37) };
  });
}"""


def twin(chromium, simulator, cases):
    with bare(chromium, look.esm("simulator"), look.css("simulator"), simulator.state()) as tab:
        tab.wait_for_selector("[data-ready=true]", timeout=60 * SECONDS)
        return tab.evaluate(POINTS, [cases])


def test_the_browser_counts_what_the_library_counts(chromium):
    """Closed form, best-of-n (means unbiased, KL exact), effective size and draws, in float64 on both sides."""
    simulator = Simulator()
    proxies = [CLEAN, simulator._pool.proxies[0], simulator._pool.proxies[-1]]
    betas = [None, 20.0, 1.0, 0.31, BETAS[0]]
    cases = [(i % 12, proxies[i % 3], beta, 2**i) for i, beta in enumerate([*betas, *betas])]
    found = twin(chromium, simulator, [[p, pool.column(name), beta, n] for p, name, beta, n in cases])
    for (prompt, name, beta, n), row in zip(cases, found, strict=True):
        with float64():
            beta = np.inf if beta is None else beta
            optimum = pool.closed_form(simulator._pool, prompt, name, kl_coef=beta)
            best = pool.best_of_n(simulator._pool, prompt, name, n)
            logp = pool.tilted(jnp.asarray(simulator._pool.scores(name)[prompt], float), kl_coef=beta)
            assert row["pick"] == pool.pick(logp, 0.37)
        for point, mine in ((optimum, row["optimum"]), (best, row["best"])):
            for what, value in point._asdict().items():
                allowed = {"rel": 1e-6} if what == "ess" else {"abs": 1e-6}
                assert mine[what] == pytest.approx(value, **allowed), what
        assert row["spread"] == pytest.approx([1.0, 1.0], abs=1e-9)
        assert row["text"] == simulator._pool.texts[prompt][7]
    assert found[0]["optimum"]["kl"] == 0.0, "beta = infinity is the reference to the last bit"


def test_ties_and_every_float16_read_the_same(chromium, monkeypatch):
    scores = np.array([[0.5, 0.5, -2.0, 0.5, 1.5, 1.5, 6e-8, -0.0]])
    columns = {"logp": scores, CLEAN: scores, "gold": 2 * scores, "judge": scores / 8}
    packed = pool.pack(["p"], [list("abcdefgh")], columns, judge={"mean": 0.0, "std": 1.0})
    small = Pool(packed)
    monkeypatch.setattr(pool, "load", lambda: small)
    simulator = Simulator()
    cases = [[0, pool.column(CLEAN), 0.5, n] for n in (1, 2, 3, 8)]
    for (_, _, beta, n), row in zip(cases, twin(chromium, simulator, cases), strict=True):
        best, optimum = pool.best_of_n(small, 0, CLEAN, n), pool.closed_form(small, 0, CLEAN, kl_coef=beta)
        assert row["best"] == pytest.approx(best._asdict(), abs=1e-5)
        assert row["optimum"] == pytest.approx(optimum._asdict(), abs=1e-5)


def test_proxies_are_called_alike_on_both_sides(chromium):
    names = [Proxy(250, 0.3), Proxy(5000, 0.0)]
    with bare(chromium, look.esm("simulator"), look.css("simulator"), Simulator().state()) as tab:
        tab.wait_for_selector("[data-ready=true]", timeout=60 * SECONDS)
        called = tab.evaluate("names => names.map(window.module.default.maths.column)", [n._asdict() for n in names])
    assert called == [pool.column(name) for name in names]
