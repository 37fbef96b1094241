"""Tests of `botplatform`."""
