"""Free ports in a row, for a demo bank of one test."""

from __future__ import annotations

import random
import socket

from demo.faces import FACES


def free_base_port() -> int:
    """The first of five ports in a row that are free now. Below the range from which the system takes its own."""
    dice = random.SystemRandom()  # the seed of the run is the same in every worker
    for _ in range(200):
        base = dice.randrange(15_000, 32_000)
        if all(_is_free(base + offset) for offset in range(len(FACES))):
            return base
    raise RuntimeError("no five free ports in a row")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
