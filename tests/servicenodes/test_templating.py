"""Templates: strict variables, and no value that leaves its place."""

from __future__ import annotations

import contextlib
import json
import time
import xml.etree.ElementTree as ET
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from botplatform.errors import InvalidInput
from servicenodes.escaping import Value
from servicenodes.templating import (
    METHODS,
    BodyKind,
    bare_variables,
    body_kind,
    check_method,
    check_names,
    render_body,
    render_header,
    render_json_body,
    render_method,
    render_text,
    render_url,
    render_xml_body,
    variables_of,
)
from servicenodes.tls.target import check_headers, parse_target

texts = st.text(max_size=60)
nasty = st.one_of(
    texts,
    st.text(alphabet="./\\%?#&=;:@\"'<>{}[]\r\n\x00 2eEfF", max_size=20),
    st.sampled_from(["../admin", "..%2f", '"}', "\\", "{{b}}", "a\r\nX: y", "]]>", "-->", '" x="', "\ud800", "; b=c"]),
)
values: st.SearchStrategy[Value] = st.one_of(
    nasty, st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none()
)


def test_variables_are_found() -> None:
    assert variables_of("https://x.example/{{a}}/{{ b }}?q={{a}}") == {"a", "b"}
    assert variables_of('{"a": {"b": {"c": 1}}}') == frozenset()


@pytest.mark.parametrize(
    "text", ["{{", "{{}}", "{{1a}}", "{{a-b}}", "{{a", "{{a}", "{{ a  }}", "{{é}}", "{{{a}}}", "{{a|safe}}"]
)
def test_what_is_no_variable_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="begins no variable"):
        variables_of(text)


def test_a_missing_and_an_unknown_variable_are_named() -> None:
    check_names({"a"}, {"a"})
    with pytest.raises(InvalidInput, match="“b” has no value") as missing:
        check_names({"a", "b"}, {"a"})
    assert (missing.value.field, missing.value.code) == ("b", "variable_missing")
    with pytest.raises(InvalidInput, match="no variable “c”") as unknown:
        check_names({"a"}, {"a", "c"})
    assert (unknown.value.field, unknown.value.code) == ("c", "variable_unknown")
    with pytest.raises(InvalidInput) as endless:
        check_names({"a"}, {"a", "b" * 100_000})
    assert len(endless.value.field or "") == 80  # what was sent is not sent back
    with pytest.raises(InvalidInput, match="“a” has no value"):
        render_url("https://x.example/{{a}}", {})


# --- URL --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "template",
    [
        "https://{{a}}/",
        "https://{{a}}.bank.example/",
        "https://bank.example{{a}}",
        "https://bank.example:{{a}}/",
        "https://{{a}}@bank.example/",
        "{{a}}://bank.example/",
        "{{a}}",
        "https:{{a}}",
        "https://bank.example/#{{a}}",
        "https://bank.example{{a}}?x=1",
        "https://bank.example?x=1/#{{a}}",
    ],
)
def test_what_is_called_cannot_come_from_a_variable(template: str) -> None:
    with pytest.raises(InvalidInput):
        render_url(template, {"a": "evil.example"})


@given(nasty, nasty, nasty)
@example("..", "", "")
@example("a/../../b", "", "")
def test_no_value_changes_the_shape_of_a_url(first: str, second: str, third: str) -> None:
    template = "https://bank.example:8443/v1/{{a}}/x-{{b}}.json?from={{c}}&to={{a}}#top"
    try:
        url = render_url(template, {"a": first, "b": second, "c": third})
    except InvalidInput:
        return
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.fragment) == ("https", "bank.example:8443", "top")
    segments = parts.path.split("/")
    assert [unquote(segment) for segment in segments] == ["", "v1", first, f"x-{second}.json"]
    assert not {".", "..", ""} & set(unquote(parts.path).replace("\\", "/").split("/")[1:])
    assert parse_qsl(parts.query, keep_blank_values=True) == [("from", third), ("to", first)]
    parse_target(url)


