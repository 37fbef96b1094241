"""Pages of a large installation against the same pages of a small one: number of queries, and time.

    python -m bench.pages

A scratch SQLite database in a temporary folder; one bot owns nine tenths of everything. Small: 100 certificates, 200
nodes (as many as fill a page with failing ones), 60 bots. Large: 10,000 certificates, 1,000 nodes, 200 bots. Vast:
10,000 nodes. The product's own views answer without a network between. Time is that of the processor: SQLite works in
the same process, and whatever else the machine does is left out. The best of twelve counts. Root sees all; Anna owns
every other bot.
"""

from __future__ import annotations

import os
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from django.test import Client

    from botplatform.bots.models import Bot

AIM = 1.5
ROUNDS = 12
VERDICTS = ("accepted", "accepted", "rejected", "")
SIZES = {"small": (60, 100, 200), "large": (200, 10_000, 1_000), "vast": (200, 10_000, 10_000)}
PAGES = {
    "overview": "/",
    "certificates": "/certificates/",
    "service nodes": "/nodes/",
    "failing nodes": "/nodes/?verdict=failing",
    "bots": "/bots/",
    "one bot": "/bots/bot-00000/",
    "a new node": "/bots/bot-00000/nodes/new/",
}
Measured = dict[tuple[str, str], tuple[int, float]]  # who, page: queries, milliseconds


def main() -> None:
    """Fill, measure, and print."""
    with tempfile.TemporaryDirectory() as folder:
        _configure(Path(folder))
        measured = {}
        for size, (bots, certificates, nodes) in SIZES.items():
            _fill(bots, certificates, nodes)
            measured[size] = _measure()
    _show(measured)


def _configure(folder: Path) -> None:
    os.environ |= {
        "SECRET_KEY": "bench" * 10,
        "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
        "VAR_DIR": str(folder),
        "KEYRING_FILE": str(folder / "keyring.json"),
        "BASE_URL": "http://localhost:8000",
    }
    os.environ["DJANGO_SETTINGS_MODULE"] = "botplatform.settings"
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    call_command("collectstatic", verbosity=0, interactive=False)


def _fill(bot_count: int, certificate_count: int, node_count: int) -> None:
    """Add what is missing up to these numbers. Rows hold facts only: a list shows no more."""
    from django.db import connection

    from botplatform.bots.models import Bot, Membership
    from tests.factories import make_user

    have = Bot.objects.count()
    bots = [Bot(slug=f"bot-{n:05}", name=f"Bot {n}") for n in range(have, bot_count)]
    Bot.objects.bulk_create(bots)
    if not have:
        make_user("root", platform_role="administrator")
    member = make_user("anna") if not have else _user("anna")
    Membership.objects.bulk_create(Membership(user=member, bot=bot, role="owner") for bot in bots[::2])
    everybody = list(Bot.objects.all())
    _fill_certificates(everybody, certificate_count)
    _fill_nodes(everybody, node_count)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _user(name: str):  # type: ignore[no-untyped-def]
    from botplatform.accounts.models import User

    return User.objects.get(username=name)


def _owner(bots: list[Bot], number: int) -> Bot:
    return bots[number // 10 % len(bots)] if number % 10 == 0 else bots[0]


def _fill_certificates(bots: list[Bot], count: int) -> None:
    from django.utils import timezone

    from certificates.models import CertificateVersion, ClientCertificate

    now = timezone.now()
    start = ClientCertificate.objects.count()
    rows = [
        ClientCertificate(bot=_owner(bots, n), name=f"certificate-{n:05}", is_default=not n)
        for n in range(start, count)
    ]
    ClientCertificate.objects.bulk_create(rows, batch_size=500)
    CertificateVersion.objects.bulk_create(
        (
            CertificateVersion(
                certificate=row, number=number, status="active" if number == 2 else "retired", leaf_der=bytes(900),
                subject=f"CN={row.name},O=Acme", issuer="CN=Bank issuing CA", serial=f"{place:x}{number}",
                sha256=f"{place:060x}{number:04x}", spki_sha256=f"{place:064x}", key_type="rsa", key_bits=2048,
                not_before=now - timedelta(days=100), not_after=now + timedelta(days=place % 700 - 5),
                created_by="bench",
            )
            for place, row in enumerate(rows, start)
            for number in (1, 2)
        ),
        batch_size=500,
    )  # fmt: skip


def _fill_nodes(bots: list[Bot], count: int) -> None:
    from django.utils import timezone

    from certificates.models import ClientCertificate
    from servicenodes.models import ConnectionTest, ServiceNode

    now = timezone.now()
    start = ServiceNode.objects.count()
    certificates: dict[UUID | None, list[UUID]] = {}
    for key, bot_id in ClientCertificate.objects.values_list("pk", "bot_id"):
        certificates.setdefault(bot_id, []).append(key)
    nodes = [
        ServiceNode(
            bot=(owner := _owner(bots, n)), dialog="Accounts", name=f"Get balance {n}", slug=f"get-balance-{n:05}",
            url=f"https://api{n % 20}.bank.example/v1/balance/{n}", headers={"Accept": "application/json"},
            certificate_id=own[n % len(own)] if n % 3 and (own := certificates.get(owner.pk)) else None,
            last_verdict=(verdict := VERDICTS[n % len(VERDICTS)]), last_summary="It answered." if verdict else "",
            last_tested_at=now - timedelta(minutes=n) if verdict else None,
        )
        for n in range(start, count)
    ]  # fmt: skip
    ServiceNode.objects.bulk_create(nodes, batch_size=500)
    ConnectionTest.objects.bulk_create(
        (
            ConnectionTest(
                node=node, requested_by="bench", target="api.bank.example:443", summary=node.last_summary,
                verdict=node.last_verdict, requested_at=when, finished_at=when, report={"padding": "x" * 2000},
            )
            for node in nodes
            if node.last_tested_at
            for when in (node.last_tested_at, now - timedelta(days=300))
        ),
        batch_size=500,
    )  # fmt: skip


def _measure() -> Measured:
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    found: Measured = {}
    for who in ("root", "anna"):
        client = Client(SERVER_NAME="localhost")
        client.force_login(_user(who))
        for page, path in PAGES.items():
            _get(client, path)
            with CaptureQueriesContext(connection) as queries:
                _get(client, path)
            found[who, page] = (len(queries), min(_get(client, path) for _ in range(ROUNDS)))
    return found


def _get(client: Client, path: str) -> float:
    begun = time.process_time()
    response = client.get(path)
    assert response.status_code == 200, (path, response.status_code)
    return 1000 * (time.process_time() - begun)


def _show(measured: dict[str, Measured]) -> None:
    small = measured["small"]
    for size in ("large", "vast"):
        bots, certificates, nodes = SIZES[size]
        print(f"\n{certificates} certificates, {nodes} nodes, {bots} bots (before: 100, 200, 60): aim {AIM}×")
        for (who, page), (queries, took) in measured[size].items():
            before, base = small[who, page]
            constant = "constant" if queries == before else f"{before} → {queries}"
            print(
                f"  {who:5} {page:14} {base:6.1f} → {took:6.1f} ms  {took / base:5.2f}×  queries {queries} {constant}"
            )


if __name__ == "__main__":
    main()
