"""The scan for what expires: time, memory and the plans of its queries, at 1,000 and at 100,000 versions.

    python -m bench.expiry

A scratch SQLite database in a temporary folder. Lifetimes of 398 days, so fifteen of a hundred are within 60 days of
their end. `first` is the very first scan, which posts a reminder for each of them; `next` is the scan a quarter of an
hour later, and `day after` the one that finds what became due in a day. Each runs in a process of its own, whose peak
memory is told beside that of a process that scans nothing.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

SIZES = (1_000, 100_000)
AIM_S, AIM_MB = 10.0, 64.0
BATCH = 2_000


def main() -> None:
    """Fill, scan, print."""
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            _prepare(Path(folder))
            _fill(size)
            _show(size, {name: _child(name) for name in ("nothing", "first", "next", "day after")})
            if size == SIZES[-1]:
                _plans()
            from django.db import connections

            connections.close_all()


def _environment(folder: Path) -> dict[str, str]:
    return {
        "SECRET_KEY": "bench" * 10,
        "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
        "VAR_DIR": str(folder),
        "KEYRING_FILE": str(folder / "keyring.json"),
        "BASE_URL": "http://localhost:8000",
        "SECURITY_EMAIL": "security@example.com",
        "LOG_LEVEL": "ERROR",
        "DJANGO_SETTINGS_MODULE": "botplatform.settings",
    }


def _prepare(folder: Path) -> None:
    os.environ |= _environment(folder)
    import django
    from django.conf import settings
    from django.core.management import call_command

    django.setup()
    settings.DATABASES["default"]["NAME"] = str(folder / "db.sqlite3")
    call_command("migrate", verbosity=0)


def _fill(count: int) -> None:
    from django.db import connection
    from django.utils import timezone

    from botplatform.bots.models import Bot
    from certificates.models import CertificateVersion, ClientCertificate

    now = timezone.now()
    bots = Bot.objects.bulk_create(Bot(slug=f"bot-{n:04}", name=f"Bot {n}") for n in range(200))
    for start in range(0, count, BATCH):
        rows = [ClientCertificate(bot=bots[n % 200], name=f"c-{n:06}") for n in range(start, min(start + BATCH, count))]
        ClientCertificate.objects.bulk_create(rows)
        CertificateVersion.objects.bulk_create(
            CertificateVersion(
                certificate=row, number=1, status="active", leaf_der=bytes(900), subject=f"CN={row.name}",
                issuer="CN=Bank CA", serial=f"{place:x}", sha256=f"{place:064x}", spki_sha256=f"{place:064x}",
                key_type="rsa", key_bits=2048, created_by="bench",
                not_before=(end := now + timedelta(minutes=place * 398 * 1440 / count)) - timedelta(days=398),
                not_after=end,
            )
            for place, row in enumerate(rows, start)
        )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _child(name: str) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.expiry", name]
    done = subprocess.run(command, check=True, capture_output=True, env=dict(os.environ))
    found: dict[str, float] = json.loads(done.stdout)
    return found


def scan(name: str) -> None:
    """In the child: one scan, and what it took."""
    import django

    django.setup()
    import time_machine
    from django.utils import timezone

    from certificates import endings
    from certificates.services import expiry

    expiry.BUDGET_S = 3600.0
    list(endings.watched_versions()[:1])
    begun, posted = time.perf_counter(), 0
    if name == "day after":
        with time_machine.travel(timezone.now() + timedelta(days=1), tick=False):
            posted = expiry.watch_expiry()
    elif name != "nothing":
        posted = expiry.watch_expiry()
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "posted": posted, "mb": peak}))


def _show(size: int, found: dict[str, dict[str, float]]) -> None:
    nothing = found.pop("nothing")["mb"]
    print(f"\n{size} versions; aim of `next`: {AIM_S:.0f} s; of all: {AIM_MB:.0f} MB beside {nothing:.0f} MB")
    for name, values in found.items():
        more = values["mb"] - nothing
        print(f"  {name:10} {values['seconds']:7.2f} s  posted {values['posted']:6.0f}  peak memory {more:+6.1f} MB")


def _plans() -> None:
    from django.utils import timezone

    from botplatform.notifications.reminders import HORIZON
    from certificates import endings
    from servicenodes.models import ServerCertificate

    now = timezone.now()
    sources = {
        "versions": endings.watched_versions(),
        "trust anchors": endings.watched_anchors(),
        "issuers": endings.watched_issuers(),
        "server certificates": ServerCertificate.objects.all(),
    }
    print("\nplans")
    for name, rows in sources.items():
        plan = endings.until(rows, now + HORIZON, now).order_by("not_after", "pk")[: endings.PAGE].explain()
        first = next(line for line in plan.splitlines() if "not_after" in line)
        print(f"  {name:20} {first.strip()}")


if __name__ == "__main__":
    if sys.argv[1:]:
        scan(" ".join(sys.argv[1:]))
    else:
        main()
