"""Creating, changing and deleting service nodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from botplatform.accounts.actors import Actor
from botplatform.audit import trail
from botplatform.audit.actions import Action
from botplatform.bots.access import authorize
from botplatform.bots.models import Bot
from botplatform.bots.roles import Permission
from botplatform.errors import Conflict, InvalidInput, NotFound, Stale
from botplatform.validation import check_model, one_line, refuse_route, slug_from
from certificates.models import ClientCertificate, TrustStore
from servicenodes.models import ServiceNode
from servicenodes.services.headers import arrange, sealed_names, store
from servicenodes.templating import check_method, check_templates
from servicenodes.tls.target import normalise_host, parse_target

SLUG_LENGTH = 63
NEW_NODE = "new"  # the page of the form; a node of this slug would hide behind it
CHANGEABLE = frozenset(
    {"slug", "name", "dialog", "method", "url", "headers", "sealed_headers", "body", "certificate", "trust_store"}
    | {"server_name", "min_tls", "require_mutual_tls", "timeout_s", "exported_url", "secrets_digest"}
)


@transaction.atomic
def create_node(
    *,
    actor: Actor,
    bot: Bot,
    name: str,
    url: str,
    slug: str = "",
    dialog: str = "",
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    sealed_headers: Mapping[str, str | None] | None = None,
    body: str = "",
    certificate: ClientCertificate | None = None,
    trust_store: TrustStore | None = None,
    server_name: str = "",
    min_tls: str = "1.2",
    require_mutual_tls: bool = True,
    timeout_s: int | None = None,
    external_id: str = "",
    exported_url: str = "",
    secrets_digest: str = "",
) -> ServiceNode:
    """Make a service node. Without a slug one is made from the name; without a timeout TEST_TIMEOUT_S applies.

    The last three are the import's (`services.definitions`): with `exported_url` the URL may be empty. Method, URL,
    header values and body are templates (`templating`). Headers that carry a credential are sealed, as are those of
    `sealed_headers`. Raises `NotAllowed`, `InvalidInput` (`field` names the argument), `Conflict` for a taken slug,
    `Sealed`.
    """
    authorize(actor, Permission.NODE_CHANGE, bot=bot)
    if certificate is not None:
        authorize(actor, Permission.NODE_ATTACH, bot=bot)
    hold(certificate)
    hold(trust_store)
    order = arrange(headers or {}, sealed_headers)
    node = ServiceNode(bot=bot, name=name, dialog=dialog, method=method, url=url, headers=order.plain, body=body)
    node.certificate, node.trust_store = certificate, trust_store
    node.server_name, node.min_tls, node.require_mutual_tls = server_name, min_tls, require_mutual_tls
    node.timeout_s = settings.TEST_TIMEOUT_S if timeout_s is None else timeout_s
    node.external_id, node.exported_url, node.secrets_digest = external_id, exported_url, secrets_digest
    node.slug = slug or free_slug(bot, name)
    _check(node)
    try:
        with transaction.atomic():
            node.save(force_insert=True)
    except IntegrityError as error:
        raise Conflict(f"The bot {bot.slug} already has a service node “{node.slug}”.") from error
    store(node, order)
    record(actor, Action.NODE_CREATED, node, _facts(node) | {"sealed_headers": sorted(order.new)})
    return node


@transaction.atomic
def change_node(*, actor: Actor, node: ServiceNode, expected_revision: int, **changes: Any) -> ServiceNode:
    """Change the given fields (those of `create_node`). What is the same already changes nothing.

    `sealed_headers` names every header that is to be sealed, with None for those whose value stays; without it the
    sealed headers stay, but for those that `headers` gives a value. None stays where the URL's host or port changes:
    else whoever may change a node could have its secrets sent to a host of theirs.

    Raises `NotAllowed`, `NotFound`, `InvalidInput`, and `Conflict` when `expected_revision` is not the node's
    revision any more or the slug is taken.
    """
    if unknown := set(changes) - CHANGEABLE:
        raise TypeError(f"not a field that changes: {', '.join(sorted(unknown))}")
    authorize(actor, Permission.NODE_CHANGE, bot=node.bot)
    if "certificate" in changes:
        authorize(actor, Permission.NODE_ATTACH, bot=node.bot)
    hold(changes.get("certificate"))
    hold(changes.get("trust_store"))
    locked = lock_nodes([node])[0]
    if locked.revision != expected_revision:
        raise Stale("Somebody changed this service node meanwhile. Look at it again, then repeat your change.")
    before = _comparable(locked)
    sealed = sealed_names(locked)
    order = arrange(changes.pop("headers", locked.headers), changes.pop("sealed_headers", None), sealed)
    for field, value in changes.items():
        setattr(locked, field, value)
    locked.headers, locked.slug = order.plain, locked.slug or free_slug(locked.bot, locked.name)
    _check(locked)
    if order.kept:
        _check_same_host(str(before["url"]), locked.url)
    after = _comparable(locked)
    facts: dict[str, object] = {
        field: {"from": _for_trail(field, before), "to": _for_trail(field, after)}
        for field in sorted(after)
        if after[field] != before[field]
    }
    if order.new or len(order.kept) < len(sealed):
        store(locked, order)
        facts["sealed_headers"] = {"from": sealed, "to": sealed_names(locked), "new_values": sorted(order.new)}
    if facts:
        locked.revision += 1
        _save(locked)
        record(actor, Action.NODE_CHANGED, locked, facts)
    return locked


@transaction.atomic
def delete_node(*, actor: Actor, node: ServiceNode, expected_revision: int | None = None) -> None:
    """Delete a node and the record of its tests. Raises `NotAllowed`, `NotFound`, `Stale`."""
    authorize(actor, Permission.NODE_CHANGE, bot=node.bot)
    locked = lock_nodes([node])[0]
    if expected_revision not in {None, locked.revision}:
        raise Stale("Somebody changed this service node meanwhile. Look at it again, then decide.")
    key, facts = locked.pk, _facts(locked)
    locked.delete()
    locked.pk = key  # Django clears it
    record(actor, Action.NODE_DELETED, locked, facts)


def lock_nodes(nodes: list[ServiceNode]) -> list[ServiceNode]:
    """The rows as they are now, locked in one order, so that two who lock the same ones never wait for each other."""
    rows = ServiceNode.objects.select_for_update(of=("self",), no_key=True).order_by("pk")
    locked = list(
        rows.select_related("bot", "certificate__bot", "trust_store__bot").filter(pk__in=[node.pk for node in nodes])
    )
    if missing := {node.pk for node in nodes} - {node.pk for node in locked}:
        gone = next(node for node in nodes if node.pk in missing)
        raise NotFound(f"There is no service node “{gone.path}” any more.")
    return locked


def hold(owned: ClientCertificate | TrustStore | None) -> None:
    """Keep it from being deleted until the transaction ends. Call it before `lock_nodes`. Raises `NotFound`."""
    if owned is None:
        return
    rows = type(owned)._default_manager.select_for_update(of=("self",), no_key=True)
    if rows.filter(pk=owned.pk).first() is None:
        what = "client certificate" if isinstance(owned, ClientCertificate) else "trust store"
        raise NotFound(f"There is no {what} “{owned.path}” any more.")


def check_owned(node: ServiceNode, owned: ClientCertificate | TrustStore | None, *, field: str) -> None:
    """Raise `InvalidInput` unless `owned` belongs to the node's bot or to the platform."""
    if owned is not None and owned.bot_id not in {None, node.bot_id}:
        what = "client certificate" if field == "certificate" else "trust store"
        raise InvalidInput(
            f"A service node of {node.bot.slug} may use only a {what} of {node.bot.slug} or of the platform.",
            field=field,
        )


