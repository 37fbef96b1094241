"""Makes exports of a bot builder: the shapes of real ones, with nothing in them but what a test says."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

SAMPLES = Path(__file__).resolve().parents[4] / "shared" / "samples" / "bots"
needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the sample exports of ../shared/samples are not here")
CONFIG = {"name": "Bank", "envVariables": [{"key": "BASE", "value": "https://api.bank.example/v1"}]}


def component(name: str = "GetBalance", **fields: Any) -> dict[str, Any]:
    """A component that calls `https://api.bank.example/balance`, but for `fields`."""
    return {
        "name": name,
        "serviceNodeType": "custom",
        "endPoint": end_point(),
        "headers": {"type": "raw", "value": "{}"},
        "payload": {"type": "raw", "value": "undefined"},
        "idp": "none",
        "serviceAPITimeout": 20,
        **fields,
    }


def end_point(url: str = "", **fields: Any) -> dict[str, Any]:
    """`url` stands in the path, with nothing else, as a third of all nodes have it."""
    if url:
        return {"method": "get", "protocol": "", "host": "", "port": "", "path": quote(url), **fields}
    usual = {"method": "get", "protocol": "https", "host": "api.bank.example", "port": "", "path": "/balance"}
    return {**usual, **fields}


def headers(**values: Any) -> dict[str, Any]:
    return {"type": "raw", "value": json.dumps({name.replace("_", "-"): value for name, value in values.items()})}


def definition(*components: dict[str, Any], dialog: str = "Accounts", **fields: Any) -> dict[str, Any]:
    """A bot with one dialog, in which each component has a node."""
    rows = [{"_id": f"dc-{number}", **found} for number, found in enumerate(components)]
    stubs = [{"type": "service", "nodeId": f"nd-{n}", "componentId": row["_id"]} for n, row in enumerate(rows)]
    return {
        "_id": "st-1",
        "defaultLanguage": "en",
        "localeData": {"en": {"name": "Bank"}},
        "dialogs": [{"_id": "dg-1", "localeData": {"en": {"name": dialog}}, "nodes": stubs}],
        "dialogComponents": rows,
        **fields,
    }


def as_bytes(document: Any) -> bytes:
    return json.dumps(document).encode()


def zipped(files: dict[str, bytes], *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def export(*components: dict[str, Any], config: Any = None, **fields: Any) -> bytes:
    """A zip as it is exported."""
    files = {"botDefinition.json": as_bytes(definition(*components, **fields))}
    return zipped({**files, "config.json": as_bytes(CONFIG if config is None else config)})
