"""Trust stores in the HTTP API."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from ninja import File, Form, Query, Status
from ninja.files import UploadedFile as SentFile

from botplatform.api_kit.access import ApiRequest
from botplatform.api_kit.conditions import IfMatch, expected, tag
from botplatform.api_kit.paging import Paging, page
from botplatform.api_kit.parsing import MULTIPART
from botplatform.api_kit.routes import Section, owned
from botplatform.bots.roles import Permission
from botplatform.errors import NotFound
from certificates.api.importing import read_files
from certificates.api.routing import router
from certificates.lookup import visible_trust_stores
from certificates.models import TrustStore
from certificates.schemas import NewAnchors, TrustStoreImportOut, TrustStoreOut, TrustStorePage
from certificates.services.trust_stores import delete_trust_store, import_trust_store

SECTION = Section(router, "trust stores")


@owned(SECTION, "GET", "/trust-stores", Permission.VIEW, answers={200: TrustStorePage}, problems=(422,))
def list_trust_stores(request: ApiRequest, paging: Query[Paging]) -> dict[str, object]:
    """Trust stores of one owner, by name."""
    rows = visible_trust_stores(request.actor).of_owner(request.bot).prefetch_related("anchors")
    items, following = page(request, rows, paging, order=["name"])
    return {"items": items, "next": following}


@owned(
    SECTION,
    "POST",
    "/trust-stores",
    Permission.TRUST_STORE_IMPORT,
    answers={200: TrustStoreImportOut, 201: TrustStoreImportOut},
    problems=(404, 409),
    media_type=MULTIPART,
)
def import_anchors(
    request: ApiRequest, response: HttpResponse, options: Form[NewAnchors], files: File[list[SentFile]]
) -> Status[Any]:
    """Add trust anchors to a trust store; it is made if there is none. The same anchors again change nothing."""
    result = import_trust_store(actor=request.actor, owner=request.bot, name=options.name, files=read_files(files))
    document = {
        "trust_store": result.trust_store.path,
        "added": [facts.sha256 for facts in result.added],
        "changed": result.changed,
        "warnings": result.warnings,
    }
    if not result.changed:
        return Status(200, document)
    store = result.trust_store
    response["Location"] = f"{request.path}/{store.name}"
    response["ETag"] = tag(store.pk, store.revision)
    return Status(201, document)


@owned(SECTION, "GET", "/trust-stores/{name}", Permission.VIEW, answers={200: TrustStoreOut})
def get_trust_store(request: ApiRequest, name: str, response: HttpResponse) -> TrustStore:
    """One trust store with its anchors."""
    store = _find(request, name)
    response["ETag"] = tag(store.pk, store.revision)
    return store


@owned(
    SECTION,
    "DELETE",
    "/trust-stores/{name}",
    Permission.TRUST_STORE_IMPORT,
    answers={204: None},
    problems=(409, 412, 422),
)
def remove_trust_store(request: ApiRequest, name: str, if_match: IfMatch = None) -> Status[None]:
    """Delete a trust store that nothing uses."""
    store = _find(request, name)
    revision = expected(if_match, store.pk, store.revision)
    delete_trust_store(actor=request.actor, trust_store=store, expected_revision=revision)
    return Status(204, None)


def _find(request: ApiRequest, name: str) -> TrustStore:
    rows = visible_trust_stores(request.actor).of_owner(request.bot)
    store: TrustStore | None = rows.filter(name=name).first()
    if store is None:
        raise NotFound("no such trust store")
    return store
