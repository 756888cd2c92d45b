"""A class of 40 as four platforms hand it over, with 92 right answers in the forms that people give them: none loses a point.

Beside them the published solutions, which are full in every chapter, and an untouched copy of the repository, which has nothing.
"""

import json
import re
from itertools import cycle

import pytest
from project import ROOT

from grading.class_of_two import KEY, notebook
from grading.handed_forms import ANSWERS, FORMS
from grading.packed import tarred, zipped
from grading.single_forms import SINGLE
from rlhf_lesson.course.specs import EXERCISES
from rlhf_lesson.grading import run

pytestmark = pytest.mark.slow

ALONE = {  # forms of one hand-in with several files, or with a file whose name counts: nothing else is beside them
    *(f for f in FORMS if any(word in f for word in ("import", "from", "another notebook", "in a file that sorts"))),
    *(f for f in SINGLE if any(word in f for word in ("import", "module"))),
}
STUDENTS = 38
META = "submission_{0}:\n  :submitters:\n  - :name: {1}\n    :sid: '{0}'\n    :email: {0}@school.org\n"


def right_forms():
    """92 pairs (exercise, files): each form of handed_forms.py with two answers or more, and each of single_forms.py."""
    found = [(form, name, files) for form, (name, files) in SINGLE.items()]
    answers = cycle(ANSWERS)
    for form in [*FORMS, *FORMS, *FORMS][: 92 - len(found)]:
        answer = next(answers)
        found.append((form, answer.name, FORMS[form](answer)))
    return found


def dealt():
    """The 92 forms on 38 students: [(form, exercise, files)] of each, no exercise twice."""
    hands = [[] for _ in range(STUDENTS)]
    forms = sorted(right_forms(), key=lambda form: form[0] not in ALONE)
    for form, name, files in forms:
        free = [h for h in hands if name not in [n for _, n, _ in h] and not (h and form in ALONE)]
        min(free, key=len).append((form, name, files))
    return hands


def written(hand):
    """A student's files: each form in its own folder."""
    texts = {}
    for n, (_, _, files) in enumerate(hand):
        for path, content in files.items():
            texts[f"week{n}/{path}"] = content if isinstance(content, str) else notebook(*content)
    return texts


def name_of(i):
    return f"Student {chr(65 + i % 26)}{i}"


def canvas(i, texts):
    """A week's only file comes as it is, several in an archive."""
    found, late = {}, "LATE_" if i % 3 == 0 else ""
    for week in sorted({path.split("/")[0] for path in texts}):
        files = {path.split("/", 1)[1]: text for path, text in texts.items() if path.startswith(f"{week}/")}
        handed = f"student{i}_{late}{i}_{500 + len(found)}_"
        name, text = next(iter(files.items()))
        found |= {f"{handed}{name}": text} if len(files) == 1 else {f"{handed}{week}.zip": zipped(files)}
    return found


def moodle(i, texts):
    return {f"{name_of(i)}_{i}_assignsubmission_file_/{path}": text for path, text in texts.items()}


def gradescope(i, texts):
    return {f"assignment_9_export/submission_{i}/{path}": text for path, text in texts.items()}


def by_hand(i, texts):
    if i // 4 % 2:
        return {f"student{i}.tar.gz": tarred(texts)}
    endings = {path: path.replace(".ipynb", ".IPYNB" if i // 8 % 2 else ".ipynb.txt") for path in texts}
    return {f"student{i}/{endings[path]}": text.encode("utf-16") for path, text in texts.items()}


EXPORTS = {"canvas": canvas, "moodle": moodle, "gradescope": gradescope, "by hand": by_hand}
CLONE = "chapters docs exercises notebooks rlhf_lesson solutions".split()


def repository(folders):
    """Notebooks and modules of this repository."""
    found = [p for folder in folders for p in sorted((ROOT / folder).rglob("*")) if p.suffix in (".py", ".ipynb")]
    return {p.relative_to(ROOT).as_posix(): p.read_text() for p in found if ".ipynb_checkpoints" not in p.parts}


def marked(folder, out):
    assert run.grade(folder, out, KEY, EXERCISES, progress=False) == 0
    results = [json.loads(path.read_text()) for path in (out / "results").iterdir()]
    return {result["student"]: result for result in results}


def lost(result, hand):
    marks = {mark["exercise"]: mark for mark in result["exercises"]}
    assert result["points"] == pytest.approx(sum(mark["points"] for mark in marks.values()))
    return [
        (form, name, marks[name]["kind"], marks[name]["message"])
        for form, name, _ in hand
        if marks[name]["points"] != marks[name]["out_of"]
    ]


def test_there_are_92_forms_on_38_students():
    hands = dealt()
    assert (
        sum(map(len, hands)) == 92
        and min(map(len, hands)) >= 1
        and len({form for h in hands for form, _, _ in h}) == 52
    )


@pytest.mark.parametrize("export", EXPORTS)
def test_no_right_form_loses_a_point_in_a_real_export(export, tmp_path):
    """A quarter of the class in each export, as a folder or as one archive."""
    number = list(EXPORTS).index(export)
    hands = {i: hand for i, hand in enumerate(dealt()) if i % len(EXPORTS) == number}
    entries = {}
    for i, hand in hands.items():
        entries |= EXPORTS[export](i, written(hand))
    if export == "gradescope":
        meta = "---\n" + "".join(META.format(i, name_of(i)) for i in hands)
        entries["assignment_9_export/submission_metadata.yml"] = meta
    if number % 2:
        where = tmp_path / "class.zip"
        where.write_bytes(zipped(entries))
    else:
        where = tmp_path / "class"
        for path, data in entries.items():
            (where / path).parent.mkdir(parents=True, exist_ok=True)
            (where / path).write_bytes(data if isinstance(data, bytes) else data.encode())
    results = {int(re.search(r"\d+$", who)[0]): result for who, result in marked(where, tmp_path / "out").items()}
    assert set(results) == set(hands)
    missed = {i: lost(results[i], hands[i]) for i in hands}
    assert not any(missed.values()), missed


def test_the_solutions_are_full_and_an_untouched_copy_of_the_repository_has_nothing(tmp_path):
    ann, bob, eve = tmp_path / "class/ann", tmp_path / "class/bob", tmp_path / "class/eve"
    solutions = repository(["solutions"])
    for who, files in {
        ann: {path: text for path, text in solutions.items() if path.endswith(".ipynb")},
        bob: {path: text for path, text in solutions.items() if path.endswith(".py")},
        eve: repository(CLONE),
    }.items():
        for path, text in files.items():
            (who / path).parent.mkdir(parents=True, exist_ok=True)
            (who / path).write_text(text)
    results = marked(tmp_path / "class", tmp_path / "out")
    whole = sum(exercise.points for exercise in EXERCISES.values())
    short = {who: lost(results[who], [("", name, None) for name in EXERCISES]) for who in ("ann", "bob")}
    assert not any(short.values()), short
    assert {who: result["points"] for who, result in results.items()} == {"ann": whole, "bob": whole, "eve": 0}
