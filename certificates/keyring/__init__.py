"""Envelope encryption of private keys at rest. Pure: no Django, no settings, no clock, no files."""
