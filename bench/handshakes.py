"""Connection tests per second against `openssl s_time` (the limit) and `curl` processes (what people do today).

    python -m bench.handshakes

50 loopback nodes (ports of one nginx that requires a client certificate, TLS 1.3, P-256), 16 at a time.
Like is compared with like: one attempt of ours (handshake and one request) with one connection of s_time or curl.
A full test makes two attempts, and is printed beside.
"""

from __future__ import annotations

import itertools
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

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
SECONDS = 5.0
AIM_CPU, AIM_CURL = 1.3, 4.0
POLICY = AddressPolicy.parse(["127.0.0.1"])


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


def main() -> None:
    """Measure and print."""
    root = CA.root()
    server = root.issue("localhost", eku=("serverAuth",), san=("localhost", "127.0.0.1"))
    client = root.intermediate().issue("bench.example")
    extra = [free_port() for _ in range(NODES - 1)]
    with nginx_server(server, client_ca=root, extra_ports=extra) as peer, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_files(folder, root, client)
        ports = [peer.port, *extra]
        trust = TrustAnchors.of((root.certificate,), "bench")
        one = _probe(ports, trust, client.credential(), control=False)
        both = _probe(ports, trust, client.credential(), control=True)
        for warm_up in (one, both):
            warm_up()
        rows = {
            "openssl s_time, 1 at a time": _s_time(folder, peer),
            "our attempt, 1 at a time": _measure(one, concurrency=1),
            "our attempt, 16 at a time": _measure(one, concurrency=CONCURRENCY),
            "our full test, 16 at a time": _measure(both, concurrency=CONCURRENCY),
            "curl processes, 16 at a time": _measure(_curl(folder, ports), concurrency=CONCURRENCY, children=True),
        }
    _show(rows)


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
    command = ["openssl", "s_time", "-connect", f"127.0.0.1:{peer.port}", "-new", "-time", str(int(SECONDS))]
    command += ["-CAfile", str(folder / "root.pem"), "-verify", "3", "-www", "/", "-tls1_3"]
    command += ["-cert", str(folder / "client.pem"), "-key", str(folder / "key.pem")]
    before, started = _cpu(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    wall, cpu = time.monotonic() - started, _cpu(resource.RUSAGE_CHILDREN) - before
    count = int(next(line.split()[0] for line in done.stdout.splitlines() if "connections in" in line))
    return Rate(count, wall, cpu)


def _cpu(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def _write_files(folder: Path, root: CA, client: Issued) -> None:
    (folder / "root.pem").write_bytes(root.pem)
    (folder / "client.pem").write_bytes(client.chain_pem)
    (folder / "key.pem").write_bytes(client.key_pem)


def _show(rows: dict[str, Rate]) -> None:
    for name, rate in rows.items():
        print(f"{name:32} {rate.per_second:8.0f}/s {rate.cpu_ms:8.2f} ms CPU each")
    s_time, one, many, full, curl = rows.values()
    print(f"CPU per attempt / s_time     {one.cpu_ms / s_time.cpu_ms:6.2f}  (aim: at most {AIM_CPU})")
    print(f"attempts per second / curl   {many.per_second / curl.per_second:6.2f}  (aim: at least {AIM_CURL:.0f})")
    print(f"full tests per second / curl {full.per_second / curl.per_second:6.2f}  (two attempts each)")


if __name__ == "__main__":
    main()
