"""The real call and the connection test over the HTTP API, against a real server that demands a client certificate."""

from __future__ import annotations

import base64
import json

import pytest

from botplatform.accounts.models import User
from botplatform.api import api
from botplatform.api_kit.documents import openapi
from botplatform.bots.models import Bot
from tests.api.caller import Caller, caller_of
from tests.factories import make_certificate, make_node, make_trust_store
from tests.servicenodes.services.calls import Bank, echo_bank

pytestmark = pytest.mark.django_db
INVOKE = "/bots/acme/nodes/pay/invoke"


@pytest.fixture(autouse=True)
def _node(bot: Bot, bank: Bank) -> None:
    """`acme/pay`."""
    make_certificate(bot, "bank", issued=bank.authority.issue("one.example"), is_default=True)
    trust = make_trust_store(bot, "roots", authorities=(bank.server_authority,))
    make_node(bot, "pay", method="POST", url=f"{bank.peer.url}{{{{path}}}}", trust_store=trust, timeout_s=5)


@pytest.fixture
def runtime(developer: User, bot: Bot) -> Caller:
    """The bot runtime: it may call, and nothing else."""
    return caller_of(developer, bot, permissions=["node.invoke"])


def test_a_call(runtime: Caller, bank: Bank) -> None:
    body = {"variables": {"path": "accounts"}, "payload": '{"amount": 1}', "content_type": "application/json"}
    answer = runtime("POST", INVOKE, body)
    document = answer.json()
    assert answer.status_code == 200, document
    seen = json.loads(document["body"])
    assert (document["status"], seen["target"], seen["body"]) == (200, "/accounts", '{"amount": 1}')
    presented = document["client_certificate"]
    assert (presented["certificate"], presented["version"], presented["source"]) == ("acme/bank", 1, "bot")
    assert "set-cookie" not in document["headers"]
    assert bank.clients()[-1] == "one.example"
    assert runtime("GET", "/bots/acme/nodes/pay").status_code == 403


def test_bytes_go_in_and_out_as_base64(runtime: Caller) -> None:
    body = {"variables": {"path": "binary"}, "payload_base64": base64.b64encode(b"\0\1").decode()}
    document = runtime("POST", INVOKE, body).json()
    assert document["body_encoding"] == "base64"
    assert base64.b64decode(document["body"]) == bytes(range(256)) * 4


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"variables": {"path": "x", "other": 1}},
        {"variables": {"path": {"a": 1}}},
        {"variables": {"path": "x"}, "payload_base64": "?"},
        {"variables": {"path": "x"}, "content_type": "text/plain"},
        {"variables": {"path": "x"}, "content_type": "nonsense", "payload": "x"},
        {"variables": {"path": "x"}, "payload_base64": "", "payload": ""},
    ],
)
def test_a_request_that_does_not_fit(runtime: Caller, body: object) -> None:
    assert runtime("POST", INVOKE, body).status_code == 422


def test_a_call_that_is_not_made_says_why(runtime: Caller, bot: Bot) -> None:
    bot.certificates.update(is_default=False)
    answer = runtime("POST", INVOKE, {"variables": {"path": "x"}})
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["made"]) == (409, "no_certificate", False)
    assert problem["advice"]
    assert problem.keys() <= openapi(api)["components"]["schemas"]["Problem"]["properties"].keys()


def test_without_a_certificate_nothing_chose_one(runtime: Caller, bot: Bot) -> None:
    with echo_bank(client_ca=None) as asks_nobody:
        roots = make_trust_store(bot, "others", authorities=(asks_nobody.server_authority,))
        bot.service_nodes.update(url=f"{asks_nobody.peer.url}{{{{path}}}}", trust_store=roots, require_mutual_tls=False)
        document = runtime("POST", INVOKE, {"variables": {"path": "x"}}).json()
    assert document["client_certificate"] == {
        **dict.fromkeys(("certificate", "version", "sha256", "source", "fell_back_from"))
    }


def test_a_call_without_an_answer_says_what_a_test_says(runtime: Caller, call: Caller, bot: Bot) -> None:
    bot.service_nodes.update(trust_store=None)
    answer = runtime("POST", INVOKE, {"variables": {"path": "x"}})
    problem = answer.json()
    assert (answer.status_code, answer["Content-Type"]) == (424, "application/problem+json")
    assert problem["verdict"] == "server_untrusted"
    assert (problem["made"], problem["request_sent"]) == (True, False)
    named = problem["client_certificate"]
    assert (named["certificate"], named["version"], named["source"]) == ("acme/bank", 1, "bot")
    typed = openapi(api)["components"]["schemas"]["Problem"]
    assert problem.keys() <= typed["properties"].keys()
    assert set(typed["required"]) == {"type", "title", "status", "code", "detail"}
    bot.service_nodes.update(url=bot.service_nodes.get().url.replace("{{path}}", "x"))
    report = call("POST", "/bots/acme/nodes/pay/test").json()
    assert (report["verdict"], report["reason"]) == (problem["verdict"], problem["reason"])


def test_the_test_is_recorded_and_limited(call: Caller, bot: Bot, bank: Bank) -> None:
    bot.service_nodes.update(url=f"{bank.peer.url}x")
    report = call("POST", "/bots/acme/nodes/pay/test").json()
    assert (report["verdict"], report["client_certificate"]["certificate"]) == ("accepted", "acme/bank")
    (listed,) = call("GET", "/bots/acme/nodes/pay/tests").json()["items"]
    assert (listed["verdict"], listed["version"]) == ("accepted", 1)
    assert call("GET", f"/bots/acme/nodes/pay/tests/{listed['id']}").json() == report
    assert call("POST", "/bots/acme/nodes/pay/test?version=staged").status_code == 404


def test_too_many_tests(call: Caller, bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("servicenodes.services.limits.TESTS_PER_USER", 1)
    bot.service_nodes.update(url="https://127.0.0.1:9/", trust_store=None)
    assert call("POST", "/bots/acme/nodes/pay/test").status_code == 200
    answer = call("POST", "/bots/acme/nodes/pay/test")
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_tests")
    assert int(answer["Retry-After"]) > 0
