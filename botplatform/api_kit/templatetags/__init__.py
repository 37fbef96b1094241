"""Template tags of the HTTP API's page."""
