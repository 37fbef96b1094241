"""ORM writes appear only in services, models and migrations; import rules cannot see that."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.architecture.sources import PACKAGES, python_files, tree_of

WRITES = {
    "save", "create", "update", "delete", "get_or_create", "update_or_create", "bulk_create", "bulk_update",
    "asave", "acreate", "aupdate", "adelete", "aget_or_create", "aupdate_or_create", "abulk_create", "abulk_update",
}  # fmt: skip
EXCEPTIONS = {
    "botplatform/audit/trail.py": "record() is the only writer of the trail",
    "botplatform/jobs/worker.py": "nothing is decided: a claim and a heartbeat, written by their models",
}


def writes_in(path: Path) -> list[str]:
    """Calls that look like ORM writes, as `file:line name`."""
    found = []
    for node in ast.walk(tree_of(path)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in WRITES):
            continue
        if node.func.attr == "update" and node.args:
            continue  # a dict, a set or a hash: a queryset's takes keywords only
        if isinstance(node.func.value, ast.Call) and ast.unparse(node.func.value) == "super()":
            continue  # an override hands on what it was asked for
        found.append(f"{path}:{node.lineno} {node.func.attr}")
    return found


def may_write(path: Path) -> bool:
    return "services" in path.parts or path.name in {"services.py", "models.py"} or str(path) in EXCEPTIONS


def test_only_services_and_models_write() -> None:
    assert [write for path in python_files(*PACKAGES) if not may_write(path) for write in writes_in(path)] == []


def test_no_exception_outlives_its_reason() -> None:
    assert {name for name in EXCEPTIONS if not Path(name).is_file()} == set()


def test_the_test_sees_a_write() -> None:
    assert writes_in(Path("botplatform/bots/services/bots.py"))
