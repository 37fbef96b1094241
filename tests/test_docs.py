"""What the documents say is true: links resolve, commands and options exist, tables match the code."""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

from botplatform.accounts.models import PlatformRole
from botplatform.bots.roles import Role
from botplatform.version import product_version
from demo.certificates import PASSPHRASE
from demo.faces import FACES
from servicenodes.tls.verdict import Verdict

PROJECT = Path(__file__).resolve().parents[1]
OWN_APPS = ("botplatform", "certificates", "servicenodes")
DJANGO_COMMANDS = {"changepassword", "check", "migrate", "shell"}
DOCUMENTS = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md")])
names = [str(path.relative_to(PROJECT)) for path in DOCUMENTS]
every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=names)


@cache
def own_commands() -> dict[str, str]:
    return {name: app for name, app in get_commands().items() if app.startswith(OWN_APPS)}


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@every_document
def test_links_resolve(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if target.startswith(("https://", "mailto:")):
            continue
        name, _, anchor = target.partition("#")
        linked = (document.parent / name).resolve() if name else document
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


def command_lines(text: str) -> list[list[str]]:
    """Every `manage.py …` in shell blocks and inline code, as words. Continued lines and comments are left out."""
    found = re.findall(r"manage\.py ([^\n`|>#]+)", text)
    return [shlex.split(line) for line in found if not line.startswith("…")]


@every_document
def test_commands_and_their_options_exist(document: Path) -> None:
    for name, *arguments in command_lines(document.read_text()):
        assert name in own_commands() or name in DJANGO_COMMANDS, name
        parser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)
        known = {option for action in parser._actions for option in action.option_strings}
        for argument in arguments:
            if argument.startswith("--"):
                assert argument.partition("=")[0] in known, f"{name} {argument}"


def test_the_readme_lists_every_command() -> None:
    section = (PROJECT / "README.md").read_text().partition("## Commands")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.+?) \|", section, flags=re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(own_commands())


@every_document
def test_make_targets_exist(document: Path) -> None:
    targets = set(re.findall(r"^([a-z][\w-]*):", (PROJECT / "Makefile").read_text(), flags=re.MULTILINE))
    used = set(re.findall(r"`(?:\w+=\S+ )*make ([a-z][\w-]*)", document.read_text()))
    used |= set(re.findall(r"^make ([a-z][\w-]*)", document.read_text(), flags=re.MULTILINE))
    assert used <= targets


def test_the_operators_read_of_every_role() -> None:
    section = (PROJECT / "docs/operations.md").read_text().partition("\n## People\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([a-z ]+) \|", section, flags=re.MULTILINE)
    roles = {role.value.replace("_", " ") for role in Role}
    assert set(rows) - {"role"} == roles | {role.label for role in PlatformRole if role.value}


def test_the_readme_tells_the_five_faces() -> None:
    rows = re.findall(r"^\| `acme/(\w+)` \|.*?\| `(\w+)`", (PROJECT / "README.md").read_text(), flags=re.MULTILINE)
    assert rows == [(face.slug, face.verdict) for face in FACES]


def test_the_readme_tells_the_passphrase() -> None:
    assert f"`{PASSPHRASE.decode()}`" in (PROJECT / "README.md").read_text()


def test_the_glossary_explains_every_verdict() -> None:
    section = (PROJECT / "docs/glossary.md").read_text().partition("## Verdicts")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)`", section, flags=re.MULTILINE) == [verdict.value for verdict in Verdict]


def test_pictures_are_all_used() -> None:
    shown = set(re.findall(r"docs/images/([\w.-]+)", (PROJECT / "README.md").read_text()))
    assert {path.name for path in (PROJECT / "docs/images").iterdir()} == shown


def test_the_changelog_keeps_its_format() -> None:
    headings = re.findall(r"^## (.+)$", (PROJECT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", heading) for heading in headings[1:])


def test_the_version_is_read_from_the_changelog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for text, version in (
        ("## [Unreleased]\n", "0+unreleased"),
        ("## [Unreleased]\n\n## [1.4.0] - 2031-05-04\n\n## [1.3.0] - 2030-01-01\n", "1.4.0+unreleased"),
        ("## [1.4.0] - 2031-05-04\n", "1.4.0"),
    ):
        (tmp_path / "CHANGELOG.md").write_text(text)
        monkeypatch.setattr("botplatform.version.CHANGELOG", tmp_path / "CHANGELOG.md")
        assert product_version.__wrapped__() == version


def test_the_image_holds_the_product() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (PROJECT / "Dockerfile").read_text(), flags=re.MULTILINE)
    sources = {source for line in copied for source in line.split()}
    assert all((PROJECT / source).exists() for source in sources)
    assert {*OWN_APPS, "templates", "static"} <= sources


@every_document
def test_paths_exist(document: Path) -> None:
    """Paths of this repository named in backticks."""
    folders = "botplatform|certificates|servicenodes|demo|tests|docs|scripts|templates|static|bench"
    for path in re.findall(rf"`((?:{folders})/[\w./-]*)`", document.read_text()):
        assert (PROJECT / path).exists(), path
