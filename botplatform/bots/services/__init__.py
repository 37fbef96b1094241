"""Use cases about bots and their people."""
