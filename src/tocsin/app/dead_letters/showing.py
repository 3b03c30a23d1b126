"""One dead letter with everything: event, text, address, attempts, and what was made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tocsin.app.addresses import AddressBook, mask
from tocsin.app.dead_letters.desk import Named
from tocsin.app.dead_letters.finding import GONE, Origins, run_of
from tocsin.app.delivering.texts import Texts
from tocsin.app.history.finding import Finder, LaneEvent
from tocsin.app.routing.audiences import AudienceStep
from tocsin.app.routing.deciding import step_at
from tocsin.app.routing.workflows import RunWorkflows
from tocsin.domain.dead_letters import DeadLetter, Kind, LetterState, input_place
from tocsin.domain.ids import address_of, next_generation, step_of
from tocsin.domain.recipient import Recipient
from tocsin.domain.records import Attempt, Event, Settled
from tocsin.domain.template_values import RenderFailed
from tocsin.errors import TocsinError
from tocsin.ports.log import Log
from tocsin.ports.message import Content
from tocsin.ports.provider import Channel
from tocsin.ports.state import Recipients
from tocsin.ports.views import LedgerView


class Letter(NamedTuple):
    """What is known of one; what is not kept any more is None."""

    named: Named
    event: Event | None
    version: int | None
    content: Content | None
    amiss: str
    """Why there is no content."""
    address: str | None
    trail: Sequence[Attempt | Settled]
    replay: bytes | None
    """The delivery that was made in its place."""


@dataclass(frozen=True, slots=True)
class ShowParts:
    """Where what is shown comes from."""

    log: Log
    finder: Finder
    ledger: LedgerView
    recipients: Recipients
    workflows: RunWorkflows
    audiences: AudienceStep
    channels: Mapping[str, Channel]
    book: AddressBook


class ShowStep:
    """Puts it together. The text is rendered again, from versions that never change."""

    def __init__(self, parts: ShowParts) -> None:
        self._parts = parts

    async def __call__(self, named: Named, *, sees_address: bool) -> Letter:
        """Show one; its address is masked unless the caller may see it."""
        letter = named.letter
        if letter.kind is Kind.INPUT:
            place = input_place(letter.key)
            record = (await self._parts.log.pick([place])).get(place)
            event = record if isinstance(record, Event) else None
            return Letter(named, event, None, None, "", None, (), None)
        found = await Origins(self._parts.finder).event(letter)
        run = None if found is None else run_of(letter, found)
        people = await self._parts.recipients.by_number([letter.recipient])
        recipient = people.get(letter.recipient)
        content, amiss = await self._content(letter, found, run, recipient)
        replayed = letter.state in {LetterState.REPLAYING, LetterState.REPLAYED}
        return Letter(
            named,
            None if found is None else found.event,
            None if run is None else run[1],
            content,
            amiss,
            self._address(letter, recipient, sees_address=sees_address),
            (await self._parts.ledger.attempts([letter.key])).get(letter.key, ()),
            next_generation(letter.key) if replayed else None,
        )

    async def _content(
        self,
        letter: DeadLetter,
        found: LaneEvent | None,
        run: tuple[str, int, int] | None,
        recipient: Recipient | None,
    ) -> tuple[Content | None, str]:
        channel = self._parts.channels.get(letter.channel)
        if found is None or run is None:
            return None, GONE
        if recipient is None or channel is None:
            return None, "its recipient or its channel is not there any more"
        event = found.event
        try:
            workflow = await self._parts.workflows.version(run[0], run[1], event.content)
            texts = Texts(channel, self._parts.audiences)
            step = step_at(workflow, step_of(letter.key))
            own = texts.own(event, workflow, recipient)
            return texts.content(event, workflow, step, recipient, own), ""
        except (RenderFailed, TocsinError) as error:
            return None, str(error)

    def _address(
        self, letter: DeadLetter, recipient: Recipient | None, *, sees_address: bool
    ) -> str | None:
        address = None if recipient is None else recipient.address(address_of(letter.key))
        if recipient is None or address is None:
            return None
        value = self._parts.book.open(recipient, address)
        return value if sees_address else mask(address.channel, value)
