"""The decision, from observations made by hand: every verdict and reason, and nothing outside the closed lists."""

from __future__ import annotations

import re
import string
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from servicenodes.tls import advice, words
from servicenodes.tls.judgement import CALL_REASONS, REASONS, REJECTED_REASONS, Certainty, Layer, Reason, Verdict
from servicenodes.tls.names import ALERTS, UNREADABLE_CERTIFICATE, VERIFY_ERRORS, alert_name
from servicenodes.tls.observation import (
    Alert,
    Attempt,
    AttemptKind,
    Ending,
    Failure,
    HttpAnswer,
    Observation,
    Sent,
    VerifyError,
)
from servicenodes.tls.verdict import decide
from tests.servicenodes.tls.world import world

V = Verdict
R = Reason
C = Certainty
NOW = datetime.now(UTC)


def attempt(**facts: Any) -> Attempt:
    """The server asked, and we presented a certificate; nothing has ended yet."""
    base: dict[str, Any] = {
        "kind": AttemptKind.REAL,
        "looks_like_tls": True,
        "server_hello": True,
        "tls_version": "TLSv1.3",
        "chain": (world().server.certificate,),
        "hostname_matched": True,
        "handshake_completed": True,
        "requested": True,
        "sent": Sent.CERTIFICATE,
        "request_sent": True,
        "ending": Ending.DATA,
        "http": HttpAnswer(200),
    }
    return Attempt(**{**base, **facts})


def alerted(code: int, **facts: Any) -> Attempt:
    alert = Alert(code, alert_name(code), fatal=True, received=True, after_our_flight=True)
    return attempt(**{"alerts": (alert,), "ending": Ending.ALERT, "http": None, **facts})


def control(**facts: Any) -> Attempt:
    return attempt(**{"kind": AttemptKind.CONTROL, "sent": Sent.EMPTY, **facts})


def refused_control() -> Attempt:
    return alerted(116, kind=AttemptKind.CONTROL, sent=Sent.EMPTY)


def seen(real: Attempt | None = None, *, credential: bool = True, **facts: Any) -> Observation:
    client = world().clients["good_p256"]
    assert client is not None
    base: dict[str, Any] = {
        "url": "https://bank.example/x",
        "host": "bank.example",
        "port": 443,
        "server_name": "bank.example",
        "method": "OPTIONS",
        "path": "/x",
        "trust_label": "system",
        "min_tls": "1.2",
        "max_tls": None,
        "presented": (client.leaf, *client.chain) if credential else (),
        "real": real,
    }
    return Observation(**{**base, **facts})


def early(code: int) -> Attempt:
    alert = Alert(code, alert_name(code), fatal=True, received=True, after_our_flight=False)
    return attempt(
        alerts=(alert,), handshake_completed=False, server_hello=False, requested=False, sent=Sent.NO, http=None,
        ending=Ending.ALERT, chain=(), hostname_matched=None,
    )  # fmt: skip


def unmet(failure: Failure) -> Attempt:
    return Attempt(AttemptKind.CONTROL, failure=failure)


def untrusted(code: str) -> Attempt:
    return control(verify_errors=(VerifyError(code, 0, "CN=x"),), sent=Sent.NO, ending=Ending.LOCAL, http=None)


CLOSED: dict[str, Any] = {"ending": Ending.CLOSED, "http": None}
SILENT: dict[str, Any] = {"ending": Ending.TIMEOUT, "http": None}
NOT_ASKED: dict[str, Any] = {"requested": False, "sent": Sent.NO}
EMPTY: dict[str, Any] = {"sent": Sent.EMPTY}
FOREIGN: dict[str, Any] = {"looks_like_tls": False, "server_hello": False, "handshake_completed": False}
BROKEN: dict[str, Any] = {"handshake_completed": False, "ending": Ending.LOCAL, "http": None, "sent": Sent.NO}
PAGE_ERROR = HttpAnswer(400, "certificate_error")
PAGE_NONE = HttpAnswer(400, "no_certificate")

