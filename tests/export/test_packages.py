"""Packages of export/ point one way: each imports only what stands before it, so no two import each other."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "export"
ORDER = (
    "errors",
    "json_file",
    "tokenizer_file",
    "single_file_keys",
    "graphs",  # ONNX files; neither torch nor Triton
    "repository",  # Triton's folders and configs
    "families",  # what distinguishes checkpoints, in torch
    "checkpoints",
    "forecast",  # what an export will take
    "networks",  # checkpoints' networks, ready to be traced
    "engines",  # what Triton runs of a graph
    "lora",
    "distilled",  # a checkpoint becomes one of few steps
    "merge_origin",  # what a character was made of
    "parity",  # with torch
    "prompt_encoder",
    "progress_bars",
    "progress_lines",
    "model",  # a checkpoint becomes a model
    "bank_character",  # a LoRA becomes factors for its bank
    "character",  # a LoRA becomes a character of it
    "__main__",
)


def imports() -> Iterator[tuple[str, str]]:
    """(who, whom) of packages, and of modules that are in none."""
    for path in FOLDER.rglob("*.py"):
        who = path.relative_to(FOLDER).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("export."):
                yield who, node.module.split(".")[1]


def test_every_package_and_module_has_its_place() -> None:
    found = {path.name.removesuffix(".py") for path in FOLDER.iterdir() if not path.name.startswith("__")}
    assert found | {"__main__"} == set(ORDER)


@pytest.mark.parametrize("who", ORDER)
def test_imports_point_one_way(who: str) -> None:
    before = ORDER[: ORDER.index(who) + 1]
    assert {whom for importer, whom in imports() if importer == who} <= set(before)
