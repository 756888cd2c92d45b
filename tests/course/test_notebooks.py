"""Every chapter runs from top to bottom in a real kernel, unsolved and solved, and its files hold the lesson and nothing else."""

import ast
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell
from project import ROOT, SLOWER

from rlhf_lesson.course.specs import EXERCISES

UNSOLVED, SOLVED = (sorted((ROOT / kind).glob("*.ipynb")) for kind in ("notebooks", "solutions"))
NOTEBOOKS = [pytest.param(path, id=f"{path.parent.name}-{path.stem}") for path in (*UNSOLVED, *SOLVED)]
LONG = re.compile(r"trained_chain\(\)|smollm2\(\)")  # these train for a minute or two, or run a large model
TRAINED = [path.stem for path in SOLVED if LONG.search(path.read_text())]
# of the short chapters all solved, and the first one unsolved too; the others do the same so, with the library's functions
QUICK = [path for path in (*UNSOLVED[:1], *SOLVED) if path.stem not in TRAINED]
RUNS = [pytest.param(*p.values, id=p.id, marks=[pytest.mark.slow] * (p.values[0] not in QUICK)) for p in NOTEBOOKS]
# CPU seconds of one chapter at the quick preset: the reader takes about a minute of them, and chapter 10 runs PPO on a real model.
LONGEST = 360 * SLOWER
PLANS = {"an hour": 60, "ninety minutes": 90, "two hours": 120, "two and a half hours": 150, "three hours": 180}
MARK = re.compile(r"# exercise: (\w+)\n")
DRAWING = {"plots", "Picture", "figure", "axes", "left", "right", "panels", "plot", "legend", "suptitle", "colorbar"}
DRAWING |= {"imshow", "axhline", "axvline", "axvspan", "stairs", "errorbar", "set_title", "set_xticks", "set_yticks"}


def read(path):
    return nbformat.read(path, as_version=4)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def exercises(notebook):
    return [m[1] for cell in code(notebook) if (m := MARK.match(cell.source))]


def visible(notebook):
    """Code that a reader sees: what is neither folded nor an exercise's own cell."""
    return [c for c in code(notebook) if c.metadata.get("cellView") != "form" and not MARK.match(c.source)]


def drawing_lines(source):
    """(lines that touch axes, lines of code) of a cell; a statement that spans several lines counts as all of them."""
    text = re.sub(r"(?m)^( *)%.*", r"\1pass", source)
    lines = {i for i, line in enumerate(text.splitlines(), 1) if line.strip() and not line.lstrip().startswith("#")}
    touching = set()
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.stmt) or isinstance(node, ast.Import | ast.ImportFrom):
            continue
        last = node.body[0].lineno - 1 if hasattr(node, "body") else node.end_lineno  # of a loop only its head
        head = [child for field, child in ast.iter_fields(node) if field not in ("body", "orelse", "finalbody")]
        parts = [n for child in head for each in (child if isinstance(child, list) else [child])
                 if isinstance(each, ast.AST) for n in ast.walk(each)]  # fmt: skip
        if DRAWING & {getattr(n, "id", getattr(n, "attr", None)) for n in parts}:
            touching |= set(range(node.lineno, last + 1))
    return len(touching & lines), len(lines)


def prose(notebook):
    """The markdown without formulas, code and links, whose numbers are exact."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return re.sub(r"\$\$.*?\$\$|\$.*?\$|`.*?`|\]\(.*?\)", " ", text, flags=re.S)


class Images(HTMLParser):
    """The alt texts of an HTML's images."""

    def __init__(self, html):
        super().__init__()
        self.alts = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        if tag == "img":
            self.alts.append(dict(attributes).get("alt", ""))


def printed(cell, stream):
    return "".join(o.text for o in cell.outputs if o.output_type == "stream" and o.name == stream)


def report(notebook):
    """What went wrong or to stderr, by cell: what pytest shows when a chapter fails."""
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        errors = [f"{o.ename}: {o.evalue}" for o in cell.outputs if o.output_type == "error"]
        for words in filter(None, [*errors, printed(cell, "stderr")]):
            yield f"cell {number} ({cell.source.splitlines()[0][:60]}): {words}"


def check_figures(notebook):
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            assert "image/png" not in data, f"cell {number}: end it with Picture(figure, alt), so that it has words too"
            for alt in Images(data.get("text/html", "")).alts:
                assert len(alt.split()) >= 5, f"cell {number}: an image without words"


