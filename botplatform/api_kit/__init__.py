"""What the routes of the HTTP API share: tokens, problem documents, cursors, conditions, replays. No policy."""