TABLE: list[tuple[Observation, Verdict, str, Certainty]] = [
    (seen(unusable="Key too small."), V.CERTIFICATE_UNUSABLE, R.ENGINE_REFUSED, C.CERTAIN),
    *((seen(unusable="It is so.", unusable_reason=reason), V.CERTIFICATE_UNUSABLE, reason, C.CERTAIN)
      for reason in REASONS[V.CERTIFICATE_UNUSABLE]),
    (seen(denied="A private address."), V.ADDRESS_DENIED, R.ADDRESS_NOT_ALLOWED, C.CERTAIN),
    (seen(resolve_failure="No address."), V.NETWORK_ERROR, Failure.DNS_FAILED, C.CERTAIN),
    *((seen(control=unmet(failure)), V.NETWORK_ERROR, failure, C.CERTAIN) for failure in Failure),
    (seen(attempt(failure=Failure.RESET), control=control()), V.NETWORK_ERROR, Failure.RESET, C.CERTAIN),
    (seen(control=control(**FOREIGN)), V.NOT_TLS, R.OTHER_PROTOCOL, C.CERTAIN),
    *((seen(control=untrusted(code)), V.SERVER_UNTRUSTED, code, C.CERTAIN)
      for code in sorted({*VERIFY_ERRORS.values(), UNREADABLE_CERTIFICATE})),
    (seen(control=control(hostname_matched=False)), V.HOSTNAME_MISMATCH, R.NAME_NOT_COVERED, C.CERTAIN),
    (seen(control=early(40)), V.PROTOCOL_MISMATCH, R.NO_COMMON_PARAMETERS, C.CERTAIN),
    (seen(control=early(42)), V.PROTOCOL_MISMATCH, R.NO_COMMON_PARAMETERS, C.CERTAIN),
    (seen(control=early(70)), V.PROTOCOL_MISMATCH, R.NO_COMMON_VERSION, C.CERTAIN),
    (seen(control=early(112)), V.PROTOCOL_MISMATCH, R.UNRECOGNIZED_NAME, C.CERTAIN),
    (seen(control=early(120)), V.PROTOCOL_MISMATCH, R.NO_APPLICATION_PROTOCOL, C.CERTAIN),
    (seen(control=control(local_error="unsupported_protocol", **BROKEN)),
     V.PROTOCOL_MISMATCH, R.NO_COMMON_VERSION, C.CERTAIN),
    (seen(control=control(local_error="bad_ecpoint", **BROKEN)),
     V.PROTOCOL_MISMATCH, R.NO_COMMON_PARAMETERS, C.CERTAIN),
    (seen(alerted(116, **EMPTY), credential=False), V.NO_CERTIFICATE, R.CERTIFICATE_REQUIRED, C.CERTAIN),
    (seen(alerted(40, **EMPTY), credential=False), V.NO_CERTIFICATE, R.CERTIFICATE_REQUIRED, C.HIGH),
    (seen(attempt(http=PAGE_NONE, **EMPTY), credential=False), V.NO_CERTIFICATE, R.CERTIFICATE_REQUIRED, C.CERTAIN),
    (seen(attempt(http=HttpAnswer(403), **EMPTY), credential=False),
     V.NO_CERTIFICATE, R.CERTIFICATE_REQUIRED, C.MEDIUM),
    (seen(attempt(**EMPTY, **CLOSED), credential=False), V.NO_CERTIFICATE, R.CERTIFICATE_REQUIRED, C.MEDIUM),
    (seen(attempt(**EMPTY), credential=False), V.NO_CERTIFICATE, R.OPTIONAL, C.CERTAIN),
    (seen(attempt(http=HttpAnswer(400), **EMPTY), credential=False), V.NO_CERTIFICATE, R.OPTIONAL, C.MEDIUM),
    (seen(alerted(42, **EMPTY), credential=False), V.NO_CERTIFICATE, R.CERTIFICATE_REQUIRED, C.CERTAIN),
    (seen(alerted(80, **EMPTY), credential=False), V.NO_CERTIFICATE, R.CERTIFICATE_REQUIRED, C.MEDIUM),
    (seen(attempt(**EMPTY, **SILENT), credential=False), V.NO_CERTIFICATE, R.ASKED, C.MEDIUM),
    (seen(attempt(**NOT_ASKED)), V.NOT_REQUESTED, R.NEVER_ASKED, C.CERTAIN),
    (seen(attempt(**NOT_ASKED), credential=False), V.NOT_REQUESTED, R.NEVER_ASKED, C.CERTAIN),
    (seen(attempt(http=HttpAnswer(403), **NOT_ASKED)), V.NOT_REQUESTED, R.NEVER_ASKED, C.MEDIUM),
    (seen(attempt(**NOT_ASKED, **SILENT)), V.NOT_REQUESTED, R.NEVER_ASKED, C.MEDIUM),
    (seen(alerted(80, **NOT_ASKED)), V.INCONCLUSIVE, R.BROKEN_OFF, C.LOW),
    (seen(alerted(116, **EMPTY)), V.CERTIFICATE_NOT_SENT, R.NO_COMMON_SIGNATURE_ALGORITHM, C.CERTAIN),
    (seen(attempt(**EMPTY)), V.CERTIFICATE_NOT_SENT, R.NO_COMMON_SIGNATURE_ALGORITHM, C.CERTAIN),
    (seen(alerted(41)), V.REJECTED, R.CERTIFICATE_REQUIRED, C.CERTAIN),
    (seen(alerted(42)), V.REJECTED, R.BAD_CERTIFICATE, C.CERTAIN),
    (seen(alerted(43)), V.REJECTED, R.UNSUPPORTED_CERTIFICATE, C.CERTAIN),
    (seen(alerted(44)), V.REJECTED, R.REVOKED, C.CERTAIN),
    (seen(alerted(45)), V.REJECTED, R.EXPIRED, C.CERTAIN),
    (seen(alerted(46)), V.REJECTED, R.CERTIFICATE_ERROR, C.CERTAIN),
    (seen(alerted(48)), V.REJECTED, R.UNKNOWN_CA, C.CERTAIN),
    (seen(alerted(49)), V.REJECTED, R.ACCESS_DENIED, C.CERTAIN),
    (seen(alerted(51)), V.REJECTED, R.BAD_SIGNATURE, C.CERTAIN),
    (seen(alerted(116)), V.REJECTED, R.CERTIFICATE_REQUIRED, C.CERTAIN),
    (seen(alerted(40)), V.REJECTED, R.UNSPECIFIED, C.CERTAIN),
    (seen(alerted(80)), V.REJECTED, R.UNSPECIFIED, C.MEDIUM),
    (seen(attempt(http=PAGE_ERROR)), V.REJECTED, R.CERTIFICATE_ERROR, C.CERTAIN),
    (seen(attempt(http=PAGE_NONE)), V.REJECTED, R.CERTIFICATE_REQUIRED, C.CERTAIN),
    (seen(attempt(**CLOSED), control=control()), V.REJECTED, R.SILENT_CLOSE, C.CERTAIN),
    (seen(attempt(request_sent=False, **CLOSED), control=control(**CLOSED)), V.REJECTED, R.SILENT_CLOSE, C.HIGH),
    (seen(attempt(**CLOSED), control=control(**CLOSED)), V.REJECTED, R.SILENT_CLOSE, C.MEDIUM),
    (seen(attempt(**CLOSED), control=refused_control()), V.REJECTED, R.SILENT_CLOSE, C.LOW),
    (seen(attempt(**CLOSED), control=control(http=PAGE_NONE)), V.REJECTED, R.SILENT_CLOSE, C.LOW),
    (seen(attempt(request_sent=False, **CLOSED), control=refused_control()), V.REJECTED, R.SILENT_CLOSE, C.MEDIUM),
    (seen(attempt(ending=Ending.RESET, http=None)), V.REJECTED, R.SILENT_CLOSE, C.MEDIUM),
    (seen(attempt(http=HttpAnswer(401)), control=refused_control()), V.HTTP_REFUSED, R.HTTP_401, C.CERTAIN),
    (seen(attempt(http=HttpAnswer(403)), control=refused_control()), V.HTTP_REFUSED, R.HTTP_403, C.CERTAIN),
    (seen(attempt(http=HttpAnswer(403)), control=control(http=HttpAnswer(403))), V.HTTP_REFUSED, R.HTTP_403, C.MEDIUM),
    (seen(attempt(), control=refused_control()), V.ACCEPTED, R.PROVEN, C.PROVEN),
    (seen(attempt(), control=control(http=PAGE_NONE)), V.ACCEPTED, R.PROVEN, C.PROVEN),
    (seen(attempt(), control=control(**CLOSED)), V.ACCEPTED, R.PROVEN, C.PROVEN),
    (seen(attempt(), control=control(http=HttpAnswer(403))), V.ACCEPTED, R.PROVEN, C.PROVEN),
    (seen(attempt(http=None), control=refused_control()), V.ACCEPTED, R.PROVEN, C.PROVEN),
    (seen(attempt(http=HttpAnswer(503)), control=refused_control()), V.ACCEPTED, R.PROVEN, C.PROVEN),
    (seen(attempt(), control=control(http=HttpAnswer(404))), V.ACCEPTED, R.PROVEN, C.HIGH),
    (seen(attempt()), V.ACCEPTED, R.WITHOUT_CONTROL, C.MEDIUM),
    (seen(attempt(), control=control(**SILENT)), V.ACCEPTED, R.CONTROL_INCONCLUSIVE, C.MEDIUM),
    (seen(attempt(), control=refused_control(), canary=attempt()),
     V.ACCEPTED_ANY_CERTIFICATE, R.CANARY_ACCEPTED, C.CERTAIN),
    (seen(attempt(), control=refused_control(), canary=alerted(48)), V.ACCEPTED, R.PROVEN, C.PROVEN),
    (seen(attempt(), control=refused_control(), canary=attempt(http=PAGE_ERROR)), V.ACCEPTED, R.PROVEN, C.PROVEN),
    (seen(attempt(), control=control()), V.ACCEPTED_NOT_ENFORCED, R.SAME_WITHOUT_CERTIFICATE, C.CERTAIN),
    (seen(attempt(http=HttpAnswer(404)), control=control(http=HttpAnswer(404))), V.ACCEPTED_NOT_ENFORCED,
     R.SAME_WITHOUT_CERTIFICATE, C.MEDIUM),
    (seen(attempt(http=HttpAnswer(503)), control=control(http=HttpAnswer(503))), V.INCONCLUSIVE, R.OUT_OF_ORDER, C.LOW),
    (seen(attempt(http=HttpAnswer(404)), control=control()), V.INCONCLUSIVE, R.ANSWERS_DIFFER, C.LOW),
    (seen(attempt(http=HttpAnswer(500)), control=control()), V.INCONCLUSIVE, R.ANSWERS_DIFFER, C.LOW),
    (seen(attempt(), control=control(http=HttpAnswer(503))), V.ACCEPTED, R.CONTROL_INCONCLUSIVE, C.MEDIUM),
    (seen(attempt(), control=control(http=HttpAnswer(429))), V.ACCEPTED, R.CONTROL_INCONCLUSIVE, C.MEDIUM),
    (seen(attempt(), control=control(http=HttpAnswer(302))), V.ACCEPTED, R.CONTROL_INCONCLUSIVE, C.MEDIUM),
    (seen(attempt(http=HttpAnswer(302)), control=control()), V.ACCEPTED, R.CONTROL_INCONCLUSIVE, C.MEDIUM),
    (seen(attempt(http=HttpAnswer(404)), control=control(http=HttpAnswer(403))), V.ACCEPTED, R.PROVEN, C.HIGH),
    (seen(attempt(http=HttpAnswer(400)), control=control(http=HttpAnswer(403))),
     V.INCONCLUSIVE, R.ANSWERS_DIFFER, C.LOW),
    (seen(attempt(http=HttpAnswer(404)), control=control(http=PAGE_NONE)), V.ACCEPTED, R.PROVEN, C.PROVEN),
    (seen(attempt(), control=control(**CLOSED), repeated=True), V.ACCEPTED, R.CONTROL_INCONCLUSIVE, C.MEDIUM),
    (seen(attempt(), control=refused_control(), repeated=True), V.ACCEPTED, R.PROVEN, C.PROVEN),
    (seen(attempt(**SILENT), control=refused_control()), V.INCONCLUSIVE, R.SILENCE, C.LOW),
    (seen(attempt(http=None), control=control(http=None)), V.INCONCLUSIVE, R.NOT_HTTP, C.LOW),
    (seen(attempt(local_error="bad_mac", ending=Ending.LOCAL, http=None)), V.INCONCLUSIVE, R.BROKEN_OFF, C.LOW),
    (seen(None, control=control(**CLOSED)), V.INCONCLUSIVE, R.BROKEN_OFF, C.LOW),
]  # fmt: skip


