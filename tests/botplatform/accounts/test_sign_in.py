"""Signing in and out, and one's own password, as a browser does it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from tests.conftest import PASSWORD

SignIn = Callable[[User], Client]


def actions() -> list[str]:
    return list(AuditEvent.objects.order_by("position").values_list("action", flat=True))


def test_in_and_out_are_on_record(owner: User, client: Client) -> None:
    answer = client.post("/sign-in/", {"username": "owner", "password": PASSWORD})
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert client.get("/sign-out/").status_code == 405
    answer = client.post("/sign-out/")
    assert (answer.status_code, answer["Location"]) == (302, "/sign-in/")
    assert client.get("/password/").status_code == 302
    assert actions() == ["user.signed_in", "user.signed_out"]
    client.post("/sign-out/")
    assert len(actions()) == 2


def test_a_wrong_password_is_on_record_without_it(owner: User, client: Client) -> None:
    answer = client.post("/sign-in/", {"username": "owner", "password": "a wrong password"})
    assert answer.status_code == 200
    page = answer.content.decode()
    assert "User name or password is wrong." in page
    assert (">User name<" in page, "sername</label>" in page) == (True, False)
    assert actions() == ["user.sign_in_failed"]
    assert "a wrong password" not in str(AuditEvent.objects.values())
    assert b"a wrong password" not in answer.content


def test_a_password_typed_as_the_name_is_kept_nowhere(owner: User, client: Client) -> None:
    client.post("/sign-in/", {"username": PASSWORD, "password": "owner"})
    assert PASSWORD not in str(AuditEvent.objects.values())


def test_an_empty_form_is_nobodys_attempt(client: Client, db: None) -> None:
    assert client.post("/sign-in/", {"username": "owner"}).status_code == 200
    assert actions() == []


def test_somebody_switched_off_stays_out(owner: User, client: Client) -> None:
    User.objects.filter(pk=owner.pk).update(is_active=False)
    client.post("/sign-in/", {"username": "owner", "password": PASSWORD})
    assert "_auth_user_id" not in client.session
    assert actions() == ["user.sign_in_failed"]


def test_a_form_sent_after_the_session_ended_says_so_and_leads_back_to_its_page(owner: User, client: Client) -> None:
    form, act = "/bots/new/?from=list", "/bots/acme/people/"
    there = client.post(act, {"user": "x"}, headers={"referer": f"http://testserver{form}"})
    page = client.get(there["Location"]).content.decode()
    assert "what you sent was not saved" in page
    assert 'name="next" value="/bots/new/?from=list"' in page
    assert "not saved" not in client.get(client.get("/bots/new/")["Location"]).content.decode()
    elsewhere = client.post(act, headers={"referer": "https://evil.example/"})
    assert elsewhere["Location"] == "/sign-in/?next=/"


def test_a_part_of_a_page_asked_for_after_the_session_ended_leads_the_whole_page_to_sign_in(client: Client) -> None:
    part = {"HX-Request": "true", "HX-Current-URL": "http://testserver/bots/acme/certificates/api/"}
    asked = client.get("/bots/acme/certificates/api/renewal/now/", headers=part)
    assert (asked.status_code, asked["HX-Redirect"]) == (200, "/sign-in/?next=/bots/acme/certificates/api/")


def test_one_goes_only_to_pages_of_this_site(owner: User, client: Client) -> None:
    form = {"username": "owner", "password": PASSWORD, "next": "https://evil.example/"}
    assert client.post("/sign-in/", form)["Location"] == "/"
    assert client.post("/sign-in/", {**form, "next": "/people/"})["Location"] == "/people/"


def test_a_form_without_its_token_is_refused(owner: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    answer = strict.post("/sign-in/", {"username": "owner", "password": PASSWORD})
    assert answer.status_code == 403
    assert b"has expired" in answer.content


def test_ones_own_password_changes_and_other_sessions_end(owner: User, sign_in: SignIn) -> None:
    here, elsewhere = sign_in(owner), sign_in(owner)
    new = "another calm otter"
    form = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert here.post("/password/", {**form, "old_password": "wrong"}).status_code == 422
    assert here.post("/password/", {**form, "new_password1": "x", "new_password2": "x"}).status_code == 422
    assert here.post("/password/", form).status_code == 302
    assert here.get("/password/").status_code == 200
    assert elsewhere.get("/password/").status_code == 302
    assert actions() == ["user.changed"]


@pytest.mark.parametrize(("person", "status"), [("administrator", 200), ("auditor", 200), ("owner", 403)])
def test_the_list_of_people(person: str, status: int, sign_in: SignIn, request: pytest.FixtureRequest) -> None:
    assert sign_in(request.getfixturevalue(person)).get("/people/").status_code == status


def test_the_admin_signs_in_and_out_at_our_doors(owner: User, administrator: User, sign_in: SignIn) -> None:
    assert Client().get("/admin/")["Location"] == "/admin/login/?next=/admin/"
    assert Client().get("/admin/login/?next=/admin/")["Location"] == "/sign-in/?next=/admin/"
    assert sign_in(owner).get("/admin/login/")["Location"] == "/"
    client = sign_in(administrator)
    assert client.get("/admin/").status_code == 200
    assert client.get("/admin/password_change/")["Location"] == "/password/"
    assert client.post("/admin/logout/")["Location"] == "/sign-in/"
    assert actions() == ["user.signed_out"]