@pytest.mark.parametrize(
    "value", ["", ".", "..", "../admin", "a/../b", "..\\x", "a/", "/", "a\nb", "\x00", "..;x", "a/..;/b"]
)
def test_a_value_that_climbs_is_refused(value: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        render_url("https://bank.example/users/{{id}}/orders", {"id": value})
    assert refused.value.field == "id"


def test_a_method_is_one_of_the_list_or_one_variable() -> None:
    for accepted in (*METHODS, "{{method}}", "{{ m }}"):
        check_method(accepted)
    for refused in ("", "get", "HEAD", "{{a}}{{b}}", "P{{a}}", "{{a}} ", "{{", "{{a-b}}"):
        with pytest.raises(InvalidInput, match="or one variable") as caught:
            check_method(refused)
        assert caught.value.field == "method"
    assert render_method("GET", {}) == "GET"
    assert render_method("{{m}}", {"m": "PATCH"}) == "PATCH"
    wrong: list[Value] = ["patch", "TRACE", "", "GET ", "GET\r\nX: 1", 5, True, None]
    for value in wrong:
        with pytest.raises(InvalidInput, match="none of GET, POST") as caught:
            render_method("{{m}}", {"m": value})
        assert (caught.value.field, caught.value.code) == ("m", "variable_refused")


def test_ordinary_values_in_a_url() -> None:
    url = render_url("https://bank.example/{{a}}/{{n}}?q={{a}}&ok={{t}}", {"a": "Müller & Söhne", "n": 7, "t": True})
    assert url == "https://bank.example/M%C3%BCller%20%26%20S%C3%B6hne/7?q=M%C3%BCller%20%26%20S%C3%B6hne&ok=true"
    assert render_url("https://bank.example?id={{a}}", {"a": "1/2"}) == "https://bank.example?id=1%2F2"


# --- Headers ----------------------------------------------------------------------------------------------------------


@given(nasty)
def test_no_value_ends_a_header(value: str) -> None:
    try:
        written = render_header("X-Trace", "id={{a}};x", {"a": value})
    except InvalidInput:
        return
    assert written == f"id={value};x"
    check_headers([("X-Trace", written)])


@given(nasty)
def test_no_value_ends_a_quoted_string_or_a_cookie(value: str) -> None:
    for name, template in (("X-Auth", 'Digest user="{{a}}", x="1"'), ("Cookie", "a={{a}}; b=1")):
        try:
            written = render_header(name, template, {"a": value})
        except InvalidInput:
            continue
        assert written.count('"') == template.count('"')
        assert name != "Cookie" or written.split("; ") == [f"a={value}", "b=1"]


# --- Bodies -----------------------------------------------------------------------------------------------------------


@given(values, nasty)
def test_no_value_leaves_its_place_in_json(bare: Value, quoted: str) -> None:
    template = '{"bare": {{a}}, "text": "x \\" {{b}} \\\\", "{{b}}": [{{a}}], "last": {"x": 1}}'
    try:
        body = render_json_body(template, {"a": bare, "b": quoted})
    except InvalidInput:
        assert "\ud800" in f"{bare}{quoted}"
        return
    assert body.isascii()
    pairs = json.loads(body, object_pairs_hook=list)
    assert pairs[:3] == [("bare", bare), ("text", f'x " {quoted} \\'), (quoted, [bare])]
    assert len(pairs) == 4


def test_a_backslash_before_a_variable_is_refused() -> None:
    with pytest.raises(InvalidInput, match="backslash"):
        render_json_body('{"a": "\\{{b}}"}', {"b": "n"})


def test_null_and_numbers_that_are_none() -> None:
    assert render_json_body("[{{a}}]", {"a": None}) == "[null]"
    with pytest.raises(InvalidInput, match="is null"):
        render_json_body('["{{a}}"]', {"a": None})
    with pytest.raises(InvalidInput, match="finite"):
        render_json_body("[{{a}}]", {"a": float("nan")})
    with pytest.raises(InvalidInput, match="digits"):
        render_json_body("[{{a}}]", {"a": 10**5000})
    with pytest.raises(InvalidInput, match="neither text"):
        render_json_body("[{{a}}]", {"a": ["x"]})  # type: ignore[dict-item]


def test_which_variables_stand_bare() -> None:
    assert bare_variables('{"a": {{a}}, "b": "{{b}}", "c": [{{c}}, "{{c}}"]}') == {"a"}


@given(nasty)
def test_no_value_leaves_its_place_in_xml(value: str) -> None:
    template = "<?xml version='1.0'?><!-- x --><a n='{{v}}' m=\"1 {{v}}\"><![CDATA[<]]><b>{{v}}</b> {{v}}</a>"
    try:
        body = render_xml_body(template, {"v": value})
    except InvalidInput:
        return
    root = ET.fromstring(body)  # noqa: S314 - made here
    assert (root.attrib, root[0].text or "", len(root)) == ({"n": value, "m": f"1 {value}"}, value, 1)
    assert root[0].tail == f" {value}"


@pytest.mark.parametrize(
    "template",
    ["<{{v}}/>", "<a {{v}}='1'/>", "<a b={{v}}/>", "<!-- {{v}} -->", "<![CDATA[{{v}}]]>", "<?x {{v}}?>", "<a></{{v}}>"],
)
def test_places_in_xml_that_cannot_be_kept(template: str) -> None:
    with pytest.raises(InvalidInput, match="inside a tag"):
        render_xml_body(template, {"v": "x"})


@pytest.mark.parametrize(
    ("template", "fits"),
    [
        ("<a>{{v}}</a>" * 8_000, True),
        ("<a b='{{v}}'/>" * 8_000, True),
        ("<?" * 40_000 + "{{v}}", False),
        ("<!--" * 20_000 + "{{v}}" * 1_000, False),
        ("<a x='' " * 10_000 + "{{v}}", False),
    ],
)
def test_large_xml_is_filled_at_once(template: str, fits: bool) -> None:
    """A bot developer's template must not keep the process busy."""
    started = time.process_time()
    with contextlib.nullcontext() if fits else pytest.raises(InvalidInput):
        render_xml_body(template, {"v": "x"})
    assert time.process_time() - started < 1.0


@given(nasty)
def test_no_value_leaves_its_place_in_a_form(value: str) -> None:
    try:
        body = render_body(BodyKind.FORM, "a={{v}}&b=1", {"v": value})
    except InvalidInput:
        return
    assert parse_qsl(body, keep_blank_values=True) == [("a", value), ("b", "1")]


def test_values_in_other_text_stay_as_they_are() -> None:
    assert render_text("Hello {{name}}!", {"name": "<Ann>"}) == "Hello <Ann>!"
    with pytest.raises(InvalidInput, match="surrogate"):
        render_text("{{name}}", {"name": "\ud800"})


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("application/json; charset=utf-8", BodyKind.JSON),
        ("application/vnd.bank+JSON", BodyKind.JSON),
        ("application/x-www-form-urlencoded", BodyKind.FORM),
        ("application/soap+xml", BodyKind.XML),
        ("text/xml", BodyKind.XML),
        ("text/plain", BodyKind.TEXT),
        ("", BodyKind.TEXT),
    ],
)
def test_the_content_type_decides_how_values_are_written(content_type: str, kind: BodyKind) -> None:
    assert body_kind(content_type) is kind