@pytest.mark.parametrize("row", TABLE, ids=[f"{number}-{row[1]}-{row[2]}" for number, row in enumerate(TABLE)])
def test_table(row: tuple[Observation, Verdict, str, Certainty]) -> None:
    observation, verdict, reason, certainty = row
    judgement = decide(observation, now=NOW)
    assert (judgement.verdict, judgement.reason, judgement.certainty) == (verdict, reason, certainty)
    assert judgement.reason in REASONS[judgement.verdict]
    assert isinstance(judgement.layer, Layer)
    assert judgement.summary.endswith(".")
    assert len(judgement.summary) < 200
    assert judgement.advice
    assert "{" not in judgement.summary + "".join(judgement.advice)


def test_no_verdict_or_reason_is_unreachable() -> None:
    reached = {(verdict, str(reason)) for _, verdict, reason, _ in TABLE}
    assert {verdict for verdict, _ in reached} == set(Verdict)
    for verdict, reasons in REASONS.items():
        assert {str(reason) for reason in reasons} == {reason for found, reason in reached if found is verdict}
    assert {certainty for *_, certainty in TABLE} == set(Certainty)


def test_the_contract_s_lists() -> None:
    assert {str(reason) for reason in REJECTED_REASONS} == {
        *("unknown_ca_or_missing_intermediate", "expired", "revoked", "bad_certificate", "unsupported_certificate"),
        *("certificate_required", "access_denied", "bad_signature", "certificate_error", "silent_close", "unspecified"),
    }
    assert {str(failure) for failure in Failure} == {
        *("dns_failed", "refused", "timeout", "unreachable", "reset", "proxy_refused", "proxy_unreachable"),
    }
    assert len(Verdict) == 16


