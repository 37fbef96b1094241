"""A CA as the other side runs it: OpenSSL's own commands in a directory of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

EXTENSIONS = "basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=clientAuth\n"


class OpensslCA:
    """A root CA of `openssl req -x509` that signs requests with `openssl x509 -req`."""

    def __init__(self, directory: Path, name: str = "Test bank CA") -> None:
        self.directory = directory
        self.directory.mkdir(exist_ok=True)
        (directory / "client.ext").write_text(EXTENSIONS)
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]
        self.run("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-days", "3650", "-subj", f"/CN={name}")

    def run(self, *arguments: str) -> bytes:
        """What an openssl command prints, run in the directory."""
        done = subprocess.run(["openssl", *arguments], cwd=self.directory, capture_output=True, timeout=30)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def sign(self, csr_pem: str, *, days: int = 90) -> bytes:
        """The leaf alone, as PEM."""
        (self.directory / "client.csr").write_text(csr_pem)
        signing = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", str(days)]
        extensions = ["-copy_extensions", "copy", "-extfile", "client.ext"]
        return self.run("x509", "-req", "-in", "client.csr", *signing, *extensions)

    @property
    def certificate(self) -> bytes:
        return (self.directory / "ca.crt").read_bytes()

    def pkcs7(self, leaf: bytes) -> bytes:
        """The leaf with the root, as `openssl crl2pkcs7` packs it (DER)."""
        (self.directory / "client.crt").write_bytes(leaf)
        packed = ["-certfile", "client.crt", "-certfile", "ca.crt"]
        return self.run("crl2pkcs7", "-nocrl", *packed, "-outform", "DER")
