"""Benchmarks that print ratios: ours against the limit, and against what people do today."""
