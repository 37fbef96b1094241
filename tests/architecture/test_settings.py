"""`docs/settings.md` lists every environment variable that the product reads, and no other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.architecture.sources import PACKAGES, ROOT, python_files, tree_of

SETTINGS = Path("botplatform/settings.py")
OTHER_SECTION = "## Only for `make run`"  # read by scripts/serve, not by the product
ENTRY_POINTS = {Path("botplatform/wsgi.py"), Path("botplatform/command_line.py")}  # name the settings module


def read_by_the_product() -> set[str]:
    """The first arguments of `env.str(…)`, `env.bool(…)` and so on."""
    return {
        str(node.args[0].value)
        for node in ast.walk(tree_of(SETTINGS))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "env"
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }


def documented() -> set[str]:
    text = (ROOT / "docs/settings.md").read_text().split(OTHER_SECTION)[0]
    return set(re.findall(r"^\| `([A-Z0-9_]+)` \|", text, re.MULTILINE))


def test_the_page_lists_what_is_read() -> None:
    assert documented() == read_by_the_product()


def test_only_the_settings_read_the_environment() -> None:
    found = [
        f"{path}:{node.lineno}"
        for path in python_files(*PACKAGES)
        if path != SETTINGS and path not in ENTRY_POINTS
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {"os.environ", "os.getenv"}
    ]
    assert found == []
