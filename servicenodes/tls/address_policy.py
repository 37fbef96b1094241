"""Which addresses the product may call. Every resolved address is checked, and the checked address is connected to.

The table below is explicit because `ipaddress.is_global` calls NAT64, 6to4, `::127.0.0.1`, `fec0::1` and cloud
metadata addresses global. What is not in the table is public for IPv4; for IPv6 only 2000::/3 is (RFC 4291).

`EGRESS_ALLOW` is configuration, never typed into the console. Its entries:

* a CIDR or an address (`10.20.0.0/16`, `127.0.0.1`): these addresses, every port;
* `host:port` (`bank.internal:8443`, `127.0.0.1:8443`, `[::1]:8443`): this host as spelled in the URL, this port.

Cloud metadata addresses hand out credentials to whoever asks. They need an exact entry: the address itself, alone
or with a port. A network that contains them, or a name that resolves to them, is not enough.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from botplatform.errors import InvalidInput
from servicenodes.errors import AddressDenied
from servicenodes.tls.target import normalise_host

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

METADATA = frozenset(
    ip_address(text)
    for text in (
        "169.254.169.254",  # AWS, Azure, Google Cloud, and most others
        "169.254.170.2",  # AWS ECS task credentials
        "169.254.170.23",  # AWS EKS pod identity
        "168.63.129.16",  # Azure wire server: looks public
        "100.100.100.200",  # Alibaba Cloud
        "192.0.0.192",  # Oracle Cloud, old
        "169.254.0.23",  # Tencent Cloud
        "fd00:ec2::254",  # AWS over IPv6
        "fd00:ec2::23",  # AWS EKS pod identity over IPv6
        "fd20:ce::254",  # Google Cloud over IPv6
        "fe80::a9fe:a9fe",  # OpenStack over IPv6
    )
)

# First match wins: the narrow networks stand before the wide ones.
SPECIAL: tuple[tuple[str, str], ...] = (
    ("0.0.0.0/8", "unspecified"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "shared"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link-local"),
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", "reserved"),
    ("192.0.2.0/24", "documentation"),
    ("192.31.196.0/24", "reserved"),
    ("192.52.193.0/24", "reserved"),
    ("192.88.99.0/24", "transition"),
    ("192.168.0.0/16", "private"),
    ("192.175.48.0/24", "reserved"),
    ("198.18.0.0/15", "benchmarking"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved"),
    ("::/128", "unspecified"),
    ("::1/128", "loopback"),
    ("::/96", "transition"),  # IPv4-compatible, obsolete: ::127.0.0.1
    ("64:ff9b::/96", "nat64"),
    ("64:ff9b:1::/48", "nat64"),
    ("100::/64", "reserved"),
    ("2001::/32", "transition"),  # Teredo
    ("2001:db8::/32", "documentation"),
    ("2001::/23", "reserved"),
    ("2002::/16", "transition"),  # 6to4
    ("3fff::/20", "documentation"),
    ("fc00::/7", "private"),
    ("fe80::/10", "link-local"),
    ("fec0::/10", "private"),  # site-local, deprecated but routed in places
    ("ff00::/8", "multicast"),
)
_SPECIAL: tuple[tuple[Network, str], ...] = tuple((ip_network(text), category) for text, category in SPECIAL)
_PUBLIC_IPV6 = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_HOST_PORT = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^:\[\]/\s]+):(?P<port>[0-9]{1,5})", re.ASCII)


def normalise(address: Address) -> Address:
    """An IPv4-mapped IPv6 address as the IPv4 address it really is (RFC 4291, 2.5.5.2)."""
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            address = IPv6Address(int(address))
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
    return address


@lru_cache(maxsize=4096)
def classify(address: Address) -> str | None:
    """The category that forbids this address unless it is allowed, or None for a public address."""
    address = normalise(address)
    if address in METADATA:
        return "metadata"
    for network, category in _SPECIAL:
        if address.version == network.version and address in network:
            return category
    if isinstance(address, IPv6Address) and address not in _PUBLIC_IPV6:
        return "reserved"
    return None


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """What `EGRESS_ALLOW` says. The empty policy allows public addresses only."""

    networks: tuple[Network, ...] = ()
    endpoints: frozenset[tuple[str, int]] = frozenset()  # host as in the URL, lower case, and port

    @classmethod
    def parse(cls, entries: Sequence[str]) -> AddressPolicy:
        """Read the entries of `EGRESS_ALLOW`. Raises `InvalidInput` naming the entry that cannot be read."""
        networks: list[Network] = []
        endpoints: set[tuple[str, int]] = set()
        for entry in (raw.strip() for raw in entries):
            if not entry:
                continue
            try:
                networks.append(ip_network(entry))
            except ValueError:
                endpoints.add(_endpoint(entry))
        return cls(tuple(networks), frozenset(endpoints))

    def check(self, host: str, port: int, addresses: Iterable[Address]) -> tuple[Address, ...]:
        """The addresses, normalised, if every one of them may be called; else raises `AddressDenied`.

        One forbidden answer among several forbids the host: a resolver that mixes them is not to be trusted.
        The text names the category only, so that the console does not reveal internal addresses.
        """
        checked = tuple(normalise(address) for address in addresses)
        for address in checked:
            category = self._denied(host.lower(), port, address)
            if category is not None:
                article = "an" if category == "unspecified" else "a"
                raise AddressDenied(
                    f"{host} leads to {article} {category} address, which the setting EGRESS_ALLOW does not allow.",
                    category=category,
                )
        return checked

    def _denied(self, host: str, port: int, address: Address) -> str | None:
        category = classify(address)
        if category is None or self._allowed_exactly(host, port, address):
            return None
        if category == "metadata":
            return category
        if isinstance(address, IPv6Address) and address in _NAT64:
            embedded = self._denied(host, port, IPv4Address(int(address) & 0xFFFFFFFF))
            if embedded is not None:
                return embedded
        if (host, port) in self.endpoints:
            return None
        covered = any(address.version == network.version and address in network for network in self.networks)
        return None if covered else category

    def _allowed_exactly(self, host: str, port: int, address: Address) -> bool:
        literal = str(address)
        if (literal, port) in self.endpoints and host == literal:
            return True
        return any(network.num_addresses == 1 and network[0] == address for network in self.networks)


def _endpoint(entry: str) -> tuple[str, int]:
    match = _HOST_PORT.fullmatch(entry)
    if match is None or not 1 <= int(match["port"]) <= 65535:
        raise InvalidInput(
            f"EGRESS_ALLOW: “{entry}” is neither a network such as 10.20.0.0/16 nor a host:port.", field="EGRESS_ALLOW"
        )
    return normalise_host(match["host"].strip("[]").lower(), field="EGRESS_ALLOW"), int(match["port"])
