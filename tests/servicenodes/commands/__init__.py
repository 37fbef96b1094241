"""Tests of `servicenodes.commands`."""
