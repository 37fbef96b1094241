"""The PKI engine of Vault or OpenBao: one request signs. No client library: it would open sockets of its own."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from django.utils import timezone

from botplatform.errors import InvalidInput
from botplatform.outbound import OutboundFailed, OutboundRequest, send
from certificates.issuers.port import IssuerFailed, Phase, SigningJob, Window
from certificates.issuers.replies import chain_of, retry_after, shown
from certificates.pki.secret import Secret

TIMEOUT_S = 30.0
_LIST = re.compile(r"^\d+ errors? occurred: \* ")
DOING = {
    Phase.REACH: "answer",
    Phase.SIGN_IN: "let us in",
    Phase.ORDER: "tell of the role",
    Phase.SIGN: "sign",
}


@dataclass(frozen=True, slots=True)
class VaultLogin:
    """How we sign in: with a token, or (`role_id` given) with that AppRole and its secret id."""

    secret: Secret
    role_id: str = ""
    approle_mount: str = "approle"


@dataclass(frozen=True, slots=True)
class Vault:
    """A role of a PKI mount. `anchors`: DER of what the server is verified with; empty: the system's."""

    address: str  # https://host:port
    mount: str
    role: str
    login: VaultLogin
    namespace: str = ""
    anchors: tuple[bytes, ...] = field(default=(), repr=False)
    timeout_s: float = TIMEOUT_S

    def check(self) -> str:
        """Sign in and look the token up; whether the role signs is seen when it does."""
        token = self._token()
        self._ask("GET", "auth/token/lookup-self", Phase.SIGN_IN, token=token)
        return f"{urlsplit(self.address).netloc} knows us. Mount and role are tried at the first renewal."

    def sign(self, job: SigningJob) -> tuple[bytes, ...]:
        """`POST /v1/<mount>/sign/<role>`. Done twice, it only makes a second certificate for the same key."""
        csr = x509.load_der_x509_csr(job.csr_der)
        body = {"csr": csr.public_bytes(Encoding.PEM).decode(), "format": "pem", **_names(csr)}
        path = f"{_path(self.mount)}/sign/{_path(self.role)}"
        data = self._ask("POST", path, Phase.SIGN, token=self._token(), body=body)
        above = data.get("ca_chain")
        pems = [data.get("certificate"), *(above if above and isinstance(above, list) else [data.get("issuing_ca")])]
        return chain_of(pem for pem in pems if isinstance(pem, str))

    def window(self, *, leaf_der: bytes, now: datetime) -> Window | None:
        """It has no opinion."""
        return None

    def _token(self) -> Secret:
        if not self.login.role_id:
            return self.login.secret
        body = {"role_id": self.login.role_id, "secret_id": self.login.secret.reveal().decode()}
        path = f"auth/{_path(self.login.approle_mount)}/login"
        token = self._ask("POST", path, Phase.SIGN_IN, body=body, part="auth").get("client_token")
        if not isinstance(token, str):
            raise IssuerFailed(Phase.SIGN_IN, f"{self._host} gave no token.")
        return Secret(token.encode())

    def _ask(
        self,
        method: str,
        path: str,
        phase: Phase,
        *,
        token: Secret | None = None,
        body: dict[str, Any] | None = None,
        part: str = "data",
    ) -> dict[str, Any]:
        """One request; the named part of its JSON answer."""
        headers = {"Content-Type": "application/json", "X-Vault-Request": "true"}
        headers |= {"X-Vault-Namespace": self.namespace} if self.namespace else {}
        headers |= {"X-Vault-Token": token.reveal().decode("ascii", "replace")} if token else {}
        request = OutboundRequest(
            method=method,
            url=f"{self.address.rstrip('/')}/v1/{path}",
            headers=tuple(headers.items()),
            body=json.dumps(body).encode() if body is not None else b"",
            anchors=self.anchors,
            timeout_s=self.timeout_s,
        )
        try:
            answer = send(request)
        except OutboundFailed as failure:
            text = f"{self._host} could not be asked: {shown(failure.text)}."
            raise IssuerFailed(Phase.REACH, text) from failure
        except InvalidInput as error:
            raise IssuerFailed(Phase.REACH, f"{self._host} cannot be asked: {shown(error.text)}.") from error
        found = _json(answer.body)
        if answer.status != 200:
            wait_s = retry_after(answer.header("Retry-After"), now=timezone.now())
            why = f"{self._host} did not {DOING[phase]}: {_why(answer.status, found)}."
            raise IssuerFailed(phase, why, retry_after_s=wait_s)
        data = found.get(part)
        if not isinstance(data, dict):
            raise IssuerFailed(Phase.READ, f"{self._host} answered something that is not of Vault’s form.")
        return data

    @property
    def _host(self) -> str:
        return shown(urlsplit(self.address).netloc)


def _names(csr: x509.CertificateSigningRequest) -> dict[str, str]:
    """The names of the request: a role may take them from the request or from these, so both say the same."""
    common = csr.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    try:
        names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = x509.SubjectAlternativeName([])
    texts = [*names.get_values_for_type(x509.DNSName), *names.get_values_for_type(x509.RFC822Name)]
    found = {
        "common_name": str(common[0].value) if common else "",
        "alt_names": ",".join(texts),
        "ip_sans": ",".join(str(address) for address in names.get_values_for_type(x509.IPAddress)),
        "uri_sans": ",".join(names.get_values_for_type(x509.UniformResourceIdentifier)),
    }
    return {name: value for name, value in found.items() if value}


def _path(words: str) -> str:
    return "/".join(quote(word, safe="") for word in words.strip("/").split("/"))


def _json(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _plain(text: str) -> str:
    """Without the list around it that Go makes of errors: “1 error occurred: * permission denied”."""
    return _LIST.sub("", text).replace(" * ", "; ")


def _why(status: int, found: dict[str, Any]) -> str:
    said = found.get("errors")
    if isinstance(said, list) and said:
        return "; ".join(_plain(shown(part)) for part in said[:3])
    if status == 503:
        return "it is sealed, or in maintenance"
    return f"it answered HTTP {status}"
