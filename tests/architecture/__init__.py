"""Tests of the house itself: its rules, where no linter sees them."""
