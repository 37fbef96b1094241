"""Tests of `botplatform.jobs`."""
