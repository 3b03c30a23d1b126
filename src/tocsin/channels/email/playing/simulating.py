"""What simulators of mail services share: readers, and what is reported of letters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from tocsin.channels.email.playing.repeating import Repeating
from tocsin.channels.simulating import Deal
from tocsin.channels.simulating_http import HttpSimulating
from tocsin.ports.receipts import ReceiptState
from tocsin.ports.simulator import Action, Deed, Dial, Tell

OF_A_LETTER: Final = frozenset({Dial.ACCEPT, Dial.REFUSE, Dial.DEAD_ADDRESS})
"""What may happen to one letter of a call; all else happens to the call."""


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

    pauses_s: Sequence[float] = ()
    """After which it reports again what nobody has taken; without any, it does not."""

    def __init__(self) -> None:
        super().__init__()
        self.repeating = Repeating(self.pauses_s)

    async def act(self, deed: Deed, tell: Tell) -> str:
        """Report it, and again while nobody takes it."""
        return await super().act(deed, self.repeating.around(tell))

    async def close(self) -> None:
        """Report nothing more, and stop listening."""
        await self.repeating.close()
        await super().close()

    def address(self, n: int) -> str:
        """Return an address."""
        return reader(n)

    def _deal_together(self, readers: Sequence[str]) -> list[Deal]:
        """
        Say what happens to the letters of one call.

        What concerns the call is drawn once, with its first letter: with a chance for each of a
        hundred letters hardly any call would go well. Dialled for another letter it is passed over.
        """
        first = [self._deal(to) for to in readers[:1]]
        others = [self._deal(to) for to in readers[1:]]
        return first + [each if each.dial in OF_A_LETTER else Deal(Dial.ACCEPT) for each in others]
