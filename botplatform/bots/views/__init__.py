"""Pages of bots, their people, and API tokens."""
