"""What simulators of mail services share: readers, and what is reported of letters."""

from __future__ import annotations

from collections.abc import Mapping

from tocsin.channels.simulating_http import HttpSimulating
from tocsin.ports.receipts import ReceiptState
from tocsin.ports.simulator import Action


def reader(n: int) -> str:
    """Return the address of one reader."""
    return f"ana-canary-{n}@example.test"


class MailSimulating(HttpSimulating):
    """`HttpSimulating` for services that report what became of a letter, and what its reader did."""

    channel = "email"
    actions: Mapping[Action, ReceiptState] = {
        Action.DELIVER: ReceiptState.DELIVERED,
        Action.BOUNCE: ReceiptState.FAILED,
        Action.COMPLAIN: ReceiptState.COMPLAINED,
        Action.OPEN: ReceiptState.OPENED,
        Action.CLICK: ReceiptState.CLICKED,
        Action.DECLINE: ReceiptState.UNSUBSCRIBED,
    }

    def address(self, n: int) -> str:
        """Return an address."""
        return reader(n)
