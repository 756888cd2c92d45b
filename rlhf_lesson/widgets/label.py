"""The labelling app: two snippets side by side, a key for each decision, and every label on disk before the next pair appears.

Leaves out the file and its statistics (data/labels.py); without widgets `label()` gives the same session for `decide("A")` by hand.
"""

import math
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import traitlets
from matplotlib.figure import Figure

from rlhf_lesson.data import feedback, label_agreement, labels
from rlhf_lesson.data.labels import Labelling
from rlhf_lesson.data.questions import Question
from rlhf_lesson.data.questions import questions as film_questions
from rlhf_lesson.view import plots
from rlhf_lesson.widgets import look

ASK = "Which of the two speaks better of its film?"
NO_RULES = (
    "None yet. Write yours into {file}, beside this notebook: when is a text better, when is it a tie, when do you skip?"
    " They will stand here from the next pair on."
)


def guidelines(file: Path | str = "my_guidelines.md") -> str:
    """What the learner wrote for annotators, or how to write it."""
    file = Path(file)
    if not file.is_file():
        return NO_RULES.format(file=file)
    try:
        return file.read_text(encoding="utf-8-sig").strip()  # Windows' editors may put a mark in front
    except UnicodeDecodeError:
        return f"{file} is not in UTF-8: save it again in that encoding (in Notepad: Save as, then Encoding)."


def numbers(row: label_agreement.Agreement) -> dict:
    """A row for the browser: what is not a number becomes None."""
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in row._asdict().items()}


class Label(look.Widget):
    """A labelling session in the notebook. What is on disk is never ahead of or behind what it shows.

    Args:
      session: questions and file.
      rules: text file of the learner's guidelines, read again with every pair.
      ask: the question above each pair.
    """

    _esm, _css = look.esm("label"), look.css("label")
    ask = traitlets.Unicode(ASK).tag(sync=True)
    question = traitlets.Dict().tag(sync=True)  # number, prompt, left, right; empty when all are decided
    counts = traitlets.Dict().tag(sync=True)
    guidelines = traitlets.Unicode().tag(sync=True)
    report = traitlets.List().tag(sync=True)  # rows of `against_raters`, only when asked for
    message = traitlets.Unicode().tag(sync=True)
    saved = traitlets.Int(0).tag(sync=True)  # answers given; the page waits for it to grow

    def __init__(self, session: Labelling, *, rules: Path | str = "my_guidelines.md", ask: str = ASK):
        self.session, self.rules = session, rules
        super().__init__(ask=ask)
        self._show()
        if look.anywidget is not None:
            self.on_msg(lambda widget, content, buffers: self.hear(content))

    def hear(self, content: dict) -> None:
        """Acts on what the page sent: {"do": "decide" | "undo" | "report" | "download" | "import", ...}."""
        act = {"decide": self._decide, "undo": self._undo, "report": self._report, "import": self._import}
        act = {**act, "download": self._download}.get(content.get("do"))
        try:
            said = act(content) if act else None
        except (OSError, ValueError) as error:  # a full disk, a file that can't be read: the learner must see it
            said = f"Not done: {error}"
        self._show(said or "")
        if content.get("do") == "report" or not self.question:
            self.renew_still()

    def _show(self, message: str = "") -> None:
        question, session = self.session.question, self.session
        shown = {} if question is None else dict(zip(("prompt", "left", "right"), question, strict=True))
        with self.hold_trait_notifications():
            self.question = {**shown, "number": session.questions.index(question)} if shown else {}
            self.counts, self.guidelines, self.message = session.counts, guidelines(self.rules), message
        self.saved += 1  # last, and by itself: the page draws the pair when this arrives

    def _decide(self, content: dict) -> None:
        if content.get("number") == self.question.get("number"):  # else an old page speaks of another pair
            self.session.decide(content["vote"], seconds=content.get("seconds"))

    def _undo(self, content: dict) -> str:
        return "" if self.session.undo() else "There is nothing to undo."

    def _report(self, content: dict) -> str:
        mine = [vote for vote in self.session.decided.values() if vote.vote in labels.VOTES]
        if not mine:
            return "Label a few pairs first."
        self.report = [numbers(row) for row in label_agreement.against_raters(mine, feedback.load(feedback.MOVIES))]
        left = self.session.counts["A"] / max(1, self.session.counts["A"] + self.session.counts["B"])
        return f"Of your choices {100 * left:.0f} % went to the left text. With few pairs the intervals are wide: that is honest."

    def _download(self, content: dict) -> str:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "labels.jsonl"
            count = labels.export(self.session.file, out)
            self.send({"do": "file", "name": f"labels_{self.session.annotator}.jsonl", "text": out.read_text("utf-8")})
        return f"{count} labels, in the format of formats.parse_vote."

    def _import(self, content: dict) -> str:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / Path(content["name"]).name
            source.write_text(content["text"], encoding="utf-8")
            count = labels.import_votes(source, self.session.file)
        self.session = Labelling(self.session.questions, self.session.file, self.session.annotator)
        return f"{count} labels taken in."

    def figure(self) -> Figure:
        """Agreement with its intervals, as a picture for print."""
        made = plots.figure(7.0, 2.2)
        axes, rows = made.add_subplot(), [row for row in self.report if row["kappa"] is not None]
        for place, row in enumerate(rows[::-1]):
            axes.plot(
                [row["low"], row["high"]], [place, place], color=plots.ROLES["proxy"]["color"], linewidth=5, alpha=0.4
            )
            axes.plot(row["kappa"], place, **plots.style("proxy", "marker"))
        axes.set_yticks(range(len(rows)), [row["who"] for row in rows[::-1]])
        axes.axvline(0, color="#888888", linewidth=0.6)
        axes.set(xlabel="Cohen's kappa (0: chance, 1: perfect), 95 % interval", xlim=(-1, 1), title=self.alt())
        return made

    def alt(self) -> str:
        counts = self.session.counts
        return f"{sum(counts.values()) - counts['total']} of {counts['total']} pairs are decided"


def label(
    count: int = 50,
    *,
    file: Path | str | None = None,
    annotator: str | None = None,
    rules: Path | str = "my_guidelines.md",
    seed: int = 0,
    questions: Sequence[Question] | None = None,
    one_person: bool = False,
) -> "Label | Labelling":
    """The app on pairs of real film snippets, or, without widgets, the session to be answered by `decide("A")`.

    It goes on where the file ends. Close the notebook, kill the kernel, ask for more pairs: nothing is asked twice.

    Args:
      count: how many pairs.
      file: of the labels; None for `my_labels.jsonl` beside the notebook (or RLHF_LESSON_LABELS).
      annotator: name in the file; None for RLHF_LESSON_ANNOTATOR, else "me".
      rules: the learner's guidelines.
      seed: of the pairs: a class that compares its labels shares it.
      questions: pairs of your own, such as a policy's samples.
      one_person: closer pairs, see data/questions.py.
    """
    annotator = annotator or os.environ.get("RLHF_LESSON_ANNOTATOR") or "me"
    if questions is None:
        questions = film_questions(count, seed=seed, annotator=annotator, one_person=one_person)
    session = Labelling(questions, file, annotator)
    return Label(session, rules=rules) if look.widgets_wanted() else session
