"""Tests of `certificates`."""
