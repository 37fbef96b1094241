"""The only package that opens sockets or speaks TLS. Knows no Django.

`probe` makes attempts and returns an `Observation`; `verdict.decide` judges it; `report` writes it down.
"""
