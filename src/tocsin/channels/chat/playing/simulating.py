"""What simulators of chat platforms share: messages under the platform's ids, and their edits."""

from __future__ import annotations

from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

from tocsin.channels.simulating import Deal
from tocsin.channels.simulating_http import HttpSimulating, Request
from tocsin.errors import Conflict
from tocsin.ports.receipts import Callback
from tocsin.ports.simulator import Action, Deed, Dial, Stage, Tell

_POSTED_MAX: Final = 10_000
OK: Final = frozenset({Dial.ACCEPT, Dial.STALL})


def pressable(buttons: Iterable[tuple[str, object]]) -> dict[str, str]:
    """
    Return the fields of a content that buttons make, given as label and URL.

    ``buttons`` are those that report when they are pressed, ``links`` those that lead somewhere.
    """
    found = list(buttons)
    return {
        "buttons": " | ".join(label for label, url in found if not url),
        "links": "\n".join(f"{label}: {url}" for label, url in found if url),
    }


@dataclass(slots=True)
class Posted:
    """A message as it stands in its chat now, by the platform's own id for it."""

    id: str
    place: str
    reference: str
    said: dict[str, Any]
    to: str = ""


class ChatSimulating(HttpSimulating):
    """`HttpSimulating` for platforms that let what was posted be edited."""

    def __init__(self) -> None:
        super().__init__()
        self._posted: OrderedDict[str, Posted] = OrderedDict()
        self._by_reference: dict[str, str] = {}
        self._numbers = count(1)

    @abstractmethod
    async def start(self, stage: Stage | None = None) -> Mapping[str, object]:
        """Listen; returns the settings that lead here."""

    @abstractmethod
    def address(self, n: int) -> str:
        """Return one of its addresses."""

    @abstractmethod
    def signed(self, body: bytes, at_ms: int) -> Callback:
        """Return a genuine request with any body."""

    async def act(self, deed: Deed, tell: Tell) -> str:
        """Do what a person would; what has no button cannot be pressed."""
        if deed.action is Action.PRESS and not self.message(deed.id).content.get("buttons"):
            raise Conflict("this message has no button that reports", code="action_not_possible")
        return await super().act(deed, tell)

    def posted(self, id: str) -> Posted | None:
        """Return a message as it stands now, by the platform's id."""
        return self._posted.get(id)

    def _new_number(self) -> int:
        """Return a number that no message had before, not even one whose answer got lost."""
        return next(self._numbers)

    def _post(self, posted: Posted) -> None:
        self._posted[posted.id] = posted
        self._by_reference[posted.reference] = posted.id
        while len(self._posted) > _POSTED_MAX:
            _, gone = self._posted.popitem(last=False)
            self._by_reference.pop(gone.reference, None)

    def standing(self, reference: str) -> Posted:
        """Return the message of *reference* as it stands now; a gone one is made up."""
        found = self._posted.get(self._by_reference.get(reference, ""))
        return found or Posted("1", "canary", reference, {})

    async def _take(
        self,
        request: Request,
        deal: Deal,
        *,
        reference: str,
        to: str,
        content: dict[str, str],
        answer: str,
        supersedes: str | None = None,
        place: str | None = None,
    ) -> None:
        """Keep a message unless it got lost, and let the time of its answer pass."""
        if deal.dial is not Dial.DROP:
            await self._keep(
                reference=reference,
                to=to,
                content={name: text for name, text in content.items() if text},
                raw=request.raw,
                answer="" if deal.lost else answer,
                taken=deal.taken,
                trace=request.headers.get("traceparent"),
                supersedes=supersedes,
                place=place,
            )
        await self._wait(deal)
