"""Run the demo bank: `python -m demo.bank_api --dir var/demo --port 9443` (five ports from that one on, loopback only).

Exit codes: 0 ended on request, 2 wrong usage, 3 a port is taken.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import signal
import sys
import threading
from pathlib import Path

from demo.certificates import Material, ensure_material
from demo.faces import FACES, server_context
from demo.server import LOOPBACK, FaceServer

DEFAULT_PORT = 9443
PORT_TAKEN = 3
ENDING = {signal.SIGINT, signal.SIGTERM}


def main(arguments: list[str] | None = None) -> int:
    """Make the certificates, then describe the faces or serve them until a signal comes."""
    options = _parser().parse_args(arguments)
    ports = options.ports or tuple(range(options.port, options.port + len(FACES)))
    if len(ports) != len(FACES):
        _parser().error(f"--ports wants {len(FACES)} ports")
    material = ensure_material(options.dir.resolve(), now=dt.datetime.now(dt.UTC))
    if options.describe:
        sys.stdout.write(json.dumps(describe(material, ports)) + "\n")
        return 0
    return _serve(material, ports, greet=not options.no_greeting)


def describe(material: Material, ports: tuple[int, ...]) -> dict[str, object]:
    """What a caller of the bank must know: its files, and for each face a name, a URL and the verdict to expect."""
    faces = [
        {"slug": face.slug, "name": face.title, "url": f"https://{LOOPBACK}:{port}{face.path}", "verdict": face.verdict}
        for face, port in zip(FACES, ports, strict=True)
    ]
    return {
        "client": str(material.client),
        "passphrase_file": str(material.passphrase),
        "trust": str(material.bank_ca),
        "egress_allow": [f"{LOOPBACK}:{port}" for port in ports],
        "faces": faces,
    }


def _serve(material: Material, ports: tuple[int, ...], *, greet: bool) -> int:
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)  # threads inherit it: only `sigwait` below takes them
    servers: list[FaceServer] = []
    try:
        for face, port in zip(FACES, ports, strict=True):
            servers.append(FaceServer(face, port, server_context(face, material)))
    except OSError as error:
        sys.stderr.write(f"The demo bank cannot use port {port}: {error.strerror}. Set DEMO_PORT to another one.\n")
        return PORT_TAKEN
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    if greet:
        sys.stdout.write(f"demo bank · ready on ports {', '.join(map(str, ports))}\n")
        sys.stdout.flush()
    signal.sigwait(ENDING)
    return 0  # all threads are daemons: nobody's open connection keeps the bank from ending


def _ports(text: str) -> tuple[int, ...]:
    return tuple(_port(part) for part in text.split(","))


def _port(text: str) -> int:
    number = int(text)
    if not 0 < number < 65536 - len(FACES):
        raise ValueError(text)
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m demo.bank_api", description="The demo bank API, on loopback.")
    parser.add_argument("--dir", type=Path, required=True, help="folder of the certificates, made if absent")
    parser.add_argument("--port", type=_port, default=DEFAULT_PORT, help="first of five ports (default %(default)s)")
    parser.add_argument("--ports", type=_ports, help="all five ports, separated by commas")
    parser.add_argument("--describe", action="store_true", help="make the certificates, print the faces as JSON, end")
    parser.add_argument("--no-greeting", action="store_true", help="tell only what callers do")
    return parser


if __name__ == "__main__":
    sys.exit(main())
