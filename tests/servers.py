"""Real TLS peers on loopback, for tests: OpenSSL, nginx, haproxy, Python's `ssl`, and some that misbehave.

Each is a context manager that yields a `Peer` once the server listens, and ends it by its process or socket.
What a server recorded about its clients is in `Peer.recorded()`: the truth to compare our verdict with.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.pki import CA, Issued

READY_S = 10.0
HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n"
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


@dataclass(frozen=True)
class Seen:
    """What a server recorded of one accepted client: RFC 4514-like subject (it holds the CN) and chain length.

    `chain_length` counts what the client sent, the leaf included; None where the server cannot tell.
    """

    subject: str
    chain_length: int | None


@dataclass
class Peer:
    """A running server. `recorded` gives what it saw so far, oldest first."""

    port: int
    host: str = "localhost"
    recorded: Callable[[], list[Seen]] = field(default=list)
    trust: Callable[[CA], None] = field(default=lambda _: None)  # one more CA of clients, from now on

    @property
    def url(self) -> str:
        return f"https://{self.host}:{self.port}/"

    def recorded_after(self, count: int, *, wait_s: float = 3.0) -> list[Seen]:
        """What came after the first `count` records; logs are written a moment after the answer, so it waits."""
        end = time.monotonic() + wait_s
        while len(self.recorded()) <= count and time.monotonic() < end:
            time.sleep(0.02)
        return self.recorded()[count:]


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def need(binary: str) -> str:
    """The path of a program; skips the test where it is missing, and fails it where nothing may be missing."""
    path = shutil.which(binary) or shutil.which(binary, path="/usr/sbin:/sbin")
    if path is None:
        message = f"{binary} is not installed"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return path


def wait_until_listening(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return once the port accepts connections; raises if the process ends first or takes too long."""
    end = time.monotonic() + READY_S
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise RuntimeError("the server does not listen")


@contextlib.contextmanager
def _process(command: Sequence[str | Path], port: int, log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(word) for word in command], stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
        )
        try:
            wait_until_listening(port, process)
            yield
        except RuntimeError as error:
            raise RuntimeError(f"{error}: {log.read_text(errors='replace')[-2000:]}") from None
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="peer-") as name:
        yield Path(name)


def _write(folder: Path, server: Issued, client_ca: CA | None, crl: bytes | None) -> None:
    (folder / "server.pem").write_bytes(server.chain_pem + server.key_pem)
    (folder / "leaf.pem").write_bytes(server.cert_pem)
    if client_ca is not None:
        (folder / "ca.pem").write_bytes(client_ca.pem)
    if crl is not None:
        (folder / "crl.pem").write_bytes(crl)


@contextlib.contextmanager
def openssl_server(
    server: Issued,
    *,
    client_ca: CA | None,
    tls: str = "1.3",
    crl: bytes | None = None,
    options: Sequence[str] = (),
) -> Iterator[Peer]:
    """`openssl s_server -www`, which answers GET only. With `client_ca` it insists on a certificate of that CA.

    `-Verify` alone accepts everything; it is `-verify_return_error` that makes it refuse.
    """
    port = free_port()
    version = {"1.0": "-tls1", "1.2": "-tls1_2", "1.3": "-tls1_3"}[tls]
    with _folder() as folder:
        _write(folder, server, client_ca, crl)
        (folder / "chain.pem").write_bytes(server.chain_pem.removeprefix(server.cert_pem) or server.cert_pem)
        command: list[str | Path] = [need("openssl"), "s_server", "-accept", f"127.0.0.1:{port}", version, "-www"]
        command += ["-cert", folder / "leaf.pem", "-key", folder / "server.pem"]
        if server.chain:
            command += ["-cert_chain", folder / "chain.pem"]
        if client_ca is not None:
            command += ["-CAfile", folder / "ca.pem", "-Verify", "5", "-verify_return_error"]
        if crl is not None:
            command += ["-CRL", folder / "crl.pem", "-crl_check"]
        log = folder / "log"

        def recorded() -> list[Seen]:
            # The verify callback reports each certificate of the verified path, root first, leaf (depth 0) last;
            # only a certificate without an error is followed by "verify return:1" at once.
            text = log.read_text(errors="replace")
            deepest, seen = 0, []
            for depth, subject in re.findall(r"^depth=(\d+) (.*)\nverify return:1$", text, re.MULTILINE):
                deepest = max(deepest, int(depth))
                if depth == "0":
                    seen.append(Seen(subject, deepest))  # without the root, which the client does not send
                    deepest = 0
            return seen

        with _process([*command, *options], port, log):
            yield Peer(port, recorded=recorded)


NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log info;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  log_format client '$ssl_client_verify|$ssl_client_s_dn|$status';
  server {{
    {listen} server_name localhost;
    ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.pem; ssl_protocols {protocol};
    {verify}
    access_log {folder}/access.log client;
    keepalive_requests 1000000;
    location / {{ default_type application/json; return 200 '{body}'; }}
  }}
}}
"""


@contextlib.contextmanager
def nginx_server(
    server: Issued,
    *,
    client_ca: CA | None,
    tls: str = "1.3",
    crl: bytes | None = None,
    verify: str = "on",
    extra_ports: Sequence[int] = (),
    body: str = "hello",
    lines: Sequence[str] = (),
) -> Iterator[Peer]:
    """nginx; `verify` is the value of `ssl_verify_client`. It completes the handshake and refuses with HTTP 400.

    `lines` are added to the server block.
    """
    binary = need("nginx")
    port = free_port()
    lines = list(lines)
    with _folder() as folder:
        _write(folder, server, client_ca, crl)
        if client_ca is not None:
            lines += [f"ssl_client_certificate {folder}/ca.pem;", f"ssl_verify_client {verify};", "ssl_verify_depth 5;"]
        if crl is not None:
            lines.append(f"ssl_crl {folder}/crl.pem;")
        listen = " ".join(f"listen 127.0.0.1:{number} ssl;" for number in (port, *extra_ports))
        text = NGINX.format(folder=folder, listen=listen, protocol=f"TLSv{tls}", verify=" ".join(lines), body=body)
        (folder / "nginx.conf").write_text(text)
        (folder / "access.log").touch()

        def recorded() -> list[Seen]:
            rows = [line.split("|") for line in (folder / "access.log").read_text().splitlines()]
            return [Seen(subject, None) for verified, subject, _ in rows if verified == "SUCCESS"]

        with _process([binary, "-p", folder, "-c", folder / "nginx.conf"], port, folder / "log"):
            yield Peer(port, recorded=recorded)


HAPROXY = """
global
  maxconn 100
  stats socket {folder}/stats
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend front
  {bind}
  log {folder}/log.sock local0
  http-request return status 200 content-type text/plain string "hello"
