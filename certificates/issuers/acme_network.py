"""Carries the ACME library's requests over `botplatform.outbound`: the address policy holds for CAs too.

The library signs, keeps nonces and reads problem documents; not a byte leaves through its own HTTP client.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn
from urllib.parse import urlsplit

from acme import errors, messages
from acme.client import ClientNetwork
from django.utils import timezone
from django.utils.datastructures import CaseInsensitiveMapping
from josepy.errors import Error as JoseError
from josepy.jwa import ES256
from josepy.jwk import JWK

from botplatform.errors import InvalidInput
from botplatform.outbound import OutboundAnswer, OutboundFailed, OutboundRequest, send
from certificates.issuers.port import IssuerFailed, Phase
from certificates.issuers.replies import retry_after, shown

REQUEST_S = 30.0
NONCES = 3
USER_AGENT = "botplatform"
_LINK = re.compile(r'<([^>]*)>\s*;\s*rel="?([^";,]+)"?')
# What a reply that is not of the protocol's shape makes the library raise.
MISSHAPEN = (JoseError, errors.Error, ValueError, LookupError, TypeError, AttributeError, RecursionError)
DOING = {
    Phase.REACH: "tell its directory",
    Phase.SIGN_IN: "take our account",
    Phase.ORDER: "take the order",
    Phase.PROVE: "take the proof that the names are ours",
    Phase.SIGN: "sign",
    Phase.READ: "hand over the certificate",
}


class Answer:
    """An answer as the library reads it: what it uses of `requests.Response`, and no more."""

    def __init__(self, answer: OutboundAnswer) -> None:
        self.status_code = answer.status
        self.headers = CaseInsensitiveMapping(dict(answer.headers))
        self.content = answer.body
        self.text = answer.body.decode("utf-8", "replace")
        links = [value for name, value in answer.headers if name.lower() == "link"]
        self.links = {rel: {"url": url} for value in links for url, rel in _LINK.findall(value)}

    @property
    def ok(self) -> bool:
        return self.status_code < 400

    def json(self) -> Any:
        """Raises ValueError, as the library expects."""
        return json.loads(self.content)


class Network(ClientNetwork):
    """One attempt's conversation with a CA, until `deadline` (monotonic seconds)."""

    def __init__(self, key: JWK, *, anchors: tuple[bytes, ...], deadline: float) -> None:
        super().__init__(key, alg=ES256, user_agent=USER_AGENT)
        self._anchors = anchors
        self._deadline = deadline
        self.wait_s: float | None = None  # the Retry-After of the last answer

    @property
    def left_s(self) -> float:
        return self._deadline - time.monotonic()

    def _send_request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        if self.left_s <= 0:
            raise IssuerFailed(Phase.REACH, "The CA took too long; the next attempt goes on from here.")
        headers = {"User-Agent": self.user_agent, **kwargs.get("headers", {})}
        request = OutboundRequest(
            method=method,
            url=url,
            headers=tuple(headers.items()),
            body=str(kwargs.get("data", "")).encode(),
            anchors=self._anchors,
            timeout_s=min(REQUEST_S, self.left_s),
        )
        try:
            answer = send(request)
        except OutboundFailed as failure:
            text = f"The CA at {_host(url)} could not be asked: {shown(failure.text)}."
            raise IssuerFailed(Phase.REACH, text) from failure
        except InvalidInput as error:
            raise IssuerFailed(Phase.REACH, f"The CA’s address cannot be called: {shown(error.text)}.") from error
        self.wait_s = retry_after(answer.header("Retry-After"), now=timezone.now())
        return Answer(answer)

    def post(self, *args: Any, **kwargs: Any) -> Any:
        """As the library's, which signs again once when a nonce is refused; busy CAs refuse more often."""
        for _ in range(NONCES):
            try:
                return super().post(*args, **kwargs)
            except messages.Error as error:
                if error.code != "badNonce":
                    raise
        return super().post(*args, **kwargs)

    @contextmanager
    def during(self, phase: Phase) -> Iterator[None]:
        """Turns what the library raises into `IssuerFailed` with the phase."""
        try:
            yield
        except messages.Error as problem:
            _refused(phase, problem, self.wait_s)
        except MISSHAPEN as error:
            text = f"The CA did not {DOING[phase]}: its reply is not of the form that RFC 8555 asks for."
            raise IssuerFailed(phase, text) from error


def _refused(phase: Phase, problem: messages.Error, wait_s: float | None) -> NoReturn:
    raise IssuerFailed(phase, f"The CA did not {DOING[phase]}: {said(problem)}.", retry_after_s=wait_s) from problem


def said(problem: messages.Error | None) -> str:
    """The words of a problem document."""
    if problem is None:
        return "it gives no reason"
    of_names = [
        f"{shown(sub.identifier.value)}: {shown(sub.detail)}" for sub in problem.subproblems or () if sub.identifier
    ]
    words = "; ".join([shown(problem.detail or problem.title or problem.typ or "no reason given"), *of_names[:3]])
    return f"{words} ({shown(problem.code)})" if problem.code else words


def _host(url: str) -> str:
    return shown(urlsplit(url).netloc)
