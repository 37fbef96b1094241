"""What it would cost to open encrypted material, read from its structure before any passphrase is tried.

The loops of a hostile file (2³¹ iterations in 1 KB) cannot be interrupted once they run.
"""

from __future__ import annotations

from asn1crypto import algos, core, keys, pkcs12

_LEGACY_CIPHERS = frozenset({"des", "tripledes_3key", "tripledes_2key", "rc2", "rc4"})
_SCRYPT = "1.3.6.1.4.1.11591.4.11"
_PBMAC1 = "1.2.840.113549.1.5.14"


class _ScryptParameters(core.Sequence):  # type: ignore[misc]
    """RFC 7914; asn1crypto does not know it."""

    _fields = [  # a list, because asn1crypto completes it
        ("salt", core.OctetString),
        ("n", core.Integer),
        ("r", core.Integer),
        ("p", core.Integer),
        ("key_length", core.Integer, {"optional": True}),
    ]


class _Pbmac1Parameters(core.Sequence):  # type: ignore[misc]
    """RFC 9579; asn1crypto does not know it."""

    _fields = [("kdf", algos.KdfAlgorithm), ("mac", core.Any)]


def encryption_iterations(algorithm: algos.EncryptionAlgorithm) -> int:
    """Iterations of a PBES1, PBES2 or PKCS#12 encryption; for scrypt N·r·p. Raises ValueError if unreadable."""
    parameters = algorithm["parameters"]
    if algorithm["algorithm"].native == "pbes2":
        return _kdf_iterations(parameters["key_derivation_func"])
    if isinstance(parameters, (algos.Pbes1Params,)):
        return int(parameters["iterations"].native)
    return 0


def _kdf_iterations(kdf: algos.KdfAlgorithm) -> int:
    parameters = kdf["parameters"]
    if kdf["algorithm"].native == "pbkdf2":
        return int(parameters["iteration_count"].native)
    if kdf["algorithm"].dotted == _SCRYPT:
        scrypt = _ScryptParameters.load(parameters.dump())
        return int(scrypt["n"].native * scrypt["r"].native * scrypt["p"].native)
    return 0


def is_legacy(algorithm: algos.EncryptionAlgorithm) -> bool:
    """True for anything but PBES2 with a modern cipher (RFC 8018 recommends PBES2 for new files)."""
    if algorithm["algorithm"].native != "pbes2":
        return True
    return algorithm["parameters"]["encryption_scheme"]["algorithm"].native in _LEGACY_CIPHERS


def mac_iterations(pfx: pkcs12.Pfx) -> int:
    """Iterations of the integrity check of a PKCS#12 file, classic or PBMAC1 (RFC 9579)."""
    mac = pfx["mac_data"]
    if not isinstance(mac, pkcs12.MacData):
        return 0
    algorithm = mac["mac"]["digest_algorithm"]
    if algorithm["algorithm"].dotted == _PBMAC1:
        return _kdf_iterations(_Pbmac1Parameters.load(algorithm["parameters"].dump())["kdf"])
    return int(mac["iterations"].native)


def encrypted_key(der: bytes) -> keys.EncryptedPrivateKeyInfo:
    """The structure of an encrypted PKCS#8 key. Raises ValueError or TypeError if it is none."""
    return keys.EncryptedPrivateKeyInfo.load(der, strict=True)
