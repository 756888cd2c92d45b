"""Writes docs/architecture.svg, and the two tables of docs/architecture.md, from the package's own import statements.

The picture is plain SVG text, so that it is the same on every machine and a test can compare it: `python tools/architecture.py`.
"""

import ast
from collections import Counter
from html import escape
from pathlib import Path

from rlhf_lesson.wings import ORDER, wing

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "architecture.md"
PICTURE = ROOT / "docs" / "architecture.svg"
END = "<!-- end -->"
FRONT = {
    "rlhf_lesson",
    "rlhf_lesson.__main__",
    "rlhf_lesson.commands",
    "rlhf_lesson.policy_commands",
}  # the command line may import everything
RANK = {name: rank for rank, name in enumerate(ORDER)}

WALK = (  # from one person's rating to PPO's policy: (module:function, what leaves it); no step goes back to an earlier wing
    ("data.feedback:load", "sentences, each with the ratings that twenty people gave it"),
    ("data.feedback:pairs", "records of two texts: which one a rater preferred"),
    ("data.examples:to_comparisons", "comparisons: prompt and both responses as token ids"),
    ("data.batches:pad", "padded rows of only a few shapes, and their mask"),
    ("train.reward_model:train", "a reward model: one score per response"),
    ("train.reward_model:normalised", "the same, with mean 0 and spread 1 on the reference's samples"),
    ("train.rollout:collect", "responses with log-probs, values and scores"),
    ("train.ppo:experience", "rewards per token, advantages and returns"),
    ("train.ppo:update", "the next policy"),
    ("study.evaluate:sample", "responses of both policies with all scores, for the report"),
)

WIDTH = 1040
TOP = 56
LEFT = 20
STEP = 52  # from one wing's row to the next
BOX = (96, 34)  # width and height of a wing's box
STYLE = """
  text { font: 14px system-ui, sans-serif; fill: #1f2328; }
  .small { font-size: 12.5px; fill: #57606a; }
  .title { font-size: 16px; font-weight: 600; }
  .wing { fill: #ddf4ff; stroke: #0550ae; }
  .count { fill: #ffffff; stroke: #8c959f; }
  .line { stroke: #8c959f; fill: none; }
  .walk { stroke: #bc4c00; stroke-width: 2.5; fill: none; }
  .step { fill: #bc4c00; }
  .page { fill: #ffffff; }
"""


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    paths = sorted((ROOT / "rlhf_lesson").rglob("*.py"))
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in paths]
    return dict(zip(names, paths, strict=True))


