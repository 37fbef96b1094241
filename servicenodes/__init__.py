"""Service nodes, trust policy, tests and calls."""
