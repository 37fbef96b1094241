"""The commands of a report: run as they stand, in a shell, they meet the same server with the same certificate."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from servicenodes.tls.reproduce import commands
from tests.servers import Peer, need, openssl_server, python_server
from tests.servicenodes.tls.world import probe, world

PATH = "a/$(touch%20x)/{1,2}/[1-3]/../'`id`;x?q=\"&y=*#f"


def _files(folder: Path) -> None:
    client = world().issuing.issue("reproduced.example")
    (folder / "CERTIFICATE-AND-CHAIN.pem").write_bytes(client.chain_pem)
    (folder / "CHAIN.pem").write_bytes(b"".join(item.public_bytes(Encoding.PEM) for item in client.chain))
    (folder / "PRIVATE-KEY.pem").write_bytes(client.key_pem)
    (folder / "TRUST-ANCHORS.pem").write_bytes(world().server_root.certificate.public_bytes(Encoding.PEM))


def _run(line: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["sh", "-c", line], cwd=folder, input=b"Q\n", capture_output=True, timeout=10, check=False)


@pytest.mark.parametrize("options", [{}, {"server_name": "localhost"}, {"max_tls": "1.3"}, {"min_tls": "1.3"}])
@pytest.mark.parametrize("tool", ["openssl", "curl"])
def test_commands(tool: str, options: dict[str, Any], tmp_path: Path) -> None:
    need(tool)
    _files(tmp_path)
    requests: list[bytes] = []

    def behave(connection: Any) -> None:
        requests.append(connection.recv(65536))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with python_server(world().server, client_ca=world().root, behaviour=behave) as peer:
        host = "127.0.0.1" if "server_name" in options else "localhost"
        url = f"https://{host}:{peer.port}/{PATH}"
        observation, judgement = probe(url, world().clients["good_p256"], **options)
        assert judgement.accepted
        ours = requests[-1]
        done = _run(commands(observation)[tool], tmp_path)
        seen = peer.recorded()[-1]
    assert done.returncode == 0, done.stderr
    assert ("reproduced" in seen.subject, seen.chain_length) == (True, 2)
    if tool == "curl":
        assert requests[-1].splitlines()[:2] == ours.splitlines()[:2]  # request line and Host
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["CERTIFICATE-AND-CHAIN.pem", "CHAIN.pem", "PRIVATE-KEY.pem", "TRUST-ANCHORS.pem"]
    )


def test_openssl_trusts_nobody_else(tmp_path: Path) -> None:
    _files(tmp_path)
    (tmp_path / "TRUST-ANCHORS.pem").write_bytes(world().root.pem)
    with openssl_server(world().server, client_ca=None) as peer:
        observation, _ = probe(_url(peer), None)
        assert _run(commands(observation)["openssl"], tmp_path).returncode != 0


def _url(peer: Peer) -> str:
    return f"https://localhost:{peer.port}/"
