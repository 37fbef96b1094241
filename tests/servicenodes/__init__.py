"""Tests of `servicenodes`."""
