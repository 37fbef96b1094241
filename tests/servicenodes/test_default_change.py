"""What is foretold of a change of the default is what happens, by the rules of the effective certificate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from botplatform.errors import Stale
from certificates.models import ClientCertificate
from certificates.services.defaults import clear_default, set_default
from certificates.services.foreseeing import foresee_default, foresee_no_default
from servicenodes.effective import effective_certificates
from servicenodes.models import ServiceNode
from tests.api.caller import caller_of
from tests.certificates.commands.test_commands import run
from tests.factories import make_certificate, make_node
from tests.pki import CA

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


@pytest.fixture
def world(bot: Bot, other_bot: Bot) -> None:
    """acme has a default and globex none; each has a node with its own certificate and two without."""
    make_certificate(None, "first", is_default=True)
    make_certificate(None, "second")
    make_certificate(bot, "own", is_default=True)
    for owner in (bot, other_bot):
        spare = make_certificate(owner, "spare")
        make_node(owner, "fixed", certificate=spare)
        make_node(owner, "one")
        make_node(owner, "two", dialog="Pay")


def presented() -> dict[str, str | None]:
    nodes = list(ServiceNode.objects.select_related("bot"))
    found = effective_certificates(nodes)
    return {node.path: getattr(found[node.pk].certificate, "path", None) for node in nodes}


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("path", ["platform/second", "acme/spare", "globex/spare", "platform/first", "acme/own"])
def test_what_is_foretold_comes_true(path: str, operator: Actor) -> None:
    slug, _, name = path.partition("/")
    owner = Bot.objects.filter(slug=slug).first()
    certificate = ClientCertificate.objects.of_owner(owner).get(name=name)
    before = presented()
    if certificate.is_default:
        change = foresee_no_default(actor=operator, owner=owner)
        clear_default(actor=operator, certificate=certificate)
    else:
        change = foresee_default(actor=operator, owner=owner, after=path)
        set_default(actor=operator, certificate=certificate)
    after = presented()
    changed = {node for node in before if before[node] != after[node]}
    assert changed
    assert {node.path for node in change.nodes} == changed
    assert (change.count, change.hidden) == (len(changed), 0)
    assert {(before[node], after[node]) for node in changed} == {(change.before, change.after)}


@pytest.mark.usefixtures("world")
def test_nodes_of_foreign_bots_are_counted_only(manager: User, administrator: User) -> None:
    from certificates.services.foreseeing import served_by_default

    ClientCertificate.objects.filter(bot__isnull=False).update(is_default=False)
    seen = served_by_default(Actor.of(manager), None)
    assert ([node.path for node in seen.nodes], seen.count, seen.hidden) == (["acme/one", "acme/two"], 4, 2)
    assert served_by_default(Actor.of(administrator), None).hidden == 0


@pytest.mark.usefixtures("world")
def test_the_page_says_it_before_it_is_done(sign_in: SignIn, manager: User, viewer: User) -> None:
    address = "/bots/acme/certificates/spare/default/"
    assert sign_in(viewer).get(address).status_code == 403
    client = sign_in(manager)
    page = client.get(address).content.decode()
    assert "2 service nodes will present something else" in page
    assert page.count("acme/own") >= 3
    assert 'name="expected" value="acme/own"' in page
    late = client.post(address, {"act": "set", "expected": ""}, follow=True).content.decode()
    assert "Somebody chose another default meanwhile" in late
    done = client.post(address, {"act": "set", "expected": "acme/own"}, follow=True).content.decode()
    assert "acme/spare is now the default" in done
    cleared = client.get(address).content.decode()
    assert "platform/first" in cleared  # what the nodes fall back to


@pytest.mark.usefixtures("world")
def test_what_somebody_else_chose_meanwhile_is_not_overwritten(operator: Actor, bot: Bot) -> None:
    spare = ClientCertificate.objects.get(bot=bot, name="spare")
    for service in (set_default, clear_default):
        with pytest.raises(Stale):
            service(actor=operator, certificate=spare, expected="acme/gone")
    set_default(actor=operator, certificate=spare, expected="acme/own")


@pytest.mark.usefixtures("world")
def test_the_import_says_it_too(bot: Bot, tmp_path: Path, owner: User) -> None:
    issued = CA.root().issue("new.example")
    (tmp_path / "new.pem").write_bytes(issued.chain_pem + issued.key_pem)
    for extra, verb in ((("--check",), "would present"), ((), "presents")):
        told = run("import_certificate", "acme/new", tmp_path / "new.pem", "--default", *extra)
        assert (told.code, told.err.count(f"{verb} acme/new instead of acme/own")) == (0, 2)
        assert "acme/fixed" not in told.err
    asked = caller_of(owner)("GET", "/bots/acme/certificates/own/default-change").json()
    assert asked == {
        "before": "acme/new",
        "after": "acme/own",
        "nodes": ["acme/one", "acme/two"],
        "count": 2,
        "hidden": 0,
    }
