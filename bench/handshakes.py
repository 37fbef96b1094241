"""Connection tests per second against `openssl s_time` (the limit) and `curl` processes (what people do today).

    python -m bench.handshakes

50 loopback nodes (ports of one nginx that requires a client certificate, TLS 1.3, P-256).
Like is compared with like: one attempt of ours (handshake and one request) with one connection of s_time or curl,
all with the same certificate and intermediate, and the server's answer checked. A full test makes two attempts.

Times are CPU times of the client alone, because the machine may be shared. The contenders take turns for a few
rounds; ratios are made within a round, and the median of the rounds is printed, with the spread behind it.
"""

from __future__ import annotations

import itertools
import os
import resource
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from OpenSSL import SSL

from certificates.pki.credential import Credential
from servicenodes.tls.address_policy import AddressPolicy
from servicenodes.tls.observation import Ending
from servicenodes.tls.probe import ProbeRequest, run_probe
from servicenodes.tls.trust import TrustAnchors
from servicenodes.tls.verdict import Verdict, decide
from tests.pki import CA, Issued
from tests.servers import Peer, free_port, nginx_server

NODES = 50
CONCURRENCY = 16
ROUNDS = 5
SECONDS = 1.5
S_TIME_SECONDS = 2  # it counts in whole seconds
AIM_CPU, AIM_CURL = 1.3, 4.0
POLICY = AddressPolicy.parse(["127.0.0.1"])
S_TIME, BARE, ONE = "openssl s_time, 1 at a time", "bare pyOpenSSL, 1 at a time", "our attempt, 1 at a time"
MANY, FULL, CURL = "our attempt, 16 at a time", "our full test, 16 at a time", "curl processes, 16 at a time"
REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True)
class Rate:
    """How many were done, and what it took. CPU is the client's alone, user and system, in seconds."""

    count: int
    wall_s: float
    cpu_s: float

    @property
    def per_second(self) -> float:
        return self.count / self.wall_s

    @property
    def cpu_ms(self) -> float:
        return 1000 * self.cpu_s / self.count


Round = dict[str, Rate]


def main() -> None:
    """Measure and print."""
    root = CA.root()
    server = root.issue("localhost", eku=("serverAuth",), san=("localhost", "127.0.0.1"))
    issuing = root.intermediate()
    client = issuing.issue("bench.example")
    extra = [free_port() for _ in range(NODES - 1)]
    with nginx_server(server, client_ca=root, extra_ports=extra) as peer, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_files(folder, root, issuing, client)
        ports = [peer.port, *extra]
        trust = TrustAnchors.of((root.certificate,), "bench")
        bare = _bare(ports, trust, client.credential())
        one = _probe(ports, trust, client.credential(), control=False)
        both = _probe(ports, trust, client.credential(), control=True)
        curl = _curl(folder, ports)
        for warm_up in (bare, one, both, curl):
            warm_up()
        rounds = []
        for _ in range(ROUNDS):
            row = {S_TIME: _s_time(folder, peer), BARE: _measure(bare, concurrency=1)}
            row |= {ONE: _measure(one, concurrency=1), MANY: _measure(one, concurrency=CONCURRENCY)}
            row |= {FULL: _measure(both, concurrency=CONCURRENCY)}
            row |= {CURL: _measure(curl, concurrency=CONCURRENCY, children=True)}
            rounds.append(row)
    _show(rounds)


def _bare(ports: list[int], trust: TrustAnchors, credential: Credential) -> Callable[[], None]:
    """The least that this engine needs for one connection and one request, without looking at anything."""
    turn = itertools.cycle(ports)
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.use_certificate(credential.leaf)
    for certificate in credential.chain:
        context.add_extra_chain_cert(certificate)
    context.use_privatekey(credential.private_key)
    trust.load_into(context)
    context.set_verify(SSL.VERIFY_PEER)

    def call() -> None:
        with socket.create_connection(("127.0.0.1", next(turn))) as connected:
            connection = SSL.Connection(context, connected)
            connection.set_connect_state()
            connection.do_handshake()
            connection.sendall(REQUEST)
            answer = b""
            with suppress(SSL.ZeroReturnError, SSL.SysCallError):
                while True:
                    answer += connection.recv(16384)
            assert answer.startswith(b"HTTP/1.1 200")

    return call


