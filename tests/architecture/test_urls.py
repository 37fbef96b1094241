"""Every route says who may use it, and nobody who is not signed in gets further than the sign-in page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from django.contrib.admin import site
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.urls.converters import IntConverter, UUIDConverter

from botplatform.accounts.admin_base import ReadOnlyModelAdmin, ServiceModelAdmin
from botplatform.accounts.models import User
from botplatform.api import api
from botplatform.api_kit.access import BearerToken
from botplatform.bots.access import PUBLIC
from botplatform.bots.roles import TOKEN_PERMISSIONS, Permission

PUBLIC_ROUTES = {
    "accounts:sign_in": "one must get in",
    "accounts:sign_out": "ends whatever session there is",
    "console:theme": "a cookie with the choice of colours",
    "console:healthz": "asked by load balancers",
    "console:readyz": "asked by load balancers",
    "servicenodes:calendar": "calendar clients cannot sign in; its address holds a secret",
    "api:openapi": "tells nothing of this installation",
}


API = "api:v1:"  # its operations carry their marks themselves


def routes(admin: bool, resolver: URLResolver | None = None, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Every route with its full name; those of the Django admin, or all others."""
    for pattern in (resolver or get_resolver()).url_patterns:
        if isinstance(pattern, URLResolver):
            name = f"{prefix}{pattern.namespace}:" if pattern.namespace else prefix
            if (pattern.namespace == "admin" or prefix == "admin:") == admin or not pattern.namespace:
                yield from routes(admin, pattern, name)
        elif prefix.startswith("admin:") == admin and prefix != API:
            yield f"{prefix}{pattern.name}", pattern


def address(name: str, pattern: URLPattern) -> str:
    """Some address of the route."""
    if name == "admin:app_list":  # the one route with a regular expression
        return reverse(name, kwargs={"app_label": "bots"})
    return reverse(name, kwargs={key: example(converter) for key, converter in pattern.pattern.converters.items()})


def example(converter: Any) -> Any:
    if isinstance(converter, IntConverter):
        return 1
    return UUID(int=0) if isinstance(converter, UUIDConverter) else "acme"


def test_every_route_has_a_name_and_a_permission() -> None:
    found = list(routes(admin=False))
    assert len(found) > 10
    assert [str(pattern.pattern) for _, pattern in found if not pattern.name] == []
    marks = {name: getattr(pattern.callback, "permission", None) for name, pattern in found}
    assert {name for name, mark in marks.items() if mark != PUBLIC and mark not in set(Permission)} == set()
    assert {name for name, mark in marks.items() if mark == PUBLIC} == set(PUBLIC_ROUTES)


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["get", "post", "put", "delete"])
def test_without_a_session_one_is_sent_to_sign_in(method: str, client: Client) -> None:
    for name, pattern in routes(admin=False):
        if name in PUBLIC_ROUTES:
            continue
        answer = getattr(client, method)(address(name, pattern))
        assert answer.status_code in {302, 405}, name
        assert answer.status_code == 405 or answer["Location"].startswith("/sign-in/?next="), name


@pytest.mark.django_db
def test_nor_does_the_django_admin_let_anybody_in(client: Client) -> None:
    found = list(routes(admin=True))
    assert len(found) > 10
    for name, pattern in found:
        if not pattern.name:
            continue  # the catch-all
        answer = client.get(address(name, pattern))
        assert answer.status_code in {302, 405}, name
        signs_in = ("/admin/login/", "/sign-in/", "/admin/")  # the last one sends on to the first
        assert answer.status_code == 405 or answer["Location"].startswith(signs_in), name


@pytest.mark.django_db
def test_the_django_admin_shows_only_what_goes_through_services() -> None:
    packages = {model.__module__.split(".")[0] for model in site._registry}
    assert packages <= {"botplatform", "certificates", "servicenodes"}
    assert all(issubclass(type(admin), (ServiceModelAdmin, ReadOnlyModelAdmin)) for admin in site._registry.values())


def operations() -> list[tuple[str, Any]]:
    """Every operation of the HTTP API with its path."""
    return [
        (path, operation)
        for router in api._get_bound_routers()
        for path, view in router.path_operations.items()
        for operation in view.operations
    ]


def test_every_operation_of_the_api_has_a_permission_that_a_token_can_carry() -> None:
    found = operations()
    assert len(found) > 30
    marks = {operation.operation_id: getattr(operation.view_func, "permission", None) for _, operation in found}
    assert len(marks) == len(found)  # names are unique
    assert {name for name, mark in marks.items() if mark not in TOKEN_PERMISSIONS} == set()


def test_every_operation_of_the_api_asks_for_a_token() -> None:
    for path, operation in operations():
        (check,) = operation.auth_callbacks
        assert isinstance(check, BearerToken), path


@pytest.mark.django_db
def test_a_session_opens_no_operation_of_the_api(administrator: User, client: Client) -> None:
    client.force_login(administrator)
    for path, operation in operations():
        address = "/api/v1" + re.sub(r"{\w+}", str(UUID(int=0)), path)
        for method in operation.methods:
            answer = client.generic(method, address)
            assert (answer.status_code, answer["Content-Type"]) == (401, "application/problem+json"), (method, path)
            assert answer["WWW-Authenticate"].startswith("Bearer")
