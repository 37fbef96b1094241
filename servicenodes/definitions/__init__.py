"""Pure readers of bot definitions that bot builders export: bytes in, service nodes out. No Django."""
