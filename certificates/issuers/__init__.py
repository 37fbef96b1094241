"""Ways to get a certificate request signed: one port, one adapter per kind of CA. Values in, values out."""