def free_slug(bot: Bot, name: str) -> str:
    """A slug made from the name that no node of the bot has: `get-balance`, `get-balance-2`, …"""
    stem = slug_from(name, max_length=SLUG_LENGTH - 5) or "node"
    taken = {NEW_NODE} | set(ServiceNode.objects.filter(bot=bot, slug__startswith=stem).values_list("slug", flat=True))
    number = 1
    slug = stem
    while slug in taken:
        number += 1
        slug = f"{stem}-{number}"
    return slug


def record(actor: Actor, action: Action, node: ServiceNode, facts: dict[str, object]) -> None:
    """One audit row about a node."""
    trail.record(
        actor=actor,
        action=action,
        object_type="service_node",
        object_id=node.pk,
        object_name=node.path,
        bot=node.bot,
        facts=facts,
    )


def _check(node: ServiceNode) -> None:
    """Bring the node's values into their stored form. Raises `InvalidInput`."""
    node.name = one_line(node.name, field="name", label="The name", max_length=200)
    node.dialog = one_line(node.dialog, field="dialog", label="The dialog", max_length=200, required=False)
    check_method(node.method)
    if node.url or not node.exported_url:
        parse_target(node.url)
        node.url = "https" + node.url[len("https") :]  # the scheme in lower case
    if node.server_name:
        node.server_name = normalise_host(node.server_name, field="server_name")
    check_templates(url=node.url, headers=node.headers, body=node.body)
    check_owned(node, node.certificate, field="certificate")
    check_owned(node, node.trust_store, field="trust_store")
    check_model(node)
    refuse_route(node.slug, NEW_NODE, field="slug")


def _check_same_host(before: str, after: str) -> None:
    """Raise `InvalidInput` if secret values, kept without being given, would go elsewhere."""
    old, new = (parse_target(url).authority if url else "" for url in (before, after))
    if old != new:
        given = f"for {old}" if old else "before the URL was known"
        text = f"The secret headers were given {given}. Give their values again for {new}, or leave them out."
        raise InvalidInput(text, field="sealed_headers")


def _save(node: ServiceNode) -> None:
    try:
        with transaction.atomic():
            node.save(force_update=True)
    except IntegrityError as error:
        raise Conflict(f"The bot {node.bot.slug} already has a service node “{node.slug}”.") from error


def _facts(node: ServiceNode) -> dict[str, object]:
    """For the trail. Header values and bodies may hold secrets: only names and a length are on record."""
    return {
        "slug": node.slug,
        "name": node.name,
        "dialog": node.dialog,
        "method": node.method,
        "url": node.url,
        "exported_url": node.exported_url,
        "headers": sorted(node.headers),
        "body": f"{len(node.body)} characters" if node.body else "",
        "certificate": node.certificate.path if node.certificate else None,
        "trust_store": node.trust_store.path if node.trust_store else None,
        "server_name": node.server_name,
        "min_tls": node.min_tls,
        "require_mutual_tls": node.require_mutual_tls,
        "timeout_s": node.timeout_s,
    }


def _comparable(node: ServiceNode) -> dict[str, Any]:
    """Everything that can change, whole."""
    return _facts(node) | {"headers": dict(node.headers), "body": node.body}


def _for_trail(field: str, values: dict[str, Any]) -> object:
    """A value as it may be on record: of headers the names, of a body the length."""
    if field == "headers":
        return sorted(values[field])
    return f"{len(values[field])} characters" if field == "body" and values[field] else values[field]