def _probe(ports: list[int], trust: TrustAnchors, credential: Credential, *, control: bool) -> Callable[[], None]:
    turn = itertools.cycle(ports)

    def call() -> None:
        url = f"https://127.0.0.1:{next(turn)}/"
        request = ProbeRequest(url, trust, POLICY, credential, method="GET", control=control)
        observation = run_probe(request)
        assert observation.real is not None
        assert observation.real.ending is Ending.DATA
        if control:  # the judgement belongs to the full test
            judgement = decide(observation, now=credential.leaf.not_valid_before_utc)
            assert judgement.verdict is Verdict.ACCEPTED, judgement

    return call


def _curl(folder: Path, ports: list[int]) -> Callable[[], None]:
    turn = itertools.cycle(ports)
    fixed = ["curl", "--silent", "--output", "/dev/null", "--fail", "--http1.1", "--cacert", str(folder / "root.pem")]
    fixed += ["--cert", str(folder / "client.pem"), "--key", str(folder / "key.pem"), "--proxy", ""]

    def call() -> None:
        subprocess.run([*fixed, f"https://127.0.0.1:{next(turn)}/"], check=True)

    return call


def _measure(call: Callable[[], None], *, concurrency: int, children: bool = False) -> Rate:
    who = resource.RUSAGE_CHILDREN if children else resource.RUSAGE_SELF
    before, started = _cpu(who), time.monotonic()
    end = started + SECONDS

    def work() -> int:
        count = 0
        while time.monotonic() < end:
            call()
            count += 1
        return count

    with ThreadPoolExecutor(concurrency) as pool:
        count = sum(future.result() for future in [pool.submit(work) for _ in range(concurrency)])
    return Rate(count, time.monotonic() - started, _cpu(who) - before)


def _s_time(folder: Path, peer: Peer) -> Rate:
    """Full handshakes and one request each, by one process."""
    command = ["openssl", "s_time", "-connect", f"127.0.0.1:{peer.port}", "-new", "-time", str(S_TIME_SECONDS)]
    command += ["-CAfile", str(folder / "authorities.pem"), "-verify", "3", "-www", "/", "-tls1_3"]
    command += ["-cert", str(folder / "client.pem"), "-key", str(folder / "key.pem")]
    known = len(peer.recorded())
    before, started = _cpu(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    wall, cpu = time.monotonic() - started, _cpu(resource.RUSAGE_CHILDREN) - before
    count = int(next(line.split()[0] for line in done.stdout.splitlines() if "connections in" in line))
    assert len(peer.recorded()) - known >= count - 1, "s_time was refused"
    return Rate(count, wall, cpu)


def _cpu(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def _write_files(folder: Path, root: CA, issuing: CA, client: Issued) -> None:
    (folder / "root.pem").write_bytes(root.pem)
    (folder / "authorities.pem").write_bytes(root.pem + issuing.pem)  # from here s_time takes the intermediate it sends
    (folder / "client.pem").write_bytes(client.chain_pem)
    (folder / "key.pem").write_bytes(client.key_pem)


def _show(rounds: list[Round]) -> None:
    for name in rounds[0]:
        speed = statistics.median(row[name].per_second for row in rounds)
        cpu = statistics.median(row[name].cpu_ms for row in rounds)
        print(f"{name:32} {speed:8.0f}/s {cpu:8.2f} ms CPU each")
    aims = f"(aim: at most {AIM_CPU})", f"(aim: at least {AIM_CURL:.0f})"
    _ratio("CPU: attempt / s_time, 1 at a time", rounds, lambda row: row[ONE].cpu_ms / row[S_TIME].cpu_ms)
    _ratio("CPU: attempt / s_time, 16 at a time", rounds, lambda row: row[MANY].cpu_ms / row[S_TIME].cpu_ms, aims[0])
    _ratio("CPU: bare pyOpenSSL / s_time", rounds, lambda row: row[BARE].cpu_ms / row[S_TIME].cpu_ms)
    _ratio("CPU: curl / attempt", rounds, lambda row: row[CURL].cpu_ms / row[MANY].cpu_ms)
    _ratio("speed: attempt / curl", rounds, lambda row: row[MANY].per_second / row[CURL].per_second, aims[1])
    _ratio("speed: full test / curl", rounds, lambda row: row[FULL].per_second / row[CURL].per_second)
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


def _ratio(name: str, rounds: list[Round], of: Callable[[Round], float], aim: str = "") -> None:
    found = [of(row) for row in rounds]
    print(f"{name:36} {statistics.median(found):6.2f}  ({min(found):.2f} to {max(found):.2f}) {aim}".rstrip())


if __name__ == "__main__":
    main()
