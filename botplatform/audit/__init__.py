"""The audit trail: append-only, hash-chained. `record` is the only writer."""
