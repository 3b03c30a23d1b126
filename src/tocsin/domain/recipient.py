"""A recipient: a person or system, by the customer's id, as one versioned document."""

from __future__ import annotations

from typing import Final

import msgspec

from tocsin.domain.preferences import Consent, Preferences


class Address(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    One place where a recipient can be reached on one channel.

    The value itself is *sealed* (encrypted with a key from outside the store). ``digest`` is a
    keyed hash of the normalised value: it finds equal addresses, for suppression and health,
    without opening one.
    """

    number: int
    """1 to 65,535, the recipient's own count, never used again."""
    channel: str
    sealed: bytes = msgspec.field()
    digest: bytes = msgspec.field()
    provider: str | None = None
    app: str | None = None
    sealed_secret: bytes | None = None
    verified_ms: int | None = None
    timezone: str | None = None
    dead_ms: int | None = None
    """When a provider said that nobody is there any more."""
    needs_verification: bool = False
    registered_ms: int = 0
    """When it was registered, or again after it had died; 0 where nobody noted it."""
    failing_ms: int | None = None
    """Since when every call of this endpoint has failed."""
    disabled_ms: int | None = None
    """When it had failed for so long that it is not called any more."""

    def __repr__(self) -> str:
        return f"Address({self.number}, {self.channel})"


class Recipient(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    One version of one recipient: what decide looks at and what ``explain`` looks up again.

    ``number`` is dense, for bitmaps, and never used again after erasure. ``attributes`` is the
    JSON text as the customer sent it: nothing reads it until a template or a rule asks.
    """

    number: int
    id: str
    version: int = 1
    changed_ms: int = 0
    name: str | None = None
    locale: str | None = None
    timezone: str | None = None
    attributes: bytes | None = None
    addresses: tuple[Address, ...] = ()
    preferences: Preferences | None = None
    consents: tuple[Consent, ...] = ()
    erased: bool = False
    inline_order: tuple[int, bytes] = (0, b"")
    """(accepted ms, event key) of the newest inline change, so that an older one loses."""
    addresses_made: int = 0
    """The highest number that an address of this recipient ever had."""

    def address(self, number: int) -> Address | None:
        """Return the address of that number, None where it has gone or never was."""
        return next((each for each in self.addresses if each.number == number), None)

    def __repr__(self) -> str:
        return f"Recipient({self.number}, version={self.version})"


RECIPIENT_ID_CHARACTERS_MAX: Final = 256
ADDRESSES_MAX: Final = 50
ATTRIBUTES_BYTES_MAX: Final = 16_384
