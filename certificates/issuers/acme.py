"""ACME (RFC 8555): orders, challenges by the operator's hook, and renewal information (RFC 9773).

The account is found by its key at every attempt, so nothing but the key is kept. The address of an order is kept while
it is open: an attempt that is killed goes on where it was, or begins a new order when the CA forgot the old one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from acme import messages
from cryptography.hazmat.primitives.serialization import load_der_private_key
from josepy.jwk import JWKEC

from certificates.issuers.acme_network import Network, said
from certificates.issuers.acme_talk import AcmeAccount, Talk, names_of
from certificates.issuers.hook import Hook
from certificates.issuers.port import IssuerFailed, Phase, SigningJob, Window
from certificates.issuers.replies import chain_of, shown

log = structlog.get_logger(__name__)
DEADLINE_S = 240.0


@dataclass(frozen=True, slots=True)
class Acme:
    """A CA that speaks ACME. `anchors`: DER of what its server is verified with; empty: the system's."""

    directory_url: str
    account: AcmeAccount
    challenge: str  # http-01 or dns-01
    hook: Hook
    anchors: tuple[bytes, ...] = field(default=(), repr=False)
    deadline_s: float = DEADLINE_S

    def check(self) -> str:
        """Register, or find, the account."""
        talk = self._talk()
        talk.sign_in(self.account)
        return f"The CA knows the account {talk.account_url}."

    def sign(self, job: SigningJob) -> tuple[bytes, ...]:
        """Take the order as far as it goes before the deadline."""
        names = names_of(job.csr_der)
        talk = self._talk()
        talk.sign_in(self.account)
        url = talk.open_order(job.resume) or talk.new_order(names)
        job.keep(url)
        acted_on = None
        while (order := talk.order(url)).status is not messages.STATUS_VALID:
            if order.status in {acted_on, messages.STATUS_PROCESSING}:  # it is the CA's turn
                talk.wait(Phase.SIGN)
                continue
            acted_on = order.status
            if order.status is messages.STATUS_PENDING:
                self._prove(talk, order, again=url == job.resume)
            elif order.status is messages.STATUS_READY:
                talk.finalize(order, job.csr_der)
            else:
                raise IssuerFailed(Phase.SIGN, f"The CA gave up the order: {said(order.error)}.")
        return chain_of([talk.certificate(order)])

    def window(self, *, leaf_der: bytes, now: datetime) -> Window | None:
        """What the CA suggests, if it does."""
        return self._talk().window(leaf_der, now)

    def _talk(self) -> Talk:
        key = JWKEC(key=load_der_private_key(self.account.key.reveal(), None))
        network = Network(key, anchors=self.anchors, deadline=time.monotonic() + self.deadline_s)
        return Talk(network, self.directory_url)

    def _prove(self, talk: Talk, order: messages.Order, *, again: bool) -> None:
        for url in order.authorizations or ():
            authorization = talk.authorization(url)
            challenge = _chosen(authorization, self.challenge)
            words = talk.words(authorization, challenge)
            if authorization.status is messages.STATUS_VALID:
                if again:  # an attempt that was killed may have left it behind
                    self._clean(words)
                continue
            self.hook.run("deploy", self.challenge, **words)
            try:
                talk.answer(url, challenge)
            finally:
                self._clean(words)

    def _clean(self, words: dict[str, str]) -> None:
        """What stays behind harms nobody, so it ends no order."""
        try:
            self.hook.run("clean", self.challenge, **words)
        except IssuerFailed as failure:
            log.warning("acme_hook_did_not_clean", domain=words["domain"], error=failure.text)


def _chosen(authorization: messages.Authorization, kind: str) -> messages.ChallengeBody:
    for challenge in authorization.challenges or ():
        if challenge.chall.typ == kind:
            return challenge
    offered = ", ".join(sorted(map(_type, authorization.challenges or ()))) or "nothing"
    name = authorization.identifier.value if authorization.identifier else "a name"
    raise IssuerFailed(Phase.PROVE, f"The CA does not offer {kind} for {name}, only {offered}.")


def _type(challenge: messages.ChallengeBody) -> str:
    """As the CA calls it, be it a kind that the library does not know."""
    unknown = getattr(challenge.chall, "jobj", None)
    return shown(unknown.get("type", "another kind") if unknown else challenge.chall.typ)
