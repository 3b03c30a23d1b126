"""Addresses and devices of a recipient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from tocsin.api.endpoint import Answer, Call, Endpoint
from tocsin.api.shared import shown_time
from tocsin.app.addresses import AddressBook, PushSubscription, device_address, mask
from tocsin.app.callers import Principal, Scope
from tocsin.app.people import People
from tocsin.app.profile import AddressInput
from tocsin.app.texts import Line128, Line4096
from tocsin.domain.recipient import Address, Recipient
from tocsin.domain.webhook_signing import SECRET_BYTES, new_secret
from tocsin.errors import NotFound
from tocsin.ports.system import Chance

PUSH = "push"


class AddressAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One address; ``secret`` is in the answer that made it up and in no other."""

    number: int
    channel: str
    address: str
    provider: str | None
    app: str | None
    has_secret: bool
    verified_at: str | None
    timezone: str | None
    dead_at: str | None
    failing_since: str | None
    disabled_at: str | None
    secret: str | UnsetType = UNSET

    def __repr__(self) -> str:
        return f"AddressAnswer({self.number}, {self.channel})"


class AddressList(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """All addresses of a recipient."""

    items: list[AddressAnswer]


class DeviceInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A phone's token, or a browser's subscription."""

    provider: Literal["apns", "fcm", "webpush"]
    token: Line4096 | None = None
    subscription: PushSubscription | None = None
    app: Line128 | None = None

    def __repr__(self) -> str:
        return f"DeviceInput({self.provider})"


class AddressRoutes:
    """Handlers of ``…/addresses`` and ``…/devices``."""

    def __init__(self, people: People, chance: Chance) -> None:
        self._people = people
        self._chance = chance

    def endpoints(self) -> Sequence[Endpoint]:
        """Return the routes."""
        addresses = "/v1/recipients/{id}/addresses"
        devices = "/v1/recipients/{id}/devices"
        return (
            Endpoint("GET", addresses, "List addresses", self.list, {200: AddressList}),
            Endpoint(
                "POST",
                addresses,
                "Add an address",
                self.add,
                {201: AddressAnswer},
                body=AddressInput,
                secret_answer=True,
            ),
            Endpoint(
                "DELETE", addresses + "/{number}", "Remove an address", self.remove, {204: None}
            ),
            Endpoint(
                "POST",
                addresses + "/{number}/enable",
                "Call an endpoint again that was disabled",
                self.enable,
                {200: AddressAnswer},
            ),
            Endpoint("GET", devices, "List devices", self.list_devices, {200: AddressList}),
            Endpoint(
                "POST",
                devices,
                "Add a device",
                self.add_device,
                {201: AddressAnswer},
                body=DeviceInput,
            ),
            Endpoint(
                "DELETE", devices + "/{number}", "Remove a device", self.remove_device, {204: None}
            ),
        )

    async def list(self, call: Call) -> Answer:
        """Answer all addresses."""
        return await self._list(call, None)

    async def list_devices(self, call: Call) -> Answer:
        """Answer those of the channel push."""
        return await self._list(call, PUSH)

    async def add(self, call: Call) -> Answer:
        """Add one."""
        return await self._add(call, call.body(AddressInput))

    async def add_device(self, call: Call) -> Answer:
        """Add one of the channel push."""
        device = call.body(DeviceInput)
        address = device_address(device.token, device.subscription)
        given = AddressInput(
            channel=PUSH, address=address, provider=device.provider, app=device.app
        )
        return await self._add(call, given)

    async def remove(self, call: Call) -> Answer:
        """Remove one."""
        await self._people.remove_address(call.by, call.recipient(), _number(call))
        return Answer(status=204)

    async def enable(self, call: Call) -> Answer:
        """Let one be called again."""
        id = call.recipient()
        address = await self._people.enable_address(call.by, id, _number(call))
        one = await self._people.get(id)
        return Answer(show_address(self._people.book, call.by, one, address))

    async def remove_device(self, call: Call) -> Answer:
        """Remove one of the channel push."""
        await self._people.remove_address(call.by, call.recipient(), _number(call), channel=PUSH)
        return Answer(status=204)

    async def _list(self, call: Call, channel: str | None) -> Answer:
        one = await self._people.get(call.recipient())
        shown = [
            show_address(self._people.book, call.by, one, address)
            for address in one.addresses
            if channel in (None, address.channel)
        ]
        return Answer(AddressList(items=shown))

    async def _add(self, call: Call, given: AddressInput) -> Answer:
        fresh = new_secret(self._chance.bytes(SECRET_BYTES))
        one, address = await self._people.add_address(call.by, call.recipient(), given, fresh)
        shown = show_address(self._people.book, call.by, one, address)
        if self._people.book.open_secret(one, address) == fresh:
            shown.secret = fresh
        return Answer(shown, status=201)


def sees_addresses(by: Principal) -> bool:
    """Return whether *by* sees addresses as they are: only who may also write them."""
    return by.reaches(Scope.RECIPIENTS_WRITE)


def show_address(
    book: AddressBook, by: Principal, one: Recipient, address: Address
) -> AddressAnswer:
    """Return what *by* may see of an address."""
    value = book.open(one, address)
    return AddressAnswer(
        number=address.number,
        channel=address.channel,
        address=value if sees_addresses(by) else mask(address.channel, value),
        provider=address.provider,
        app=address.app,
        has_secret=address.sealed_secret is not None,
        verified_at=shown_time(address.verified_ms),
        timezone=address.timezone,
        dead_at=shown_time(address.dead_ms),
        failing_since=shown_time(address.failing_ms),
        disabled_at=shown_time(address.disabled_ms),
    )


def _number(call: Call) -> int:
    text = call.path["number"]
    if not (text.isascii() and text.isdecimal() and len(text) <= 5):
        raise NotFound("there is no such address")
    return int(text)
