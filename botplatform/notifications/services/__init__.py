"""Posting to the outbox, delivering it, and who receives."""
