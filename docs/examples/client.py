#!/usr/bin/env python3
"""A small client of the console's HTTP API. Needs nothing but Python 3.11.

export CONSOLE_URL=http://localhost:8000 CONSOLE_TOKEN=bpt_…
python client.py invoke acme balance             # NAME=VALUE after it for each variable of the node
python client.py test acme balance
python client.py import acme bank renewed.p12 passphrase-file
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Problem(Exception):
    """What the console refused: `status`, a stable `code`, and the whole document (RFC 9457)."""

    def __init__(self, document: dict[str, Any], retry_after_s: int | None) -> None:
        text = f"{document['status']} {document['code']}: {document['detail']}"
        super().__init__("\n".join([text, *(f"→ {advice}" for advice in document.get("advice", ()))]))
        self.document = document
        self.code = document["code"]
        self.retry_after_s = retry_after_s


class Console:
    """The API of one console, with one token."""

    def __init__(self, url: str, token: str) -> None:
        self.root = f"{url.rstrip('/')}/api/v1"
        self.token = token

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[Any, str | None]:
        """The answer's document and its ETag. Raises `Problem`."""
        content = None if body is None else json.dumps(body).encode()
        return self._send(method, path, content, {"Content-Type": "application/json", **headers})

    def items(self, path: str) -> Iterator[dict[str, Any]]:
        """All items of a list, page by page."""
        cursor: str | None = ""
        while cursor is not None:
            page, _ = self.call("GET", f"{path}?limit=200&cursor={urllib.parse.quote(cursor)}")
            yield from page["items"]
            cursor = page["next"]

    def import_files(self, owner: str, name: str, files: list[Path], passphrase: str = "") -> Any:
        """Import a client certificate. The key makes a repeated request harmless, should the answer get lost."""
        boundary = secrets.token_hex(16)
        parts: list[tuple[str, str | None, bytes]] = [
            ("name", None, name.encode()),
            ("passphrase", None, passphrase.encode()),
        ]
        parts += [("files", file.name, file.read_bytes()) for file in files]
        content = b"".join(_part(boundary, *part) for part in parts) + f"--{boundary}--\r\n".encode()
        headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Idempotency-Key": secrets.token_hex(16),
        }
        return self._send("POST", f"/bots/{owner}/certificates", content, headers)[0]

    def _send(self, method: str, path: str, content: bytes | None, headers: dict[str, str]) -> tuple[Any, str | None]:
        headers = {"Authorization": f"Bearer {self.token}", **headers}
        request = urllib.request.Request(f"{self.root}{path}", content, headers, method=method)  # noqa: S310
        for attempt in range(2):
            try:
                with urllib.request.urlopen(request, timeout=90) as answer:  # noqa: S310
                    text = answer.read()
                    return json.loads(text) if text else None, answer.headers["ETag"]
            except urllib.error.HTTPError as error:
                wait_s = error.headers["Retry-After"]
                problem = Problem(json.load(error), int(wait_s) if wait_s else None)
                if problem.retry_after_s is None or attempt:
                    raise problem from None
                time.sleep(problem.retry_after_s)  # 429 and 503 say when to come back
        raise AssertionError("unreachable")


def _part(boundary: str, name: str, file_name: str | None, content: bytes) -> bytes:
    file = f'; filename="{file_name}"' if file_name else ""
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
    return head.encode() + content + b"\r\n"


def main(arguments: list[str]) -> Any:
    """Do what the command line says, and return the document to print."""
    console = Console(os.environ["CONSOLE_URL"], os.environ["CONSOLE_TOKEN"])
    match arguments:
        case ["nodes", bot]:
            return list(console.items(f"/bots/{bot}/nodes"))
        case ["rename", bot, node, name]:
            path = f"/bots/{bot}/nodes/{node}"
            _, tag = console.call("GET", path)
            return console.call("PATCH", path, {"name": name}, **{"If-Match": tag or "*"})[0]
        case ["test", bot, node]:
            return console.call("POST", f"/bots/{bot}/nodes/{node}/test")[0]
        case ["invoke", bot, node, *pairs]:
            if not all("=" in pair for pair in pairs):
                raise SystemExit("A variable is written NAME=VALUE.")
            variables = dict(pair.split("=", 1) for pair in pairs)
            return console.call("POST", f"/bots/{bot}/nodes/{node}/invoke", {"variables": variables})[0]
        case ["import", bot, name, file]:
            return console.import_files(bot, name, [Path(file)])
        case ["import", bot, name, file, passphrase_file]:
            return console.import_files(bot, name, [Path(file)], Path(passphrase_file).read_text().strip("\r\n"))
    raise SystemExit(__doc__)


if __name__ == "__main__":
    try:
        sys.stdout.write(json.dumps(main(sys.argv[1:]), indent=2) + "\n")
    except Problem as problem:
        sys.exit(str(problem))
    except KeyError as unset:
        sys.exit(f"Set {unset.args[0]} first.")
    except (urllib.error.URLError, OSError) as error:
        sys.exit(f"The console did not answer: {getattr(error, 'reason', error)}")
