"""What Discord tells: interactions, signed with Ed25519."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tocsin.channels.chat.discord.embeds import ACKNOWLEDGE
from tocsin.domain.json_check import UNREADABLE
from tocsin.errors import Malformed, Unauthenticated
from tocsin.ports.receipts import Callback, Receipt, ReceiptState

TOLERANCE_MS: Final = 300_000
PING: Final = 1
COMPONENT: Final = 3


class Data(msgspec.Struct):
    """What was pressed."""

    custom_id: str = ""


class User(msgspec.Struct):
    """Who pressed it."""

    id: str = ""


class Member(msgspec.Struct):
    """Who pressed it, in a server."""

    user: User = msgspec.field(default_factory=User)


class Interaction(msgspec.Struct):
    """What is read of an interaction."""

    type: int
    data: Data = msgspec.field(default_factory=Data)
    message: dict[str, Any] = {}
    member: Member = msgspec.field(default_factory=Member)

    @property
    def user_id(self) -> str:
        """Discord's number of who pressed, empty where it is none."""
        found = self.member.user.id
        return found if found.isascii() and found.isdigit() and len(found) <= 25 else ""


def verify(callback: Callback, public_key: str) -> None:
    """Check the signature; raises `Unauthenticated`."""
    stamp = callback.headers.get("x-signature-timestamp", "")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        raise Unauthenticated("there is no signature of Discord's")
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
    try:
        given = bytes.fromhex(callback.headers.get("x-signature-ed25519", ""))
        key.verify(given, stamp.encode() + callback.body)
    except (InvalidSignature, ValueError):
        raise Unauthenticated("the signature is not Discord's") from None
    if abs(int(stamp) * 1_000 - callback.received_ms) > TOLERANCE_MS:
        raise Unauthenticated("the callback is too old")


def interaction(body: bytes) -> Interaction:
    """Read an interaction; raises `Malformed`."""
    try:
        return msgspec.json.decode(body, type=Interaction)
    except UNREADABLE:
        raise Malformed("an interaction is needed") from None


def receipts(said: Interaction, received_ms: int) -> list[Receipt]:
    """Return what was acknowledged; who pressed is not kept."""
    id = said.data.custom_id
    if said.type != COMPONENT or not id.startswith(ACKNOWLEDGE):
        return []
    reference = id.removeprefix(ACKNOWLEDGE)
    return [Receipt(reference, ReceiptState.ACKNOWLEDGED, "discord_button", received_ms)]
