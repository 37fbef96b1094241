"""The pages of bots, service nodes, tests, overview and settings."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from botplatform.jobs.models import Duty, WorkerHeartbeat
from servicenodes.models import AWAITED_FOR, ConnectionTest, ServiceNode
from tests.factories import make_certificate, make_node, make_test, make_trust_store, make_version

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
FIELDS = {"name": "Get balance", "url": "https://api.bank.example/b", "method": "GET", "min_tls": "1.2", "timeout_s": 9}
NODE = "/bots/acme/nodes/get-balance/"


@pytest.fixture
def node(bot: Bot) -> ServiceNode:
    return make_node(bot, "get-balance", name="Get balance", dialog="Check balance", headers={"X-Row": "hush-hush"})


# --- The overview and the bots ----------------------------------------------------------------------------------------


def test_an_empty_console_says_what_to_do_first(sign_in: SignIn, administrator: User, stranger: User) -> None:
    assert "Create a bot" in sign_in(administrator).get("/").content.decode()
    assert "You belong to no bot yet" in sign_in(stranger).get("/").content.decode()


def test_the_overview_shows_what_needs_a_person(sign_in: SignIn, owner: User, bot: Bot, other_bot: Bot) -> None:
    soon = make_certificate(bot, "bank-api")
    soon.versions.update(not_after=datetime.now(UTC) + timedelta(days=9))
    make_test(make_node(bot, "failing", certificate=soon), verdict="rejected", summary="The server said no.")
    make_node(bot, "bare")
    make_node(other_bot, "theirs")
    text = sign_in(owner).get("/").content.decode()
    for words in ("Failing nodes", "The server said no.", "Expiring certificates", "Nodes with no certificate", "bare"):
        assert words in text
    assert "No worker is running" in text
    assert "theirs" not in text


def test_an_accepted_fleet_needs_nobody(sign_in: SignIn, owner: User, bot: Bot) -> None:
    make_test(make_node(bot, certificate=make_certificate(bot)), verdict="accepted")
    assert "Nothing needs you today" in sign_in(owner).get("/").content.decode()


@pytest.mark.parametrize("url", ["/", "/nodes/", "/bots/", "/bots/acme/"])
@pytest.mark.parametrize("count", [2, 30])
def test_pages_cost_a_constant_number_of_queries(
    sign_in: SignIn, owner: User, bot: Bot, url: str, count: int, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(count):
        make_test(make_node(bot, certificate=make_certificate(bot)), verdict="rejected")
    client = sign_in(owner)
    with django_assert_max_num_queries(23):
        assert client.get(url).status_code == 200


def test_a_bot_shows_its_nodes_certificates_and_people(
    sign_in: SignIn, owner: User, bot: Bot, node: ServiceNode
) -> None:
    make_certificate(bot, "bank-api", is_default=True)
    make_trust_store(bot, "bank-roots")
    text = sign_in(owner).get("/bots/acme/").content.decode()
    for words in (
        "Check balance / Get balance",
        "acme/bank-api",
        "bot’s default",
        "Never tested",
        "bank-roots",
        "owner",
    ):
        assert words in text


# --- Nodes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"q": "balance"}, {"get-balance"}),
        ({"q": "orders.example"}, {"order"}),
        ({"verdict": "failing"}, {"order"}),
        ({"verdict": "accepted"}, {"get-balance"}),
        ({"verdict": "never"}, {"fresh"}),
        ({"verdict": "needs_url"}, {"imported"}),
        ({"verdict": "nonsense"}, {"get-balance", "order", "fresh", "imported"}),
    ],
)
def test_the_list_narrows(
    sign_in: SignIn, viewer: User, bot: Bot, node: ServiceNode, query: dict[str, str], found: set[str]
) -> None:
    make_test(node, verdict="accepted")
    make_test(make_node(bot, "order", url="https://orders.example/"), verdict="rejected")
    make_node(bot, "fresh", url="https://other.example/")
    make_node(bot, "imported", url="", exported_url="{{base}}/x")
    assert {row.slug for row in sign_in(viewer).get("/nodes/", query).context["rows"]} == found


def test_a_developer_creates_a_node(sign_in: SignIn, developer: User, bot: Bot) -> None:
    headers = "Accept: application/json\n\nX-Trace:  yes "
    page = sign_in(developer).post("/bots/acme/nodes/new/", {**FIELDS, "headers": headers}, follow=True)
    assert page.redirect_chain[-1][0] == NODE
    assert ServiceNode.objects.get().headers == {"Accept": "application/json", "X-Trace": "yes"}


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"url": "http://api.bank.example/"}, "id_url_error"),
        ({"url": "https://user:pw@host/"}, "id_url_error"),
        ({"headers": "no colon"}, "id_headers_error"),
        ({"headers": "Host: other"}, "id_headers_error"),
        ({"headers": "A: 1\na: 2"}, "id_headers_error"),
        ({"name": ""}, "id_name_error"),
        ({"timeout_s": 0}, "id_timeout_s_error"),
        ({"slug": "Not A Slug"}, "id_slug_error"),
        ({"slug": "taken"}, "id_slug_error"),
        ({"server_name": "under score!"}, "id_server_name_error"),
        ({"certificate": str(uuid.uuid4())}, "id_certificate_error"),
    ],
)
def test_errors_stand_beside_their_field_and_keep_what_was_typed(
    sign_in: SignIn, developer: User, bot: Bot, fields: dict[str, Any], error: str
) -> None:
    make_node(bot, "taken")
    answer = sign_in(developer).post("/bots/acme/nodes/new/", {**FIELDS, "dialog": "Typed dialog", **fields})
    assert answer.status_code == 422
    assert error in answer.content.decode()
    assert "Typed dialog" in answer.content.decode()


def test_a_node_is_changed_but_not_over_somebody_elses_change(
    sign_in: SignIn, developer: User, node: ServiceNode
) -> None:
    client = sign_in(developer)
    fields = {**FIELDS, "slug": "get-balance", "revision": node.revision, "timeout_s": 20}
    client.post(f"{NODE}edit/", fields)
    node.refresh_from_db()
    assert node.timeout_s == 20
    stale = client.post(f"{NODE}edit/", {**fields, "timeout_s": 30})
    assert stale.status_code == 422
    assert "meanwhile" in stale.content.decode()


def test_header_values_are_for_those_who_may_change_them(
    sign_in: SignIn, viewer: User, developer: User, node: ServiceNode
) -> None:
    assert "hush-hush" not in sign_in(viewer).get(NODE).content.decode()
    assert "hush-hush" in sign_in(developer).get(f"{NODE}edit/").content.decode()


def test_attach_and_detach(sign_in: SignIn, developer: User, bot: Bot, other_bot: Bot, node: ServiceNode) -> None:
    mine, theirs = make_certificate(bot, "bank-api"), make_certificate(other_bot, "theirs")
    client = sign_in(developer)
    page = client.post(f"{NODE}attach/", {"certificate": mine.pk}, follow=True).content.decode()
    assert "acme/bank-api is attached" in page
    assert "It is attached to this service node." in page
    assert client.post(f"{NODE}attach/", {"certificate": theirs.pk}).status_code == 422
    page = client.post(f"{NODE}attach/", {"certificate": ""}, follow=True).content.decode()
    assert "neither the bot nor the platform has a default" in page


def test_a_node_is_deleted(sign_in: SignIn, developer: User, node: ServiceNode) -> None:
    assert sign_in(developer).post(f"{NODE}delete/").status_code == 302
    assert not ServiceNode.objects.exists()


# --- Tests ------------------------------------------------------------------------------------------------------------


def test_pressing_the_button_queues_a_test_and_leads_to_it(sign_in: SignIn, developer: User, node: ServiceNode) -> None:
    answer = sign_in(developer).post(f"{NODE}test/")
    test = ConnectionTest.objects.get()
    assert answer.url == f"{NODE}tests/{test.pk}/"  # type: ignore[attr-defined]
    assert test.requested_by == "developer"


def test_a_running_test_polls_and_a_finished_one_stops(sign_in: SignIn, viewer: User, node: ServiceNode) -> None:
    client = sign_in(viewer)
    now = timezone.now()
    steps = [{"name": "resolve", "status": "ok", "detail": "192.0.2.7", "ms": 1.0}]
    test = make_test(node, started_at=now, lease_until=now + timedelta(minutes=1), steps=steps)
    url = f"{NODE}tests/{test.pk}/"
    page = client.get(url).content.decode()
    assert 'hx-trigger="every 400ms"' in page
    assert '<noscript><meta http-equiv="refresh" content="1"></noscript>' in page
    fragment = client.get(url, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in fragment
    assert "192.0.2.7" in fragment
    ConnectionTest.objects.update(finished_at=now, verdict="rejected", summary="The server said no.")
    for answer in (client.get(url), client.get(url, headers={"HX-Request": "true"})):
        assert "hx-trigger" not in answer.content.decode()
        assert "The server said no." in answer.content.decode()


def test_a_dead_worker_and_a_missing_one_are_told(sign_in: SignIn, viewer: User, node: ServiceNode) -> None:
    client = sign_in(viewer)
    before = timezone.now() - timedelta(minutes=2)
    dead = make_test(node, started_at=before, lease_until=before)
    waiting = make_test(node, requested_at=before)
    assert "stopped in the middle" in client.get(f"{NODE}tests/{dead.pk}/").content.decode()
    page = client.get(f"{NODE}tests/{waiting.pk}/").content.decode()
    assert "No worker has taken this test yet" in page
    assert "hx-trigger" in page
    ConnectionTest.objects.filter(pk=waiting.pk).update(requested_at=before - AWAITED_FOR)
    page = client.get(f"{NODE}tests/{waiting.pk}/").content.decode()
    assert "No worker took this test within a day" in page
    assert "hx-trigger" not in page


def test_the_test_of_another_node_is_not_found(sign_in: SignIn, viewer: User, bot: Bot, node: ServiceNode) -> None:
    elsewhere = make_test(make_node(bot, "other"))
    assert sign_in(viewer).get(f"{NODE}tests/{elsewhere.pk}/").status_code == 404


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 }}{% now %}"])
def test_names_cannot_write_html(sign_in: SignIn, administrator: User, bot: Bot, hostile: str) -> None:
    Bot.objects.filter(pk=bot.pk).update(name=hostile)
    bot.refresh_from_db()
    node = make_node(bot, "get-balance", name=hostile, dialog=hostile, headers={"A": hostile}, method="GET")
    certificate = make_certificate(bot, "bank-api", is_default=True)
    certificate.versions.update(subject=f"CN={hostile}", issuer=f"CN={hostile}")
    finding = {"code": hostile, "severity": "error", "text": hostile}
    report = {"advice": [hostile], "findings": [finding], "reproduce": {"curl": hostile}, "summary": hostile}
    steps = [{"name": hostile, "status": "ok", "detail": hostile, "ms": 1.0}]
    test = make_test(node, verdict="rejected", reason=hostile, summary=hostile, report=report, steps=steps)
    client = sign_in(administrator)
    paths = ["/", "/bots/", "/bots/acme/", "/nodes/", NODE, f"{NODE}edit/", f"{NODE}attach/", f"{NODE}tests/{test.pk}/"]
    for path in [*paths, "/certificates/", certificate.get_absolute_url(), "/bots/acme/people/"]:
        text = client.get(path).content.decode()
        assert hostile not in text or "{{" in hostile, path
        assert "<img src=x" not in text, path


# --- Settings ---------------------------------------------------------------------------------------------------------


def test_the_settings_page_shows_no_secret(sign_in: SignIn, auditor: User, settings: Settings) -> None:
    settings.EGRESS_PROXY = "http://user:proxy-secret@proxy.example:3128"
    settings.EGRESS_ALLOW = ["10.1.2.0/24"]
    page = sign_in(auditor).get("/settings/").content.decode()
    assert "10.1.2.0/24" in page
    assert "The keyring is open" in page
    assert "proxy-secret" not in page
    assert settings.SECRET_KEY not in page


def test_the_settings_page_tells_of_background_work(sign_in: SignIn, auditor: User, settings: Settings) -> None:
    client, now = sign_in(auditor), timezone.now()
    page = client.get("/settings/").content.decode()
    assert "No worker is running" in page
    assert "as soon as a worker runs" in page
    assert all(title in page for title, _, _ in settings.DUTIES.values())
    assert "Start re tests" not in page
    WorkerHeartbeat.objects.beat(name="host:1", concurrency=4, now=now)
    lease = now + timedelta(minutes=1)
    assert Duty.objects.claim(name="forget-ended-tasks", now=now, lease_until=lease)
    page = client.get("/settings/").content.decode()
    assert "No worker is running" not in page
    assert "host:1" in page
    assert "Running" in page
    Duty.objects.finish(name="forget-ended-tasks", lease_until=lease, due_at=now, ended_at=now, error="LookupError")
    assert "Failed" in client.get("/settings/").content.decode()
    Duty.objects.update(error="")
    assert "Done" in client.get("/settings/").content.decode()


# --- Who may see what -------------------------------------------------------------------------------------------------

PAGES = {
    "/": "viewer developer manager owner auditor administrator stranger",
    "/bots/": "viewer developer manager owner auditor administrator stranger",
    "/audit/": "viewer developer manager owner auditor administrator stranger",
    "/bots/acme/": "viewer developer manager owner auditor administrator",
    NODE: "viewer developer manager owner auditor administrator",
    "/bots/acme/people/": "viewer developer manager owner auditor administrator",
    f"{NODE}edit/": "developer manager owner administrator",
    f"{NODE}attach/": "developer manager owner administrator",
    "/bots/acme/nodes/new/": "developer manager owner administrator",
    "/bots/acme/certificates/import/": "manager owner administrator",
    "/bots/acme/trust-stores/import/": "manager owner administrator",
    "/platform/certificates/import/": "administrator",
    "/bots/new/": "administrator",
    "/settings/": "auditor administrator",
    "/people/": "auditor administrator",
}
ROLES = ("viewer", "developer", "manager", "owner", "auditor", "administrator", "stranger")


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("url", PAGES)
def test_who_may_open_which_page(
    sign_in: SignIn, node: ServiceNode, url: str, role: str, request: pytest.FixtureRequest
) -> None:
    status = sign_in(request.getfixturevalue(role)).get(url).status_code
    if role in PAGES[url].split():
        assert status == 200
    else:
        assert status == (404 if role == "stranger" and url.startswith("/bots/acme/") else 403)


@pytest.mark.parametrize("url", PAGES)
def test_without_signing_in_every_page_leads_to_the_sign_in(client: Client, node: ServiceNode, url: str) -> None:
    assert client.get(url).url == f"/sign-in/?next={url}"  # type: ignore[attr-defined]


# --- Choosing among many ------------------------------------------------------------------------------------------


@pytest.fixture
def many(bot: Bot) -> list[str]:
    for number in range(60):
        make_certificate(bot, f"branch-{number:02}")
    return [str(make_certificate(bot, f"zz-{number}").pk) for number in range(2)]


def test_a_long_list_of_certificates_is_offered_in_part_and_searched(
    sign_in: SignIn, owner: User, node: ServiceNode, many: list[str]
) -> None:
    client = sign_in(owner)
    for url in (f"{NODE}attach/", f"{NODE}edit/", "/bots/acme/nodes/new/"):
        text = client.get(url).content.decode()
        assert text.count("<option") < 70
        assert "The list holds the first 50." in text
        assert "acme/zz-1" not in text
        text = client.post(url, {"act": "find", "find_certificate": "acme/zz", "name": "Typed"}).content.decode()
        assert "acme/zz-0" in text
        assert "acme/zz-1" in text
        assert "acme/branch-00" not in text
        assert "Typed" in text or "attach" in url
        assert "This field is required" not in text
    assert client.post(f"{NODE}attach/", {"certificate": many[1]}).status_code == 302
    assert "acme/zz-1" in client.get(f"{NODE}attach/").content.decode()  # what is chosen is always offered


def test_enter_searches_only_where_a_search_was_typed(
    sign_in: SignIn, owner: User, node: ServiceNode, many: list[str]
) -> None:
    client = sign_in(owner)
    sent = {"act": "enter", "certificate": many[0], "find_certificate": "zz", "was_find_certificate": ""}
    assert client.post(f"{NODE}attach/", sent).status_code == 200
    assert client.post(f"{NODE}attach/", {**sent, "was_find_certificate": "zz"}).status_code == 302


def test_a_search_that_nothing_fits_says_so_and_a_wrong_choice_is_refused(
    sign_in: SignIn, owner: User, node: ServiceNode, other_bot: Bot
) -> None:
    client = sign_in(owner)
    text = client.post(f"{NODE}attach/", {"act": "find", "find_certificate": "<nothing>"}).content.decode()
    assert "Nothing fits “&lt;nothing&gt;”." in text
    for wrong in ("not-an-id", str(make_certificate(other_bot).pk)):
        assert client.post(f"{NODE}attach/", {"certificate": wrong}).status_code == 422


def test_a_report_leads_to_what_it_names(sign_in: SignIn, viewer: User, bot: Bot, other_bot: Bot) -> None:
    made, theirs = make_certificate(bot, "bank"), make_certificate(other_bot, "bank")
    node = make_node(bot, "pay", certificate=made)
    client, page = sign_in(viewer), "/bots/acme/certificates/bank/"

    def links(path: str, verdict: str, number: int = 1) -> set[str]:
        """Of the page of the test, and, but for the certificate, of its node's."""
        version = (made if path.startswith("acme") else theirs).versions.get(number=number)
        named = {"certificate": path, "version": number, "sent": "certificate", "source": "node"}
        report = {"advice": ["Send the chain."], "client_certificate": named}
        test = make_test(node, verdict=verdict, summary="No.", version=version, report=report)
        found = client.get(f"/bots/acme/nodes/pay/tests/{test.pk}/").content.decode()
        assert path in found
        assert ("hand-over/" in found) == ("hand-over/" in client.get("/bots/acme/nodes/pay/").content.decode())
        return set(re.findall(r'href="(/bots/\w+/certificates/[^"]+)"', found))

    assert links("acme/bank", "rejected") == {page, f"{page}#version-1", f"{page}versions/1/hand-over/"}
    assert 'id="version-1"' in client.get(page).content.decode()
    assert links("acme/bank", "accepted") == {page, f"{page}#version-1"}
    assert links("globex/bank", "rejected") == set()
    make_version(made, number=2, status="retired")
    assert links("acme/bank", "rejected", 2) == {page, f"{page}#version-2"}, "only what is presented is handed over"
    ServiceNode.objects.update(certificate=None)
    made.name = "renamed"  # as if it were deleted
    made.save(update_fields=["name"])
    assert f'href="{page}' not in client.get("/bots/acme/nodes/pay/").content.decode()
