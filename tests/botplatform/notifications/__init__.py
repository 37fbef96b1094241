"""The outbox, its channels, and the pages about them."""
