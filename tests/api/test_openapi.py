"""Generated requests for every operation of the OpenAPI document, with a token of each scope.

`API_EXAMPLES` sets how many each operation, scope and kind (valid, invalid) gets; the default keeps the suite short.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import hypothesis
import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from django.test import Client
from hypothesis import strategies as st
from schemathesis import checks
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from botplatform.accounts.models import User
from botplatform.api import api
from botplatform.api_kit.documents import METHODS, openapi
from botplatform.bots.models import Bot
from botplatform.bots.roles import TOKEN_PERMISSIONS
from tests.api.caller import REPORT, make_token
from tests.factories import make_alarm, make_certificate, make_node, make_request, make_test, make_trust_store
from tests.pki import CA

EXAMPLES = int(os.environ.get("API_EXAMPLES", "2"))
CHECKS: list[Any] = [
    checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    allow_header_conformance,
]
PARTS = 4
ONE = "00000000-0000-0000-0000-000000000001"
EXISTING = {"bot": "acme", "node": "pay", "name": "api", "number": "1", "test": ONE, "alarm": ONE}
SCOPES = {
    "nothing but looking": ("administrator", True, {"bot.view"}),
    "a developer's": ("developer", True, TOKEN_PERMISSIONS),
    "an owner's": ("owner", True, TOKEN_PERMISSIONS),
    "everything": ("administrator", False, TOKEN_PERMISSIONS),
}


@pytest.fixture
def authorizations(bot: Bot, administrator: User, developer: User, owner: User) -> list[str]:
    """The headers of a token of each scope; and one object of each kind, at the names of `EXISTING`."""
    issued = CA.root().issue("client.example")
    versions = [make_certificate(whose, "api", issued=issued).versions.get() for whose in (bot, None)]
    for version in versions:
        make_request(version)
    make_trust_store(bot, "api")
    make_trust_store(None, "api")
    node = make_node(bot, "pay", url="https://127.0.0.1:9/")
    make_test(node, id=EXISTING["test"], verdict="address_denied", report=REPORT)
    make_alarm(node, versions[0], id=EXISTING["alarm"])
    users = {"administrator": administrator, "developer": developer, "owner": owner}
    tokens = [
        make_token(users[of], *([bot] if one_bot else []), permissions=permissions)
        for of, one_bot, permissions in SCOPES.values()
    ]
    return [f"Bearer {text}" for _, text in tokens]


@contextmanager
def undone() -> Iterator[None]:
    """Whatever happens inside is rolled back, and no request closes the test's connection."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    undoing = transaction.atomic()
    undoing._from_testcase = True  # type: ignore[attr-defined] # what must be committed may stand inside, as in any test
    try:
        with undoing:
            yield
            transaction.set_rollback(True)
    finally:
        for signal in (request_started, request_finished):
            signal.connect(close_old_connections)


@pytest.mark.django_db
@pytest.mark.parametrize("part", range(PARTS))
def test_every_operation(part: int, authorizations: list[str], settings: Any) -> None:
    """Each request is made with a token of each scope. In parts, so that processes can share them."""
    settings.API_CALLS_PER_MINUTE = 0
    schema = schemathesis.openapi.from_dict(openapi(api))
    schema.app = WSGIHandler()
    operations: list[Any] = [found.ok() for found in schema.get_all_operations()]  # type: ignore[union-attr]
    assert len(operations) > 30
    for operation in operations[part::PARTS]:
        for kind in kinds(operation):
            attempt(kind, authorizations)


def kinds(operation: Any) -> Iterator[st.SearchStrategy[Any]]:
    """Valid and invalid requests; to objects that exist and to any."""
    existing = {name: EXISTING[name] for name in re.findall(r"{(\w+)}", operation.path)}
    for mode in schemathesis.GenerationMode:
        if mode is schemathesis.GenerationMode.POSITIVE or can_be_wrong(operation):
            yield operation.as_strategy(mode)
            if existing:
                yield operation.as_strategy(mode, path_parameters=existing)


def attempt(kind: st.SearchStrategy[Any], authorizations: list[str]) -> None:
    @hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=EXAMPLES < 10,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=kind)
    def run(case: Any) -> None:
        for authorization in authorizations:
            with undone():
                response = case.call(headers={"Authorization": authorization})
            case.validate_response(response, checks=CHECKS)

    run()


def can_be_wrong(operation: Any) -> bool:
    """Whether there is anything in the request that can have a wrong shape."""
    return bool(operation.body) or any(True for _ in operation.iter_parameters())


def test_the_document_is_openapi_3_1_and_names_no_host(client: Client) -> None:
    answer = client.get("/api/v1/openapi.json")
    document = answer.json()
    assert answer.status_code == 200
    assert document["openapi"].startswith("3.1")
    assert "://" not in answer.content.decode()
    assert document["components"]["securitySchemes"]["BearerToken"]["scheme"] == "bearer"


@pytest.mark.django_db
def test_the_page_tells_types_defaults_and_schemas(client: Client, administrator: User) -> None:
    client.force_login(administrator)
    text = client.get("/api/v1/docs").content.decode()
    assert "`" not in text
    for told in ("GET or POST or PUT", "default <code>50</code>", 'href="#schema-InvokeOut"', 'id="schema-InvokeOut"'):
        assert told in text
    document = openapi(api)
    for path, item in document["paths"].items():
        for operation in (item[method] for method in METHODS if method in item):
            named = [found for found in operation["parameters"] if found["in"] == "path"]
            assert [found["name"] for found in named] == re.findall(r"{(\w+)}", path)
            assert all(found["description"] for found in named)
