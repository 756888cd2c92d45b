"""The explorers without a browser: traits, state and fallback, alike on ipywidgets 7.7.1 and 8; then their maths, in a
headless Chromium, against the library's."""

import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import traitlets
from browser import bare
from flax import nnx
from IPython.core.formatters import DisplayFormatter

from rlhf_lesson import advantages, bradley_terry, kl, losses
from rlhf_lesson.models.gpt2 import ScalarModel
from rlhf_lesson.models.pretrained import load_base
from rlhf_lesson.view import plots
from rlhf_lesson.widgets import best_of_n, gae, kl_estimators, look, next_token, score
from rlhf_lesson.widgets.bradley_terry import BradleyTerry
from rlhf_lesson.widgets.clip import Clip

VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(scope="module")
def base():
    return load_base()


def scorers(base):
    """A reward model that nothing has trained, and the judge: enough to score any text."""
    model, tokenizer = base
    return {
        "proxy": score.reward_scorer(ScalarModel(model, rngs=nnx.Rngs(0)), tokenizer),
        "judge": score.judge_scorer,
    }


@pytest.fixture(scope="module")
def explorers(base):
    made = [BradleyTerry(), Clip(), gae.GAE(), kl_estimators.KLEstimators(), best_of_n.BestOfN()]
    return [*made, next_token.NextToken(*base), score.ScoreExplorer(scorers(base))]


def test_state_is_plain_json_of_the_widgets_own_traits(explorers):
    for widget in explorers:
        state = json.loads(json.dumps(widget.state()))
        assert state and not {"layout", "tabbable", "_esm", "_css"} & set(state)
        declared = [cls for cls in type(widget).mro() if issubclass(cls, look.Widget)]
        traits = {n for cls in declared for n, v in vars(cls).items() if isinstance(v, traitlets.TraitType)}
        assert set(state) == {name for name in traits if not name.startswith("_")}


def test_every_picture_has_a_figure_and_words_with_numbers(explorers):
    for widget in explorers:
        picture = widget.picture()
        assert re.search(r"\d\.\d", widget.alt()), widget.alt()
        assert picture._repr_html_().startswith("<img alt=") and picture.alt.startswith(widget.alt())


def test_words_follow_the_traits():
    widget = BradleyTerry(chosen=0.0, rejected=2.0)
    assert "probability 0.119" in widget.alt()
    widget.margin = 1.0  # sigmoid(-3)
    assert "probability 0.047" in widget.alt()


def test_a_number_out_of_range_is_refused():
    with pytest.raises(traitlets.TraitError):
        Clip(clip=0.9)
    with pytest.raises(traitlets.TraitError):
        kl_estimators.KLEstimators(sampler="nobody")
    with pytest.raises(ValueError, match="one of each per token"):
        gae.GAE(rewards=[1.0, 2.0], values=[0.0])


def test_a_preset_draws_rewards_and_values_and_drawing_leaves_the_preset():
    name = "one bad token"
    assert gae.GAE(preset=name).rewards == gae.PRESETS[name]["rewards"]
    drawn = gae.GAE(rewards=[1.0], values=[0.5])
    assert (drawn.preset, drawn.advantages().tolist()) == ("", [0.5])


def test_a_notebook_gets_the_widget_and_without_widgets_its_figure(monkeypatch, explorers):
    show = DisplayFormatter().format
    monkeypatch.delenv("RLHF_NO_WIDGETS", raising=False)
    for widget in explorers:
        assert VIEW in show(widget)[0]
    monkeypatch.setenv("RLHF_NO_WIDGETS", "1")
    for widget in explorers:
        data = show(widget)[0]
        assert VIEW not in data and data["text/html"].startswith("<img alt=") and widget.alt() in data["text/plain"]


def test_every_role_has_a_colour_for_light_and_dark_pages_and_nothing_is_fetched():
    for name, role in plots.ROLES.items():
        assert f"--rl-{name}: light-dark({role['color']}, {look.DARK[name]});" in look.css()
    for file in look.STATIC.glob("*.js"):
        text = file.read_text()
        assert not re.search(r"^\s*import\b|\bimport\(|https?://(?!www\.w3\.org/2000/svg)", text, re.M), file


