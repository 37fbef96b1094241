"""What a service node of an export becomes."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from botplatform.errors import InvalidInput
from servicenodes.definitions.definition import BotDefinition, NodeDefinition
from servicenodes.definitions.files import read_definition
from servicenodes.definitions.reading import read_bot
from servicenodes.definitions.variables import variable_name
from servicenodes.services.headers import arrange
from servicenodes.templating import check_method, check_templates
from servicenodes.tls.target import parse_target
from tests.servicenodes.definitions.exports import (
    CONFIG,
    SAMPLES,
    component,
    definition,
    end_point,
    headers,
    needs_samples,
)


def read_one(*, config: Any = CONFIG, **fields: Any) -> NodeDefinition:
    found = read_bot(definition(component(**fields)), config)
    assert not found.left_out
    return found.nodes[0]


def test_the_usual_node() -> None:
    found = read_bot(definition(component()), CONFIG)
    assert (found.id, found.name, found.language) == ("st-1", "Bank", "en")
    (node,) = found.nodes
    assert (node.key, node.title, node.method) == ("dg-1/nd-0", "Accounts / GetBalance", "GET")
    assert (node.url, node.exported_url, node.body) == ("https://api.bank.example/balance", "", "")
    assert (node.timeout_s, node.notes, node.variables) == (20, (), {})


@pytest.mark.parametrize(
    ("exported", "url"),
    [
        (end_point(path="balance", port="8443"), "https://api.bank.example:8443/balance"),
        (end_point(path="/a%20b?x=%7B%7Bcontext.x%7D%7D"), "https://api.bank.example/a%20b?x={{context_x}}"),
        (end_point(path="/a b?x={{context.x}}&y=1%2C2"), "https://api.bank.example/a%20b?x={{context_x}}&y=1%2C2"),
        (end_point(path="/50%"), "https://api.bank.example/50%25"),
        (end_point("{{env.BASE}}/pay"), "https://api.bank.example/v1/pay"),
        (end_point("{{ env.BASE }}"), "https://api.bank.example/v1"),
        (
            {"method": "get", "path": "{{env.BASE}}/p?n={{ content.n }}"},
            "https://api.bank.example/v1/p?n={{content_n}}",
        ),
    ],
)
def test_urls(exported: dict[str, Any], url: str) -> None:
    node = read_one(endPoint=exported)
    assert (node.url, node.notes) == (url, ())


@pytest.mark.parametrize(
    ("exported", "shown", "why"),
    [
        (end_point("{{env.OTHER}}/pay"), "{{env_OTHER}}/pay", "known only when the bot runs"),
        (end_point(host="{{env.SUB}}.bank.example"), "https://{{env_SUB}}.bank.example/balance", "known only when"),
        (end_point(protocol="http"), "http://api.bank.example/balance", "plain HTTP"),
        (end_point("https://user:hunter2@bank.example/"), "https://bank.example/", "user name or password"),
        (end_point(host="bank..example"), "https://bank..example/balance", "not a host name"),
        ({"method": "get"}, "(none)", "names no URL"),
    ],
)
def test_a_node_that_cannot_be_called_asks_for_a_url(exported: dict[str, Any], shown: str, why: str) -> None:
    node = read_one(endPoint=exported, headers=headers(X_Api_Key="s3cret", A="1"))
    assert (node.url, node.exported_url, node.headers) == ("", shown, {"A": "1"})
    assert why in node.notes[0]
    assert "Give it a URL" in node.notes[0]
    assert node.secret_headers == {}  # nobody knows whom they are for
    assert "hunter2" not in str(node) + repr(node.exported_url)


def test_headers_are_told_apart_and_what_cannot_be_sent_is_told() -> None:
    secrets = {"envVariables": [{"key": "API_KEY", "value": "s3cret"}, {"key": "ZONE", "value": "eu"}]}
    value = headers(
        Authorization="Basic {{env.API_KEY}}",
        X_Api_Key="{{env.UNKNOWN}}",
        X_Zone="{{env.ZONE}}",
        X_Other="{{env.API_KEY}}",
        X_Number=5,
        Host="elsewhere.example",
        X_Sum="{{env.API_KEY}}-{{context.a}}",
        X_Token="a{{context.a}}b",
        X_Line="a\nb",
    )
    node = read_one(config=secrets, headers=value)
    assert node.secret_headers == {"Authorization": "Basic s3cret", "X-Other": "s3cret"}
    assert node.headers == {
        "X-Api-Key": "{{env_UNKNOWN}}",
        "X-Zone": "eu",
        "X-Number": "5",
        "X-Sum": "{{env_API_KEY}}-{{context_a}}",
    }
    assert len(node.notes) == 3
    for note, name in zip(node.notes, ("Host", "X-Token", "X-Line"), strict=True):
        assert note.startswith("A header is left out: ")
        assert note.count(name) == 1
    assert "s3cret" not in repr(node)


def test_a_credential_of_the_environment_stays_a_variable_in_url_and_body() -> None:
    secrets = {
        "envVariables": [{"key": "API_KEY", "value": "s3cret"}, {"key": "TOKEN_URL", "value": "https://t.example"}]
    }
    node = read_one(
        config=secrets, endPoint=end_point("{{env.TOKEN_URL}}/?k={{env.API_KEY}}"), payload={"value": "{{env.API_KEY}}"}
    )
    assert (node.url, node.body) == ("https://t.example/?k={{env_API_KEY}}", "{{env_API_KEY}}")


def test_bodies() -> None:
    fields: dict[str, Any] = {"headers": headers(Content_Type="application/json")}
    node = read_one(payload={"value": "%7B%22a%22%3A%20%22%7B%7Bcontext.a.b%7D%7D%22%7D"}, **fields)
    assert (node.body, node.variables) == ('{"a": "{{context_a_b}}"}', {"context.a.b": "context_a_b"})
    assert read_one(payload={"value": '{"n": {{context.n}}, "share": "5%25"}'}, **fields).body.endswith('"5%25"}')
    broken = read_one(payload={"value": '{"a": '}, **fields)
    assert broken.body == ""
    assert "The body is left out" in broken.notes[0]


def test_methods_and_what_has_none() -> None:
    assert read_one(endPoint=end_point(method="{{context.m}}")).method == "{{context_m}}"
    found = read_bot(
        definition(
            component("A", endPoint=end_point(method="options")),
            component("B", serviceNodeType="datatable", endPoint=None),
            component("C", endPoint=None),
        ),
        None,
    )
    assert [row.node for row in found.left_out] == ["Accounts / A", "Accounts / B", "Accounts / C"]
    assert "data table" in found.left_out[1].why
    assert "config.json" in found.notes[0]


def test_timeouts_and_what_the_builder_adds() -> None:
    node = read_one(serviceAPITimeout="90", idp="OAuth", isClientCertEnabled=True)
    assert node.timeout_s == 60
    assert [note.split()[0:3] for note in node.notes] == [
        ["The", "timeout", "of"],
        ["The", "bot", "builder"],
        ["The", "bot", "builder"],
    ]
    assert read_one(serviceAPITimeout=None).timeout_s == 20


def test_nodes_within_nodes_and_components_used_twice() -> None:
    bot = definition(component())
    stub = bot["dialogs"][0]["nodes"][0]
    inner = {"type": "botAction", "nodeId": "g", "nodes": [{**stub, "nodeId": "nd-9"}, stub]}
    bot["dialogs"][0]["nodes"].append(inner)
    bot["dialogs"].append({"_id": "dg-2", "nodes": [stub]})
    found = read_bot(bot, CONFIG)
    assert [node.key for node in found.nodes] == ["dg-1/nd-0", "dg-1/nd-9", "dg-2/nd-0"]
    assert "same id" in found.left_out[0].why


def test_foreign_text_costs_its_length_and_no_more() -> None:
    """Each of these took minutes: what backtracks, what many nodes share, what is refused again and again."""
    spaces = "{{" + " " * 1900 + "x"
    shared = component(
        payload={"type": "raw", "value": "%41" * 1_000_000},
        headers=headers(**dict.fromkeys(map(str, range(20_000)), "v")),
    )
    wrong = component("n" * 500_000, endPoint=end_point(method="{{" + "x" * 500_000))
    whole = definition(shared, component("Spaces", endPoint=end_point(f"https://a.example/{spaces}")), wrong)
    nodes = whole["dialogs"][0]["nodes"]
    nodes += [{"type": "service", "nodeId": f"more-{number}", "componentId": "dc-0"} for number in range(300)]
    nodes += [{"type": "service", "nodeId": f"wrong-{number}", "componentId": "dc-2"} for number in range(150)]
    begun = time.process_time()
    bot = read_bot(whole, CONFIG)
    assert time.process_time() - begun < 20
    assert (len(bot.nodes), len(bot.left_out)) == (302, 151)
    assert {len(node.notes) for node in bot.nodes if node.name == "GetBalance"} == {21}
    assert bot.nodes[0].notes[-1].startswith("And 19")


def test_a_tower_of_groups_is_refused() -> None:
    bot = definition(component())
    group: dict[str, Any] = {}
    for _ in range(30):
        group = {"nodes": [group]}
    bot["dialogs"][0]["nodes"].append(group)
    with pytest.raises(InvalidInput, match="levels deep"):
        read_bot(bot, None)


def test_names_of_variables() -> None:
    assert variable_name("context.session.x") == "context_session_x"
    assert variable_name('context.entities["a b"][0]') == "context_entities_a_b_0"
    assert variable_name("0.a") == "_0_a"
    long = variable_name("a" * 200)
    assert (len(long), long) == (63, variable_name("a" * 200))
    assert long != variable_name("a" * 201)
    node = read_one(payload={"value": "{{context.a-b}} {{context.a.b}}"})
    assert len(set(node.variables.values())) == 2


def test_the_preview_holds_all_of_it() -> None:
    found = read_bot(
        definition(component(headers=headers(Authorization="Basic x")), component("Sum", endPoint=None)), None
    )
    assert BotDefinition.from_json(json.loads(json.dumps(found.as_json()))) == found


@needs_samples
@pytest.mark.parametrize(
    ("sample", "callable_", "asking", "left_out"),
    [
        ("kore-api-service-node", 4, 0, 0),
        ("kore-data-tables", 0, 0, 2),
        ("kore-service-now", 0, 1, 0),
        ("kore-webhook-channel", 1, 3, 0),
        ("weather-bot", 0, 2, 0),
    ],
)
def test_samples(sample: str, callable_: int, asking: int, left_out: int) -> None:
    paths = [SAMPLES / sample / name for name in ("botDefinition.json", "config.json")]
    found = read_definition([(path.name, path.read_bytes()) for path in paths])
    numbers = (len([node for node in found.nodes if node.url]), len([node for node in found.nodes if not node.url]))
    assert (*numbers, len(found.left_out)) == (callable_, asking, left_out)
    for node in found.nodes:  # all that is taken over is accepted by whoever stores it
        check_method(node.method)
        check_templates(url=node.url, headers=node.headers, body=node.body)
        arrange(node.headers, node.secret_headers)
        if node.url:
            parse_target(node.url)


@needs_samples
def test_the_broken_sample_is_refused() -> None:
    path = SAMPLES / "broken-json" / "botDefinition.json"
    with pytest.raises(InvalidInput, match=r"botDefinition\.json is no JSON: .* line 1016"):
        read_definition([(path.name, path.read_bytes())])
