"""``/v1/sandbox/messages`` and ``/faults``: what the played vendors were sent, and what they do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Final, Protocol

import msgspec
from msgspec import Meta

from tocsin.api.endpoint import Answer, Call, Endpoint
from tocsin.api.sandbox_clock import only_in_a_sandbox
from tocsin.api.shared import PAGE_MAX, RecipientId, given_time, shown_time
from tocsin.domain.channels import CHANNEL_FIELDS
from tocsin.domain.ids import (
    NotificationKey,
    notification_of,
    read_delivery,
    recipient_of,
    show_notification,
)
from tocsin.errors import NotFound, RequestRefused
from tocsin.ports.simulator import Action, Faults, Received
from tocsin.ports.vendors import Played, Vendors, Wanted

MESSAGES: Final = "/v1/sandbox/messages"
FAULTS: Final = "/v1/sandbox/faults/{provider}"
_SHOWN: Final = 100

UrlOf = Callable[[Received], str | None]
"""Says where a browser may look at a letter; None for what is none."""


class People(Protocol):
    """Who is behind the dense numbers of recipients."""

    async def number_of(self, id: str) -> int | None:
        """Find a number by the customer's id."""

    async def ids_of(self, numbers: Sequence[int]) -> Mapping[int, str]:
        """Find the customer's ids of those that are there."""


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
    vendor said: empty where it was lost. ``taken`` is false for what it refused. ``replaces`` is
    the reference of the message that is seen no more since this one came. ``notification``
    and ``recipient`` are there for what a server has sent that knows them. ``html_url`` is a
    letter's own page, locked down, for some minutes and without a key.
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
    replaces: str | None
    notification: str | None
    recipient: str | None
    html_url: str | None


class MessagesAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Messages, newest first."""

    messages: list[MessageAnswer]


class PlayedAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The vendors that are played, and what can be turned and done there."""

    vendors: Sequence[Played]


class Act(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person says or presses: ``STOP`` in a reply, ``1`` during a call."""

    words: Annotated[str, Meta(max_length=1_600)] = ""


class ActAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What the person is answered: what a call says after a key, for example."""

    answer: str


def no_url(_: Received) -> str | None:
    """Return nothing: letters have no page here."""
    return None


class SandboxVendorRoutes:
    """Handlers of the vendors' routes."""

    def __init__(self, vendors: Vendors | None, people: People, url_of: UrlOf = no_url) -> None:
        """*vendors* is None on a real server."""
        self._vendors = vendors
        self._people = people
        self._url_of = url_of

    def endpoints(self) -> Sequence[Endpoint]:
        """Return the routes."""
        return (*self._messages(), *self._dials())

    def _messages(self) -> tuple[Endpoint, ...]:
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
                "GET",
                MESSAGES + "/{id}",
                "Get one message that a played vendor was sent",
                self.message,
                {200: MessageAnswer},
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
        )

    def _dials(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                "GET",
                "/v1/sandbox/vendors",
                "List the played vendors: their errors, what a person can do, what goes wrong",
                self.played,
                {200: PlayedAnswer},
                quiet=True,
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
            number = await self._people.number_of(query.recipient)
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
        return Answer(MessagesAnswer(messages=await self._shown(found)))

    async def message(self, call: Call) -> Answer:
        """Answer one."""
        found = await self._sandbox().message(call.path["id"])
        (shown,) = await self._shown([found])
        return Answer(shown)

    async def played(self, call: Call) -> Answer:
        """Answer all."""
        return Answer(PlayedAnswer(vendors=await self._sandbox().played()))

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

    async def _shown(self, messages: Sequence[Received]) -> list[MessageAnswer]:
        notes = [_notification(each.reference) for each in messages]
        ids = await self._people.ids_of(sorted({recipient_of(key) for key in notes if key}))
        return [
            self._show(message, key, None if key is None else ids.get(recipient_of(key)))
            for message, key in zip(messages, notes, strict=True)
        ]

    def _show(
        self, message: Received, key: NotificationKey | None, recipient: str | None
    ) -> MessageAnswer:
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
            replaces=message.replaces,
            notification=None if recipient is None or key is None else show_notification(key),
            recipient=recipient,
            html_url=self._url_of(message),
        )


def _notification(reference: str) -> NotificationKey | None:
    """Return whose delivery a reference is; what others send to a played vendor has any."""
    try:
        return notification_of(read_delivery(reference))
    except RequestRefused:
        return None
