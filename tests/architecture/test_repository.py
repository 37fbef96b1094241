"""What may not lie in the repository, and the shape of the migrations."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.apps import apps
from django.db.migrations.loader import MigrationLoader

from tests.architecture.sources import PACKAGES, ROOT, tracked_files

# Where packages come from is the machine's business. Written in parts, so that this file does not hold them itself.
HOSTS = [
    "pypi." + "org",
    "python" + "hosted.org",
    "npmjs." + "org",
    "npmjs." + "com",
    "index" + "-url",
    "--find" + "-links",
]
ALLOWED = {"--no-emit-index" + "-url", "--no-emit-find" + "-links"}
BINARY = {".png", ".ico", ".woff2", ".gz"}
LEADER = b"-----BEGIN "


def texts() -> list[tuple[Path, bytes]]:
    return [(path.relative_to(ROOT), path.read_bytes()) for path in tracked_files() if path.suffix not in BINARY]


@pytest.mark.parametrize("host", HOSTS)
def test_no_file_names_a_registry(host: str) -> None:
    found = []
    for path, content in texts():
        allowed = sum(content.count(option.encode()) for option in ALLOWED if host in option)
        if content.count(host.encode()) > allowed:
            found.append(str(path))
    assert found == []


def test_no_private_key_and_no_certificate_is_checked_in() -> None:
    found = []
    for path, content in texts():
        for part in content.split(LEADER)[1:]:
            body = part.partition(b"\n")[2].lstrip()
            if body[:2] == b"MI":
                found.append(str(path))
    assert found == []
    assert [
        str(path) for path in tracked_files() if path.suffix in {".pem", ".p12", ".pfx", ".key", ".der", ".jks"}
    ] == []


def test_no_secret_of_an_installation() -> None:
    assert [
        str(path) for path in tracked_files() if path.relative_to(ROOT).parts[0] == "var" or path.name == ".env"
    ] == []


def test_migrations_stand_in_one_line() -> None:
    loader = MigrationLoader(None)
    ours = [config.label for config in apps.get_app_configs() if config.name.split(".")[0] in PACKAGES]
    for label in ours:
        nodes = [node for node in loader.graph.nodes if node[0] == label]
        if not nodes:
            continue
        assert len(loader.graph.leaf_nodes(label)) == 1
        for node in nodes:
            assert len([parent for parent in loader.graph.node_map[node].parents if parent.key[0] == label]) <= 1
