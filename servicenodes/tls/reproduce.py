"""Commands that repeat a test by hand. Key material appears as placeholders: the product never writes a key to disk."""

from __future__ import annotations

import shlex
from ipaddress import ip_address

from servicenodes.tls.observation import Observation

CERTIFICATE_FILE, CHAIN_FILE, KEY_FILE = "CERTIFICATE-AND-CHAIN.pem", "CHAIN.pem", "PRIVATE-KEY.pem"
TRUST_FILE = "TRUST-ANCHORS.pem"


def commands(observation: Observation) -> dict[str, str]:
    """`openssl` and `curl` command lines for a shell. The checked address stands in, so both meet the same server."""
    return {"openssl": shlex.join(_openssl(observation)), "curl": shlex.join(_curl(observation))}


def _openssl(seen: Observation) -> list[str]:
    line = ["openssl", "s_client", "-connect", _address(seen)]
    if not _is_address(seen.server_name):
        line += ["-servername", seen.server_name, "-verify_hostname", seen.server_name]
    else:
        line += ["-noservername", "-verify_ip", seen.server_name]
    if seen.presented:
        line += ["-cert", CERTIFICATE_FILE, "-key", KEY_FILE]
    if len(seen.presented) > 1:  # the file after -cert_chain is sent whole, so it must not hold the leaf again
        line += ["-cert_chain", CHAIN_FILE]
    if seen.trust_label != "system":
        line += ["-CAfile", TRUST_FILE, "-no-CApath", "-no-CAstore", "-partial_chain"]
    line += ["-min_protocol", f"TLSv{seen.min_tls}"]
    highest = _highest(seen)
    if highest is not None:
        line += ["-max_protocol", f"TLSv{highest}"]
    if seen.proxy is not None:
        line += ["-proxy", seen.proxy.removeprefix("http://").rstrip("/")]
    return [*line, "-verify_return_error"]


def _curl(seen: Observation) -> list[str]:
    # --globoff and --path-as-is: curl would otherwise read braces, brackets and dots in the path as its own language.
    line = ["curl", "--verbose", "--http1.1", "--globoff", "--path-as-is", "--request", seen.method]
    line += ["--proxy", seen.proxy or "", f"--tlsv{seen.min_tls}"]
    highest = _highest(seen)
    if highest is not None:
        line += ["--tls-max", highest]
    if seen.presented:
        line += ["--cert", CERTIFICATE_FILE, "--key", KEY_FILE]
    if seen.trust_label != "system":
        line += ["--cacert", TRUST_FILE]
    if seen.first is not None and seen.first.address is not None:
        line += ["--connect-to", f"::{seen.first.address}"]
    if seen.server_name != seen.host:
        line += ["--header", f"Host: {_authority(seen.host, seen.port)}"]
    return [*line, f"https://{_authority(seen.server_name, seen.port)}{seen.path}"]


def _highest(seen: Observation) -> str | None:
    return "1.2" if seen.capped_to_tls12 else seen.max_tls


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _address(seen: Observation) -> str:
    first = seen.first
    if first is not None and first.address is not None:
        return first.address
    return _authority(seen.host, seen.port)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
