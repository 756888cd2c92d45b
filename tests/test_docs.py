"""What is generated in docs/ and README is up to date, what they name exists, and every cited row of the checklist is there."""

import ast
import importlib
import re

import pytest
from project import ROOT, script

from rlhf_lesson.wings import ORDER, wing

checklist, api, architecture = (script(f"tools/{name}.py") for name in ("checklist", "api", "architecture"))
RANK = {name: rank for rank, name in enumerate(ORDER)}
STALE = "out of date: run `make docs`"


def sources():
    """Every file of the package, the tests and the chapters that may cite a row."""
    for folder in ("rlhf_lesson", "tests", "chapters"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path, path.read_text(encoding="utf-8")


# ---- the checklist -------------------------------------------------------------------------------


def test_the_checklist_is_what_the_tests_and_its_words_give():
    assert checklist.DOC.read_text(encoding="utf-8") == checklist.document(), STALE


def test_every_row_that_is_cited_anywhere_exists():
    rows = checklist.rows()
    assert list(rows) == list(range(1, len(rows) + 1))
    cited = {(path.name, number) for path, text in sources() for number in checklist.numbers(text)}
    assert len({number for _, number in cited}) > 30
    assert not {(name, number) for name, number in cited if number not in rows}


def test_a_docstring_of_the_package_that_cites_a_row_says_where_it_stands():
    for path, text in sources():
        if "rlhf_lesson" in path.parts and re.search(r"\(.*\brows? \d+[^\"\]]*\)", text):
            assert "docs/checklist.md" in text, path


def test_every_test_that_the_checklist_names_exists_and_every_planted_bug_stands_in_it():
    planted, rows, page = checklist.planted(), checklist.rows(), checklist.DOC.read_text(encoding="utf-8")
    for number, row in rows.items():
        assert planted.get(number) or row.get("tests") or "no test can" in row["seen_by"], number
        for test in row.get("tests", []):
            path, _, name = test.partition("::")
            functions = [n.name for n in ast.parse((ROOT / path).read_text()).body if isinstance(n, ast.FunctionDef)]
            assert name in functions, test
    ids = re.findall(r'"row \d+: (.*?)"', (ROOT / "tests" / "train" / "test_planted_bugs.py").read_text())
    assert len(ids) > 20 and all(f"*{words}*" in page for words in ids)


@pytest.mark.parametrize(
    "text, rows",
    [
        ("(row 3)", {3}),
        ("rows 2, 3 and 10", {2, 3, 10}),
        ("rows 4, 5, 11, 13 to 16", {4, 5, 11, 13, 14, 15, 16}),
        ("def test_rows_14_15_and_17_what_counts():", {14, 15, 17}),
        ("def test_row_3_of_two_is_4():", {3}),
        ("rows and columns, arrows 5", set()),
    ],
)
def test_a_citation_is_read_as_people_write_it(text, rows):
    assert checklist.numbers(text) == rows


# ---- the API page --------------------------------------------------------------------------------


def test_the_api_page_is_what_the_docstrings_give():
    assert api.DOC.read_text(encoding="utf-8") == api.document(), STALE


def test_the_api_page_has_every_equation_with_its_arguments_and_closes_every_block():
    page = api.DOC.read_text(encoding="utf-8")
    assert all(f"### {name}.{public}\n" in page for name in api.modules() for public in api.public_names(name))
    assert page.count("```") % 2 == 0
    gae = page.partition("### advantages.gae\n")[2].partition("\n### ")[0]
    assert "delta_t = r_t + discount * V_{t+1} - V_t\nA_t     = delta_t" in gae
    assert "- `lam`: in [0, 1]" in gae and "**Returns:**" in gae and "**Source:**" in gae


# ---- architecture --------------------------------------------------------------------------------


def test_the_architecture_page_and_its_picture_are_what_the_imports_give():
    page = architecture.PAGE.read_text(encoding="utf-8")
    assert page == architecture.page(page), STALE
    assert architecture.PICTURE.read_text(encoding="utf-8") == architecture.picture(), STALE


def test_the_walk_passes_real_functions_and_never_turns_back_to_an_earlier_wing():
    ranks = []
    for step, words in architecture.WALK:
        module, _, function = step.partition(":")
        assert callable(getattr(importlib.import_module(f"rlhf_lesson.{module}"), function)) and words
        ranks.append(RANK[wing(f"rlhf_lesson.{module}")])
    assert ranks == sorted(ranks)


def test_the_picture_counts_imports_of_earlier_wings_only():
    counts = architecture.import_counts()
    assert counts["train", "models"] > 3
    assert all(RANK[used] < RANK[user] for user, used in counts)


# ---- words that name files -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CHANGELOG.md",
        "docs/architecture.md",
        "docs/api.md",
        "docs/checklist.md",
    ],
)
def test_every_link_to_a_file_leads_to_one(name):
    page = ROOT / name
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert all((page.parent / link).exists() for link in links), links


def test_every_file_of_the_package_stands_in_readmes_tree():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    tree = readme.partition("<!-- tree")[2].partition("<!-- end of tree")[0]
    named = re.findall(r"^    (\S+\.py) ", tree, re.MULTILINE)
    package = ROOT / "rlhf_lesson"
    files = {path.relative_to(package).as_posix() for path in package.rglob("*.py") if path.stem != "__init__"}
    assert sorted(named) == sorted(file for file in files if not file.startswith("course/specs/"))
    assert all(len(line) <= 100 for line in tree.splitlines())


def test_every_path_and_make_word_of_the_contributors_page_exists():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    text = text.replace("tests/course/test_specs.py -k NAME", "")
    invented = re.compile(r"NAME|MODULE|NN_|perplexity")
    paths = re.findall(r"\b((?:rlhf_lesson|tests|tools|docs|chapters|benchmarks)/[\w/.]*\w/?)", text)
    missing = {path for path in paths if not invented.search(path) and not (ROOT / path).exists()}
    assert len(paths) > 30 and not missing, missing
    targets = re.findall(r"^([a-z -]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    words = {word for line in targets for word in line.split()}
    assert set(re.findall(r"`?\bmake ([a-z-]+)`", text)) <= words


def test_make_help_names_every_word():
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split()
    explained = re.findall(r"^([a-z -]+):.*## \S", makefile, re.MULTILINE)
    assert sorted(word for line in explained for word in line.split()) == sorted(phony)
