"""What a call of the HTTP API costs beside a minimal Django view that does nothing.

    python -m bench.api

CPU of this thread, through the whole middleware, in a database of its own (SQLite, or PostgreSQL with
TEST_DATABASE=postgresql). `invoke` calls a loopback server that demands a client certificate, on a kept connection;
`invoke_node` in the same process is subtracted to tell what the API adds. While nothing is committed, a thread
remembers who the token is and what it found; "after a commit" is the overhead of the first request behind one.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from bench._product import product  # first: it sets Django up

# isort: split
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import path

from botplatform.accounts.actors import Actor
from botplatform.bots.models import Bot, Membership
from botplatform.bots.roles import Role
from botplatform.urls import urlpatterns as of_product
from servicenodes.models import ServiceNode
from servicenodes.services import invoking
from servicenodes.services.invoking import invoke_node
from tests.api.caller import Caller, make_token
from tests.factories import make_bot, make_certificate, make_node, make_trust_store, make_user
from tests.servicenodes.services.calls import echo_bank

CALLS, ROUNDS = 200, 7
AIM_MS = 2.0


def nothing(_request: HttpRequest) -> HttpResponse:
    """The view that does nothing."""
    return HttpResponse(b"{}", content_type="application/json")


urlpatterns = [path("nothing", nothing), *of_product]


def main() -> None:
    """Measure and print."""
    settings.ROOT_URLCONF = "bench.api"
    with product(), echo_bank() as bank:
        bot, _ = make_bot("acme"), make_bot("elsewhere")
        make_certificate(bot, "bank", issued=bank.authority.issue("bench.example"), is_default=True)
        trust = make_trust_store(bot, "roots", authorities=(bank.server_authority,))
        node = make_node(bot, "pay", url=f"{bank.peer.url}accounts", trust_store=trust, timeout_s=5)
        measure(bot, node)
        invoking.close()


def measure(bot: Bot, node: ServiceNode) -> None:
    """One row each."""
    user = make_user()
    Membership.objects.create(user=user, bot=bot, role=Role.OWNER)
    token, text = make_token(user, bot)
    call, actor = Caller(text, token), Actor.of_token(token)
    bare = Client(headers={"Authorization": call.headers["Authorization"]})
    empty = cpu_ms(lambda: bare.get("/nothing"))
    print(f"{'a view that does nothing':34} {empty:6.2f} ms")
    for name, act in (
        ("GET bot", lambda: call("GET", "/bots/acme")),
        ("GET node", lambda: call("GET", "/bots/acme/nodes/pay")),
        ("PATCH node, nothing changes", lambda: call("PATCH", "/bots/acme/nodes/pay", {"method": "GET"})),
    ):
        show(name, cpu_ms(act), empty, queries(act), cpu_ms(act, commit))
    direct = cpu_ms(lambda: invoke_node(actor=actor, node=node))
    print(f"{'invoke_node in this process':34} {direct:6.2f} ms")
    through = lambda: call("POST", "/bots/acme/nodes/pay/invoke", {})  # noqa: E731
    cold = cpu_ms(through, commit) - cpu_ms(lambda: invoke_node(actor=actor, node=node), commit)
    show("POST invoke, less invoke_node", cpu_ms(through) - direct, empty, queries(through), cold)


def show(name: str, ms: float, empty: float, count: int, cold_ms: float) -> None:
    over, cold = ms - empty, cold_ms - empty
    verdict = "ok" if over <= AIM_MS else f"beyond the aim of {AIM_MS} ms"
    more = f"after a commit {cold:5.2f} ms"
    print(f"{name:34} {ms:6.2f} ms  {ms / empty:4.1f}×  overhead {over:5.2f} ms  {count} queries  {more}  {verdict}")


def queries(act: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as captured:
        act()
    return len(captured)


def cpu_ms(act: Callable[[], object], before: Callable[[], object] | None = None) -> float:
    """CPU of one act: this thread's alone, the median of several rounds. What runs before each is not counted."""
    rounds = []
    for _ in range(ROUNDS):
        act()
        spent = 0.0
        for _ in range(CALLS):
            if before is not None:
                before()
            begun = time.thread_time()
            act()
            spent += time.thread_time() - begun
        rounds.append(1000 * spent / CALLS)
    return statistics.median(rounds)


def commit() -> None:
    """Somebody commits something that concerns nobody here."""
    Bot.objects.filter(slug="elsewhere").update(name="Elsewhere")


if __name__ == "__main__":
    main()
