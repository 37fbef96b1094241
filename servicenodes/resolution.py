"""Which certificate a node presents, and by which rule. Pure: no queries, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

C = TypeVar("C")


class Rule(StrEnum):
    """The rule that chose the effective certificate, most specific first."""

    NODE = "node"
    BOT = "bot"
    PLATFORM = "platform"
    NONE = "none"


REASONS = {
    Rule.NODE: "It is attached to this service node.",
    Rule.BOT: "Nothing is attached to this node, so the bot’s default applies.",
    Rule.PLATFORM: "Neither the node nor its bot has one, so the platform’s default applies.",
    Rule.NONE: "Nothing is attached, and neither the bot nor the platform has a default.",
}


@dataclass(frozen=True, slots=True)
class Effective(Generic[C]):
    """The effective certificate and the rule that chose it; `certificate` is None only under `Rule.NONE`."""

    certificate: C | None
    rule: Rule

    @property
    def reason(self) -> str:
        """One sentence for people."""
        return REASONS[self.rule]


def resolve(*, node: C | None, bot_default: C | None, platform_default: C | None) -> Effective[C]:
    """The node's own certificate, else its bot's default, else the platform's default, else none.

    A certificate that is chosen but cannot be presented stays chosen: falling through to another one would
    present an identity that nobody meant.
    """
    for certificate, rule in ((node, Rule.NODE), (bot_default, Rule.BOT), (platform_default, Rule.PLATFORM)):
        if certificate is not None:
            return Effective(certificate, rule)
    return Effective(None, Rule.NONE)
