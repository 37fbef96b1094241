"""docs/calling.md: its example runs as it stands, and its table of refusals is complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pytest_django import Settings

from botplatform.accounts.actors import Actor
from botplatform.bots.models import Bot
from servicenodes import counters
from servicenodes.errors import REFUSALS
from servicenodes.services import invoking
from servicenodes.services.nodes import create_node
from tests.factories import make_certificate, make_trust_store
from tests.servicenodes.services.calls import echo_bank

GUIDE = (Path(__file__).resolve().parents[1] / "docs" / "calling.md").read_text()


@pytest.mark.django_db
def test_the_example_runs(bot: Bot, operator: Actor, settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    settings.EGRESS_ALLOW = ["127.0.0.0/8", "::1"]
    (example,) = re.findall(r"```python\n(.+?)```", GUIDE, re.DOTALL)
    with echo_bank() as bank:
        node = create_node(
            actor=operator,
            bot=bot,
            name="Get balance",
            method="POST",
            url=bank.peer.url + "{{account}}",
            body='{"amount": {{amount}}}',
            certificate=make_certificate(bot, "bank", issued=bank.authority.issue("acme.example")),
            trust_store=make_trust_store(bot, authorities=(bank.server_authority,)),
        )
        exec(compile(example, "docs/calling.md", "exec"), {})  # noqa: S102 - our own document
        assert "200 acme/bank 1" in capsys.readouterr().out
        node.certificate.versions.update(status="retired")  # type: ignore[union-attr]
        exec(compile(example, "docs/calling.md", "exec"), {})  # noqa: S102
        assert "no_active_version “acme/bank” has no active version" in capsys.readouterr().out
    invoking.close()
    counters._gathered.reset()


def test_every_refusal_is_told() -> None:
    section = GUIDE.partition("## When the call is not made")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.+?) \|", section, flags=re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(REFUSALS)
