"""The OpenAPI document as it is served: ninja's, with what ninja cannot know."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from ninja import NinjaAPI

from botplatform.api_kit.parsing import JSON
from botplatform.api_kit.problems import MEDIA_TYPE
from botplatform.api_kit.routes import PERMISSION, PRODUCES

API_PATH = "/api/v1"
METHODS = ("get", "post", "put", "patch", "delete")
HEADERS = {
    "ETag": "The state of the object, for `If-Match`.",
    "Location": "The address of what was made.",
    "Retry-After": "Seconds to wait.",
    "WWW-Authenticate": "How to prove who you are (RFC 6750).",
}
IN_PATHS = {
    "bot": "The slug of a bot.",
    "node": "The slug of a service node.",
    "name": "The name of a certificate or trust store.",
    "number": "The number of a version.",
    "test": "The id of a connection test.",
    "alarm": "The id of an alarm.",
}
SENT_WITH = {
    "201": ("ETag", "Location"),
    "401": ("WWW-Authenticate",),
    "429": ("Retry-After",),
    "503": ("Retry-After",),
}


@cache
def openapi(api: NinjaAPI) -> dict[str, Any]:
    """The document of `api`; made once in the life of the process."""
    document = json.loads(json.dumps(dict(api.get_openapi_schema(path_prefix=f"{API_PATH}/")), default=str))
    for path, item in document["paths"].items():
        item.pop("head", None)  # as GET; it would double every id
        for method in METHODS:
            _place_parameters(path, item.get(method, {}).get("parameters", []))
    for operation in operations(document):
        produces = operation.pop(PRODUCES)
        for status, answer in operation["responses"].items():
            if produces != JSON and int(status) < 400:
                answer["content"] = {produces: {"schema": {"type": "string"}}}
            if int(status) >= 400:
                answer["content"] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
            if names := SENT_WITH.get(status):
                answer["headers"] = {
                    name: {"description": HEADERS[name], "schema": {"type": "string"}} for name in names
                }
    return document  # type: ignore[no-any-return]


def _place_parameters(path: str, parameters: list[dict[str, Any]]) -> None:
    """In the order of the address, each with a description."""
    parameters.sort(key=lambda found: path.index(f"{{{found['name']}}}") if found["in"] == "path" else len(path))
    for found in parameters:
        if found["in"] == "path" and found["name"] in IN_PATHS:
            found.setdefault("description", IN_PATHS[found["name"]])


def operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every operation of the document."""
    for item in document["paths"].values():
        yield from (item[method] for method in METHODS if method in item)


def described(document: dict[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """The operations by tag, as a page shows them: method, path, parameters, body and answers in words."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                shown = {"method": method.upper(), "path": path, **_operation(item[method], document)}
                groups.setdefault(item[method]["tags"][0], []).append(shown)
    return list(groups.items())


def _operation(operation: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        schema = _resolved(content["schema"], document)
        body = {"media_type": media_type, "fields": list(_fields(schema))}
    answers = operation["responses"]
    return {
        "id": operation["operationId"],
        "summary": operation["summary"],
        "permission": operation[PERMISSION],
        "parameters": [{**found, **_value(found["schema"] | found)} for found in operation["parameters"]],
        "body": body,
        "answers": [(status, *_answer_name(answer)) for status, answer in answers.items() if int(status) < 400],
        "problems": [status for status in answers if int(status) >= 400],
    }


def _resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref", "")
    found: dict[str, Any] = document["components"]["schemas"].get(reference.rpartition("/")[2], schema)
    return found


def schemas(document: dict[str, Any]) -> list[tuple[str, str, list[dict[str, Any]]]]:
    """The schemas by name, with their description and fields, for the answers to link to."""
    found = document["components"]["schemas"].items()
    return [(name, schema.get("description", ""), list(_fields(schema))) for name, schema in sorted(found)]


def _fields(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    required = set(schema.get("required", ()))
    for name, field in schema.get("properties", {}).items():
        yield {"name": name, "required": name in required, **_value(field)}


def _value(field: dict[str, Any]) -> dict[str, Any]:
    """What a value is, in words: its type, default and meaning."""
    default = json.dumps(field["default"], ensure_ascii=False) if "default" in field else ""
    return {"type": _type(field), "default": default, "description": field.get("description", "")}


def _type(schema: dict[str, Any]) -> str:
    if reference := schema.get("$ref"):
        return str(reference).rpartition("/")[2]
    if "enum" in schema or "const" in schema:
        return " or ".join(map(str, schema.get("enum", [schema.get("const")])))
    if alternatives := schema.get("anyOf", schema.get("allOf")):
        return " or ".join(dict.fromkeys(map(_type, alternatives)))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return str(schema.get("format") or schema.get("type") or "any")


def _answer_name(answer: dict[str, Any]) -> tuple[str, bool]:
    """The name of the schema, or the media type; and whether it is a schema."""
    for media_type, content in answer.get("content", {}).items():
        reference = str(content["schema"].get("$ref", ""))
        return reference.rpartition("/")[2] or media_type, bool(reference)
    return "nothing", False
