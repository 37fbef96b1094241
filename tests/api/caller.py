"""A program that calls the HTTP API with a token."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from django.utils import timezone

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.bots.models import ApiToken, Bot
from botplatform.bots.roles import TOKEN_PERMISSIONS
from botplatform.bots.services.tokens import create_token
from tests.pki import Issued

ROOT = "/api/v1"
REPORT: dict[str, Any] = {  # the least that a report holds
    "node": "acme/pay",
    "url": "https://127.0.0.1:9/",
    "started_at": "2026-11-22T12:00:00Z",
    "duration_ms": 0.1,
    "verdict": "address_denied",
    "reason": None,
    "certainty": "certain",
    "layer": "policy",
    "summary": "Denied.",
    "advice": [],
    "steps": [],
    "findings": [],
    "http": None,
    "server": None,
    "certificate_request": None,
    "client_certificate": {},
    "attempts": {},
    "suggested_certificates": [],
    "reproduce": {},
}


class Caller:
    """Calls routes below `/api/v1` with the token, and returns Django's responses."""

    def __init__(self, text: str | None, token: ApiToken | None = None) -> None:
        self.client = Client()
        self.token = token
        self.headers = {} if text is None else {"Authorization": f"Bearer {text}"}

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """`body` is sent as JSON; headers are written with underscores (`if_match=…`)."""
        content = b"" if body is None else json.dumps(body).encode()
        return self.send(method, path, content, "application/json" if body is not None else "", **headers)

    def upload(self, path: str, fields: dict[str, Any], *, method: str = "POST", **headers: str) -> Any:
        """`fields` as multipart/form-data; bytes are files."""
        files = {
            name: SimpleUploadedFile("bundle.pem", value) if isinstance(value, bytes) else value
            for name, value in fields.items()
        }
        return self.send(method, path, encode_multipart(BOUNDARY, files), MULTIPART_CONTENT, **headers)

    def send(self, method: str, path: str, content: bytes, content_type: str, **headers: str) -> HttpResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer: Any = self.client.generic(
            method, f"{ROOT}{path}", content, content_type, headers={**self.headers, **named}
        )
        return answer  # type: ignore[no-any-return]


def caller_of(user: User, *bots: Bot, permissions: Iterable[str] = ()) -> Caller:
    """A caller with a token of `user`: for these bots or for all, with these permissions or all that the user has."""
    token, text = make_token(user, *bots, permissions=permissions)
    return Caller(text, token)


def make_token(user: User, *bots: Bot, permissions: Iterable[str] = ()) -> tuple[ApiToken, str]:
    """A token that carries whatever is asked, past the checks of the service: what counts is decided at use."""
    token, text = create_token(
        actor=Actor.of(user),
        name="a program",
        permissions=["bot.view"],
        all_bots=True,
        expires_at=timezone.now() + timedelta(days=30),
    )
    token.permissions = sorted(permissions or TOKEN_PERMISSIONS)
    token.all_bots = not bots
    token.save()
    token.bots.set(bots)
    return token, text


def bundle(issued: Issued) -> bytes:
    """Leaf, intermediates and key as one PEM file."""
    return issued.chain_pem + issued.key_pem
