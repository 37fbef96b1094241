"""The steps are full sentences, and agree with what the report says was sent."""

from __future__ import annotations

import re

import pytest

from servicenodes.tls import timeline
from servicenodes.tls.observation import Ending, Observation, Sent, Step, StepName, StepStatus, VerifyError
from servicenodes.tls.report import ClientSide, build_report
from tests.pki import CA
from tests.servers import python_server
from tests.servicenodes.tls.test_verdict import NOW, TABLE, attempt, seen
from tests.servicenodes.tls.world import probe, server_certificate, world

SENTENCE = re.compile(r"\w.*[^ :(]\.")


def every_step(observation: Observation) -> list[Step]:
    attempts = [one for one in observation.attempts if one.failure is None]
    functions = (timeline.server_hello, timeline.server_certificate, timeline.certificate_request)
    steps = [function(one) for one in attempts for function in (*functions, timeline.server_verdict, timeline.http)]
    return [*steps, *(timeline.client_certificate(observation, one) for one in attempts)]


def test_every_step_is_a_full_sentence() -> None:
    odd = [seen(attempt(ending=Ending.LOCAL, http=None)), seen(attempt(server_hello=False), credential=False)]
    for observation in [row[0] for row in TABLE] + odd:
        assert not [step for step in every_step(observation) if not SENTENCE.fullmatch(step.detail)]


def test_steps_of_a_node_without_a_certificate_at_an_untrusted_server() -> None:
    for error in ({"verify_errors": (VerifyError("x", 0, "CN=x"),)}, {"hostname_matched": False}):
        real = attempt(sent=Sent.EMPTY, ending=Ending.LOCAL, http=None, request_sent=False, **error)
        observation = seen(real, credential=False)
        assert "The server got an empty answer." in timeline.client_certificate(observation, real).detail
        assert timeline.server_verdict(real) == Step(StepName.SERVER_VERDICT, StepStatus.SKIPPED, timeline.WITHHELD)
        assert timeline.http(real).detail == timeline.NOT_REACHED


@pytest.mark.parametrize(
    ("listed", "told"),
    [
        ((), "It sends no list of CAs it accepts."),
        (("CN=A",), "It names one acceptable CA."),
        (("CN=A", "CN=B"), "It names 2 acceptable CAs."),
    ],
)
def test_a_request_says_whom_it_accepts(listed: tuple[str, ...], told: str) -> None:
    detail = timeline.certificate_request(attempt(acceptable_cas=listed)).detail
    assert detail == f"The server asks for a client certificate. {told}"


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
@pytest.mark.parametrize("san", ["localhost", "elsewhere.example"])
@pytest.mark.parametrize("client", ["none", "good_p256"])
@pytest.mark.parametrize("with_control", [True, False])
def test_steps_agree_with_what_was_sent(tls: str, san: str, client: str, with_control: bool) -> None:
    issuer = world().server_root if san != "localhost" else CA.root("Nobody")
    with python_server(server_certificate(issuer, san=(san,)), client_ca=world().root, tls=tls) as peer:
        observation, judgement = probe(peer.url, world().clients[client], control=with_control)
    steps = {str(step.name): step for step in observation.steps}
    assert all(SENTENCE.fullmatch(step.detail) for step in steps.values())
    report = build_report(
        observation, judgement, node=None, url=peer.url, started_at=NOW, duration_ms=1, client=ClientSide()
    )
    assert ("empty answer" in steps["client_certificate"].detail) == (report["client_certificate"]["sent"] == "empty")
    assert steps["client_certificate"].status is StepStatus.SKIPPED
    assert steps["http"].detail == timeline.NOT_REACHED
    assert ("our certificate" in judgement.summary) == (client != "none")