def test_typed_text_changes_the_logits_and_a_cut_keeps_what_it_says(base):
    widget = next_token.NextToken(*base, top_k=5)
    before = widget.logits
    widget.text = "a film about"
    assert widget.logits != before and len(widget.logits) == 4 * len(widget.pieces)
    assert np.sum(widget.chances() > 0) == 5
    widget.text = " ".join(["film"] * 400)  # longer than the context
    assert np.isfinite(widget.chances()).all()


def test_next_token_logits_are_the_models_own_without_padding(base):
    model, tokenizer = base
    ids = [[tokenizer.bos_token_id, *tokenizer("a film", add_special_tokens=False)["input_ids"]]]
    alone = model(jnp.asarray(ids), jnp.ones((1, len(ids[0])), bool))[0, -1]
    found = next_token.NextToken(model, tokenizer).logits_after(["a film"])[0]
    np.testing.assert_allclose(found, alone, atol=2e-4)


def test_a_words_influence_is_the_score_with_it_less_the_score_without(base):
    found = score.explain(scorers(base), "a good film")
    for name, scorer in scorers(base).items():
        with_it, without = scorer(["a good film", "a film"])
        assert found["influence"][1][name] == pytest.approx(float(with_it) - float(without), abs=1e-5)
    assert [word["word"] for word in found["influence"]] == ["a", "good", "film"]


def test_a_text_too_long_for_the_model_is_answered_with_words(base):
    widget = score.ScoreExplorer(scorers(base))
    before = widget.result
    widget.text = "film " * 200
    assert "shorten" in widget.problem and widget.result == before
    widget.text = "short"
    assert widget.problem == "" and widget.result["text"] == "short" == widget.history[0]["text"]


# ---- the JavaScript's numbers equal the library's -------------------------------------------------


def twin(chromium, name, state, calls):
    """What static/NAME.js's maths says to each [function, *arguments]."""
    with bare(chromium, look.esm(name), look.css(name), state) as page:
        run = "calls => calls.map(([name, ...given]) => module.default.maths[name](...given))"
        return page.evaluate(run, calls)


@pytest.fixture
def double():
    """float64, as JavaScript counts."""
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


def test_bradley_terry_in_javascript_equals_the_library(chromium, double):
    leads = jnp.linspace(-30.0, 30.0, 41)
    zeros = jnp.zeros_like(leads)
    for name, values in {
        "probability": bradley_terry.win_probability(leads, zeros),
        "loss": losses.bradley_terry_loss(leads, zeros),
        "slope": jax.vmap(jax.grad(losses.bradley_terry_loss))(leads, zeros),
    }.items():
        found = twin(chromium, "bradley_terry", BradleyTerry().state(), [[name, float(d)] for d in leads])
        np.testing.assert_allclose(found, values, atol=1e-6)


def test_clip_in_javascript_equals_the_library(chromium, double):
    cases = [(r, a, c) for r in (0.3, 0.79, 1.0, 1.15, 1.7) for a in (-1.5, 0.0, 0.7) for c in (0.1, 0.2)]

    def objective(ratio, advantage, clip):
        return -losses.ppo_clip_loss(jnp.log(ratio), jnp.zeros(()), jnp.asarray(advantage), clip=clip)

    def gradient(ratio, advantage, clip):  # by log pi
        return jax.grad(lambda logp: objective(jnp.exp(logp), advantage, clip))(jnp.log(ratio))

    for name, function in {"objective": objective, "gradient": gradient}.items():
        found = twin(chromium, "clip", Clip().state(), [[name, *case] for case in cases])
        np.testing.assert_allclose(found, [float(function(*case)) for case in cases], atol=1e-6)


def test_gae_in_javascript_equals_the_library(chromium, double):
    rng = np.random.default_rng(0)
    for discount, lam in ((1.0, 0.95), (0.9, 0.0), (0.7, 1.0)):
        rewards, values = rng.normal(size=(2, 10))
        mask = jnp.ones(10, bool)
        given = [rewards.tolist(), values.tolist(), discount, lam]
        calls = [["gae", *given], ["returns", rewards.tolist(), discount]]
        found = twin(chromium, "gae", gae.GAE().state(), calls)
        expected = advantages.gae(jnp.asarray(rewards), jnp.asarray(values), mask, discount=discount, lam=lam)
        np.testing.assert_allclose(found[0], expected, atol=1e-6)
        expected = advantages.discounted_returns(jnp.asarray(rewards), mask, discount=discount)
        np.testing.assert_allclose(found[1], expected, atol=1e-6)


