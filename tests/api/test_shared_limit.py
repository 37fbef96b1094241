"""The limit of calls per token holds for all processes together where CACHE_URL names a cache that they share."""

from __future__ import annotations

import subprocess
import sys
import time
from itertools import count
from pathlib import Path

from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from tests.api.caller import make_token

CALLS = """
import sys
import django
django.setup()
from django.test import Client
client = Client(headers={"authorization": f"Bearer {sys.argv[1]}"}, SERVER_NAME="localhost")
print(*(client.get("/api/v1/bots").status_code for _ in range(2)))
"""


def two_processes(token: str, environment: dict[str, str], cache: Path) -> list[str]:
    """What two processes, one after the other, are answered to two calls each, all within one minute of the clock."""
    for attempt in count():
        minute, answers = time.time() // 60, []
        environment["CACHE_URL"] = f"filecache://{cache / str(attempt)}"
        for _ in range(2):
            command = [sys.executable, "-c", CALLS, token]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
            answers.append(done.stdout.strip())
        if time.time() // 60 == minute:
            return answers
    raise AssertionError("no minute is long enough")


def test_two_processes(product_environment: dict[str, str], tmp_path: Path, bot: Bot, administrator: User) -> None:
    _, text = make_token(administrator)
    environment = {**product_environment, "API_CALLS_PER_MINUTE": "3"}
    assert two_processes(text, environment, tmp_path) == ["200 200", "200 429"]
