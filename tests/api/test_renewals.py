"""Renewals over the HTTP API."""

from __future__ import annotations

from typing import Any

import pytest
from django_tasks_db.models import DBTaskResult

from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from certificates.issuer_models import RenewalPolicy
from certificates.services.issuers import create_issuer
from tests.api.caller import Caller, caller_of
from tests.certificates.issuers.test_services import VAULT
from tests.factories import make_certificate

pytestmark = pytest.mark.django_db
PATH = "/bots/acme/certificates/bank/renewal"


def test_chosen_asked_for_and_given_up(call: Caller, bot: Bot, operator: Any) -> None:
    make_certificate(bot, "bank")
    create_issuer(actor=operator, owner=None, order=VAULT)
    assert call("GET", PATH).json() == {
        "certificate": "acme/bank",
        "issuer": None,
        "days_before": None,
        "key": "ec-p256",
        "auto_promote": False,
        "due_from": None,
        "draft": None,
        "staged": None,
        "failures": 0,
        "error": "",
        "standing": "",
    }
    nobody = call("POST", f"{PATH}/run")
    assert (nobody.status_code, nobody.json()["code"]) == (409, "no_issuer")
    wanted = {"issuer": "vault", "days_before": 20, "key": "rsa-3072", "auto_promote": True}
    told = call("PUT", PATH, wanted).json()
    assert {name: told[name] for name in wanted} == {**wanted, "issuer": "platform/vault"}
    assert told["due_from"]
    assert call("POST", f"{PATH}/run").status_code == 202
    assert DBTaskResult.objects.count() == 1
    assert call("PUT", PATH, {}).json()["issuer"] is None
    assert RenewalPolicy.objects.get().days_before is None


def test_what_is_refused(bot: Bot, other_bot: Bot, manager: User, developer: User, operator: Any) -> None:
    make_certificate(bot, "bank")
    create_issuer(actor=operator, owner=other_bot, order=VAULT)
    call = caller_of(manager, bot)
    answers = {name: call("PUT", PATH, {"issuer": name}) for name in ("globex/vault", "nobody/vault", "vault")}
    assert {answer.status_code for answer in answers.values()} == {422}
    assert len({answer.json()["detail"] for answer in answers.values()}) == 1, "a foreign one looks like none"
    for wrong in ({"days_before": 0}, {"key": "rsa-512"}, {"other": 1}, {"issuer": "a/b/c"}, {"auto_promote": True}):
        assert call("PUT", PATH, wrong).status_code == 422
    assert caller_of(developer, bot)("PUT", PATH, {}).status_code == 403
    assert caller_of(developer, bot)("GET", PATH).status_code == 200
    assert not RenewalPolicy.objects.exists()
