"""The product's files, read and parsed once."""

from __future__ import annotations

import ast
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("botplatform", "certificates", "servicenodes")
LEFT_OUT = {".git", ".venv", "var", "node_modules", "__pycache__"}


@cache
def tracked_files() -> tuple[Path, ...]:
    """What belongs to the project: what git knows, or all files where there is no git."""
    if (ROOT / ".git").exists():
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
        paths = [ROOT / name for name in listed.decode().split("\0") if name]
    else:
        paths = [path for path in ROOT.rglob("*") if not LEFT_OUT & set(path.relative_to(ROOT).parts)]
    return tuple(sorted(path for path in paths if path.is_file()))


def python_files(*folders: str) -> list[Path]:
    """Python files below the folders, relative to the project; migrations are generated and left out."""
    return [
        path.relative_to(ROOT)
        for path in tracked_files()
        if path.suffix == ".py"
        and path.relative_to(ROOT).parts[0] in folders
        and "migrations" not in path.relative_to(ROOT).parts
    ]


@cache
def tree_of(path: Path) -> ast.Module:
    """The syntax tree of a file named relative to the project."""
    return ast.parse((ROOT / path).read_text(), filename=str(path))
