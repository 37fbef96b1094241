"""Nothing that the strict Content-Security-Policy would block, and nothing that escapes escaping."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.architecture.sources import PACKAGES, ROOT, python_files, tracked_files, tree_of

TEMPLATES = [
    path.relative_to(ROOT) for path in tracked_files() if path.suffix in {".html", ".svg"} and "templates" in path.parts
]
FORBIDDEN = {
    "a style attribute": r"\sstyle\s*=",
    "an inline style": r"<style\b",
    "an inline script": r"<script(?![^>]*\ssrc=)",
    "an event handler": r"\son[a-z]+\s*=\s*[\"']",
    "a javascript: address": r"javascript:",
    "a part that is not escaped": r"\|\s*safe\b|\|\s*safeseq\b|autoescape\s+off",
    "htmx that needs eval": r"\shx-(?:on|vals=[\"']js|vars)",
    "a foreign host": r"(?:src|href)=[\"'](?:https?:)?//",
}
UNSAFE_NAMES = {"mark_safe", "SafeText", "html_safe"}


def test_there_are_templates() -> None:
    assert TEMPLATES


@pytest.mark.parametrize("what", list(FORBIDDEN))
def test_templates_hold_no(what: str) -> None:
    found = [str(path) for path in TEMPLATES if re.search(FORBIDDEN[what], (ROOT / path).read_text(), re.IGNORECASE)]
    assert found == []


def test_every_icon_is_drawn() -> None:
    drawn = set(re.findall(r'id="([a-z0-9-]+)"', (ROOT / "static/console/vendor/icons.svg").read_text()))
    named = {
        (name, str(path))
        for path in TEMPLATES
        for name in re.findall(r'{% (?:icon|empty_state) "([^"]+)"', (ROOT / path).read_text())
    }
    assert named
    assert {(name, path) for name, path in named if name not in drawn} == set()


def test_no_code_marks_text_as_safe() -> None:
    found = []
    for path in python_files(*PACKAGES, "demo"):
        names: set[str] = set()
        for node in ast.walk(tree_of(path)):
            names |= {node.id} if isinstance(node, ast.Name) else set()
            names |= {node.attr} if isinstance(node, ast.Attribute) else set()
            names |= {alias.name for alias in node.names} if isinstance(node, ast.ImportFrom) else set()
        found += [f"{path} {name}" for name in sorted(names & UNSAFE_NAMES)]
    assert found == []


def test_the_patterns_see_what_they_look_for() -> None:
    assert Path("templates/base.html") in TEMPLATES
    page = '<p style="x" onclick="y"></p><script>z</script>{{ a|safe }}'
    for what in ("a style attribute", "an event handler", "an inline script", "a part that is not escaped"):
        assert re.search(FORBIDDEN[what], page)
    assert not re.search(FORBIDDEN["an inline script"], '<script src="{% static "a.js" %}" defer></script>')
