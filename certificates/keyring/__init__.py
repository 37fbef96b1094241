"""Envelope encryption of private keys at rest. Pure: bytes in, bytes out; no Django, no settings."""
