"""Tests of `botplatform.accounts`."""
