"""Tests of the issuers, against real certificate authorities."""
