"""What goes over the socket, in both directions."""

from __future__ import annotations

from typing import Literal

import msgspec

from tocsin.app.inbox import counts_json
from tocsin.domain.ids import read_notification, show_notification
from tocsin.domain.inbox import Counts
from tocsin.domain.records import StateChange

Change = Literal["seen", "read", "unread", "archive", "unarchive", "acknowledge", "received"]
ChangeAll = Literal["seen_all", "read_all", "archive_all"]


class ClientMessage(msgspec.Struct, frozen=True):
    """
    Everything that a client may say; ``type`` tells which fields count.

    Unknown fields are ignored, so that a newer client can talk to this server.
    """

    type: Literal["auth", "resume"] | Change | ChangeAll
    token: str = ""
    cursor: str = ""
    ids: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"ClientMessage({self.type})"

    def keys(self) -> list[bytes]:
        """Return the notifications that are named; raises `tocsin.errors.RequestRefused`."""
        return [read_notification(each) for each in self.ids]


decode_message = msgspec.json.Decoder(ClientMessage).decode


def hello(cursor: str, counts: Counts) -> bytes:
    """Return the first message of the server."""
    return f'{{"type":"hello","cursor":"{cursor}","counts":{counts_json(counts)}}}'.encode()


def item(prev: str, cursor: str, body: bytes, counts: Counts) -> bytes:
    """Return the message of one new item."""
    return b'{"type":"item","prev":"%b","cursor":"%b","item":%b,"counts":%b}' % (
        prev.encode(),
        cursor.encode(),
        body,
        counts_json(counts).encode(),
    )


def state(prev: str, cursor: str, change: StateChange, until: str, counts: Counts) -> bytes:
    """
    Return the message of a change of state.

    A change of everything has no ids; *until* is the cursor up to which it holds.
    """
    ids = ",".join(f'"{show_notification(key)}"' for key in change.keys)
    every = "" if change.keys else f',"all":true,"until":"{until}"'
    return (
        f'{{"type":"state","prev":"{prev}","cursor":"{cursor}","ids":[{ids}]{every},'
        f'"state":"{change.state}","counts":{counts_json(counts)}}}'
    ).encode()


def counted(cursor: str, counts: Counts) -> bytes:
    """Return the message of counts alone: something has expired, or nothing was missed."""
    return (
        f'{{"type":"counts","prev":"{cursor}","cursor":"{cursor}","counts":{counts_json(counts)}}}'
    ).encode()


RESYNC = b'{"type":"resync"}'


def refusal(code: str, detail: str) -> bytes:
    """Return the message that says what was wrong with the client's last one."""
    return msgspec.json.encode({"type": "error", "code": code, "detail": detail})
