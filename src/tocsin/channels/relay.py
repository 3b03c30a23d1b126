"""A gateway of the operator's own, by which what goes to people's URLs may leave: is it there."""

from __future__ import annotations

from typing import Final

from tocsin.channels.replies import unanswered
from tocsin.ports.outcomes import Accepted, ProviderReason, TryLater
from tocsin.ports.self_check import Finding, Weight, found
from tocsin.ports.transport import ORDINARY, Answer, Call, Transport, Trust

_ASKING: Final = "reaching the relay"


def unseen(what: str, name: str, address: str) -> Finding:
    """Return that *what* shows only with an address, and how to see it all the same."""
    return Finding(
        Weight.ADVICE,
        f"{what} cannot be seen before something is sent: there is no other call that would show it",
        f"send one message with `tocsin providers test {name} {address}`",
    )


async def reached(transport: Transport, url: str, trust: Trust = ORDINARY) -> Finding:
    """
    Look whether *url* answers, by a GET that passes nothing on.

    What it answers does not matter, unless it is that it has failed itself.
    """
    said = await transport.call(Call(url, b"", method="GET", trust=trust))
    if not isinstance(said, Answer):
        return found(unanswered(said), _ASKING)
    if said.status >= 500:
        return found(TryLater(ProviderReason.OVERLOADED, detail=str(said.status)), _ASKING)
    return found(Accepted(), _ASKING)
