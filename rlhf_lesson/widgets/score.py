"""The score explorer: type a text, see what proxy, sibling and judge make of it, and which words they react to.

Leaves out what training did to the scorers; the course's models come from `trained_chain()`.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import traitlets

from rlhf_lesson.data import feedback
from rlhf_lesson.data.snippets import whole
from rlhf_lesson.models.heads import ScalarModel
from rlhf_lesson.models.vader import vader_scores
from rlhf_lesson.study.chain import trained_chain
from rlhf_lesson.train.reward_model import score
from rlhf_lesson.view import plots
from rlhf_lesson.widgets.look import Widget, css, esm

Scorer = Callable[[Sequence[str]], np.ndarray]
TEXTS = [  # ours: plain praise and blame, then what fools one scorer or another
    "a warm, funny film with a heart of its own",
    "a dull, noisy film without a single idea",
    "not bad at all",
    "it is not as good as it thinks it is",
    "best best best best best",
    "i wanted to love this film, and i could not",
    "nobody laughed, and nobody was meant to",
    "the worst film of the year is also the funniest",
    "wonderful, wonderful, and then it begins",
    "two hours long",
    "a killer with a killer smile in a killer film",
    "film",
]
UNITS = {
    "proxy": plots.SCORE_LABEL,
    "sibling": plots.SCORE_LABEL,
    "gold": plots.SCORE_LABEL,
    "judge": "judge (from −1 to 1)",
}
KEPT = 8  # texts in the picture


def reward_scorer(model: ScalarModel, tokenizer) -> Scorer:
    """A reward model as a function of texts: each becomes <begin> text <end>, as the model was trained."""

    def of(texts: Sequence[str]) -> np.ndarray:
        rows = whole(tokenizer, [feedback.normalise(text) for text in texts])
        return score(model, rows, pad_id=tokenizer.pad_token_id)

    return of


def judge_scorer(texts: Sequence[str]) -> np.ndarray:
    """The rule-based judge as a function of texts."""
    return np.array(vader_scores(texts))


def course_scorers() -> dict[str, Scorer]:
    """Proxy, sibling and judge of the course; the reader would take a second for each change of a text."""
    chain = trained_chain()
    models = {name: reward_scorer(model, chain.data.tokenizer) for name, model in chain.models.items()}
    return {"proxy": models["proxy"], "sibling": models["sibling"], "judge": judge_scorer}


def explain(scorers: Mapping[str, Scorer], text: str) -> dict:
    """Scores of a text and each word's influence: the score less the score of the text without that word.

    Returns:
      {text, scores: {name: number}, influence: [{word, name: number, ...}, ...]}.
    """
    words = text.split()
    without = [" ".join(words[:i] + words[i + 1 :]) for i in range(len(words))]
    found = {name: np.asarray(scorer([text, *without]), float) for name, scorer in scorers.items()}
    influence = [
        {"word": word} | {name: float(s[0] - s[i + 1]) for name, s in found.items()} for i, word in enumerate(words)
    ]
    return {"text": text, "scores": {name: float(s[0]) for name, s in found.items()}, "influence": influence}


class ScoreExplorer(Widget):
    """What the scorers see in a text.

    Args:
      scorers: functions from texts to scores by name; the course's proxy, sibling and judge by default.
      text: scored first.
      units: name -> label of its axis; scorers with one label share an axis.
    """

    _esm, _css = esm("score"), css("score")
    text = traitlets.Unicode(TEXTS[0]).tag(sync=True)
    shown = traitlets.Unicode("proxy").tag(sync=True)
    result = traitlets.Dict().tag(sync=True)
    history = traitlets.List().tag(sync=True)
    problem = traitlets.Unicode("").tag(sync=True)
    units = traitlets.Dict().tag(sync=True)
    examples = traitlets.List([{"text": text} for text in TEXTS]).tag(sync=True)
    live = traitlets.Bool(True).tag(sync=True)

    def __init__(
        self, scorers: Mapping[str, Scorer] | None = None, *, units: Mapping[str, str] | None = None, **traits
    ):
        self.scorers = dict(scorers or course_scorers())
        units = {name: (units or UNITS).get(name, name) for name in self.scorers}
        super().__init__(units=units, **({"shown": next(iter(units))} | traits))
        self.observe(self._score, "text")
        self._score()

    def _score(self, _change=None):
        try:
            result = explain(self.scorers, self.text)
        except ValueError as error:  # longer than the model's context
            self.problem = str(error)
            return
        self.problem = ""
        with self.hold_trait_notifications():
            self.result = result
            self.history = [result, *(row for row in self.history if row["text"] != result["text"])][:KEPT]

    def state(self) -> dict:
        """Plain JSON for a page: every example comes scored, since no kernel will answer."""
        texts = TEXTS if self.text in TEXTS else [self.text, *TEXTS]
        return super().state() | {"live": False, "examples": [explain(self.scorers, text) for text in texts]}

    def figure(self):
        made = plots.figure(7.0, 3.0)
        axes = made.add_subplot()
        words = self.result["influence"]
        moves = [word[self.shown] for word in words]
        axes.bar(range(len(words)), moves, color=["#009E73" if move >= 0 else "#B3400A" for move in moves])
        axes.set_xticks(range(len(words)), [word["word"] for word in words], rotation=45, ha="right")
        axes.axhline(0.0, color="#888888", linewidth=0.6)
        axes.set(ylabel=f"{self.shown}: with less without")
        return made

    def alt(self) -> str:
        each = ", ".join(f"{name} {value:+.3f}" for name, value in self.result["scores"].items())
        return f"The text {self.result['text']!r} scores {each}."
