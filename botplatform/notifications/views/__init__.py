"""Pages of webhooks, calendar feeds and deliveries."""
