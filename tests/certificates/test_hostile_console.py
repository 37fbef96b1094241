"""A hostile upload through the console, while other pages are served without delay."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from pytest_django.live_server_helper import LiveServer

from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from tests.certificates import bombs

SignIn = Callable[[User], Client]
UPLOADS = 2
ANSWER_S = 4.0 * UPLOADS  # three seconds each, and a little for a busy machine
PAGE_S = 2.0  # of a page that needs a few hundredths on an idle machine


def ask(server: LiveServer, client: Client, path: str, body: bytes | None = None) -> tuple[int, str, float]:
    """Status, page and seconds, over the wire."""
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
    headers = {"Cookie": cookies, "Content-Type": MULTIPART_CONTENT, "Referer": f"{server.url}/"}
    begun = time.monotonic()
    try:
        with urllib.request.urlopen(urllib.request.Request(server.url + path, body, headers), timeout=60) as answer:  # noqa: S310
            status, page = answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        status, page = error.code, error.read().decode()
    return status, page, time.monotonic() - begun


@pytest.mark.django_db(transaction=True)
def test_others_are_served_while_a_bomb_is_read(
    live_server: LiveServer, sign_in: SignIn, manager: User, bot: Bot
) -> None:
    client = sign_in(manager)
    path = "/bots/acme/certificates/import/"
    client.get(path)  # brings the cookie against forged requests
    fields = {"csrfmiddlewaretoken": client.cookies["csrftoken"].value, "name": "bomb", "passphrase": "x"}
    file = SimpleUploadedFile("bomb.p12", bombs.endless_tag())
    body = encode_multipart(BOUNDARY, {**fields, "files": [file]})
    bombed: list[tuple[int, str, float]] = []
    threads = [
        threading.Thread(target=lambda: bombed.append(ask(live_server, client, path, body))) for _ in range(UPLOADS)
    ]
    for thread in threads:
        thread.start()
    served = []
    while any(thread.is_alive() for thread in threads):
        served.append(ask(live_server, client, "/bots/"))
    for thread in threads:
        thread.join()

    assert [status for status, _, _ in bombed] == [422] * UPLOADS
    assert all("takes more than the limit" in page for _, page, _ in bombed)
    assert max(seconds for _, _, seconds in bombed) < ANSWER_S
    assert len(served) > 3
    assert {status for status, _, _ in served} == {200}
    assert max(seconds for _, _, seconds in served) < PAGE_S
