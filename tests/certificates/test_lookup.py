"""Finding by name: within what the actor sees; foreign and missing look the same."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from botplatform.errors import InvalidInput, NotFound
from certificates.lookup import find_bot, find_certificate, find_owner, find_trust_store
from servicenodes.lookup import find_node
from tests.factories import make_certificate, make_node, make_trust_store

pytestmark = pytest.mark.django_db


def text_of(find: Callable[[], object]) -> str:
    with pytest.raises(NotFound) as missing:
        find()
    return missing.value.text


def test_foreign_and_missing_look_the_same(bot: Bot, other_bot: Bot, viewer: User) -> None:
    actor = Actor.of(viewer)
    make_certificate(other_bot, "bank")
    make_trust_store(other_bot, "roots")
    make_node(other_bot, "node")
    for find in (
        lambda slug: find_bot(actor, slug),
        lambda slug: find_certificate(actor, f"{slug}/bank"),
        lambda slug: find_trust_store(actor, f"{slug}/roots", bot),
        lambda slug: find_node(actor, f"{slug}/node"),
    ):
        foreign = text_of(lambda find=find: find("globex"))  # type: ignore[misc]
        missing = text_of(lambda find=find: find("nobody"))  # type: ignore[misc]
        assert foreign.replace("globex", "nobody") == missing


def test_what_an_actor_sees_is_found(bot: Bot, other_bot: Bot, viewer: User, auditor: User, operator: Actor) -> None:
    own, platforms = make_certificate(bot, "bank"), make_certificate(None, "bank")
    foreign, node = make_certificate(other_bot, "bank"), make_node(bot, "node")
    for actor in (Actor.of(viewer), Actor.of(auditor), operator):
        assert find_certificate(actor, "acme/bank") == own
        assert find_certificate(actor, "platform/bank") == platforms
        assert find_node(actor, "acme/node") == node
        assert find_owner(actor, "platform") is None
        assert find_owner(actor, "acme") == bot
    assert find_certificate(operator, "globex/bank") == foreign


def test_a_trust_store_is_the_bots_before_the_platforms(bot: Bot, other_bot: Bot, operator: Actor) -> None:
    own, platforms = make_trust_store(bot, "roots"), make_trust_store(None, "roots")
    assert find_trust_store(operator, "roots", bot) == own
    assert find_trust_store(operator, "roots", other_bot) == platforms
    assert find_trust_store(operator, "roots", None) == platforms
    assert find_trust_store(operator, "platform/roots", bot) == platforms
    assert find_trust_store(operator, "acme/roots", None) == own


@pytest.mark.parametrize("path", ["", "bank", "/bank", "acme/", "a/b/c"])
def test_a_path_has_two_parts(operator: Actor, path: str) -> None:
    with pytest.raises(InvalidInput):
        find_certificate(operator, path)
    with pytest.raises(InvalidInput):
        find_node(operator, path)
