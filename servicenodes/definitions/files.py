"""The files of an export: a zip, or its JSON files. Sizes are bounded before anything is unpacked or parsed."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any

from servicenodes.definitions.definition import BotDefinition
from servicenodes.definitions.reading import read_bot
from servicenodes.definitions.shapes import refuse

MAX_BYTES = 8 * 1024 * 1024  # of an upload, and of each JSON file in it; 4 MB are real
MOST_ENTRIES = 2000
DEFINITIONS = ("botDefinition.json", "appDefinition.json")
CONFIG = "config.json"
WANTED = f"Choose the export of a bot builder: its zip, or {DEFINITIONS[0]} and {CONFIG}."
CERTIFICATE_NAMES = (".p12", ".pfx", ".pem", ".crt", ".cer", ".der", ".key", ".p7b", ".p7c", ".p8", ".jks", ".csr")
CERTIFICATE_STARTS = (b"-----BEGIN ", b"Bag Attributes", *(b"\x30" + length for length in (b"\x80", b"\x82", b"\x83")))
ZIP_START = b"PK"  # no JSON text begins so
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others cannot be unpacked within a bound
TOO_LARGE = f"is larger than {MAX_BYTES // (1024 * 1024)} MB"

File = tuple[str, bytes]


def read_definition(files: Sequence[File]) -> BotDefinition:
    """The bot in an export: one zip, or `botDefinition.json` (`appDefinition.json`) and `config.json`.

    Raises `InvalidInput` with one sentence that says what is wrong.
    """
    if not files:
        raise refuse("There is no file.")
    for name, content in files:
        if len(content) > MAX_BYTES:
            raise refuse(f"{_shown(name)} {TOO_LARGE}.")
        if _is_certificate(name, content):
            elsewhere = "A certificate is imported on the page of its bot, or with import_certificate."
            raise refuse(f"{_shown(name)} looks like a certificate or a key. {WANTED} {elsewhere}")
    named = _unzipped(files[0]) if len(files) == 1 and files[0][1].startswith(ZIP_START) else _by_name(files)
    definition = next((named[name] for name in DEFINITIONS if name in named), None)
    if definition is None:
        raise refuse(f"The export holds no {' or '.join(DEFINITIONS)}.")
    config = named.get(CONFIG)
    return read_bot(_parsed(*definition), None if config is None else _parsed(*config))


def _is_certificate(name: str, content: bytes) -> bool:
    start = content.lstrip()[:16]
    fits = name.lower().endswith(CERTIFICATE_NAMES) or start.startswith(CERTIFICATE_STARTS)
    return fits and not start.startswith((b"{", b"[", ZIP_START))


def _by_name(files: Sequence[File]) -> dict[str, File]:
    """The JSON files by their role. A single one may be called as it likes."""
    if len(files) == 1:
        return {DEFINITIONS[0]: files[0]}
    named: dict[str, File] = {}
    for name, content in files:
        role = _role(name)
        if not role:
            raise refuse(f"{_shown(name)} belongs to no export. {WANTED}")
        if role in named:
            raise refuse(f"{role} is there twice.")
        named[role] = name, content
    return named


def _role(name: str) -> str:
    last = PurePosixPath(name.replace("\\", "/")).name
    return next((role for role in (*DEFINITIONS, CONFIG) if last.lower() == role.lower()), "")


def _unzipped(file: File) -> dict[str, File]:
    """What of a zip is needed, without writing anything anywhere."""
    try:
        with zipfile.ZipFile(BytesIO(file[1])) as archive:
            return {role: (role, _unpacked(archive, entry)) for role, entry in _entries(archive).items()}
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError) as error:
        raise refuse(f"{_shown(file[0])} is a broken zip file.") from error


def _entries(archive: zipfile.ZipFile) -> Mapping[str, zipfile.ZipInfo]:
    entries = archive.infolist()
    if len(entries) > MOST_ENTRIES:
        raise refuse(f"The zip file holds more than {MOST_ENTRIES} files.")
    found: dict[str, zipfile.ZipInfo] = {}
    for entry in entries:
        path = PurePosixPath(entry.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            raise refuse("The zip file holds a path that leads out of it.")
        role = "" if "__MACOSX" in path.parts else _role(entry.filename)
        if role and role in found:
            raise refuse(f"The zip file holds {role} twice. Export one bot at a time.")
        if role:
            found[role] = entry
    return found


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    if entry.flag_bits & 0x1:
        raise refuse("The zip file is encrypted. Export it without a password.")
    if entry.compress_type not in _PACKED:
        raise refuse("The zip file is packed in a way that is not read here. Pack it again with deflate.")
    with archive.open(entry) as stream:
        content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise refuse(f"{_shown(entry.filename)} in the zip file {TOO_LARGE}.")
    return content


def _parsed(name: str, content: bytes) -> Any:
    try:
        return json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise refuse(f"{_shown(name)} is not UTF-8 text, as JSON is. {WANTED}") from error
    except json.JSONDecodeError as error:
        raise refuse(f"{_shown(name)} is no JSON: {error.msg} in line {error.lineno}. {WANTED}") from error
    except ValueError as error:  # a number of more digits than anybody needs
        raise refuse(f"{_shown(name)} holds a number that is too large.") from error
    except RecursionError as error:
        raise refuse(f"{_shown(name)} is nested too deeply.") from error


def _shown(name: str) -> str:
    last = PurePosixPath(name.replace("\\", "/")).name
    return "".join(char for char in last if char.isprintable())[:60] or "The file"
