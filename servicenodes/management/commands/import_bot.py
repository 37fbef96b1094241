"""`import_bot`: the service nodes of a bot definition that a bot builder exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from botplatform.console.commands import ConsoleCommand
from botplatform.errors import InvalidInput
from servicenodes.definitions.files import CONFIG, DEFINITIONS, MAX_BYTES, File, read_definition
from servicenodes.services.definitions import ImportReport, import_definition


class Command(ConsoleCommand):
    """All or nothing; the same export again changes nothing and says so."""

    help = "Import a bot definition: create or update the service nodes of a bot. Exit code 0: done, 2: could not run."
    examples = """
        manage.py import_bot export.zip --check
        manage.py import_bot export.zip --bot acme
        manage.py import_bot folder-of-the-export/ --json
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path, help="the zip, its folder, or botDefinition.json")
        parser.add_argument("--bot", metavar="SLUG", default="", help="made if absent; default: from the bot's name")
        parser.add_argument("--check", action="store_true", help="say what would happen, store nothing")
        self.add_json_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        report = import_definition(
            actor=self.actor(options),
            definition=read_definition(_read(options["file"])),
            slug=options["bot"],
            dry_run=options["check"],
        )
        if options["json"]:
            self.print_json(report.as_json() | {"checked": options["check"]})
        else:
            self._tell(report, checked=options["check"])

    def _tell(self, report: ImportReport, *, checked: bool) -> None:
        would = "would be " if checked else ""
        made = f" ({would}created)" if report.bot_created else ""
        self.show(f"{report.definition.name or report.definition.id} → bot “{report.bot}”{made}")
        told = {row.node: f"{row.node}: {row.call}; will present {row.presents}" for row in report.nodes}
        rows = [(f"{would}created", told[path]) for path in report.created]
        rows += [(f"{would}updated", f"{told[row.node]}; changes: {', '.join(row.fields)}") for row in report.updated]
        rows += [("unchanged", told[path]) for path in report.unchanged]
        rows += [("left out", f"{row.node}: {row.why}") for row in report.definition.left_out]
        rows += [("gone", f"{path} is not in the export any more; it is kept") for path in report.gone]
        rows += [("note", f"{path}: {text}" if path else text) for path, text in report.notes]
        rows += [
            ("variable", f"{path}: {{{{{says}}}}} is {{{{{name}}}}} here") for path, says, name in report.variables
        ]
        width = max((len(kind) for kind, _ in rows), default=0)
        for kind, text in rows:
            self.show(f"{kind:<{width}} {text}")
        if not report.changed:
            self.show("Nothing is changed.")
        elif checked:
            self.show("Nothing was stored.")


def _read(path: Path) -> list[File]:
    """The files of the export; beside a definition its `config.json`. One byte more than allowed shows the limit."""
    if path.is_dir():
        paths = [path / name for name in (*DEFINITIONS, CONFIG) if (path / name).is_file()]
        if not paths:
            raise InvalidInput(f"The folder {path} holds no {' or '.join(DEFINITIONS)}.", field="file")
    else:
        beside = path.with_name(CONFIG)
        paths = [path, *([beside] if path.name in DEFINITIONS and beside.is_file() else [])]
    files = []
    for one in paths:
        try:
            with one.open("rb") as stream:
                files.append((one.name, stream.read(MAX_BYTES + 1)))
        except OSError as error:
            raise InvalidInput(f"The file {one} cannot be read: {error.strerror}.", field="file") from error
    return files
