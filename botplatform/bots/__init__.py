"""Bots, who belongs to them, and what a role may do."""
