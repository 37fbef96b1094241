"""Tokens in the console, in the Django admin and on the command line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.bots.models import ApiToken, Bot
from botplatform.bots.services.tokens import authenticate
from tests.api.caller import make_token

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
FORM = {"name": "nightly", "bots": "acme", "permissions": ["bot.view"], "days": "30"}


def run(*arguments: str) -> str:
    """What the command prints on stdout."""
    out = StringIO()
    call_command(*arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_a_token_is_shown_once(sign_in: SignIn, developer: User, bot: Bot) -> None:
    client = sign_in(developer)
    assert "No token yet" in client.get("/tokens/").content.decode()
    answer = client.post("/tokens/new/", FORM)
    token = ApiToken.objects.get()
    page = answer.content.decode()
    text = page.partition('data-copy-text="')[2].partition('"')[0]
    assert (answer.status_code, authenticate(text)) == (201, token)
    assert "no-store" in answer["Cache-Control"]
    listed = client.get("/tokens/").content.decode()
    assert f"bpt_{token.prefix}_…" in listed
    assert text not in listed


def test_a_page_loaded_again_makes_no_second_token(sign_in: SignIn, developer: User, bot: Bot) -> None:
    client = sign_in(developer)
    (form_id,) = re.findall(r'name="form_id" value="([^"]+)"', client.get("/tokens/new/").content.decode())
    sent = {**FORM, "form_id": form_id}
    assert client.post("/tokens/new/", {**sent, "name": ""}).status_code == 422
    assert client.post("/tokens/new/", sent).status_code == 201
    again = client.post("/tokens/new/", sent, follow=True)
    assert again.redirect_chain == [("/tokens/", 302)]
    assert "has made its token already" in again.content.decode()
    assert ApiToken.objects.count() == 1
    assert form_id not in client.get("/tokens/new/").content.decode()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"bots": "globex"}, "There is no bot “globex”."),
        ({"bots": ""}, "either for all bots"),
        ({"all_bots": "on"}, "either for all bots"),
        ({"permissions": ["certificate.import"]}, "lacks the permission"),
        ({"permissions": ["user.manage"]}, "Select a valid choice"),
        ({"days": "9999"}, "Select a valid choice"),
        ({"name": ""}, "required"),
    ],
)
def test_a_refused_token_says_why(
    sign_in: SignIn, developer: User, bot: Bot, other_bot: Bot, change: dict[str, object], says: str
) -> None:
    answer = sign_in(developer).post("/tokens/new/", {**FORM, **change})
    assert answer.status_code == 422
    assert says in answer.content.decode()
    assert not ApiToken.objects.exists()


def test_revoking(sign_in: SignIn, developer: User, administrator: User, stranger: User, bot: Bot) -> None:
    token, text = make_token(developer, bot)
    path = f"/tokens/{token.pk}/revoke/"
    assert sign_in(stranger).post(path).status_code == 404
    assert authenticate(text) == token
    assert "of developer" in sign_in(administrator).get("/tokens/").content.decode()
    assert sign_in(administrator).post(path, follow=True).redirect_chain == [("/tokens/", 302)]
    assert authenticate(text) is None
    assert "Revoked" in sign_in(developer).get("/tokens/").content.decode()


def test_an_auditor_looks_only(sign_in: SignIn, developer: User, auditor: User, bot: Bot) -> None:
    token, text = make_token(developer, bot)
    client = sign_in(auditor)
    page = client.get("/tokens/").content.decode()
    assert token.prefix in page
    assert ">Revoke</button>" not in page
    assert client.post(f"/tokens/{token.pk}/revoke/").status_code == 403
    assert authenticate(text) == token


def test_the_admin_never_shows_the_digest(sign_in: SignIn, administrator: User, bot: Bot) -> None:
    token, _ = make_token(administrator, bot)
    page = sign_in(administrator).get(f"/admin/bots/apitoken/{token.pk}/change/").content.decode()
    assert token.prefix in page
    assert token.digest not in page


def test_the_commands(developer: User, bot: Bot, other_bot: Bot) -> None:
    made = ("create_token", "runtime", "--user", "developer", "--bot", "acme", "--permission", "bot.view")
    text = run(*made).strip()
    token = authenticate(text)
    assert token is not None
    listed = json.loads(run("list_tokens", "--active", "--json"))
    assert [(row["prefix"], row["user"], row["bots"]) for row in listed] == [(token.prefix, "developer", ["acme"])]
    assert text not in run("list_tokens")
    run("revoke_token", token.prefix)
    assert authenticate(text) is None
    assert run("list_tokens", "--active") == ""
    assert "  revoked 2" in run("list_tokens")
    ApiToken.objects.update(revoked_at=None)
    User.objects.update(is_active=False)
    assert "  its user is not active  " in run("list_tokens")
    User.objects.update(is_active=True)
    ApiToken.objects.update(created_at=datetime(2020, 1, 1, tzinfo=UTC), expires_at=datetime(2020, 2, 1, tzinfo=UTC))
    assert "  expired 2020-02-01  " in run("list_tokens")
    assert json.loads(run(*made, "--json"))["token"].startswith("bpt_")
    for wrong in (("--bot", "globex"), ("--days", "0"), ("--permission", "x")):
        with pytest.raises(CommandError) as refused:
            run(*made, *wrong)
        assert refused.value.returncode == 2
    with pytest.raises(CommandError, match="no token"):
        run("revoke_token", "x")


def test_a_command_without_a_user_says_so(bot: Bot, operator: Actor) -> None:
    with pytest.raises(CommandError, match="Name the user"):
        run("create_token", "x", "--all-bots", "--permission", "bot.view")
    with pytest.raises(CommandError, match="no user called"):
        run("create_token", "x", "--all-bots", "--permission", "bot.view", "--user", "nobody")


def test_the_docs_page_obeys_the_policy(sign_in: SignIn, developer: User, client: Client) -> None:
    answer = sign_in(developer).get("/api/v1/docs")
    page = answer.content.decode()
    assert "/api/v1/bots/{bot}/nodes/{node}/test" in page
    assert "unsafe" not in answer["Content-Security-Policy"]
    assert "cdn" not in page
    assert client.get("/api/v1/docs").status_code == 302
