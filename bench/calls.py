"""Keep-alive calls with mutual TLS: `invoke_node` against urllib3, httpx and requests, with the same certificate.

    python -m bench.calls

A 1 KiB JSON answer from nginx, one client thread and eight. Ours are the whole service (node, permission, effective
certificate, counters; SQLite, or PostgreSQL with TEST_DATABASE=postgresql) and its TLS engine alone. The others load
certificate and key from files and do less: no address policy, no deadline over the whole call, no limits. Short rounds
are interleaved and the best of each counts, because the machine does other things too. CPU is the client process's.
"""

from __future__ import annotations

import itertools
import resource
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench._product import product  # first: it sets Django up

# isort: split
import httpx
import requests
import urllib3
from django.db import connection
from django.test.utils import CaptureQueriesContext

from botplatform.accounts.actors import Actor
from servicenodes.models import ServiceNode
from servicenodes.services import invoking
from servicenodes.services.invoking import invoke_node
from servicenodes.tls.address_policy import AddressPolicy
from servicenodes.tls.invoke import Caller, CallRequest, prepare
from servicenodes.tls.trust import TrustAnchors
from tests.factories import make_bot, make_certificate, make_node, make_trust_store
from tests.pki import CA, Issued
from tests.servers import Peer, nginx_server

SLICE_S = 0.2
ROUNDS = 15
THREADS = (1, 8)
ANSWER = '{"rows": "' + "x" * 1012 + '"}'
AIM_URLLIB3, AIM_HTTPX = 1.0, 1.5
SERVICE, FILLED, ENGINE = "invoke_node", "…, filling", "its engine"
Call = Callable[[], bytes]


@dataclass(frozen=True)
class Rate:
    """Calls per second, and CPU of this process per call in microseconds."""

    per_second: float
    cpu_us: float


def main() -> None:
    """Measure and print."""
    root = CA.root()
    server = root.issue("localhost", eku=("serverAuth",), san=("localhost", "127.0.0.1"))
    client = root.intermediate().issue("bench.example")
    with (
        product(),
        nginx_server(server, client_ca=root, body=ANSWER) as peer,
        _clients(peer, root, client) as clients,
    ):
        _show_queries(clients[SERVICE])
        for threads in THREADS:
            best: dict[str, Rate] = {}
            for _ in range(ROUNDS):
                for name, call in clients.items():
                    rate = _measure(call, threads)
                    if name not in best or rate.per_second > best[name].per_second:
                        best[name] = rate
            _show(best, threads)


@contextmanager
def _clients(peer: Peer, root: CA, client: Issued) -> Iterator[dict[str, Call]]:
    caller, node, filled = Caller(), *_nodes(peer, root, client)
    credential, turn = client.credential(), itertools.count()
    request = CallRequest(
        method="GET",
        url=peer.url + "api",
        headers=(),
        body=b"",
        credential_key=("bench", 1),
        trust=TrustAnchors.of((root.certificate,), "bench"),
        address_policy=AddressPolicy.parse(["127.0.0.1"]),
    )
    prepared = prepare(request)
    with tempfile.TemporaryDirectory() as name:
        context = _context(Path(name), root, client)
        pool = urllib3.PoolManager(ssl_context=context, maxsize=max(THREADS), retries=False)
        session = requests.Session()
        session.trust_env = False
        session.verify = f"{name}/root.pem"
        session.cert = (f"{name}/client.pem", f"{name}/key.pem")
        with httpx.Client(verify=context, trust_env=False) as modern, session:
            yield {
                SERVICE: lambda: invoke_node(actor=Actor.platform(), node=node).body,
                FILLED: lambda: invoke_node(actor=Actor.platform(), node=filled, variables={"id": next(turn)}).body,
                ENGINE: lambda: caller.call(prepared, open_credential=lambda: credential).body,
                "urllib3": lambda: pool.request("GET", request.url).data,
                "httpx": lambda: modern.get(request.url).content,
                "requests": lambda: session.get(request.url).content,
            }
    caller.close()
    invoking.close()


def _nodes(peer: Peer, root: CA, client: Issued) -> tuple[ServiceNode, ServiceNode]:
    """One that sends the same at every call, and one with a variable in the URL and in a header."""
    bot = make_bot("acme")
    make_certificate(bot, "bank", issued=client, is_default=True)
    store = make_trust_store(bot, "roots", authorities=(root,))
    fixed = make_node(bot, "pay", url=f"{peer.url}api", trust_store=store)
    headers = {"X-Request": "{{id}}"}
    return fixed, make_node(bot, "pay-one", url=f"{peer.url}api?id={{{{id}}}}", headers=headers, trust_store=store)


def _show_queries(call: Call) -> None:
    call()  # opens the key, on record: a commit
    call()
    with CaptureQueriesContext(connection) as captured:
        call()
    print(f"{SERVICE} on {connection.vendor}, nothing changed: {len(captured)} queries")


def _context(folder: Path, root: CA, client: Issued) -> ssl.SSLContext:
    (folder / "root.pem").write_bytes(root.pem)
    (folder / "client.pem").write_bytes(client.chain_pem)
    (folder / "key.pem").write_bytes(client.key_pem)
    context = ssl.create_default_context(cafile=str(folder / "root.pem"))
    context.load_cert_chain(folder / "client.pem", folder / "key.pem")
    return context


def _measure(call: Call, threads: int) -> Rate:
    assert len(call()) == len(ANSWER)
    before, started = _cpu(), time.monotonic()
    end = started + SLICE_S

    def work() -> int:
        count = 0
        while time.monotonic() < end:
            call()
            count += 1
        connection.close()  # this thread's to the database
        return count

    with ThreadPoolExecutor(threads) as pool:
        count = sum(future.result() for future in [pool.submit(work) for _ in range(threads)])
    return Rate(count / (time.monotonic() - started), (_cpu() - before) / count * 1e6)


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _show(rates: dict[str, Rate], threads: int) -> None:
    ours = rates[SERVICE]
    print(f"{threads} thread{'s' if threads > 1 else ''}")
    for name, rate in rates.items():
        ratio, cpu = ours.per_second / rate.per_second, rate.cpu_us / ours.cpu_us
        aim = {"urllib3": AIM_URLLIB3, "httpx": AIM_HTTPX}.get(name)
        words = f"  (aim: at least {aim})" if aim and threads == 1 else ""
        figures = f"{rate.per_second:7.0f}/s {rate.cpu_us:6.0f} µs CPU each"
        print(f"  {name:11} {figures}   invoke_node is at {ratio:4.2f} times that, at CPU 1/{cpu:4.2f}{words}")


if __name__ == "__main__":
    main()
