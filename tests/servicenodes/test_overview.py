"""Whom the overview calls: nobody is asked to do what they may not."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.bots.models import Bot, Membership
from botplatform.bots.roles import Role
from certificates.models import ChainRole, VersionStatus
from certificates.services.rotation import promote, retire
from servicenodes.expiries import INTERMEDIATES, KINDS
from servicenodes.fleet import MILD, SHOWN
from servicenodes.services.attaching import attach_certificate
from servicenodes.services.basis import basis_of
from servicenodes.services.nodes import change_node
from servicenodes.templatetags.node_kit import VERDICTS
from tests.certificates.services.test_rotation import slot
from tests.factories import (
    make_certificate,
    make_chain_certificate,
    make_node,
    make_test,
    make_trust_store,
    make_version,
)
from tests.pki import CA

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


@pytest.mark.parametrize(("role", "called"), [("viewer", False), ("auditor", False), ("developer", True)])
def test_who_may_only_look_is_not_called(
    sign_in: SignIn, bot: Bot, role: str, called: bool, request: pytest.FixtureRequest
) -> None:
    make_test(make_node(bot, "failing"), verdict="rejected", summary="No.")
    page = sign_in(request.getfixturevalue(role)).get("/").content.decode()
    assert ("Needs a person today" in page) is called
    assert ("You may look at these, but not change or test them" in page) is not called
    assert "failing" in page


def test_the_lists_hold_what_one_may_act_on_and_the_numbers_all(
    sign_in: SignIn, developer: User, bot: Bot, other_bot: Bot
) -> None:
    Membership.objects.create(user=developer, bot=other_bot, role=Role.VIEWER)
    make_test(make_node(bot, "mine"), verdict="rejected", summary="No.")
    make_test(make_node(other_bot, "theirs"), verdict="rejected", summary="No.")
    fleet = sign_in(developer).get("/").context["fleet"]
    assert [node.slug for node in fleet.failing] == ["mine"]
    assert [node.slug for node in fleet.unprotected] == ["mine"]
    assert fleet.numbers["failing"] == 2


def test_what_is_urgent_comes_first_and_then_names_as_people_count(sign_in: SignIn, owner: User, bot: Bot) -> None:
    for name, verdict in (("2 Mild", "not_requested"), ("10 Cards", "rejected"), ("9 Cards", "network_error")):
        make_test(make_node(bot, name=name), verdict=verdict, summary="No.")
    for name in ("Pay 10", "pay 9", "Pay 1"):
        make_node(bot, name=name)
    fleet = sign_in(owner).get("/").context["fleet"]
    assert [node.name for node in fleet.failing] == ["9 Cards", "10 Cards", "2 Mild"]
    assert [node.name for node in fleet.untested] == ["Pay 1", "pay 9", "Pay 10"]
    assert {verdict for verdict, (tone, _) in VERDICTS.items() if tone == "warning"} == set(MILD)


def test_the_gravest_are_chosen_where_not_all_fit(sign_in: SignIn, owner: User, bot: Bot) -> None:
    make_test(make_node(bot, "grave"), verdict="rejected")
    for _ in range(SHOWN):
        make_test(make_node(bot), verdict="not_requested")
    failing = sign_in(owner).get("/").context["fleet"].failing
    assert (len(failing), failing[0].slug) == (SHOWN, "grave")


def test_a_node_without_a_url_is_called_for_that_alone(sign_in: SignIn, owner: User, viewer: User, bot: Bot) -> None:
    make_node(bot, "imported", url="", exported_url="{{base}}/x")
    make_node(bot, "fresh")
    answer = sign_in(owner).get("/")
    fleet, page = answer.context["fleet"], answer.content.decode()
    lists = [[node.slug for node in nodes] for nodes in (fleet.needs_url, fleet.unprotected, fleet.untested)]
    assert lists == [["imported"], ["fresh"], ["fresh"]]
    numbers = {name: fleet.numbers[name] for name in ("nodes", "failing", "needs_url", "unprotected", "untested")}
    assert numbers == {"nodes": 2, "failing": 0, "needs_url": 1, "unprotected": 1, "untested": 1}
    acts = ("imported/edit/", "fresh/attach/", "fresh/test/")
    assert [f'/bots/acme/nodes/{act}"' in page for act in acts] == [True] * 3
    page = sign_in(viewer).get("/").content.decode()
    assert ("Needs a URL" in page, [act for act in acts if f"/{act}" in page]) == (True, [])


def test_a_verdict_of_other_settings_is_not_told_as_today_s(sign_in: SignIn, owner: User, bot: Bot) -> None:
    nodes = [make_node(bot, name, certificate=make_certificate(bot, name)) for name in ("same", "changed")]
    for node in nodes:
        assert node.certificate is not None
        make_test(node, verdict="rejected", summary="No.", basis=basis_of(node, node.certificate.active_version))
    change_node(actor=Actor.operating_system(), node=nodes[1], expected_revision=1, timeout_s=20)
    client = sign_in(owner)
    for address in ("/", "/nodes/", "/bots/acme/"):
        page = client.get(address).content.decode().lower()
        assert page.count("settings changed since") == 1, address
        assert page.count('class="is-outdated"') == 1


def test_what_changed_since_a_test_is_called_by_its_name(sign_in: SignIn, owner: User, bot: Bot) -> None:
    made, actor, client = slot(bot, "active", "staged"), Actor.operating_system(), sign_in(owner)
    node = make_node(bot, certificate=made)
    make_test(
        node, verdict="rejected", summary="No.", version=made.active_version, basis=basis_of(node, made.active_version)
    )

    def told() -> set[str]:
        """What the overview, the list and the node's page say, before “since”; all the same."""
        found = set()
        for address in ("/", "/nodes/", node.get_absolute_url()):
            page = re.sub(r"<[^>]+>", ".", client.get(address).content.decode())
            found.add(", ".join(re.findall(r"([A-Za-z][a-z ]+) since", page)).lower())
        return found

    assert told() == {""}
    promote(actor=actor, certificate=made)
    assert told() == {"another version is active"}
    retire(actor=actor, certificate=made, number=2, force=True)
    assert told() == {"nothing is presented"}
    attach_certificate(actor=actor, nodes=[node], certificate=make_certificate(bot, "other"))
    assert told() == {"another certificate is presented"}
    node.refresh_from_db()
    change_node(actor=actor, node=node, expected_revision=node.revision, timeout_s=20)
    assert told() == {"settings changed"}


