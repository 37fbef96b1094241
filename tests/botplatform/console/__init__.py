"""Tests of `botplatform.console`."""
