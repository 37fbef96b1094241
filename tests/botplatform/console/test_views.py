"""The theme, the error pages, and the shell that every page shares."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from botplatform.accounts.models import User

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


@pytest.mark.parametrize(
    ("chosen", "shown"), [("dark", "dark"), ("light", "light"), ("auto", "auto"), ("<script>", "auto")]
)
def test_the_theme_is_remembered_without_a_script(client: Client, chosen: str, shown: str) -> None:
    answer = client.post(reverse("console:theme"), {"theme": chosen, "next": "/sign-in/"})
    assert answer.url == "/sign-in/"  # type: ignore[attr-defined]
    assert f'data-bs-theme="{shown}"' in client.get("/sign-in/").content.decode()


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", ""])
def test_the_theme_form_leads_to_no_other_host(client: Client, back: str) -> None:
    assert client.post(reverse("console:theme"), {"theme": "dark", "next": back}).url == "/"  # type: ignore[attr-defined]


def test_the_shell_has_no_inline_script_or_style(sign_in: SignIn, administrator: User) -> None:
    page = sign_in(administrator).get(reverse("servicenodes:patterns"))
    text = page.content.decode()
    assert " style=" not in text
    assert "<style" not in text
    assert "onclick" not in text
    assert text.count("<script") == text.count("<script src=")
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_the_current_section_is_marked_once_in_each_navigation(sign_in: SignIn, administrator: User) -> None:
    text = sign_in(administrator).get(reverse("certificates:list")).content.decode()
    assert text.count('aria-current="page"') == 2  # the side bar, and the menu of small screens
    assert '<a href="/certificates/" aria-current="page">' in text


def test_signing_out_is_a_form(sign_in: SignIn, administrator: User) -> None:
    client = sign_in(administrator)
    assert 'method="post" action="/sign-out/"' in client.get("/").content.decode()
    client.post(reverse("accounts:sign_out"))
    assert client.get("/").status_code == 302


def test_a_missing_page_says_so_in_words(client: Client) -> None:
    answer = client.get("/nowhere/")
    assert answer.status_code == 404
    assert "There is nothing here" in answer.content.decode()


def test_only_those_who_may_see_everybody_have_the_links(sign_in: SignIn, stranger: User, auditor: User) -> None:
    assert 'href="/people/"' not in sign_in(stranger).get("/").content.decode()
    assert 'href="/people/"' in sign_in(auditor).get("/").content.decode()
