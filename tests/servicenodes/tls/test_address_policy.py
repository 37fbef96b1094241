"""Which addresses may be called, in every spelling that resolvers and libraries understand."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest

from botplatform.errors import InvalidInput
from servicenodes.errors import AddressDenied, ResolveFailed
from servicenodes.tls.address_policy import METADATA, AddressPolicy, classify
from servicenodes.tls.judgement import Verdict
from servicenodes.tls.target import parse_target
from servicenodes.tls.wire import Deadline, resolve_within
from tests.servers import raw_server
from tests.servicenodes.tls.world import probe

FORBIDDEN_V4 = [
    *("0.0.0.1", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.1.2.3"),
    *("169.254.0.1", "169.254.169.254", "169.254.170.2", "168.63.129.16", "100.100.100.200", "172.16.0.1"),
    *("172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1", "192.168.255.255"),
    *("198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1"),
    *("255.255.255.255",),
]
FORBIDDEN_V6 = [
    *("::", "::1", "::127.0.0.1", "::10.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::8.8.8.8", "64:ff9b:1::1", "100::1"),
    *("2001::1", "2001:db8::1", "2001:10::1", "2001:20::1", "2001:2::1", "2002:7f00:1::", "2002:a00:1::1", "3fff::1"),
    *("fc00::1", "fd00:ec2::254", "fd12:3456::1", "fe80::1", "fe80::a9fe:a9fe", "fec0::1", "ff02::1", "ff0e::1"),
    *("4000::1", "5f00::1", "8000::1", "fd20:ce::254", "::2", "::ffff:0:127.0.0.1"),
]
PUBLIC = [
    *("1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.1", "100.63.255.255", "100.128.0.1", "126.255.255.255"),
    *("128.0.0.1", "172.15.255.255", "172.32.0.1", "192.167.255.255", "198.20.0.1", "223.255.255.255"),
    *("2606:4700::1111", "2a00:1450::1", "2001:4860:4860::8888", "2620:fe::fe", "::ffff:8.8.8.8"),
]


def _spellings_of_loopback() -> Iterator[str]:
    """As the C library, browsers and IDNA understand 127.0.0.1, 10.0.0.1 and 169.254.169.254."""
    for literal in ("127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1"):
        a, b, c, d = (int(part) for part in literal.split("."))
        number = int(IPv4Address(literal))
        for first in (f"{a}", f"0x{a:x}", f"0{a:o}", f"00{a:o}", f"0X{a:02X}"):
            yield f"{first}.{b}.{c}.{d}"
            yield f"{first}.0x{b:x}.{c}.0{d:o}"
            yield f"{first}.{b}.{c * 256 + d}"
            yield f"{first}.{(b * 256 + c) * 256 + d}"
        yield from (str(number), hex(number), f"0{number:o}", f"{literal}.", f"0x{number:08X}")
        wide = str.maketrans("0123456789", "０１２３４５６７８９")
        circled = str.maketrans("0123456789", "⓪①②③④⑤⑥⑦⑧⑨")
        bold = str.maketrans("0123456789", "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗")
        for table in (wide, circled, bold):
            yield literal.translate(table)
        yield from (literal.replace(".", "。"), literal.replace(".", "．"), literal.replace(".", "｡"))
        hexadecimal = f"{number >> 16:x}:{number & 0xFFFF:x}"
        for prefix in ("::ffff:", "::", "64:ff9b::", "0:0:0:0:0:ffff:", "0000:0000:0000:0000:0000:FFFF:"):
            yield f"[{prefix}{literal}]"
            yield f"[{prefix}{hexadecimal}]"
        yield f"[2002:{hexadecimal}::]"
        yield f"[2002:{hexadecimal}::1]"
    yield from ("localhost", "LOCALHOST", "localhost.", "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", "ｌｏｃａｌｈｏｓｔ")
    yield from ("0", "0.0", "0x0", "00", "127.1", "0x7f.1", "017700000001", "0x7f000001", "2130706433")
    yield from (f"[{text}]" for text in FORBIDDEN_V6)
    yield from FORBIDDEN_V4
    yield from (f"127.{n}.{n}.{n}" for n in range(1, 60, 3))


SPELLINGS = list(dict.fromkeys(_spellings_of_loopback()))


@pytest.mark.parametrize("text", FORBIDDEN_V4 + FORBIDDEN_V6)
def test_forbidden(text: str) -> None:
    assert classify(ip_address(text)) is not None
    with pytest.raises(AddressDenied):
        AddressPolicy().check("host.example", 443, [ip_address(text)])


@pytest.mark.parametrize("text", FORBIDDEN_V4)
def test_forbidden_as_mapped_ipv6(text: str) -> None:
    assert classify(IPv6Address(f"::ffff:{text}")) is not None


@pytest.mark.parametrize("text", PUBLIC)
def test_public(text: str) -> None:
    assert classify(ip_address(text)) is None
    assert AddressPolicy().check("host.example", 443, [ip_address(text)])


def test_no_spelling_gets_through() -> None:
    """Each is refused as a URL, resolves to nothing, or is refused as an address. None is connected to."""
    assert len(SPELLINGS) >= 250
    for host in SPELLINGS:
        try:
            target = parse_target(f"https://{host}/")
        except InvalidInput:
            continue
        try:
            answers = resolve_within(target.host, 443, Deadline.after(5))
        except ResolveFailed:
            continue
        with pytest.raises(AddressDenied):
            AddressPolicy().check(target.host, 443, answers)


def test_one_forbidden_answer_forbids_the_host() -> None:
    with pytest.raises(AddressDenied) as denied:
        AddressPolicy().check("mixed.example", 443, [ip_address("8.8.8.8"), ip_address("10.0.0.1")])
    assert denied.value.category == "private"
    assert "10.0.0.1" not in denied.value.text


@pytest.mark.parametrize(
    ("entries", "host", "port", "address", "allowed"),
    [
        (["10.0.0.0/8"], "bank.internal", 443, "10.1.2.3", True),
        (["10.0.0.0/8"], "bank.internal", 443, "172.16.0.1", False),
        (["10.0.0.0/8"], "bank.internal", 443, "::ffff:10.1.2.3", True),
        (["127.0.0.1"], "localhost", 8443, "127.0.0.1", True),
        (["127.0.0.1"], "localhost", 8443, "127.0.0.2", False),
        (["bank.internal:8443"], "bank.internal", 8443, "10.1.2.3", True),
        (["BANK.internal:8443"], "bank.internal", 8443, "10.1.2.3", True),
        (["bank.internal:8443"], "bank.internal", 443, "10.1.2.3", False),
        (["bank.internal:8443"], "other.internal", 8443, "10.1.2.3", False),
        (["[::1]:8443"], "::1", 8443, "::1", True),
        (["[::1]:8443"], "::1", 443, "::1", False),
        (["127.0.0.1:8443"], "127.0.0.1", 8443, "127.0.0.1", True),
        (["127.0.0.1:8443"], "evil.example", 8443, "127.0.0.1", False),
        (["0.0.0.0/0"], "evil.example", 80, "169.254.169.254", False),
        (["169.254.0.0/16"], "evil.example", 80, "169.254.169.254", False),
        (["evil.example:80"], "evil.example", 80, "169.254.169.254", False),
        (["169.254.169.254/32"], "meta.example", 80, "169.254.169.254", True),
        (["169.254.169.254:80"], "169.254.169.254", 80, "169.254.169.254", True),
        (["169.254.169.254:80"], "meta.example", 80, "169.254.169.254", False),
        (["64:ff9b::/96"], "v4.example", 443, "64:ff9b::8.8.8.8", True),
        (["64:ff9b::/96"], "v4.example", 443, "64:ff9b::10.0.0.1", False),
        (["::/0"], "v4.example", 443, "64:ff9b::169.254.169.254", False),
        (["fd00::/8"], "v6.example", 443, "fd00:ec2::254", False),
        ([" 10.0.0.0/8 ", ""], "bank.internal", 443, "10.1.2.3", True),
    ],
)
def test_egress_allow(entries: list[str], host: str, port: int, address: str, allowed: bool) -> None:
    policy = AddressPolicy.parse(entries)
    if allowed:
        assert policy.check(host, port, [ip_address(address)])
    else:
        with pytest.raises(AddressDenied):
            policy.check(host, port, [ip_address(address)])


@pytest.mark.parametrize("entry", ["bank.internal", "10.0.0.0/33", "10.0.0.1/8", "host:0", "host:65536", "a b:1", "*"])
def test_entries_that_cannot_be_read(entry: str) -> None:
    with pytest.raises(InvalidInput, match="EGRESS_ALLOW"):
        AddressPolicy.parse([entry])


def test_metadata_needs_an_exact_entry() -> None:
    everything = AddressPolicy.parse(["0.0.0.0/0", "::/0"])
    for address in METADATA:
        with pytest.raises(AddressDenied):
            everything.check("host.example", 80, [address])
        assert AddressPolicy.parse([str(address)]).check("host.example", 80, [address])


def test_rebinding_finds_no_gap() -> None:
    """A resolver that says something else each time is asked once per probe, and what it said is what is called."""
    contacts: list[int] = []

    def count(connection: socket.socket) -> None:
        contacts.append(1)
        connection.recv(1)

    with raw_server(count) as peer:
        for number in range(50):
            answers = iter([["8.8.8.8", "127.0.0.1"], ["127.0.0.1"], ["127.0.0.1"]])
            asked: list[str] = []

            def resolver(host: str, port: int, answers: Iterator[list[str]] = answers, asked: list[str] = asked):  # type: ignore[no-untyped-def]
                asked.append(host)
                return next(answers)

            url = f"https://rebind-{number}.example:{peer.port}/"
            observation, judgement = probe(url, address_policy=AddressPolicy(), resolver=resolver)
            assert judgement.verdict is Verdict.ADDRESS_DENIED
            assert len(asked) == 1
            assert observation.attempts == ()
    assert contacts == []


def test_the_checked_address_is_the_one_called() -> None:
    """The second answer of the resolver would be another one; both attempts go to the first."""
    asked = []

    def resolver(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    with raw_server(lambda connection: connection.close()) as peer:
        observation, judgement = probe(f"https://bank.example:{peer.port}/", resolver=resolver)
    assert asked == ["bank.example"]
    assert [attempt.address for attempt in observation.attempts] == [f"127.0.0.1:{peer.port}"]
    assert judgement.verdict is Verdict.NETWORK_ERROR


def test_an_allowed_host_may_be_spelled_in_other_letters() -> None:
    policy = AddressPolicy.parse(["BÄNK.internal.:8443"])
    assert policy.check("xn--bnk-qla.internal", 8443, [ip_address("10.0.0.1")])
    with pytest.raises(AddressDenied):
        policy.check("xn--bnk-qla.internal", 443, [ip_address("10.0.0.1")])
