"""`import_bot` from a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from botplatform.bots.models import Bot
from servicenodes.models import ServiceNode
from tests.servicenodes.definitions.exports import (
    CONFIG,
    SAMPLES,
    as_bytes,
    component,
    definition,
    export,
    needs_samples,
)

pytestmark = pytest.mark.django_db


def test_a_zip_a_folder_and_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    zip_file = tmp_path / "export.zip"
    zip_file.write_bytes(export(component()))
    call_command("import_bot", str(zip_file), "--check")
    told = capsys.readouterr().out
    call = "bank/accounts-getbalance: GET https://api.bank.example/balance"
    presents = "will present nothing: no certificate is attached, and there is no default"
    assert f"would be created {call}; {presents}\n" in told
    assert "→ bot “bank” (would be created)" in told
    assert "Nothing was stored." in told
    assert not Bot.objects.exists()
    call_command("import_bot", str(zip_file))
    assert f"\ncreated {call}" in capsys.readouterr().out
    (tmp_path / "botDefinition.json").write_bytes(as_bytes(definition(component())))
    (tmp_path / "config.json").write_bytes(as_bytes(CONFIG))
    for path in (tmp_path, tmp_path / "botDefinition.json"):
        capsys.readouterr()
        call_command("import_bot", str(path), "--json")
        report = json.loads(capsys.readouterr().out)
        assert (report["changed"], report["unchanged"], report["notes"]) == (False, ["bank/accounts-getbalance"], [])
    assert ServiceNode.objects.count() == 1


def test_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{")
    for path, told in (
        (tmp_path / "none.zip", "cannot be read"),
        (tmp_path, "holds no"),
        (tmp_path / "x.json", "no JSON"),
    ):
        with pytest.raises(CommandError, match=told) as caught:
            call_command("import_bot", str(path))
        assert caught.value.returncode == 2
    assert not Bot.objects.exists()


@needs_samples
def test_samples(capsys: pytest.CaptureFixture[str]) -> None:
    for folder in sorted(path for path in SAMPLES.iterdir() if path.name != "broken-json"):
        call_command("import_bot", str(folder), "--json")
        first = json.loads(capsys.readouterr().out)
        call_command("import_bot", str(folder), "--json")
        again = json.loads(capsys.readouterr().out)
        assert again["unchanged"] == first["created"]
        assert not again["changed"]
    assert ServiceNode.objects.count() == 11