@pytest.mark.parametrize("code", sorted(set(ALERTS) - {0}))
def test_an_alert_before_our_flight_never_blames_the_certificate(code: int) -> None:
    assert decide(seen(early(code)), now=NOW).verdict is V.PROTOCOL_MISMATCH


@pytest.mark.parametrize("code", sorted(set(ALERTS) - {0}))
def test_an_alert_of_ours_is_never_a_verdict_about_our_certificate(code: int) -> None:
    alert = Alert(code, alert_name(code), fatal=True, received=False, after_our_flight=True)
    observation = seen(attempt(alerts=(alert,), ending=Ending.LOCAL, http=None, local_error="x"))
    assert decide(observation, now=NOW).verdict is V.INCONCLUSIVE


def test_a_ticket_proves_nothing() -> None:
    for real in (attempt(**SILENT), attempt(**CLOSED), alerted(48), attempt(http=PAGE_ERROR)):
        without, with_ticket = (decide(seen(replace(real, ticket_seen=ticket)), now=NOW) for ticket in (False, True))
        assert without == with_ticket
        assert with_ticket.verdict is not V.ACCEPTED


def test_each_rejection_has_advice_of_its_own() -> None:
    groups = [advice.ADVICE[V.REJECTED, reason] for reason in REJECTED_REASONS]
    assert len(set(groups)) == len(groups)
    for whole in (words.SUMMARIES, advice.ADVICE):
        assert {verdict for verdict, _ in whole} == set(Verdict)
    for table in (words.SUMMARIES, advice.ADVICE, words.LET_PAST_SUMMARIES, advice.LET_PAST):
        for verdict, reason in table:
            assert reason is None or reason in (*REASONS[verdict], *CALL_REASONS.get(verdict, ()))
    texts = [*words.SUMMARIES.values(), *words.LET_PAST_SUMMARIES.values()]
    texts += [text for table in (advice.ADVICE, advice.LET_PAST) for group in table.values() for text in group]
    assert set(advice.FITS) <= set(texts)
    fields = {name for text in texts for _, name, _, _ in string.Formatter().parse(text) if name}
    known = {"host", "port", "server_name", "reason", "status", "control_status", "alert", "alert_clause", "withheld"}
    assert fields <= known | {"unusable", "denied"}
    assert not [text for text in texts if re.search(r"  |\bTODO\b", text)]
