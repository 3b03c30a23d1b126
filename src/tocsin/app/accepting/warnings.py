"""What a call is accepted with, and its sender probably did not mean."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from tocsin.domain.audience import EveryoneTerm, GroupTerm, ObjectTerm, Term, decode_terms
from tocsin.domain.cloudevents import IncomingEvent
from tocsin.domain.workflow import Workflow
from tocsin.errors import Unavailable
from tocsin.ports.state import Audiences

_TERMS_LOOKED_AT: Final = 20


class CallWarnings:
    """Looks at who is meant and by which channels; what is accepted stays accepted."""

    def __init__(self, audiences: Audiences, configured: Callable[[], Collection[str]]) -> None:
        self._audiences = audiences
        self._configured = configured

    async def of(self, event: IncomingEvent, workflow: Workflow) -> tuple[str, ...]:
        """Return a sentence for each thing that comes to nothing, as far as it can be told."""
        configured = self._configured()
        said = [
            f"the channel {step.channel!r} has no provider, so nothing is sent there"
            for step in workflow.steps
            if step.channel not in configured
        ]
        terms = decode_terms(event.audience) if event.audience is not None else ()
        try:
            found = [await self._nobody(term) for term in terms[:_TERMS_LOOKED_AT]]
        except Unavailable:
            # It was accepted, and what cannot be looked up is no reason to say otherwise.
            found = []
        return (*dict.fromkeys(said), *dict.fromkeys(each for each in found if each is not None))

    async def _nobody(self, term: Term) -> str | None:
        match term:
            case GroupTerm(key):
                group = await self._audiences.group(key)
                if group is None:
                    return f"there is no group {key!r}, so it reaches nobody"
                return f"the group {key!r} has no members" if group[2] == 0 else None
            case ObjectTerm(collection, id_):
                watching = await self._audiences.subscribers(collection, id_)
                return None if watching else f"nobody subscribes to {collection}/{id_}"
            case EveryoneTerm():
                everyone = await self._audiences.everyone()
                return None if everyone else "there are no recipients yet"
            case _:
                return None
