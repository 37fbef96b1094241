"""The HTTP API, called as programs call it."""
