"""`list_certificates`: what there is, and what expires."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from botplatform.console import moments
from botplatform.console.commands import ConsoleCommand, ExitOne, whole_number
from certificates.lookup import find_bot, scope_of, visible_certificates
from certificates.models import ClientCertificate
from certificates.pki import display
from certificates.pki.radar import Blip
from certificates.pki.report import utc
from certificates.services.radar import active_blips

MAX_DAYS = 36_500


class Command(ConsoleCommand):
    """One line for each certificate, by its active version."""

    help = "List client certificates. With --expiring-within or --radar: only those concerned; exit code 1 if any."
    examples = """
        manage.py list_certificates --bot acme
        manage.py list_certificates --expiring-within 30 --json
        manage.py list_certificates --radar
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--bot", metavar="BOT", help="only those of this bot")
        parser.add_argument(
            "--expiring-within",
            metavar="DAYS",
            type=whole_number(0, MAX_DAYS),
            help="only those whose active version expires in so many days",
        )
        parser.add_argument("--radar", action="store_true", help="only those without clientAuth, now or when renewed")
        self.add_json_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        actor, now, days = self.actor(options), timezone.now(), options["expiring_within"]
        certificates = visible_certificates(actor)
        if options["bot"]:
            certificates = certificates.filter(bot=find_bot(actor, options["bot"]))
        blips = active_blips(scope_of(actor), now) if options["radar"] else None
        if blips is not None:
            certificates = certificates.filter(pk__in=blips)
        rows = [
            _row(certificate, now) | _client_auth(certificate, blips)
            for certificate in certificates.with_active_version()
        ]
        if days is not None:
            rows = [row for row in rows if row["days_left"] is not None and row["days_left"] < days]
        if options["json"]:
            self.print_json({"certificates": rows})
        else:
            for row in rows:
                self.show(_line(row, now))
            self.say(_summary(len(rows), radar=options["radar"], days=days))
        if rows and (days is not None or options["radar"]):
            raise ExitOne


def _summary(count: int, *, radar: bool, days: int | None) -> str:
    which = " without clientAuth, now or when renewed" if radar else ""
    which += "" if days is None else f"{',' if radar else ''} expiring within {days} day{'' if days == 1 else 's'}"
    return f"{count or 'No'} client certificate{'s' if count > 1 else ''}{which}."


def _row(certificate: ClientCertificate, now: datetime) -> dict[str, Any]:
    row: dict[str, Any] = {"certificate": certificate.path, "default": certificate.is_default}
    version = certificate.active_version
    if version is None:
        names = ("version", "subject", "issuer", "serial", "sha256", "not_before", "not_after", "days_left")
        return row | dict.fromkeys(names)
    return row | {
        "version": version.number,
        "subject": version.subject,
        "issuer": version.issuer,
        "serial": version.serial,
        "sha256": version.sha256,
        "not_before": utc(version.not_before),
        "not_after": utc(version.not_after),
        "days_left": (version.not_after - now) // timedelta(days=1),
    }


def _client_auth(certificate: ClientCertificate, blips: dict[uuid.UUID, Blip] | None) -> dict[str, Any]:
    if blips is None:
        return {}
    blip = blips[certificate.pk]
    return {"client_auth": {"standing": blip.standing.value, "text": blip.text, "advice": blip.advice}}


def _line(row: dict[str, Any], now: datetime) -> str:
    default = " (default)" if row["default"] else ""
    if row["version"] is None:
        return f"{row['certificate']}{default}: no active version"
    not_after = datetime.fromisoformat(row["not_after"])
    when = f"{'expires' if not_after > now else 'expired'} {moments.distance(not_after, now)}"
    subject = display.short_name(row["subject"])
    told = f"\n  {row['client_auth']['text']} {row['client_auth']['advice']}" if "client_auth" in row else ""
    return f"{row['certificate']}{default}: version {row['version']}, {subject}, {when} ({row['not_after'][:10]}){told}"
