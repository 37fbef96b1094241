"""Use cases: keyword-only, atomic, permission checked, audit row inside."""