def test_the_overview_tells_what_expires_in_400_days(
    sign_in: SignIn, owner: User, administrator: User, bot: Bot, other_bot: Bot, now: datetime
) -> None:
    def days(number: int) -> datetime:
        return now + timedelta(days=number)

    for owned_by in (bot, None, other_bot):
        for number in (-1, 40, 399, 401):
            version = make_version(
                make_certificate(owned_by, status=VersionStatus.RETIRED), number=2, not_after=days(number)
            )
            make_chain_certificate(version, sha256="1" * 64, not_after=days(90))  # shared by all
            make_chain_certificate(version, position=2, role=ChainRole.ROOT, not_after=days(number + 1))
    store = make_trust_store(other_bot, authorities=(CA.root(not_after=days(200)),))
    for viewer, expected in ((owner, (4, 1, 4, 0)), (administrator, (6, 1, 6, 1))):
        expiries = sign_in(viewer).get("/").context["fleet"].expiries
        assert tuple(sum(counts[kind] for _, counts in expiries) for kind in KINDS) == expected, store
        months = dict(expiries)
        assert months[days(90).date().replace(day=1)][INTERMEDIATES] == 1
        assert list(months) == sorted(months)
        assert (min(months), max(months)) == tuple(days(n).date().replace(day=1) for n in (0, 400))


def test_the_overview_costs_the_same_however_much_expires(sign_in: SignIn, owner: User, bot: Bot) -> None:
    client, costs = sign_in(owner), []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            client.get("/")
        costs.append(len(queries))
        for _ in range(5):
            make_chain_certificate(make_version(make_certificate(bot, status=VersionStatus.RETIRED), number=2))
        make_trust_store(bot, authorities=(CA.root(),))
    assert costs[0] == costs[1]
