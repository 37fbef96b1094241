"""The product's version, read from CHANGELOG.md: the one place where it is written."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

CHANGELOG = Path(__file__).resolve().parent.parent / "CHANGELOG.md"


@cache
def product_version() -> str:
    """The newest release, such as `1.4.0`; `1.4.0+unreleased` when changes came after it; `0+unreleased` before any."""
    headings = re.findall(r"^## \[([^\]]+)\]", CHANGELOG.read_text(encoding="utf-8"), flags=re.MULTILINE)
    releases = [heading for heading in headings if heading[0].isdigit()]
    newest = releases[0] if releases else "0"
    return newest if headings and headings[0] == newest else f"{newest}+unreleased"
