"""The operator's hook: a program that makes a challenge of ACME visible where the CA looks for it.

It is named in the settings, never in the console, and called without a shell:

    HOOK deploy|clean http-01|dns-01 DOMAIN TOKEN VALUE

http-01: serve VALUE at http://DOMAIN/.well-known/acme-challenge/TOKEN. dns-01: a TXT record VALUE at
_acme-challenge.DOMAIN; the hook returns when the record can be seen. All five words were checked before.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass

from certificates.issuers.port import IssuerFailed, Phase
from certificates.issuers.replies import shown

CHALLENGES = ("http-01", "dns-01")
# All it gets: settings and secrets of the product stay here, and the operator's belong in the program's own files.
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
_DOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9_-]{16,256}(?:\.[A-Za-z0-9_-]{16,256})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Hook:
    """The operator's program and how long one call may take."""

    path: str
    timeout_s: float

    def run(self, act: str, challenge: str, *, domain: str, token: str, value: str) -> None:
        """Call it and wait. Raises `IssuerFailed` when it is missing, fails, or takes too long."""
        if not self.path:
            text = "ACME needs the operator’s hook: set ACME_HOOK to a program that publishes challenges."
            raise IssuerFailed(Phase.PROVE, text)
        _check(domain=domain, token=token, value=value)
        what = f"The ACME hook ({act} for {domain})"
        try:
            done = subprocess.run(
                [self.path, act, challenge, domain, token, value],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=self.timeout_s,
                check=False,
                cwd="/",
                env=ENVIRONMENT,
            )
        except subprocess.TimeoutExpired as error:
            text = f"{what} was ended after {self.timeout_s:g} seconds: see why it takes so long."
            raise IssuerFailed(Phase.PROVE, text) from error
        except OSError as error:
            text = f"{what} cannot be run: {error.strerror}. Check ACME_HOOK."
            raise IssuerFailed(Phase.PROVE, text) from error
        if done.returncode != 0:
            said = shown(done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]) or "it said nothing"
            raise IssuerFailed(Phase.PROVE, f"{what} ended with {done.returncode}: {said}.")


def _check(*, domain: str, token: str, value: str) -> None:
    """The token comes from the CA, and whoever asked for the certificate typed the name."""
    if not (_DOMAIN.fullmatch(domain) and _WORD.fullmatch(token) and _WORD.fullmatch(value)):
        raise IssuerFailed(Phase.PROVE, "The CA’s challenge is not of the form that RFC 8555 asks for.")
