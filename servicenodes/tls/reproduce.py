"""Commands that repeat a test by hand. Key material appears as placeholders: the product never writes a key to disk."""

from __future__ import annotations

import shlex

from servicenodes.tls.observation import Observation

CERTIFICATE_FILE, KEY_FILE, TRUST_FILE = "CERTIFICATE-AND-CHAIN.pem", "PRIVATE-KEY.pem", "TRUST-ANCHORS.pem"
OPENSSL_VERSIONS = {"1.2": "-tls1_2", "1.3": "-tls1_3"}


def commands(observation: Observation) -> dict[str, str]:
    """`openssl` and `curl` command lines for a shell. The checked address stands in, so both meet the same server."""
    return {"openssl": shlex.join(_openssl(observation)), "curl": shlex.join(_curl(observation))}


def _openssl(seen: Observation) -> list[str]:
    line = ["openssl", "s_client", "-connect", _address(seen)]
    if not _is_address(seen.server_name):
        line += ["-servername", seen.server_name, "-verify_hostname", seen.server_name]
    else:
        line += ["-verify_ip", seen.server_name]
    if seen.presented:
        line += ["-cert", CERTIFICATE_FILE, "-cert_chain", CERTIFICATE_FILE, "-key", KEY_FILE]
    if seen.trust_label != "system":
        line += ["-CAfile", TRUST_FILE]
    version = "1.2" if seen.capped_to_tls12 else seen.max_tls
    if version is not None:
        line.append(OPENSSL_VERSIONS[version])
    elif seen.min_tls == "1.3":
        line.append("-tls1_3")
    if seen.proxy is not None:
        line += ["-proxy", seen.proxy.removeprefix("http://").rstrip("/")]
    return [*line, "-verify_return_error"]


def _curl(seen: Observation) -> list[str]:
    line = ["curl", "--verbose", "--http1.1", "--request", seen.method, "--proxy", seen.proxy or ""]
    line += [f"--tlsv{seen.min_tls}"]
    version = "1.2" if seen.capped_to_tls12 else seen.max_tls
    if version is not None:
        line += ["--tls-max", version]
    first = seen.first
    if first is not None and first.address is not None and seen.server_name == seen.host and not _is_address(seen.host):
        line += ["--resolve", f"{seen.host}:{seen.port}:{first.address.rpartition(':')[0]}"]
    if seen.presented:
        line += ["--cert", CERTIFICATE_FILE, "--key", KEY_FILE]
    if seen.trust_label != "system":
        line += ["--cacert", TRUST_FILE]
    if seen.server_name != seen.host:
        line += ["--connect-to", f"{seen.server_name}:{seen.port}:{seen.host}:{seen.port}"]
        return [*line, _url(seen.server_name, seen)]
    return [*line, _url(seen.host, seen)]


def _url(host: str, seen: Observation) -> str:
    bracketed = f"[{host}]" if ":" in host else host
    return f"https://{bracketed}:{seen.port}{seen.path}"


def _address(seen: Observation) -> str:
    first = seen.first
    if first is not None and first.address is not None:
        return first.address
    return f"[{seen.host}]:{seen.port}" if ":" in seen.host else f"{seen.host}:{seen.port}"


def _is_address(name: str) -> bool:
    return ":" in name or name.replace(".", "").isdigit()
