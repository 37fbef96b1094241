"""Telling people and programs what happened: an outbox, mail, signed webhooks, calendar feeds."""
