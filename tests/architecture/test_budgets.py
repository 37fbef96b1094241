"""Short functions, short files; no net under everything."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.architecture.sources import PACKAGES, ROOT, python_files, tracked_files, tree_of

CATCHES_EVERYTHING = Path("botplatform/crashes.py")  # logs it, and tells people
FUNCTION_LINES, FILE_LINES, TEMPLATE_LINES, COMMAND_LINES = 50, 400, 80, 60
PRODUCT = (*PACKAGES, "demo")


def lines(path: Path) -> int:
    return len((ROOT / path).read_text().splitlines())


def test_functions() -> None:
    too_long = [
        f"{path}:{node.lineno} {node.name}: {length}"
        for path in python_files(*PRODUCT, "tests", "bench")
        for node in ast.walk(tree_of(path))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES
    ]
    assert too_long == []


def test_files() -> None:
    files = python_files(*PRODUCT, "tests", "bench")
    assert [f"{path}: {lines(path)}" for path in files if lines(path) > FILE_LINES] == []


def acting_lines(path: Path) -> int:
    """The lines of a command that act: no imports, texts, declared options or blank lines."""
    still: set[int] = set()
    for node in ast.walk(tree_of(path)):
        declares = isinstance(node, ast.FunctionDef) and node.name == "add_arguments"
        texts = isinstance(node, (ast.Expr, ast.Assign)) and isinstance(node.value, ast.Constant)
        if declares or texts or isinstance(node, (ast.Import, ast.ImportFrom)):
            still |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))  # type: ignore[attr-defined]
    source = (ROOT / path).read_text().splitlines()
    return len([line for number, line in enumerate(source, 1) if line.strip() and number not in still])


def test_commands() -> None:
    files = [path for path in python_files(*PRODUCT) if path.parent.name == "commands"]
    assert files
    assert [f"{path}: {count}" for path in files if (count := acting_lines(path)) > COMMAND_LINES] == []


def test_templates() -> None:
    files = [path.relative_to(ROOT) for path in tracked_files() if path.suffix == ".html"]
    assert files
    assert [f"{path}: {lines(path)}" for path in files if lines(path) > TEMPLATE_LINES] == []


def test_no_bare_except() -> None:
    bare = [
        f"{path}:{node.lineno}"
        for path in python_files(*PRODUCT)
        if path != CATCHES_EVERYTHING
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ExceptHandler)
        and (
            node.type is None
            or {"Exception", "BaseException"} & {n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)}
        )
    ]
    assert bare == []