@pytest.mark.parametrize("path", RUNS)
def test_a_chapter_runs_from_top_to_bottom(path, tmp_path, monkeypatch):
    monkeypatch.setenv("RLHF_SCALE", "quick")
    monkeypatch.setenv("RLHF_LESSON_PROGRESS", str(tmp_path / "progress.json"))
    solved, notebook = path.parent.name == "solutions", read(path)
    notebook.cells.append(new_code_cell("import time; print(time.process_time())"))
    client = NotebookClient(notebook, timeout=1200, allow_errors=True, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    seconds, lines = float(printed(notebook.cells.pop(), "stdout")), list(report(notebook))
    print(*lines, f"{seconds:.0f} CPU-s", sep="\n")
    assert not any(o.output_type == "error" for cell in code(notebook) for o in cell.outputs), "\n".join(lines)
    verdicts = {name: "right" if solved else "not attempted" for name in exercises(notebook)}
    said = "\n".join(o.data.get("text/plain", "") for c in code(notebook) for o in c.outputs if "data" in o)
    for name, state in verdicts.items():
        assert f"{name}: {state}" in said
    used = "\n".join(printed(cell, "stdout") for cell in code(notebook))
    for name in verdicts:
        assert f"{name}: {'your function' if solved else 'the library'}" in used, (
            f"{name} drives nothing: use yours(...)"
        )
    check_figures(notebook)
    assert seconds < LONGEST


@pytest.mark.parametrize("path", NOTEBOOKS)
def test_a_chapter_renders_as_html_with_every_heading_and_formulas_that_github_reads(path):
    notebook = read(path)
    nbformat.validate(notebook)
    html, _ = HTMLExporter().from_notebook_node(notebook)
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    prose = re.sub(r"```.*?```|`[^`]*`", "", prose, flags=re.S)
    assert len(re.findall(r"<h[1-6] id=", html)) == len(re.findall(r"^#{1,6} ", prose, flags=re.M))
    inline = re.findall(r"\$([^$]+)\$", re.sub(r"\$\$[^$]+\$\$", "", prose))
    assert all(formula == formula.strip() for formula in inline), "GitHub shows `$ x $` as it stands"
    assert prose.count("$") == 2 * (len(inline) + 2 * len(re.findall(r"\$\$[^$]+\$\$", prose))), "a formula has no end"


@pytest.mark.parametrize("path", NOTEBOOKS)
def test_a_file_holds_no_results_and_no_marks_of_its_making(path):
    notebook = read(path)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3" and "widgets" not in notebook.metadata
    assert not any(cell.outputs or cell.execution_count for cell in code(notebook))
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids) and all(re.fullmatch(r"[0-9a-f]{8}-\d+", i) for i in ids)
    assert not any({"exercise", "setup"} & set(cell.metadata.get("tags", [])) for cell in notebook.cells)
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"BEGIN SOLUTION|END SOLUTION|# %%|YOUR CODE|TODO", text)


@pytest.mark.parametrize("path", NOTEBOOKS)
def test_a_chapter_has_what_every_chapter_has(path):
    notebook = read(path)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    parts = ("**Goal.**", "**Time.**", "**Measured here.**", "**Predict, then run.**", "Pitfall", "What it measured")
    for part in (*parts, "What a framework would do for you here", "Mini-challenge", "## Sources", "$$"):
        assert part in text, f"{part} is missing"
    assert sum(f'rl.setup("{path.stem}")' in cell.source for cell in code(notebook)) == 1
    assert not re.search(r"!\[\]\(", text), "an image without alt text"
    assert not re.search(r"\$[^$\n]*<[A-Za-z]", text), (
        r"write \lt in formulas: some pages take < for the start of a tag"
    )


@pytest.mark.parametrize("path", UNSOLVED, ids=lambda p: p.stem)
def test_the_time_to_plan_is_what_words_code_and_exercises_take(path):
    """200 words and 20 lines of code a minute, and the minutes of each exercise; then up to an hour to try things out."""
    notebook = read(path)
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    words, lines = len(re.findall(r"\w+", " ".join(cells))), sum(len(c.source.splitlines()) for c in code(notebook))
    takes = words / 200 + lines / 20 + sum(EXERCISES[name].minutes for name in exercises(notebook))
    said, other = re.search(
        r"\*\*Time\.\*\* Plan ([a-z ]+?)(, half an hour of it for labelling)?[.;]", cells[0]
    ).groups()
    assert re.search(rf"(?m)^\| {path.stem[:2]} \| .* \| {said} \|$", (ROOT / "README.md").read_text())
    assert takes + 30 * bool(other) <= PLANS[said] <= takes + 30 * bool(other) + 60


