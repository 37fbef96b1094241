"""Imports the service nodes of an exported bot definition: makes what is new, brings up to date what is known.

A node is known by the ids of the export. What people chose here (certificate, trust store, TLS policy, server name, the
URL where the export names none, the values of secret headers that the export does not bring) stays.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.utils.crypto import salted_hmac

from botplatform.accounts.actors import Actor
from botplatform.audit import trail
from botplatform.audit.actions import Action
from botplatform.bots.access import authorize
from botplatform.bots.models import SLUG_LENGTH, Bot
from botplatform.bots.roles import Permission
from botplatform.bots.services.bots import create_bot
from botplatform.errors import InvalidInput
from botplatform.validation import slug_from
from certificates.lookup import visible_bots
from servicenodes.definitions.definition import BotDefinition, NodeDefinition
from servicenodes.models import ServiceNode
from servicenodes.services.nodes import change_node, create_node, free_slug
from servicenodes.services.outlook import Outlook, foresee
from servicenodes.tls.target import parse_target

SECRET_HEADERS = "secret headers"  # noqa: S105 — among the names of what changed


@dataclass(frozen=True, slots=True)
class Updated:
    """A node, and what of it changed."""

    node: str
    fields: tuple[str, ...]


@dataclass(slots=True)
class ImportReport:
    """What an import did, or would do. Nodes are named by their paths, those that become none by title."""

    definition: BotDefinition
    bot: str = ""
    bot_created: bool = False
    created: list[str] = field(default_factory=list)
    updated: list[Updated] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    needs_url: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)  # made by an earlier import, not in this export; kept
    notes: list[tuple[str, str]] = field(default_factory=list)  # a node, or "" for all, and the sentence
    variables: list[tuple[str, str, str]] = field(default_factory=list)  # node, the builder's expression, our name
    nodes: list[Outlook] = field(default_factory=list)  # of all that the export holds

    @property
    def changed(self) -> bool:
        return bool(self.bot_created or self.created or self.updated)

    def as_json(self) -> dict[str, Any]:
        """As the command prints it and the HTTP API answers."""
        found = self.definition
        return {
            "bot": self.bot,
            "bot_created": self.bot_created,
            "changed": self.changed,
            "definition": {"id": found.id, "name": found.name, "language": found.language},
            "created": self.created,
            "updated": [{"node": row.node, "fields": list(row.fields)} for row in self.updated],
            "unchanged": self.unchanged,
            "skipped": [{"node": row.node, "why": row.why} for row in found.left_out],
            "needs_url": self.needs_url,
            "gone": self.gone,
            "notes": [{"node": node or None, "text": text} for node, text in self.notes],
            "variables": [{"node": node, "builder": says, "variable": name} for node, says, name in self.variables],
            "nodes": [row.as_json() for row in self.nodes],
        }


def import_definition(
    *, actor: Actor, definition: BotDefinition, bot: Bot | None = None, slug: str = "", dry_run: bool = False
) -> ImportReport:
    """Make and change the service nodes of `bot`; without one, of the bot `slug`, which is made if it does not exist.

    All or nothing; the same export again changes nothing. Raises `NotAllowed`, `InvalidInput`, `Conflict`, `Sealed`.
    """
    with transaction.atomic():
        report = ImportReport(definition, notes=[("", text) for text in definition.notes])
        target = bot or _bot_for(actor, definition, slug, report)
        authorize(actor, Permission.NODE_CHANGE, bot=target)
        report.bot = target.slug
        _bring_in(actor, target, report)
        if report.changed:
            _record(actor, target, report)
        if dry_run:
            transaction.set_rollback(True)
    return report


def _bot_for(actor: Actor, definition: BotDefinition, slug: str, report: ImportReport) -> Bot:
    slug = slug or slug_from(definition.name, max_length=SLUG_LENGTH)
    if not slug:
        raise InvalidInput("No short name can be made from the name of the bot. Give one.", field="bot")
    if known := visible_bots(actor).filter(slug=slug).first():
        return known
    report.bot_created = True
    return create_bot(actor=actor, slug=slug, name=definition.name)


def _bring_in(actor: Actor, bot: Bot, report: ImportReport) -> None:
    Bot.objects.select_for_update(no_key=True).get(pk=bot.pk)  # one import of a bot after the other
    start = f"{report.definition.id}/"
    rows = ServiceNode.objects.filter(bot=bot, external_id__startswith=start).select_related("bot")
    known = {node.external_id: node for node in rows.prefetch_related("sealed_headers")}
    if not known and not report.bot_created:
        report.notes += _note_of_name(report.definition.name, bot)
    taken = []
    for found in report.definition.nodes:
        node = known.pop(start + found.key, None)
        try:
            node = _create(actor, bot, found, report) if node is None else _update(actor, node, found, report)
        except InvalidInput as error:
            raise InvalidInput(f"{found.title}: {error.text}", field="files", code=error.code) from error
        taken.append(node)
        report.notes += [(node.path, text) for text in found.notes]
        report.variables += [(node.path, says, name) for says, name in found.variables.items()]
    report.nodes = foresee(taken)
    report.gone = sorted(node.path for node in known.values())


def _note_of_name(name: str, bot: Bot) -> list[tuple[str, str]]:
    """That the export seems to be of another bot, the first time it comes."""
    if not name or name.casefold() == bot.name.casefold() or slug_from(name, max_length=SLUG_LENGTH) == bot.slug:
        return []
    text = f"The export is of a bot called “{name}”. Is it meant to go into “{bot.name}” ({bot.slug})?"
    return [("", text)]


def _create(actor: Actor, bot: Bot, found: NodeDefinition, report: ImportReport) -> ServiceNode:
    node = create_node(
        actor=actor,
        bot=bot,
        slug=free_slug(bot, f"{found.dialog} {found.name}"),
        url=found.url,
        sealed_headers=found.secret_headers,
        external_id=f"{report.definition.id}/{found.key}",
        secrets_digest=_digest(found.secret_headers),
        **_of_export(found),
    )
    report.created.append(node.path)
    if not node.url:
        report.needs_url.append(node.path)
    return node


def _of_export(found: NodeDefinition) -> dict[str, Any]:
    """What is taken over as it is."""
    return {
        "name": found.name,
        "dialog": found.dialog,
        "method": found.method,
        "headers": found.headers,
        "body": found.body,
        "timeout_s": found.timeout_s,
        "exported_url": found.exported_url,
    }


def _update(actor: Actor, node: ServiceNode, found: NodeDefinition, report: ImportReport) -> ServiceNode:
    changes = _of_export(found) | ({"url": found.url} if found.url else {})
    sealed = {header.name.lower(): header.name for header in node.sealed_headers.all()}
    # Somebody gave a value here where the export has a variable.
    changes["headers"] = {n: v for n, v in found.headers.items() if not ("{{" in v and n.lower() in sealed)}
    changes |= _secrets(node, found, sealed, report)
    changes = {name: value for name, value in changes.items() if value != getattr(node, name, None)}
    after = node
    if changes:
        after = change_node(actor=actor, node=node, expected_revision=node.revision, **changes)
    if after.revision == node.revision:
        report.unchanged.append(node.path)
    else:
        fields = [name.replace("_", " ") for name in _of_export(found) | {"url": ""} if name in changes]
        fields += [SECRET_HEADERS] if "sealed_headers" in changes else []
        report.updated.append(Updated(node.path, tuple(fields)))
    if not after.url:
        report.needs_url.append(node.path)
    return after


def _secrets(node: ServiceNode, found: NodeDefinition, sealed: dict[str, str], report: ImportReport) -> dict[str, Any]:
    """The values of secret headers, if the export brings others than last time, or the call goes to another host.

    Those that people added stay, but never follow to another host.
    """
    digest, moves = _digest(found.secret_headers), bool(found.url) and _authority(node.url) != _authority(found.url)
    if digest == node.secrets_digest and not (moves and sealed):
        return {}
    own = {name for lower, name in sealed.items() if lower not in {given.lower() for given in found.secret_headers}}
    if moves:
        report.notes += [(node.path, f"Its host changes, so the secret header {name} goes.") for name in sorted(own)]
    kept = {} if moves else dict.fromkeys(own)
    return {"sealed_headers": {**found.secret_headers, **kept}, "secrets_digest": digest}


def _authority(url: str) -> str:
    return parse_target(url).authority if url else ""


def _digest(secrets: dict[str, str]) -> str:
    """Keyed, so that a stolen database does not let one try values against it."""
    if not secrets:
        return ""
    return salted_hmac("definition-secrets", json.dumps(sorted(secrets.items())), algorithm="sha256").hexdigest()


def _record(actor: Actor, bot: Bot, report: ImportReport) -> None:
    trail.record(
        actor=actor,
        action=Action.DEFINITION_IMPORTED,
        object_type="bot",
        object_id=bot.pk,
        object_name=bot.slug,
        bot=bot,
        facts={
            "definition": report.definition.id,
            "created": len(report.created),
            "updated": len(report.updated),
            "unchanged": len(report.unchanged),
            "left_out": len(report.definition.left_out),
        },
    )
