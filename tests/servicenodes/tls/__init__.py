"""Tests of the TLS engine against real peers, and of its pure parts."""
