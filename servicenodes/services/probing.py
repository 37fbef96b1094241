"""Testing connections: on request by a worker, at once by a command, or to a URL that no node has."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from botplatform.accounts.actors import Actor, ActorKind
from botplatform.audit import trail
from botplatform.audit.actions import Action
from botplatform.bots.access import authorize
from botplatform.bots.roles import Permission
from botplatform.errors import DomainError, NotFound
from certificates.errors import Sealed
from certificates.models import CertificateVersion, ClientCertificate
from certificates.services.keys import Purpose
from servicenodes.effective import effective_certificate
from servicenodes.models import ConnectionTest, ServiceNode
from servicenodes.services import nodes, proving, recording
from servicenodes.services.basis import basis_of
from servicenodes.services.presenting import Presented, find_version, present
from servicenodes.services.queueing import queue_tests
from servicenodes.services.requests import (
    ProbeOptions,
    advice_of_node,
    advice_of_version,
    callable_url,
    hosts_of,
    probe_request,
    unusable_observation,
)
from servicenodes.services.suggesting import suggest_certificates
from servicenodes.tls.judgement import Reason, Verdict
from servicenodes.tls.observation import Step
from servicenodes.tls.probe import ProbeRequest, run_probe
from servicenodes.tls.report import build_report
from servicenodes.tls.target import parse_target
from servicenodes.tls.verdict import decide

OnStep = Callable[[Step], None]


@transaction.atomic
def request_test(*, actor: Actor, node: ServiceNode) -> ConnectionTest:
    """Queue a connection test of a node. Raises `NotAllowed`, `TooManyTests`.

    The queue's row is written in the same transaction, so that no test is promised that no worker hears of.
    """
    authorize(actor, Permission.NODE_TEST, bot=node.bot)
    test = recording.store_request(actor=actor, node=node)
    queue_tests([test])
    return test


def run_test(test_id: uuid.UUID) -> None:
    """Run a queued test, storing its steps as they happen. Does nothing if it is not queued any more."""
    test = recording.claim(test_id)
    if test is None:
        return
    actor, options = recording.requester(test), ProbeOptions()
    try:
        options = _asked_for(actor, test)
        presented = _present_for(actor, test.node, options)
    except DomainError as error:
        why = Reason.SEALED if isinstance(error, Sealed) else Reason.TESTER_NOT_ALLOWED
        presented = Presented(unusable=error.text, why=why)
    _conduct(actor, test, options, presented, recording.StepRecorder(test))


def _asked_for(actor: Actor, test: ConnectionTest) -> ProbeOptions:
    """What the test presents: the version of its proof, else what the node does.

    Raises `NotAllowed`: the permission may have been taken away meanwhile; and `NotFound`.
    """
    if not test.side:
        authorize(actor, Permission.NODE_TEST, bot=test.node.bot)
        return ProbeOptions()
    version = test.proof.version_of(test.side) if test.proof else None
    if test.proof is None or version is None:
        raise NotFound("The version that was to be tested is deleted.")
    proving.authorize_proof(actor, test.proof.certificate.bot)
    return ProbeOptions(certificate=test.proof.certificate, version=version.number)


def test_now(
    *,
    actor: Actor,
    node: ServiceNode,
    options: ProbeOptions | None = None,  # noqa: PT028
    on_step: OnStep | None = None,  # noqa: PT028
    alone: bool = True,  # noqa: PT028
) -> ConnectionTest:
    """Test a node at once and return the finished, recorded test.

    Not `alone`: one of many that are one act. No limit counts it, and its steps are stored with its end only.

    Raises `NotAllowed`, `TooManyTests`, `NotFound` (a version), `InvalidInput` (an option), `Sealed`.
    """
    options = options or ProbeOptions()
    authorize(actor, Permission.NODE_TEST, bot=node.bot)
    nodes.check_owned(node, options.certificate, field="certificate")
    nodes.check_owned(node, options.trust_store, field="trust_store")
    _check_version(options.certificate or effective_certificate(node).certificate, options)
    probe_request(callable_url(node), node, options, Presented())  # refuses bad options before anything is stored
    with transaction.atomic():
        test = recording.store_request(actor=actor, node=node, started_at=timezone.now(), limited=alone)
    try:
        presented = _present_for(actor, node, options)
    except DomainError:
        recording.interrupt(test)
        raise
    told = recording.StepRecorder(test, on_step) if alone else on_step
    # Where a command may not call the address, the console may. A token calls within the console.
    _conduct(actor, test, options, presented, told, denial_counts=actor.kind is ActorKind.TOKEN)
    return test


def probe_url(
    *, actor: Actor, url: str, options: ProbeOptions | None = None, on_step: OnStep | None = None
) -> dict[str, Any]:
    """Test a URL that no node has, and return the report. The act is on record, the report is not stored.

    It needs the permission to test nodes of the certificate's bot; without one, or with the platform's, of the
    platform. Raises `NotAllowed`, `NotFound`, `InvalidInput`, `Sealed`.
    """
    options = options or ProbeOptions()
    bot = options.certificate.bot if options.certificate else None
    authorize(actor, Permission.NODE_TEST, bot=bot)
    target, started_at = parse_target(url).authority, timezone.now()
    _record_url(actor, Action.CONNECTION_TEST_REQUESTED, options.certificate, target, {})
    presented = present(
        actor=actor,
        certificate=options.certificate,
        source="option",
        version=options.version,
        purpose=Purpose.CONNECTION_TEST,
        hosts=hosts_of(url, None, options),
    )
    report = _report(
        actor=actor,
        request=probe_request(url, None, options, presented),
        node=None,
        presented=presented,
        started_at=started_at,
        on_step=on_step,
    )
    facts = {"verdict": report["verdict"], "reason": report["reason"]}
    _record_url(actor, Action.CONNECTION_TESTED, options.certificate, target, facts)
    return report


def _conduct(
    actor: Actor,
    test: ConnectionTest,
    options: ProbeOptions,
    presented: Presented,
    on_step: OnStep | None,
    *,
    denial_counts: bool = True,
) -> None:
    """Probe, judge and store. Whatever goes wrong, the lease is given back.

    `denial_counts`: the node's calls are made under the same EGRESS_ALLOW, so a denied address tells of them too.
    """
    basis, plain = basis_of(test.node, presented.version, options), basis_of(test.node, _active(test.node))
    try:
        report = _report(
            actor=actor,
            request=probe_request(test.node.url, test.node, options, presented),
            node=test.node,
            presented=presented,
            started_at=test.started_at or timezone.now(),
            on_step=on_step,
        )
        counts = denial_counts or report["verdict"] != Verdict.ADDRESS_DENIED
        recording.finish(
            actor=actor,
            test=test,
            report=report,
            version=presented.version,
            basis=basis,
            as_it_is=basis == plain and counts,
        )
    finally:
        if test.finished_at is None:
            recording.interrupt(test)


def _active(node: ServiceNode) -> CertificateVersion | None:
    """What the node presents now."""
    chosen = effective_certificate(node).certificate
    return chosen.active_version if chosen else None


def _report(
    *,
    actor: Actor,
    request: ProbeRequest,
    node: ServiceNode | None,
    presented: Presented,
    started_at: datetime,
    on_step: OnStep | None,
) -> dict[str, Any]:
    if presented.unusable:
        observation = unusable_observation(request, presented.unusable, presented.why)
    else:
        observation = run_probe(request, on_step=on_step)
    now = timezone.now()
    bot = node.bot if node else None
    judgement = decide(observation, now=now)
    advice = (*advice_of_version(presented.version, now), *advice_of_node(judgement, node))
    return build_report(
        observation,
        replace(judgement, advice=(*advice, *judgement.advice)),
        node=node.path if node else None,
        url=request.url,
        started_at=started_at,
        duration_ms=observation.duration_ms,
        client=presented.client,
        suggested_certificates=suggest_certificates(actor, bot, observation, presented, now),
    )


def _present_for(actor: Actor, node: ServiceNode, options: ProbeOptions) -> Presented:
    """What the node will present, or what the options say instead."""
    effective = effective_certificate(node)
    chosen, source = effective.certificate, effective.rule.value
    if options.certificate is not None:
        chosen, source = options.certificate, "option"
    return present(
        actor=actor,
        certificate=chosen,
        source=source,
        version=options.version,
        purpose=Purpose.CONNECTION_TEST,
        hosts=hosts_of(node.url, node, options),
    )


def _check_version(certificate: ClientCertificate | None, options: ProbeOptions) -> None:
    """Raise `NotFound` for a version asked for that does not exist, before anything is stored."""
    if certificate is not None and options.version is not None:
        find_version(certificate, options.version)


def _record_url(
    actor: Actor, action: Action, certificate: ClientCertificate | None, target: str, facts: dict[str, object]
) -> None:
    with transaction.atomic():
        trail.record(
            actor=actor,
            action=action,
            object_type="url",
            object_id="",
            object_name=target,
            bot=certificate.bot if certificate else None,
            facts={"target": target, "certificate": certificate.path if certificate else None, **facts},
        )
