"""Tests of `botplatform.bots`."""
