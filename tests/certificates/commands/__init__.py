"""Tests of `certificates.commands`."""
