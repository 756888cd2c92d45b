"""An import may only point down: the package's layers, read from its own import statements."""

import ast
from pathlib import Path

import pytest

import rlhf_lesson

LAYERS = {
    "ground": "arrays logprobs kl rewards advantages losses bradley_terry agreement",
    "parts": "model generate batches comparisons tokenizer feedback formats chats prompts pretrained checkpoint"
    " film_grammar film_reviews judge labels label_agreement raters selection",
    "loops": "pretrain train_lm train_sft train_reward train_ppo train_reinforce train_dpo train_grpo"
    " rollout evaluate best_of_n diagnose runs overoptimisation iterate gallery pool",
    "view": "plots report",
    "face": "__main__ commands course exercise specs progress checks setup widgets page grading demo",
}
RANK = {name: rank for rank, names in enumerate(LAYERS.values()) for name in names.split()}
ROOT = Path(rlhf_lesson.__file__).parent
FILES = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def imported(file):
    """Every module that a file names in an import, at any depth, as 'package.module'."""
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: write imports in full, without leading dots"
            within = node.module == "rlhf_lesson"
            yield from (f"rlhf_lesson.{a.name}" for a in node.names) if within else [node.module]


@pytest.mark.parametrize("file", FILES, ids=str)
def test_imports_only_point_down(file):
    name = file.parts[0].removesuffix(".py")
    assert name in RANK, f"{name} has no layer: give it one in {Path(__file__).name}"
    for module in imported(file):
        package, _, rest = module.partition(".")
        if package == "rlhf_lesson":
            target = rest.split(".")[0]
            assert target in RANK, f"{file} imports {target}, which has no layer: give it one"
            assert RANK[target] <= RANK[name], f"{file} imports {target}, from a layer above its own"
        elif RANK[name] == 0:
            allowed = {"jax", "jaxtyping", "collections"}
            assert package in allowed, f"{file} is ground: jax and jaxtyping only, not {package}"
            assert module != "jax.random", f"{file} is ground: no randomness"
    if RANK[name] == 0:
        assert "jax.random" not in (ROOT / file).read_text(), f"{file} is ground: no randomness"