def import_counts() -> Counter:
    """(importing wing, imported wing) -> number of such imports in the package, without those of the command line."""
    known, counts = modules(), Counter()
    for name, path in known.items():
        if name in FRONT:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            targets = set()
            if isinstance(node, ast.Import):
                targets = {alias.name for alias in node.names if alias.name in known}
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rlhf_lesson"):
                whole = {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
                targets = {target if target in known else node.module for target in whole.values()}
            for other in {wing(target) for target in targets} - {wing(name)}:
                counts[wing(name), other] += 1
    return counts


def title(name: str) -> str:
    return name or "equations"


def text(x: float, y: float, words: str, style: str = "", anchor: str = "start") -> str:
    kind = f' class="{style}"' if style else ""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{kind}>{escape(words)}</text>'


def wings_part() -> list[str]:
    """The wings as boxes on a diagonal; the number below a box and left of another counts the imports between the two."""
    out = [
        text(LEFT, 28, "Wings: a number counts how often the wing on its right imports from the wing above it", "title")
    ]
    counts = import_counts()
    half_width, half_height = BOX[0] / 2, BOX[1] / 2
    place = {n: (LEFT + half_width + r * 106, TOP + half_height + r * STEP) for n, r in RANK.items()}
    for column, (x, y) in place.items():
        users = [row for row in ORDER if counts[row, column]]
        if users:
            out.append(
                f'<path class="line" marker-end="url(#tip)" d="M{x:g} {place[users[-1]][1]:g}V{y + half_height + 3:g}"/>'
            )
    for row, (x, y) in place.items():
        used = [column for column in ORDER if counts[row, column]]
        if used:
            out.append(f'<path class="line" d="M{x - half_width:g} {y:g}H{place[used[0]][0]:g}"/>')
    for (row, column), count in sorted(counts.items()):
        x, y = place[column][0], place[row][1]
        out.append(
            f'<circle class="count" cx="{x:g}" cy="{y:g}" r="13"/>' + text(x, y + 5, str(count), anchor="middle")
        )
    for name, (x, y) in place.items():
        corner = f'x="{x - half_width:g}" y="{y - half_height:g}" width="{BOX[0]}" height="{BOX[1]}" rx="6"'
        out.append(f'<rect class="wing" {corner}/>' + text(x, y + 5, title(name), anchor="middle"))
    return out


def walk_part(top: float) -> list[str]:
    """The walk as one line, downwards and to the right: one column per wing, one row per step."""
    out = [text(LEFT, top, "From a rating to the measured policy: the line never turns back", "title")]
    wings = [name for name in ORDER if name in {wing(f"rlhf_lesson.{step.partition(':')[0]}") for step, _ in WALK}]
    columns = {name: LEFT + 40 + 110 * column for column, name in enumerate(wings)}
    places = []
    for name, x in columns.items():
        out.append(text(x, top + 32, title(name), anchor="middle"))
    for row, (step, _) in enumerate(WALK):
        places.append((columns[wing(f"rlhf_lesson.{step.partition(':')[0]}")], top + 54 + 32 * row))
    out.append('<path class="walk" d="M' + "L".join(f"{x:g} {y:g}" for x, y in places) + '"/>')
    right = max(columns.values()) + 30
    for (x, y), (step, words) in zip(places, WALK, strict=True):
        out.append(f'<circle class="step" cx="{x:g}" cy="{y:g}" r="5"/>')
        out.append(text(right, y + 5, step.replace(":", ".")) + text(right + 240, y + 5, words, "small"))
    return out


def picture() -> str:
    """The whole picture."""
    below = TOP + STEP * len(ORDER) + 44
    height = below + 54 + 32 * len(WALK)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        "<title>The wings in their order with their imports, and the walk from a rating to a measured policy</title>",
        f"<style>{STYLE}</style>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#8c959f"/></marker></defs>',
        f'<rect class="page" width="{WIDTH}" height="{height}"/>',
    ]
    return "\n".join([*parts, *wings_part(), *walk_part(below), "</svg>"]) + "\n"


def order_table() -> str:
    """The wings in their order, with the number of their modules and their contents."""
    count = Counter(wing(name) for name, path in modules().items() if name not in FRONT and path.stem != "__init__")
    lines = ["| | wing | modules | contents |", "| --- | --- | --- | --- |"]
    for rank, (name, words) in enumerate(ORDER.items()):
        where = f"[{name}/](../rlhf_lesson/{name})" if name else "[the root](../rlhf_lesson)"
        lines.append(f"| {rank} | {where} | {count[name]} | {words} |")
    return "\n".join(lines)


def walk_table() -> str:
    """The walk's steps, each with a link to its file."""
    lines = ["| | function | what it returns |", "| --- | --- | --- |"]
    for number, (step, words) in enumerate(WALK, 1):
        module, _, function = step.partition(":")
        lines.append(f"| {number} | [{module}.{function}](../rlhf_lesson/{module.replace('.', '/')}.py) | {words} |")
    return "\n".join(lines)


def page(current: str) -> str:
    """The page's text with both tables in their places."""
    for name, table in (("order", order_table()), ("walk", walk_table())):
        begin = f"<!-- {name}: tools/architecture.py -->"
        before, rest = current.split(begin)
        current = f"{before}{begin}\n{table}\n{END}{rest.split(END, 1)[1]}"
    return current


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    PICTURE.write_text(picture(), encoding="utf-8")
