"""Finds the service nodes of an exported bot definition, in dialogs and in the groups of nodes within them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from botplatform.errors import InvalidInput
from servicenodes.definitions import requests
from servicenodes.definitions.definition import BotDefinition, LeftOut, NodeDefinition
from servicenodes.definitions.endpoints import address_of
from servicenodes.definitions.shapes import an_object, label, objects, refuse, text
from servicenodes.definitions.variables import LONGEST_VALUE, Variables

DEFAULT_TIMEOUT_S = 20  # the builder's own
MOST_NODES = 500
MOST_LEVELS = 20  # of nodes within nodes
LONGEST_ID = 60
MOST_NOTES = 20  # of one node


def read_bot(definition: Any, config: Any) -> BotDefinition:
    """The bot of `botDefinition.json` and `config.json`, both parsed; without the latter, None.

    Raises `InvalidInput` with one sentence for what is no bot definition.
    """
    if not isinstance(definition, dict) or not isinstance(definition.get("dialogs"), list):
        raise refuse("This is no bot definition: it is not a JSON object with “dialogs”.")
    if config is not None and not isinstance(config, dict):
        raise refuse("config.json is not a JSON object.")
    bot_id = _id(definition.get("_id"), "The bot")
    language = label(definition.get("defaultLanguage"))[:20]
    name = _local_name(definition, language) or label(an_object(config).get("name"))
    components = {text(found.get("_id")): found for found in objects(definition.get("dialogComponents"))}
    reader = _Reader(components, _environment(config), language)
    reader.read(objects(definition["dialogs"]))
    notes = () if config is not None else ("There is no config.json, so no environment variable is filled in.",)
    return BotDefinition(bot_id, name, language, tuple(reader.nodes.values()), tuple(reader.left_out), notes)


class _Reader:
    """Gathers the service nodes of all dialogs."""

    def __init__(self, components: Mapping[str, Any], environment: Mapping[str, str], language: str) -> None:
        self._components = components
        self._environment = environment
        self._language = language
        self._read: dict[str, NodeDefinition | InvalidInput] = {}  # by component: many dialogs may share one
        self.nodes: dict[str, NodeDefinition] = {}
        self.left_out: list[LeftOut] = []

    def read(self, dialogs: list[dict[str, Any]]) -> None:
        for found in dialogs:
            dialog = _local_name(found, self._language)
            for stub in service_stubs(found):
                key = f"{_id(found.get('_id'), 'A dialog')}/{_id(stub.get('nodeId'), 'A service node')}"
                self._take(key, dialog, text(stub.get("componentId")))
                if len(self.nodes) + len(self.left_out) > MOST_NODES:
                    raise refuse(f"The bot definition holds more than {MOST_NODES} service nodes.")

    def _take(self, key: str, dialog: str, component_id: str) -> None:
        component = an_object(self._components.get(component_id))
        name = label(component.get("name")) or "Unnamed service node"
        if why := self._why_not(key, component):
            self.left_out.append(LeftOut(f"{dialog} / {name}" if dialog else name, why))
            return
        if component_id not in self._read:
            self._read[component_id] = self._node(key, dialog, name, component)
        found = self._read[component_id]
        if isinstance(found, InvalidInput):
            self.left_out.append(LeftOut(f"{dialog} / {name}" if dialog else name, found.text))
        else:
            self.nodes[key] = replace(found, key=key, dialog=dialog)

    def _node(self, key: str, dialog: str, name: str, component: dict[str, Any]) -> NodeDefinition | InvalidInput:
        try:
            return read_node(key, dialog, name, component, self._environment)
        except InvalidInput as error:
            if error.code == "definition_unreadable":
                raise
            return error

    def _why_not(self, key: str, component: dict[str, Any]) -> str:
        kind = label(component.get("serviceNodeType"))[:40]
        if key in self.nodes:
            return "The dialog holds another service node of the same id, which is imported."
        if not component:
            return "The export does not say what it calls."
        if kind == "datatable":
            return "It reads or writes a data table of the bot builder and calls no API."
        if not isinstance(component.get("endPoint"), dict):
            return f"It has no endpoint{f' (its kind is “{kind}”)' if kind else ''}."
        return ""


def read_node(
    key: str, dialog: str, name: str, component: dict[str, Any], environment: Mapping[str, str]
) -> NodeDefinition:
    """One service node of a component. Raises `InvalidInput` for what no service node can be."""
    notes: list[str] = []
    variables = Variables(environment)
    end_point = an_object(component.get("endPoint"))
    method = requests.method_of(end_point.get("method"), variables)
    address = address_of(end_point, variables)
    headers = requests.headers_of(component.get("headers"), variables, notes)
    if address.why:
        notes.insert(0, address.why)
        notes += [
            f"The secret header {secret} is left out: give it together with the URL." for secret in headers.secret
        ]
    body = requests.body_of(component.get("payload"), headers.plain, variables, notes)
    timeout_s = requests.timeout_of(component.get("serviceAPITimeout"), notes)
    notes += _told_by_builder(component)
    return NodeDefinition(
        key=key,
        dialog=dialog,
        name=name,
        method=method,
        url=address.url,
        exported_url=address.exported,
        headers=headers.plain,
        secret_headers={} if address.why else headers.secret,
        body=body,
        timeout_s=timeout_s or DEFAULT_TIMEOUT_S,
        variables=dict(sorted(variables.names.items())),
        notes=tuple(notes)
        if len(notes) <= MOST_NOTES
        else (*notes[:MOST_NOTES], f"And {len(notes) - MOST_NOTES} more."),
    )


def service_stubs(dialog: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The service nodes of a dialog, also those within groups of nodes. Raises `InvalidInput` for a tower of groups."""
    level = objects(dialog.get("nodes"))
    for _ in range(MOST_LEVELS):
        yield from (stub for stub in level if stub.get("type") == "service")
        level = [inner for stub in level for inner in objects(stub.get("nodes"))]
        if not level:
            return
    raise refuse(f"The bot definition nests nodes more than {MOST_LEVELS} levels deep.")


def _told_by_builder(component: dict[str, Any]) -> Iterator[str]:
    idp = label(component.get("idp"))[:80]
    if idp and idp != "none":
        yield f"The bot builder adds the authorization “{idp}”, which is not in the export: give the header it sends."
    if component.get("isClientCertEnabled") is True:
        yield "The bot builder presents a client certificate here: attach one."


def _local_name(owner: dict[str, Any], language: str) -> str:
    locales = an_object(owner.get("localeData"))
    chosen = [locales.get(language), *locales.values()]
    return next((name for name in (label(an_object(one).get("name")) for one in chosen) if name), "")


def _environment(config: Any) -> dict[str, str]:
    entries = objects(an_object(config).get("envVariables"))
    known = {text(entry.get("key")): text(entry.get("value")).strip() for entry in entries}
    return {key: value for key, value in known.items() if key and value and len(value) <= LONGEST_VALUE}


def _id(value: Any, whose: str) -> str:
    found = text(value)
    if not found or len(found) > LONGEST_ID or "/" in found:
        raise refuse(f"{whose} of the bot definition has no usable id.")
    return found
