"""Things that only make work quicker or wake someone: losing them costs speed, never a message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from tocsin.ports.log import Batch


class Presence(Protocol):
    """Who has a socket open, and where. May be empty at any time."""

    def arrived(self, recipient: int, node: str) -> None:
        """Note a first socket."""

    def left(self, recipient: int, node: str) -> None:
        """Note that the last socket is gone."""

    def online(self, recipient: int) -> bool:
        """Return whether a socket is known to be open."""


class Feed(Protocol):
    """
    Carries durable inbox records to the gateways. May lose some: a gateway compares with the store.

    Published batches arrive in the order in which they were published.
    """

    def publish(self, batches: Sequence[Batch]) -> None:
        """Hand *batches* of ``inbox.*`` to every gateway."""

    def subscribe(self, receive: Callable[[Sequence[Batch]], None]) -> Callable[[], None]:
        """Call *receive* with what is published from now on; returns how to stop."""


class Limiter(Protocol):
    """Token buckets. Without the shared cache each process keeps its share."""

    def take(self, bucket: str, tokens: int, *, rate_per_s: float, burst: int) -> float:
        """Return 0.0 and take, or the seconds until *tokens* are there."""


class Blobs(Protocol):
    """
    Immutable byte strings by name: large payloads, snapshots.

    *Durable* when `put` has returned (file and folder fsynced). Writing the same name twice with
    the same bytes changes nothing.
    """

    async def put(self, name: str, body: bytes) -> None:
        """Store."""

    async def get(self, name: str) -> bytes:
        """Return the bytes; raises `tocsin.errors.NotFound`."""

    async def names(self, folder: str) -> Sequence[str]:
        """
        Return the names of what lies in *folder*, in their order; nothing of folders below it.

        A name's folder is what stands before its last slash. Some may be removed meanwhile.
        """

    async def delete(self, names: Sequence[str]) -> None:
        """Remove those that exist."""


class OptOutJournal(Protocol):
    """
    A journal of opt-outs outside the database, so that a restored backup cannot send to someone
    who left meanwhile. Durable when `add` has returned; read whole at start.
    """

    async def add(self, entries: Sequence[bytes]) -> None:
        """Append and fsync."""

    async def replay(self, apply: Callable[[Sequence[bytes]], Awaitable[None]]) -> int:
        """Call *apply* with every entry, in slices; returns how many."""

    async def rewrite(self, change: Callable[[bytes], bytes | None]) -> int:
        """
        Put what *change* returns in the place of each entry, nothing for None.

        Returns how many are others now, or gone.

        Killed meanwhile, it is what it was before. What is added meanwhile waits.
        """


class Sealer(Protocol):
    """Encryption at rest (AES-256-GCM) with a key from outside the store, by key id."""

    def seal(self, value: str, *, place: str) -> bytes:
        """Encrypt; *place* is bound to the result, so that it cannot be moved elsewhere."""

    def open(self, sealed: bytes, *, place: str) -> str:
        """Decrypt; raises `tocsin.errors.Unavailable` when the key is not there."""

    def newest(self, sealed: bytes) -> bool:
        """Return whether the key that seals now has sealed this."""

    def digest(self, value: str, *, place: str) -> bytes:
        """Return 16 bytes, a keyed hash for finding equal values."""


class Prover(Protocol):
    """Signs what this installation says, so that others can check it."""

    public_key: bytes
    """32 bytes of Ed25519 (RFC 8032)."""

    def sign(self, text: bytes) -> bytes:
        """Return 64 bytes."""
