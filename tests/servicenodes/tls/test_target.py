"""URLs, names and headers that may be used, and the sentence for each that may not."""

from __future__ import annotations

import pytest

from botplatform.errors import InvalidInput
from servicenodes.tls.target import check_headers, check_method, parse_proxy, parse_target


@pytest.mark.parametrize(
    ("url", "host", "port", "path"),
    [
        ("https://api.bank.example", "api.bank.example", 443, "/"),
        ("https://API.Bank.example:8443/v1/x?y=1#top", "api.bank.example", 8443, "/v1/x?y=1"),
        ("HTTPS://api.bank.example/", "api.bank.example", 443, "/"),
        ("https://bücher.example/ä", "xn--bcher-kva.example", 443, "/%C3%A4"),
        ("https://[2001:DB8::1]:444/", "2001:db8::1", 444, "/"),
        ("https://192.0.2.1/", "192.0.2.1", 443, "/"),
        ("https://api.example./", "api.example", 443, "/"),
        ("https://my_service.internal/%7Ba%7D/{{id}}", "my_service.internal", 443, "/%7Ba%7D/{{id}}"),
        ("https://１２７.0.0.1/", "127.0.0.1", 443, "/"),
    ],
)
def test_accepted(url: str, host: str, port: int, path: str) -> None:
    target = parse_target(url)
    assert (target.host, target.port, target.path) == (host, port, path)


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("", "empty"),
        ("http://api.example/", "needs https"),
        ("ftp://api.example/", "must start with https"),
        ("api.example/", "must start with https"),
        ("https:/api.example/", "must start with https"),
        ("https://", "no host name"),
        ("https:///path", "no host name"),
        ("https://user:pw@api.example/", "user name"),
        ("https://user@api.example/", "user name"),
        ("https://api.example:0/", "not a port"),
        ("https://api.example:65536/", "not a port"),
        ("https://api.example:80:443/", "cannot be read"),
        ("https://[::1]api.example:443/", "cannot be read"),
        ("https://straße.example/", "xn-- form"),
        ("https://api.example:/", "not a port"),
        ("https://api.example:8o/", "not a port"),
        ("https://api.example:٤٤٣/", "not a port"),
        ("https://api.example/a b", "space"),
        ("https://api.example/\r\nX: y", "control"),
        ("https://api.example/\0", "control"),
        ("https://api.example\\@evil.example/", "backslash"),
        (" https://api.example/", "space"),
        ("https://[::1/", "brackets"),
        ("https://[::1%25eth0]/", "zone"),
        ("https://[nonsense]/", "brackets"),
        ("https://{{host}}/", "variable"),
        ("https://-bad.example/", "not a host name"),
        ("https://a..b/", "not a host name"),
        ("https://ex%61mple.com/", "not a host name"),
        ("https://" + "a" * 64 + ".example/", "not a host name"),
        ("https://api.example/" + "x" * 2000, "longer"),
        ("https://api.\ud800example/", "control"),
    ],
)
def test_refused(url: str, word: str) -> None:
    with pytest.raises(InvalidInput, match=word) as refused:
        parse_target(url)
    assert refused.value.field == "url"


@pytest.mark.parametrize(
    "header",
    [
        ("Host", "x"),
        ("content-length", "1"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "close"),
        ("Proxy-Authorization", "x"),
        ("Upgrade", "h2c"),
        ("X Y", "x"),
        ("X", "a\r\nB: c"),
        ("X", "a\0"),
        ("X", "é"),
        ("", "x"),
    ],
)
def test_headers_refused(header: tuple[str, str]) -> None:
    with pytest.raises(InvalidInput):
        check_headers([header])


def test_headers_methods_and_proxies() -> None:
    assert check_headers([("X-Api-Key", "abc def"), ("Empty", "")])
    assert check_method("get") == "GET"
    for method in ("TRACE", "HEAD", "CONNECT", "GE T", ""):
        with pytest.raises(InvalidInput):
            check_method(method)
    assert parse_proxy("http://proxy.example:3128") == ("proxy.example", 3128)
    for proxy in ("https://proxy.example", "http://u:p@proxy.example", "proxy.example:3128", "http://p/x"):
        with pytest.raises(InvalidInput):
            parse_proxy(proxy)
