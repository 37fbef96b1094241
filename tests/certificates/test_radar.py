"""The clientAuth radar: what stands on it, and what is said of each."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from certificates.models import VersionStatus
from certificates.pki.public_cas import SOURCES
from certificates.pki.radar import Standing, locate, public_issuer
from tests.certificates.commands.test_commands import run
from tests.factories import add_version, make_certificate, make_version
from tests.pki import CA, distinguished_name

SignIn = Callable[[User], Client]
SIGHT = datetime(2026, 11, 27, tzinfo=UTC)
ENDING = {"code": "public_ca_client_auth_ending", "severity": "warning", "text": "…"}
MISSING = {"code": "client_auth_missing", "severity": "error", "text": "…"}


@pytest.mark.parametrize(
    ("organisation", "expires", "standing"),
    [
        ("Let's Encrypt", 60, Standing.RENEWAL_LACKS),  # ended in July 2026
        ("DigiCert Inc", 60, Standing.ONE_MORE),  # expires before March 2027
        ("DigiCert Inc", 94, Standing.RENEWAL_LACKS),  # expires on 1 March 2027
        ("The USERTRUST Network", 94, Standing.RENEWAL_LACKS),  # Sectigo’s February 2027
        ("QuoVadis Limited", 94, Standing.RENEWAL_LACKS),  # DigiCert’s
        ("GlobalSign nv-sa", 94, Standing.ONE_MORE),  # Chrome's 15 March 2027
        ("GlobalSign nv-sa", 108, Standing.RENEWAL_LACKS),
    ],
)
def test_the_next_renewal(organisation: str, expires: int, standing: Standing) -> None:
    issuers = ["CN=Private", f"CN=CA,O={organisation}"]
    blip = locate(lacks=False, issuers=issuers, not_after=SIGHT + timedelta(days=expires), now=SIGHT)
    assert (blip.standing, blip.issuer) == (standing, organisation)


def test_on_the_day_itself_it_has_ended() -> None:
    for day, ended in ((date(2027, 2, 28), False), (date(2027, 3, 1), True)):
        now = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        blip = locate(lacks=False, issuers=["O=DigiCert Inc"], not_after=now + timedelta(days=9), now=now)
        assert (": DigiCert ended it" in blip.text) is ended


def test_what_lacks_it_already() -> None:
    for issuer, advice in (("O=DigiCert Inc", "private CA"), ("O=Bank", "Ask its CA")):
        blip = locate(lacks=True, issuers=[issuer], not_after=SIGHT + timedelta(days=9), now=SIGHT)
        assert blip.standing == Standing.LACKS
        assert advice in blip.advice
    assert public_issuer(["CN=x,O=Bank", "CN=y"]) == ""


@pytest.mark.django_db
def test_the_page(sign_in: SignIn, manager: User, bot: Bot, other_bot: Bot) -> None:
    public = CA.root(subject=distinguished_name("Root", organisation="DigiCert Inc")).intermediate()
    make_certificate(bot, "public", issued=public.issue(eku=("serverAuth", "clientAuth")))
    lacking = make_certificate(bot, "lacking", issued=CA.root().issue(eku=("serverAuth",)))
    add_version(lacking, CA.root().issue(), number=2, status=VersionStatus.STAGED)
    make_certificate(bot, "private", issued=CA.root().issue())
    make_certificate(other_bot, "foreign", issued=public.issue(eku=("clientAuth",)))
    client = sign_in(manager)
    assert "/certificates/client-auth/" in client.get("/certificates/").content.decode()
    answer = client.get("/certificates/client-auth/")
    found = [(version.certificate.name, version.number, blip.standing) for version, blip, _ in answer.context["rows"]]
    assert found[0] == ("lacking", 1, Standing.LACKS)
    assert [name for name, _, _ in found] == ["lacking", "public"]
    assert answer.context["numbers"] == {"lacking": 1, "losing": 1}
    page = answer.content.decode()
    assert "Chrome Root Program Policy, version 1.8" in page
    assert "DigiCert Inc" in page


@pytest.mark.django_db
def test_the_command_lists_those_on_the_radar(bot: Bot) -> None:
    empty = run("list_certificates", "--radar")
    assert (empty.code, empty.out) == (0, "")
    assert empty.err == "No client certificate without clientAuth, now or when renewed.\n"
    make_certificate(bot, "private", issued=CA.root().issue())
    make_certificate(bot, "lacking", issued=CA.root().issue(eku=("serverAuth",)))
    told = run("list_certificates", "--radar")
    assert (told.code, "acme/lacking" in told.out, "Ask its CA" in told.out, "private" in told.out) == (
        1,
        True,
        True,
        False,
    )
    assert told.err == "1 client certificate without clientAuth, now or when renewed.\n"
    (row,) = run("list_certificates", "--radar", "--json").document["certificates"]
    assert (row["certificate"], row["client_auth"]["standing"]) == ("acme/lacking", "lacks")


@pytest.mark.django_db
def test_an_empty_radar_says_so(sign_in: SignIn, stranger: User) -> None:
    assert "Nothing on the radar" in sign_in(stranger).get("/certificates/client-auth/").content.decode()


@pytest.mark.django_db
def test_the_page_costs_the_same_however_many_there_are(
    sign_in: SignIn, owner: User, bot: Bot, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(60):
        make_version(
            make_certificate(bot, status=VersionStatus.RETIRED),
            number=2,
            issuer="O=Sectigo Limited",
            findings=[ENDING, MISSING],
        )
    client = sign_in(owner)
    with django_assert_max_num_queries(9):
        assert len(client.get("/certificates/client-auth/").context["rows"]) == 50


def test_the_document_tells_the_same_sources() -> None:
    text = (Path(__file__).parents[2] / "docs/client-auth.md").read_text()
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", text, re.MULTILINE)
    assert rows[1:] == [(one.who, one.document, one.says, one.dated) for one in SOURCES]
