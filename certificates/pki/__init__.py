"""Pure X.509 knowledge: decoding, chain, findings, display. Values in, values out: no Django, no clock."""
