"""Copies what README shows of a demo into docs/: its figure, its numbers, and the first prompts with their texts.

make demo && python tools/demo_picture.py demo && python tools/sync_readme.py
"""

import json
import sys
from pathlib import Path

from rlhf_lesson.view import plots
from rlhf_lesson.view.report import STRIP

DOCS = Path(__file__).resolve().parent.parent / "docs"


def main(folder: Path) -> None:
    """Writes docs/demo.json and docs/demo.png.

    Args:
      folder: what `python -m rlhf_lesson demo --out` made.
    """
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    lines = (folder / "samples.jsonl").read_text(encoding="utf-8").splitlines()[:STRIP]
    metrics["samples"] = [json.loads(line) for line in lines]
    (DOCS / "demo.json").write_text(json.dumps(metrics, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    figure = plots.two_runs_figure(metrics["path"], metrics["free_path"], metrics["bestofn"])
    figure.savefig(DOCS / "demo.png", dpi=150)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
