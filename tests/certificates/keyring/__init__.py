"""Tests of `certificates.keyring`."""
