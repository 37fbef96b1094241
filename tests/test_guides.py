"""The commands of README.md and docs/installation.md, run as they stand there against the demo bank."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.certificates import Material
from tests.demo.ports import free_base_port
from tests.test_quickstart import PROJECT, Installation, serving

Bank = tuple[Material, int]


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    """A demo bank of this module: its files, and the port of the face that accepts."""
    folder, port = tmp_path_factory.mktemp("guides") / "demo", free_base_port()
    with serving(folder, port):
        yield Material(folder), port


def commands(document: str, heading: str) -> list[str]:
    """The `manage.py` lines of one section's shell blocks."""
    section = (PROJECT / document).read_text().partition(f"\n## {heading}")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```sh\n(.*?)^```", section, flags=re.MULTILINE | re.DOTALL)
    return [line for line in "".join(blocks).splitlines() if "manage.py" in line]


def follow(installation: Installation, lines: list[str], replaced: dict[str, str]) -> None:
    """Run each line in this installation; every one must end with 0."""
    for line in lines:
        text = line
        for old, new in replaced.items():
            text = text.replace(old, new)
        before, _, after = text.partition(".venv/bin/python manage.py")
        environment = dict(part.split("=", 1) for part in shlex.split(before))
        done = installation.manage(*shlex.split(after), **environment)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


def test_the_readme(tmp_path: Path) -> None:
    installation = Installation(tmp_path / "var", free_base_port())
    assert installation.quickstart().returncode == 0
    lines = commands("README.md", "Import a certificate by hand")
    assert len(lines) == 4
    folder = installation.var / "demo"
    with serving(folder, installation.port):
        follow(installation, lines, {"var/demo": str(folder), ":9443": f":{installation.port}"})


def test_the_on_premises_guide(bank: Bank, tmp_path: Path) -> None:
    material, port = bank
    installation = Installation(tmp_path / "var", port)
    lines = commands("docs/installation.md", "4. Prepare")
    lines += commands("docs/installation.md", "7. The platform's default certificate")
    lines += commands("docs/installation.md", "8. The first test")
    assert len(lines) == 9
    address = f"https://127.0.0.1:{port}/accounts/balance"
    follow(
        installation,
        [f"EGRESS_ALLOW=127.0.0.1:{port} {line}" for line in lines if "check --deploy" not in line],
        {
            "/etc/console/client.passphrase": str(material.passphrase),
            "client.p12": str(material.client),
            "backends-ca.pem": str(material.bank_ca),
            "https://api.backend.example/health": address,
            "https://api.backend.example/balance": address,
        },
    )
