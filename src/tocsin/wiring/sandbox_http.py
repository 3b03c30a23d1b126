"""The routes of a sandbox: its clock, its vendors, and the page that shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from tocsin.api.endpoint import Endpoint
from tocsin.api.sandbox_clock import SandboxClockRoutes
from tocsin.api.sandbox_page import SandboxPageRoutes
from tocsin.api.sandbox_page.letters import LetterAddresses
from tocsin.api.sandbox_vendors import SandboxVendorRoutes
from tocsin.ports.state import Recipients
from tocsin.wiring.sandbox import build_clock_desk
from tocsin.wiring.services import Services

_SECRET_BYTES: Final = 32


class Known:
    """Fills `tocsin.api.sandbox_vendors.People` from the recipients."""

    def __init__(self, recipients: Recipients) -> None:
        self._recipients = recipients

    async def number_of(self, id: str) -> int | None:
        """Find one."""
        found = (await self._recipients.by_id([id])).get(id)
        return None if found is None else found.number

    async def ids_of(self, numbers: Sequence[int]) -> Mapping[int, str]:
        """Find those that are there."""
        found = await self._recipients.by_number(numbers)
        return {number: each.id for number, each in found.items()}


def sandbox_endpoints(services: Services) -> tuple[Endpoint, ...]:
    """Return them; on a real server they say that it is none."""
    vendors, people = services.vendors, Known(services.stores.recipients)
    secret = services.chance.bytes(_SECRET_BYTES)
    letters = LetterAddresses(secret, lambda: services.wall_ms() / 1_000)
    return (
        *SandboxClockRoutes(build_clock_desk(services)).endpoints(),
        *SandboxVendorRoutes(vendors, people, letters.url_of).endpoints(),
        *SandboxPageRoutes(vendors, letters).endpoints(),
    )
