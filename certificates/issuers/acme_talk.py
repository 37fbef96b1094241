"""What is said to a CA that speaks ACME, one method a request, each in its phase."""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from acme import challenges, errors, messages
from acme.client import ClientV2
from cryptography import x509

from certificates.issuers.acme_network import Network, said
from certificates.issuers.port import IssuerFailed, Phase, Window
from certificates.issuers.replies import shown
from certificates.pki.secret import Secret

FIRST_WAIT_S, LONGEST_WAIT_S = 0.25, 10.0
ASK_AGAIN = timedelta(hours=6)  # RFC 9773, 4.3.2
ASK_AGAIN_BOUNDS = timedelta(minutes=1), timedelta(days=1)
OPEN = frozenset({messages.STATUS_PENDING, messages.STATUS_PROCESSING})


@dataclass(frozen=True, slots=True)
class AcmeAccount:
    """Who we are to the CA. `key` is PKCS#8 DER of a P-256 key; `eab_key` is what the CA gave out, in base64url."""

    key: Secret
    contact: str = ""
    eab_key_id: str = ""
    eab_key: Secret | None = None


class Talk:
    """One conversation. Every method raises `IssuerFailed`."""

    def __init__(self, network: Network, directory_url: str) -> None:
        self._network = network
        with network.during(Phase.REACH):
            self._client = ClientV2(ClientV2.get_directory(directory_url, network), network)
            self._nonce_url: str = self._client.directory["newNonce"]

    @property
    def account_url(self) -> str:
        """Empty before `sign_in`."""
        account = self._network.account
        return account.uri or "" if account else ""

    def sign_in(self, account: AcmeAccount) -> None:
        """Find the account of our key, or make it. Who names a CA as an issuer accepts its terms."""
        with self._network.during(Phase.SIGN_IN):
            new = messages.NewRegistration.from_data(
                email=account.contact or None,
                terms_of_service_agreed=True,
                external_account_binding=self._binding(account),
            )
            try:
                self._client.new_account(new)
            except errors.ConflictError as known:
                body = messages.Registration()
                self._network.account = messages.RegistrationResource(body=body, uri=known.location)
            if not self.account_url:
                raise LookupError("an account has an address")

    def _binding(self, account: AcmeAccount) -> dict[str, Any] | None:
        if account.eab_key is None or self._network.key is None:
            return None
        key = account.eab_key.reveal().decode("ascii", "replace").rstrip("=")
        public = self._network.key.public_key()
        return messages.ExternalAccountBinding.from_data(public, account.eab_key_id, key, self._client.directory)

    def new_order(self, names: list[messages.Identifier]) -> str:
        """The address of a new order."""
        with self._network.during(Phase.ORDER):
            answer = self._post(self._client.directory["newOrder"], messages.NewOrder(identifiers=names))
            return str(answer.headers["Location"])

    def open_order(self, url: str) -> str:
        """`url`, if the CA still knows the order and has not given it up; else nothing."""
        try:
            known = bool(url) and self.order(url).status is not messages.STATUS_INVALID
        except IssuerFailed as failure:
            if failure.phase is Phase.REACH:
                raise
            known = False
        return url if known else ""

    def order(self, url: str) -> messages.Order:
        """The order as it is now."""
        with self._network.during(Phase.ORDER):
            order: messages.Order = messages.Order.from_json(self._post(url).json())
            if not all(isinstance(address, str) for address in order.authorizations or ()):
                raise TypeError("addresses are texts")
            return order

    def authorization(self, url: str) -> messages.Authorization:
        """What is to be proven, as it is now."""
        with self._network.during(Phase.PROVE):
            authorization: messages.Authorization = messages.Authorization.from_json(self._post(url).json())
            return authorization

    def words(self, authorization: messages.Authorization, challenge: messages.ChallengeBody) -> dict[str, str]:
        """What the hook is told."""
        with self._network.during(Phase.PROVE):
            made = challenge.chall
            is_file = isinstance(made, challenges.HTTP01)
            value = (made.key_authorization if is_file else made.validation)(self._network.key)
            name = authorization.identifier.value if authorization.identifier else ""
            return {"domain": name.lower(), "token": made.encode("token"), "value": value}

    def answer(self, url: str, challenge: messages.ChallengeBody) -> None:
        """Say that the challenge can be looked at, and wait for the CA's word."""
        with self._network.during(Phase.PROVE):
            self._post(challenge.uri, challenge.chall.response(self._network.key))
        pause = FIRST_WAIT_S
        while (now := self.authorization(url)).status in OPEN:
            pause = self.wait(Phase.PROVE, pause)
        if now.status is not messages.STATUS_VALID:
            name = shown(now.identifier.value if now.identifier else "a name")
            why = next((said(found.error) for found in now.challenges or () if found.error), "it gives no reason")
            raise IssuerFailed(Phase.PROVE, f"The CA did not find the proof for {name}: {why}.")

    def finalize(self, order: messages.Order, csr_der: bytes) -> None:
        """Hand in the request."""
        with self._network.during(Phase.SIGN):
            self._post(order.finalize, messages.CertificateRequest(csr=x509.load_der_x509_csr(csr_der)))

    def certificate(self, order: messages.Order) -> str:
        """The chain in PEM."""
        with self._network.during(Phase.READ):
            return str(self._post(order.certificate).text)

    def window(self, leaf_der: bytes, now: datetime) -> Window | None:
        """The suggested window of a certificate (RFC 9773, 4.2)."""
        with self._network.during(Phase.REACH):
            try:
                base, name = self._client.directory["renewalInfo"], renewal_id(leaf_der)
            except (KeyError, x509.ExtensionNotFound):  # the CA tells nobody, or has no name for the certificate
                return None
            answer = self._network.get(f"{base.rstrip('/')}/{name}")
            suggested = messages.RenewalInfo.from_json(answer.json()).suggested_window
            least, most = ASK_AGAIN_BOUNDS
            wanted = self._network.wait_s
            pause = ASK_AGAIN if wanted is None else min(max(timedelta(seconds=wanted), least), most)
            if suggested.end < suggested.start:
                raise ValueError("it ends before it begins")
            return Window(suggested.start, suggested.end, now + pause)

    def wait(self, phase: Phase, pause: float = FIRST_WAIT_S * 2) -> float:
        """Wait as long as the CA asks, or `pause`; returns the next pause. Raises `IssuerFailed` when time is up."""
        wanted = self._network.wait_s or pause
        if wanted >= self._network.left_s:
            text = "The CA is not ready yet; the next attempt goes on from here."
            raise IssuerFailed(phase, text, retry_after_s=wanted)
        time.sleep(wanted)
        return min(pause * 1.5, LONGEST_WAIT_S)

    def _post(self, url: str | None, body: Any = None) -> Any:
        """POST, or POST-as-GET without a body (RFC 8555, 6.3)."""
        if not isinstance(url, str):
            raise TypeError("an address is a text")
        return self._network.post(url, body, new_nonce_url=self._nonce_url)


def names_of(csr_der: bytes) -> list[messages.Identifier]:
    """What an order names: the request's DNS names and addresses. Raises `IssuerFailed` without any."""
    try:
        names = x509.load_der_x509_csr(csr_der).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = x509.SubjectAlternativeName([])
    texts = [(messages.IDENTIFIER_FQDN, name.lower()) for name in names.get_values_for_type(x509.DNSName)]
    texts += [(messages.IDENTIFIER_IP, str(address)) for address in names.get_values_for_type(x509.IPAddress)]
    if not texts:
        text = "An ACME CA proves host names: give the certificate a DNS name among its alternative names."
        raise IssuerFailed(Phase.ORDER, text)
    return [messages.Identifier(typ=kind, value=value) for kind, value in texts]


def renewal_id(leaf_der: bytes) -> str:
    """How a CA's renewal information names a certificate (RFC 9773, 4.1)."""
    leaf = x509.load_der_x509_certificate(leaf_der)
    authority = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier or b""
    serial = leaf.serial_number.to_bytes(leaf.serial_number.bit_length() // 8 + 1, "big")
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (authority, serial))
