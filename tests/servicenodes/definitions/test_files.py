"""Files of exports, also hostile ones: one clear sentence, in little time and memory."""

from __future__ import annotations

import contextlib
import json
import random
import time
import zipfile
from typing import Any

import pytest

from botplatform.errors import InvalidInput
from servicenodes.definitions.files import MAX_BYTES, WANTED, read_definition
from tests.pki import CA
from tests.servicenodes.definitions.exports import CONFIG, as_bytes, component, definition, end_point, export, zipped

BOT = as_bytes(definition(component()))


@pytest.mark.parametrize(
    "files",
    [
        [("export.zip", export(component()))],
        [
            (
                "x.zip",
                zipped({"My bot/appDefinition.json": BOT, "My bot/icon.png": b"png", "__MACOSX/config.json": b"x"}),
            )
        ],
        [("config.json", as_bytes(CONFIG)), ("botDefinition.json", BOT)],
        [("whatever.json", b"\xef\xbb\xbf" + BOT)],
        [("my.key", b" " + BOT)],
    ],
)
def test_forms_of_an_export(files: list[tuple[str, bytes]]) -> None:
    assert len(read_definition(files).nodes) == 1


def deep(levels: int) -> bytes:
    return b'{"_id": "st-1", "dialogs": ' + b"[" * levels + b"]" * levels + b"}"


def with_id(value: Any) -> bytes:
    return as_bytes({**definition(component()), "_id": value})


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ([], "no file"),
        ([("a.zip", zipped({"readme.txt": b"hello"}))], "holds no botDefinition.json"),
        ([("a.zip", zipped({"../botDefinition.json": BOT}))], "leads out of it"),
        ([("a.zip", zipped({"/etc/config.json": BOT}))], "leads out of it"),
        ([("a.zip", zipped({"a/botDefinition.json": BOT, "b/botDefinition.json": BOT}))], "twice"),
        ([("a.zip", zipped({"botDefinition.json": b" " * (MAX_BYTES + 1)}))], "larger than 8 MB"),
        ([("a.zip", zipped({"botDefinition.json": BOT}, compression=zipfile.ZIP_BZIP2))], "deflate"),
        ([("a.zip", zipped({f"{n}.txt": b"" for n in range(2001)}))], "more than 2000 files"),
        ([("a.zip", export(component())[:-60])], "broken zip"),
        ([("botDefinition.json", b" " * (MAX_BYTES + 1))], "larger than 8 MB"),
        ([("a.png", b"x"), ("botDefinition.json", BOT)], "a.png belongs to no export"),
        ([("botDefinition.json", BOT), ("x/botDefinition.json", BOT)], "twice"),
        ([("a.json", b"")], "is no JSON"),
        ([("a.json", b'{"a": 1')], "is no JSON: .* line 1"),
        ([("a.json", b"\xff\xfe{}")], f"is not UTF-8 text, as JSON is. {WANTED}"),
        ([("a.json", b"<html>")], WANTED),
        ([("mail.p12", b"\x30\x82\x0a\x00\x02\x01\x03")], "mail.p12 looks like a certificate or a key. " + WANTED),
        ([("export.zip", b"\x30\x82\x0a\x00\x02\x01\x03")], "with import_certificate"),
        ([("a.txt", CA.root().pem), ("botDefinition.json", BOT)], "a.txt looks like a certificate or a key"),
        ([("bank.key", b"junk")], "on the page of its bot"),
        ([("a.json", deep(200_000))], "nested too deeply"),
        ([("a.json", b'{"a": ' + b"9" * 5000 + b"}")], "number that is too large"),
        ([("a.json", b"[]")], "no bot definition"),
        ([("a.json", b"{}")], "no bot definition"),
        ([("a.json", b'{"dialogs": 5}')], "no bot definition"),
        ([("a.json", with_id(None))], "The bot of the bot definition has no usable id"),
        ([("a.json", with_id("x" * 100))], "no usable id"),
        ([("a.json", with_id("a\0b"))], "cannot be stored"),
        ([("a.json", as_bytes(definition(component("\ud800"))))], "cannot be stored"),
        ([("config.json", b"[]"), ("botDefinition.json", BOT)], "config.json is not a JSON object"),
        ([("a.json", as_bytes(definition(*[component()] * 501)))], "more than 500 service nodes"),
    ],
)
def test_what_is_refused(files: list[tuple[str, bytes]], told: str) -> None:
    started = time.monotonic()
    with pytest.raises(InvalidInput, match=told) as caught:
        read_definition(files)
    assert time.monotonic() - started < 5
    assert "\n" not in caught.value.text
    assert caught.value.field == "files"


def test_many_long_variables_are_bounded() -> None:
    config = {"envVariables": [{"key": "A", "value": "x" * 4000}]}
    found = component(payload={"value": "{{env.A}}" * 11_000}, endPoint=end_point("{{env.A}}" * 11_000))
    (node,) = read_definition([("a.zip", export(found, config=config))]).nodes
    assert (node.body, node.url) == ("", "")
    assert len(node.exported_url) <= 2000


def test_wrong_shapes_anywhere_end_in_a_definition_or_one_sentence() -> None:
    """Each value of an export in turn becomes something else; nothing but `InvalidInput` is raised."""
    chance = random.Random(20261127)
    source = definition(component(headers={"type": "raw", "value": '{"A": "{{env.A}}"}'}, payload={"value": "{{x}}"}))
    for _ in range(600):
        document = json.loads(json.dumps(source))
        place: Any = document
        while True:
            key = chance.choice(list(place) if isinstance(place, dict) else range(len(place)))
            if chance.random() < 0.25 or not isinstance(place[key], dict | list) or not place[key]:
                break
            place = place[key]
        place[key] = chance.choice(
            [None, True, 0, -1.5, 10**30, "", "{{", "\0", "\ud800", [], {}, [[]], {"a": {}}, "//"]
        )
        with contextlib.suppress(InvalidInput):
            read_definition([("a.json", json.dumps(document).encode())])