@pytest.mark.parametrize("path", NOTEBOOKS)
def test_cells_are_short_and_plain_python(path):
    for cell in code(read(path)):
        if MARK.match(cell.source):
            continue
        assert len(cell.source.splitlines()) <= 25, f"split this cell: {cell.source[:80]}"
        assert not re.search(r"pip install.*(-U|--upgrade|jax\[|flax|ipywidgets)", cell.source)
        assert not re.search(r"\.hist\(.*(\*\*|linestyle)", cell.source), (
            "use axes.stairs: matplotlib 3.10.0, which Colab has, reads a dash of numbers as a list of dashes"
        )
        assert "plt.show" not in cell.source and "pyplot" not in cell.source


def test_a_line_that_draws_is_counted_with_all_of_its_lines():
    assert drawing_lines("x = 1\n# plots\n\nplots.lines(\n    x,\n    y,\n)") == (4, 5)
    assert drawing_lines("for axes in x:\n    y = 1\n    axes.plot(y)\n%pip install z") == (2, 4)


@pytest.mark.parametrize("path", UNSOLVED, ids=lambda p: p.stem)
def test_at_most_a_tenth_of_the_code_that_a_reader_sees_draws(path):
    notebook = read(path)
    drawing, lines = (sum(counts) for counts in zip(*(drawing_lines(c.source) for c in visible(notebook)), strict=True))
    figures = [c.source.splitlines()[0] for c in visible(notebook) if re.search(r"\bPicture\(", c.source)]
    assert not figures, f"tag these cells figure, and compute in a cell before: {figures}"
    assert drawing <= 0.1 * lines, (
        f"{drawing} of {lines} lines that a reader sees touch axes: move them into figure cells"
    )


@pytest.mark.parametrize("path", NOTEBOOKS)
def test_prose_states_no_measured_number(path):
    found = re.findall(r".{0,30}\b\d+(?:\.\d+\b|\s?%|,\d{3}).{0,20}", prose(read(path)))
    assert not found, f"print it from a results file or from this run instead: {found}"


@pytest.mark.parametrize("path", SOLVED, ids=lambda p: p.stem)
def test_a_chapter_gives_no_new_meaning_to_a_name_that_an_answer_uses(path):
    """A learner's function looks its imports up in the notebook, cells later."""
    trees = [
        (MARK.match(cell.source), ast.parse(re.sub(r"(?m)^( *)%.*", r"\1pass", cell.source)))
        for cell in code(read(path))
    ]
    used = {a.asname or a.name for mark, tree in trees if mark for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
            for a in node.names}  # fmt: skip
    bound = {node.id for mark, tree in trees if not mark for top in tree.body if not isinstance(top, ast.FunctionDef)
             for node in ast.walk(top) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}  # fmt: skip
    assert not used & (bound - set(exercises(read(path))))


@pytest.mark.parametrize("path", UNSOLVED, ids=lambda p: p.stem)
def test_stubs_have_no_body_and_solutions_have_one(path):
    pair = read(path), read(ROOT / "solutions" / path.name)
    assert exercises(pair[0]) == exercises(pair[1])
    for stub, whole in zip(*(map(code, pair)), strict=True):
        if MARK.match(stub.source):
            left, right = (ast.parse(cell.source).body[-1] for cell in (stub, whole))
            assert [type(node) for node in left.body] == [ast.Expr, ast.Raise]
            assert ast.get_docstring(left) == ast.get_docstring(right) and len(right.body) > 1
            assert ast.dump(left.args) == ast.dump(right.args)
        else:
            assert stub.source == whole.source


@pytest.mark.parametrize("kind, outcome", [("exercises", "skipped"), ("solutions", "passed")])
def test_modules_are_checked_by_pytest_in_their_own_folder(tmp_path, monkeypatch, kind, outcome):
    monkeypatch.setenv("RLHF_LESSON_PROGRESS", str(tmp_path / "progress.json"))
    for path in (*(ROOT / "exercises").glob("*.*"), *(ROOT / kind).glob("chapter_*.py")):
        shutil.copy(path, tmp_path)
    done = subprocess.run([sys.executable, "-m", "pytest", str(tmp_path)], capture_output=True, text=True)
    count = sum(len(exercises(read(path))) for path in UNSOLVED)
    assert f"{count} {outcome}" in done.stdout, done.stdout[-3000:]
    assert "not the judge" in done.stdout and done.returncode == 0
    assert ("not attempted" in done.stdout) == (kind == "exercises")
