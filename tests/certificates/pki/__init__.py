"""Tests of the X.509 knowledge."""
