"""The trap list: what gives a stock Django a 500 gives a clear page here, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from botplatform.errors import Conflict, DomainError, InvalidInput, NotAllowed, NotFound
from botplatform.urls import handler500
from botplatform.urls import urlpatterns as product_urls
from botplatform.wsgi import application

SignIn = Callable[[User], Client]
ERRORS: dict[str, Exception] = {
    "domain": DomainError("It is so."),
    "invalid": InvalidInput("Not that."),
    "denied": NotAllowed("Not you."),
    "conflict": Conflict("Not now."),
    "missing": NotFound("Not here."),
    "busy": OperationalError("database is locked"),
    "gone": InterfaceError("connection already closed"),
}


def fail(request: HttpRequest, how: str) -> HttpResponse:
    raise ERRORS[how]


urlpatterns = [*product_urls, path("fail/<how>/", fail)]
__all__ = ["handler500", "urlpatterns"]


@pytest.mark.urls(__name__)
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("how", "status"), [("domain", 400), ("invalid", 400), ("denied", 403), ("conflict", 409), ("missing", 404)]
)
def test_an_expected_error_is_a_page_with_its_sentence(how: str, status: int, client: Client) -> None:
    answer = client.get(f"/fail/{how}/")
    assert answer.status_code == status
    assert (str(ERRORS[how]).encode() in answer.content) == (status != 404)


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("how", ["busy", "gone"])
def test_a_database_that_is_away_is_503_and_asks_to_come_back(how: str, client: Client) -> None:
    answer = client.get(f"/fail/{how}/")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert b"not reachable" in answer.content


@pytest.mark.django_db
def test_also_where_no_view_is_asked(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_session(*_args: Any) -> None:
        raise OperationalError("disk I/O error")

    monkeypatch.setattr("django.contrib.sessions.middleware.SessionMiddleware.process_request", no_session)
    client.raise_request_exception = False
    answer = client.get("/sign-in/")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer["Content-Security-Policy"]


@pytest.mark.django_db
def test_too_large_files_are_told_within_the_menu_with_the_way_back(
    sign_in: SignIn, administrator: User, bot: Bot
) -> None:
    url = "/bots/acme/certificates/import/?name=bank-api"
    pile = SimpleUploadedFile("client.p12", b"x" * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1))
    answer = sign_in(administrator).post(url, {"files": [pile], "name": "bank-api"})
    page = answer.content.decode()
    assert answer.status_code == 413
    assert "at most 256 KB a file, and 20 files" in page
    assert f'href="{url}">Back to the form' in page
    assert 'aria-label="Main"' in page


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/nowhere/", "/bots/acme/nodes/new/"])
def test_what_one_may_not_see_or_do_is_told_within_the_menu(
    sign_in: SignIn, viewer: User, stranger: User, path: str
) -> None:
    page = sign_in(viewer if "new" in path else stranger).get(path).content.decode()
    assert 'aria-label="Main"' in page
    assert "Change your password" in page


TRAPS: dict[str, dict[str, Any]] = {
    "NUL in the query string": {"path": "/sign-in/?next=%00"},
    "NUL in a name of the query string": {"path": "/sign-in/?a%00=1"},
    "NUL in the path": {"path": "/bots/a%00b/"},
    "NUL in a form field": {"path": "/sign-in/", "method": "POST", "data": {"username": "a\0", "password": "b"}},
    "NUL in the name of a form field": {"path": "/sign-in/", "method": "POST", "data": {"user\0": "a"}},
    "NUL in the session cookie": {"path": "/people/", "HTTP_COOKIE": "sessionid=a\0b"},
    "NUL in any cookie": {"path": "/people/", "HTTP_COOKIE": "other=a\0b"},
    "NUL in the name of a cookie": {"path": "/people/", "HTTP_COOKIE": "o\0=b"},
    "half a pair of surrogates": {
        "path": "/sign-in/?next=%5Cud800",
        "content_type": "application/x-www-form-urlencoded; charset=unicode_escape",
    },
    "UTF-7": {
        "path": "/sign-in/",
        "method": "POST",
        "raw": b"username=+AAA-",
        "content_type": "application/x-www-form-urlencoded; charset=utf-7",
    },
    "a form of two thousand fields": {
        "path": "/sign-in/",
        "method": "POST",
        "raw": b"&".join(b"f%d=1" % n for n in range(2000)),
        "content_type": "application/x-www-form-urlencoded",
    },
    "multipart without a boundary": {
        "path": "/sign-in/",
        "method": "POST",
        "raw": b"nothing",
        "content_type": "multipart/form-data",
    },
    "multipart with a broken boundary": {
        "path": "/sign-in/",
        "method": "POST",
        "raw": b"--x\r\n",
        "content_type": "multipart/form-data; boundary=\xff\xfe",
    },
}


def send(client: Client, trap: dict[str, Any]) -> Any:
    headers = {name: value for name, value in trap.items() if name.startswith("HTTP_")}
    if trap.get("method") != "POST":
        return client.get(trap["path"], **headers, CONTENT_TYPE=trap.get("content_type", ""))
    if "data" in trap:
        return client.post(trap["path"], trap["data"], **headers)
    return client.post(trap["path"], trap["raw"], content_type=trap["content_type"], **headers)


@pytest.mark.django_db
@pytest.mark.parametrize("name", list(TRAPS))
def test_traps_without_a_session(name: str, client: Client) -> None:
    answer = send(client, TRAPS[name])
    assert answer.status_code == 400
    assert answer["Content-Security-Policy"]
    assert b"<h1>" in answer.content


@pytest.mark.parametrize("name", [name for name, trap in TRAPS.items() if "HTTP_COOKIE" not in trap])
def test_traps_with_a_session(name: str, administrator: User, sign_in: SignIn) -> None:
    assert send(sign_in(administrator), TRAPS[name]).status_code == 400


@pytest.mark.parametrize(
    "address",
    [
        "/bots/%ed%a0%80/",
        "/bots/%ff%fe/",
        "/bots/" + "a" * 5000 + "/",
        "/people/?page=%ed%a0%80",
        "/people/?page=99999999999999999999999",
        "/people/?page=-1",
        "/people/?page=%F0%9F%A6%A6",
        "/admin/bots/bot/%ff/change/",
        "/admin/bots/bot/not-a-uuid/change/",
        "/admin/bots/bot/?q=%ff",
        "/admin/bots/bot/?p=99999999999999999999",
        "/admin/bots/bot/?created_at__gte=9999-99-99",
    ],
)
def test_odd_addresses_never_break_a_page(address: str, administrator: User, bot: Bot, sign_in: SignIn) -> None:
    assert sign_in(administrator).get(address).status_code < 500


@pytest.mark.django_db
def test_a_file_name_with_odd_characters(client: Client) -> None:
    file = SimpleUploadedFile("a\u202eb.p12", b"x")
    assert client.post("/sign-in/", {"file": file}).status_code == 200


@pytest.mark.django_db
def test_a_body_beyond_the_cap_is_413_with_a_page(client: Client) -> None:
    too_large = SimpleUploadedFile("a.p12", b"x" * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1))
    answer = client.post("/sign-in/", {"file": too_large})
    assert answer.status_code == 413
    assert f"at most {settings.MAX_UPLOAD_KB} KB a file".encode() in answer.content
    assert answer["Content-Security-Policy"]


@pytest.mark.django_db
@pytest.mark.parametrize("length", ["", "-1", "many", "1e9"])
def test_a_length_that_is_no_number(length: str, client: Client) -> None:
    assert client.post("/sign-in/", {"username": "a"}, CONTENT_LENGTH=length).status_code < 500


@pytest.mark.django_db
@pytest.mark.parametrize(
    "charset", ["hex", "rot13", "zlib", "idna", "no-such-thing", "unicode_escape", "utf-16", "a\0"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_character_set_that_is_none_for_text(charset: str, method: str) -> None:
    environment: dict[str, Any] = {}
    setup_testing_defaults(environment)
    environment |= {
        "REQUEST_METHOD": method,
        "PATH_INFO": "/sign-in/",
        "QUERY_STRING": "next=4",
        "HTTP_HOST": "localhost",
        "CONTENT_TYPE": f"application/x-www-form-urlencoded; charset={charset}",
        "CONTENT_LENGTH": "0",
    }
    statuses: list[str] = []

    def start(status: str, *_rest: Any) -> Callable[[bytes], object]:
        statuses.append(status)
        return lambda _chunk: None

    answer = application(environment, start)
    page = b"".join(answer)
    answer.close()
    assert statuses == ["400 Bad Request"]
    assert b"Only UTF-8 is understood here." in page
