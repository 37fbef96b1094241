"""Tests of the readers of bot definitions."""
