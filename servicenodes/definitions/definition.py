"""What an exported bot definition says about service nodes, in our own words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class NodeDefinition:
    """One service node. `key` tells it from all others of its bot, in every later export too.

    `url` is empty where the export names no host that can be called; then `exported_url` shows what it says instead.
    """

    key: str
    dialog: str
    name: str
    method: str
    url: str
    exported_url: str
    headers: dict[str, str]
    secret_headers: dict[str, str] = field(repr=False)
    body: str = field(repr=False)
    timeout_s: int
    variables: dict[str, str]  # what the builder writes between the braces → the name of our variable
    notes: tuple[str, ...]

    @property
    def title(self) -> str:
        """`dialog / name`."""
        return f"{self.dialog} / {self.name}" if self.dialog else self.name


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A service node of the export that becomes none here, and why."""

    node: str
    why: str


@dataclass(frozen=True, slots=True)
class BotDefinition:
    """A bot with its service nodes."""

    id: str
    name: str
    language: str
    nodes: tuple[NodeDefinition, ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """For `from_json`; holds the values of secret headers."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> BotDefinition:
        """What `as_json` made."""
        values = dict(document)
        values["nodes"] = tuple(NodeDefinition(**{**node, "notes": tuple(node["notes"])}) for node in values["nodes"])
        values["left_out"] = tuple(LeftOut(**row) for row in values["left_out"])
        values["notes"] = tuple(values["notes"])
        return cls(**values)
