"""What commands that test say where they may not call an address that the console may."""

from servicenodes.tls.judgement import Verdict

DENIED = Verdict.ADDRESS_DENIED.value
HINT = (
    "A command may call what EGRESS_ALLOW of its own environment allows: run it with that of the console. "
    "What the nodes say of themselves is left as it was."
)
