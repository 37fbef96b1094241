"""Tests of `servicenodes.services`."""
