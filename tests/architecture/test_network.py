"""Only `servicenodes.tls` opens sockets or speaks TLS, so all outgoing traffic passes its address policy."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.architecture.sources import PACKAGES, python_files, tree_of

NETWORK = (
    "socket", "ssl", "asyncio", "socketserver", "OpenSSL", "h11", "httpcore", "httpcore2", "httpx", "requests",
    "urllib3", "aiohttp", "urllib.request", "http.client", "ftplib", "smtplib", "telnetlib", "xmlrpc",
)  # fmt: skip
HOME = Path("servicenodes/tls")


def imported(path: Path) -> set[str]:
    """The dotted names that a file imports, wherever in the file."""
    names: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def is_network(name: str) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in NETWORK)


def test_only_the_tls_package_reaches_the_network() -> None:
    found = {
        str(path): sorted(names)
        for path in python_files(*PACKAGES)
        if HOME not in path.parents and (names := {name for name in imported(path) if is_network(name)})
    }
    assert found == {}


def test_the_test_sees_an_import() -> None:
    assert any(
        is_network(name) for path in python_files("servicenodes") if HOME in path.parents for name in imported(path)
    )