@pytest.mark.parametrize("direction", kl_estimators.DIRECTIONS)
def test_kl_estimators_in_javascript_equal_the_library(chromium, double, direction):
    widget = kl_estimators.KLEstimators(direction=direction, distance=1.7)
    logp, ref_logp = (np.asarray(x).tolist() for x in widget.distributions(1.7))
    calls = [["policy", kl_estimators.REF_LOGITS, kl_estimators.DIRECTIONS[direction], 1.7]]
    calls += [["exactKl", logp, ref_logp]]
    for sampler in (logp, ref_logp):
        calls += [["moments", name, logp, ref_logp, sampler] for name in kl_estimators.ESTIMATORS]
    found = twin(chromium, "kl_estimators", widget.state(), calls)
    np.testing.assert_allclose(found[0], logp, atol=1e-6)
    assert found[1] == pytest.approx(float(kl.exact_kl(jnp.asarray(logp), jnp.asarray(ref_logp))), abs=1e-6)
    for i, sampler in enumerate(("policy", "reference")):
        widget.sampler = sampler
        for j, name in enumerate(kl_estimators.ESTIMATORS):
            answer = found[2 + 3 * i + j]
            assert (answer["mean"], answer["std"]) == pytest.approx(widget.moments(1.7)[name], abs=1e-6)


@pytest.mark.parametrize("world", best_of_n.WORLDS)
def test_best_of_n_in_javascript_equals_the_library(chromium, double, world):
    outcomes = best_of_n.WORLDS[world]
    ref_logp, scores = jnp.log(jnp.asarray(outcomes["ref"])), jnp.asarray(outcomes["score"])
    counts = (1, 2, 7, 100, 1000)
    given = [ref_logp.tolist(), scores.tolist()]
    calls = [call for n in counts for call in (["bound", n], ["kl", *given, n], ["logprobs", *given, n])]
    found = iter(twin(chromium, "best_of_n", best_of_n.BestOfN().state(), calls))
    for n in counts:
        assert next(found) == pytest.approx(float(kl.best_of_n_kl_bound(n)), abs=1e-6)
        assert next(found) == pytest.approx(float(kl.best_of_n_kl(ref_logp, scores, n)), abs=1e-6)
        expected = kl.best_of_n_logprobs(ref_logp, scores, n)
        np.testing.assert_allclose(np.exp(next(found)), np.exp(expected), atol=1e-6)


def test_next_token_in_javascript_equals_the_library(chromium, base):
    widget = next_token.NextToken(*base)
    logits = np.frombuffer(widget.logits, np.float32).tolist()
    settings = [(1.0, 0, 1.0), (0.3, 0, 0.9), (2.0, 10, 1.0), (0.7, 40, 0.55), (3.0, 1, 0.3), (1.3, 0, 0.05)]
    found = twin(chromium, "next_token", widget.state(), [["reweigh", logits, *setting] for setting in settings])
    for mine, (widget.temperature, widget.top_k, widget.top_p) in zip(found, settings, strict=True):
        expected = widget.chances()
        np.testing.assert_allclose(mine, expected, atol=1e-6)
        assert (np.asarray(mine) > 0).tolist() == (expected > 0).tolist()


def test_drawing_needs_no_kernel_and_the_page_asks_nobody(chromium, explorers):
    """`bare` fails if anything outside the page is asked for; a widget that draws has words and a picture."""
    names = ["bradley_terry", "clip", "gae", "kl_estimators", "best_of_n", "next_token", "score"]
    for name, widget in zip(names, explorers, strict=True):
        with bare(chromium, look.esm(name), look.css(name), widget.state()) as page:
            assert page.locator(".rl svg").count() >= 1, name
            assert len(page.locator("[role=status]").last.inner_text()) > 30, name