"""


@contextlib.contextmanager
def haproxy_server(
    server: Issued,
    *,
    client_ca: CA | None,
    tls: str = "1.3",
    crl: bytes | None = None,
    verify: str = "required",
    frontend: str = "",
) -> Iterator[Peer]:
    """haproxy with `verify required` or `optional`; its log goes to a datagram socket that we read.

    `frontend` stands in place of the bind line: its address and `/etc/haproxy/server.pem` become this server's own.
    """
    binary = need("haproxy")
    port = free_port()
    words = ""
    with _folder() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        _write(folder, server, client_ca, crl)
        if client_ca is not None:
            words = f"ca-file {folder}/ca.pem verify {verify}" + (f" crl-file {folder}/crl.pem" if crl else "")
        own = f"127.0.0.1:{port} ssl crt {folder}/server.pem"
        bind = f"bind {own} ssl-min-ver TLSv{tls} ssl-max-ver TLSv{tls} {words}"
        text = HAPROXY.format(folder=folder, bind=frontend.replace(":443 ssl crt /etc/haproxy/server.pem", own) or bind)
        text += '  log-format "client|%[ssl_c_used]|%[ssl_c_verify]|%{+Q}[ssl_c_s_dn]|%[ssl_c_chain_der,length]"\n'
        (folder / "haproxy.cfg").write_text(text)
        log.bind(str(folder / "log.sock"))
        log.settimeout(0.2)
        lines: list[str] = []

        def recorded() -> list[Seen]:
            with contextlib.suppress(TimeoutError):
                while True:
                    lines.append(log.recv(8192).decode(errors="replace"))
            rows = [line.partition("client|")[2].strip().split("|") for line in lines if "client|" in line]
            return [Seen(row[2].strip('"'), None) for row in rows if row[0] == "1" and row[1] == "0"]

        with _process([binary, "-f", folder / "haproxy.cfg", "-db"], port, folder / "log"):
            yield Peer(port, recorded=recorded)


Behaviour = Callable[[socket.socket], None]


@contextlib.contextmanager
def raw_server(behaviour: Behaviour) -> Iterator[Peer]:
    """A TCP server on loopback that lets `behaviour` do what it likes with each connection, in a thread each."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.1)
    stop = threading.Event()
    open_connections: list[socket.socket] = []

    def talk(connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), connection:
            behaviour(connection)

    def serve() -> None:
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = listener.accept()
                connection.settimeout(20)
                open_connections.append(connection)
                threads.append(threading.Thread(target=talk, args=(connection,), daemon=True))
                threads[-1].start()

    threads = [threading.Thread(target=serve, daemon=True)]
    threads[0].start()
    try:
        yield Peer(int(listener.getsockname()[1]))
    finally:
        stop.set()
        threads[0].join(5)
        listener.close()
        for connection in open_connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads[1:]:
            thread.join(5)
        for connection in open_connections:
            connection.close()


def answer_hello(connection: ssl.SSLSocket) -> None:
    """Read the request, answer 200."""
    if connection.recv(65536):
        connection.sendall(HELLO)


@contextlib.contextmanager
def python_server(
    server: Issued,
    *,
    client_ca: CA | None = None,
    mode: ssl.VerifyMode = ssl.CERT_REQUIRED,
    tls: str = "1.3",
    crl: bytes | None = None,
    alpn: Sequence[str] = (),
    behaviour: Callable[[ssl.SSLSocket], None] = answer_hello,
    tickets: bool = True,
) -> Iterator[Peer]:
    """Python's `ssl`. `behaviour` runs after the handshake; without a `client_ca` it never asks for a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = VERSIONS[tls]
    with _folder() as folder:
        _write(folder, server, client_ca, crl)
        context.load_cert_chain(folder / "server.pem")
        if client_ca is not None:
            context.load_verify_locations(folder / "ca.pem")
            context.verify_mode = mode
        if crl is not None:
            context.load_verify_locations(folder / "crl.pem")
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if not tickets:
        context.num_tickets = 0
        context.options |= ssl.OP_NO_TICKET
    seen: list[Seen] = []
    kept: list[ssl.SSLSocket] = []

    def talk(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            kept.append(secure)
            certificate = secure.getpeercert()
            if certificate:
                names = [f"{key}={value}" for part in certificate["subject"] for key, value in part]  # type: ignore[misc]
                chain = secure._sslobj.get_unverified_chain() or []  # type: ignore[attr-defined]
                seen.append(Seen(",".join(names), len(chain)))
            behaviour(secure)

    with raw_server(talk) as peer:
        peer.recorded = lambda: list(seen)
        peer.trust = lambda authority: context.load_verify_locations(cadata=authority.pem.decode())
        try:
            yield peer
        finally:
            for secure in kept:  # a client may keep its connection open
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(secure, socket.SHUT_RDWR)
