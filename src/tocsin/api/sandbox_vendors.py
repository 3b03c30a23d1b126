"""``/v1/sandbox/messages`` and ``/faults``: what the played vendors were sent, and what they do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from tocsin.api.endpoint import Answer, Call, Endpoint
from tocsin.api.sandbox_clock import only_in_a_sandbox
from tocsin.api.shared import PAGE_MAX, RecipientId, given_time, shown_time
from tocsin.domain.channels import CHANNEL_FIELDS
from tocsin.errors import NotFound
from tocsin.ports.simulator import Action, Faults, Received
from tocsin.ports.vendors import Vendors, Wanted

MESSAGES: Final = "/v1/sandbox/messages"
FAULTS: Final = "/v1/sandbox/faults/{provider}"
_SHOWN: Final = 100

NumberOf = Callable[[str], Awaitable[int | None]]
"""Finds the dense number of a recipient by the customer's id."""


class MessagesQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Which messages: what is given must all fit.

    ``to`` is an address, or the reference of a delivery; ``recipient`` an id, whatever the
    address; ``since`` the earliest arrival.
    """

    channel: Annotated[str, Meta(max_length=64)] | None = None
    provider: Annotated[str, Meta(max_length=64)] | None = None
    to: Annotated[str, Meta(max_length=2_048)] | None = None
    recipient: RecipientId | None = None
    recipient_number: Annotated[int, Meta(ge=0)] | None = None
    since: Annotated[str, Meta(max_length=64)] | None = None
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = _SHOWN


class MessageAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """
    One message that arrived at a played vendor.

    ``content`` is what a person would see, ``raw`` what came over the wire, ``answer`` what the
    vendor said: empty where it was lost. ``taken`` is false for what it refused.
    """

    id: str
    provider: str
    channel: str
    reference: str
    to: str
    received_at: str | None
    content: Mapping[str, str]
    raw: str
    answer: str
    taken: bool
    trace: str | None
    supersedes: str | None


class MessagesAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Messages, newest first."""

    messages: list[MessageAnswer]


class Act(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person says or presses: ``STOP`` in a reply, ``1`` during a call."""

    words: Annotated[str, Meta(max_length=1_600)] = ""


class ActAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What the person is answered: what a call says after a key, for example."""

    answer: str


class SandboxVendorRoutes:
    """Handlers of the vendors' routes."""

    def __init__(self, vendors: Vendors | None, number_of: NumberOf) -> None:
        """*vendors* is None on a real server."""
        self._vendors = vendors
        self._number_of = number_of

    def endpoints(self) -> Sequence[Endpoint]:
        """Return the routes."""
        return (
            Endpoint(
                "GET",
                MESSAGES,
                "List what the played vendors were sent, newest first",
                self.messages,
                {200: MessagesAnswer},
                query=MessagesQuery,
                quiet=True,
            ),
            Endpoint(
                "POST",
                MESSAGES + "/{id}/{action}",
                "Do with a message what the person, or her provider, would do",
                self.act,
                {200: ActAnswer, 204: None},
                body=Act,
                body_optional=True,
            ),
            Endpoint(
                "GET", FAULTS, "What goes wrong at a played vendor", self.faults, {200: Faults}
            ),
            Endpoint(
                "PUT",
                FAULTS,
                "Say what goes wrong at a played vendor, and how often",
                self.set_faults,
                {200: Faults},
                body=Faults,
            ),
        )

    async def messages(self, call: Call) -> Answer:
        """Answer the newest."""
        vendors, query = self._sandbox(), call.query(MessagesQuery)
        if query.channel is not None and query.channel not in CHANNEL_FIELDS:
            known = ", ".join(CHANNEL_FIELDS)
            raise NotFound(f"there is no such channel; there are: {known}")
        number = query.recipient_number
        if query.recipient is not None:
            number = await self._number_of(query.recipient)
            if number is None:
                return Answer(MessagesAnswer(messages=[]))
        wanted = Wanted(
            channel=query.channel,
            provider=query.provider,
            to=query.to,
            recipient=number,
            since_ms=given_time(query.since, "/since"),
            limit=query.limit,
        )
        found = await vendors.messages(wanted)
        return Answer(MessagesAnswer(messages=[_show(each) for each in found]))

    async def act(self, call: Call) -> Answer:
        """Do it, and answer when the vendor has reported it."""
        vendors = self._sandbox()
        try:
            action = Action(call.path["action"])
        except ValueError:
            raise NotFound(f"one can {', '.join(Action)} a message, nothing else") from None
        said = await vendors.act(call.path["id"], action, call.body(Act).words)
        return Answer(ActAnswer(answer=said)) if said else Answer(status=204)

    async def faults(self, call: Call) -> Answer:
        """Answer what goes wrong."""
        return Answer(await self._sandbox().faults(call.path["provider"]))

    async def set_faults(self, call: Call) -> Answer:
        """Set what goes wrong."""
        vendors = self._sandbox()
        return Answer(await vendors.set_faults(call.path["provider"], call.body(Faults)))

    def _sandbox(self) -> Vendors:
        if self._vendors is None:
            raise only_in_a_sandbox()
        return self._vendors


def _show(message: Received) -> MessageAnswer:
    return MessageAnswer(
        id=message.id,
        provider=message.provider,
        channel=message.channel,
        reference=message.reference,
        to=message.to,
        received_at=shown_time(message.received_ms),
        content=message.content,
        raw=message.raw.decode("utf-8", "replace"),
        answer=message.answer,
        taken=message.taken,
        trace=message.trace,
        supersedes=message.supersedes,
    )
