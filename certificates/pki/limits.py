"""How much of anything an upload may hold. Every refusal names its limit, so the numbers live in one place."""

from __future__ import annotations

MAX_FILE_BYTES = 256 * 1024  # the default of MAX_UPLOAD_KB
MAX_FILES = 20
MAX_PILE_CERTIFICATES = 100
MAX_TRUST_STORE_CERTIFICATES = 500  # a whole browser's list is about 150
MAX_CHAIN_CERTIFICATES = 10  # leaf, intermediates and root together
MAX_PEM_BLOCKS = 1000
MAX_KDF_ITERATIONS = 2_000_000  # in sum over an upload; scrypt counts N·r·p
MAX_RSA_BITS = 8192
# Checking that the factors are prime takes 0.4 s at 4096 bits and 6–11 s at 8192, more than an upload may cost.
# A larger key proves itself by a signature instead.
MAX_RSA_BITS_PROVED_PRIME = 4096
# pyca/cryptography checks the primes of a key in PKCS#12 whatever its size; an encrypted RSA-4096 key takes 2.4 KB.
MAX_PKCS12_KEY_BYTES = 3200
MAX_PATHS_TRIED = 200
MAX_NAME_CHARACTERS = 1000  # of a subject, issuer or alternative name as shown
