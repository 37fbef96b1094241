"""The console's pages of bots, service nodes and connection tests, and the pages that show the whole."""
