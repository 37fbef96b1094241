"""Tests of `certificates.services`."""
