"""Entries of the suppression list that somebody's own word made: a complaint, or STOP."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from tocsin.app.callers import Principal
from tocsin.app.optouts import OptOuts
from tocsin.app.trail import Notes
from tocsin.ports.state import Lifted, Suppression, Suppressions
from tocsin.ports.state.suppressions import REPORTED_BY
from tocsin.ports.system import Clock


class Why(StrEnum):
    """What was said; it is the entry's reason."""

    COMPLAINT = "complaint"
    STOP = "stop"


class Block(NamedTuple):
    """An address of a channel that nothing is to be sent to any more."""

    provider: str
    channel: str
    digest: bytes
    hint: str
    why: Why
    at_ms: int
    said_in: str = ""
    """As `tocsin.ports.state.Suppression` has it."""


class AddressBlocks:
    """
    Adds and lifts them: in the journal first, then on the list, then in the trail.

    Each has an id of its own beside those that operators make, so that lifting one never lifts
    what somebody else has put there.
    """

    def __init__(
        self, suppressions: Suppressions, optouts: OptOuts, notes: Notes, clock: Clock
    ) -> None:
        self._suppressions = suppressions
        self._optouts = optouts
        self._notes = notes
        self._clock = clock

    async def add(self, blocks: Sequence[Block]) -> None:
        """Add those that are not on the list already, and were not lifted by a later word."""
        there = await self._there(blocks)
        lifted = await self._suppressions.lifted([_id(each) for each in blocks])
        new = {
            id: each
            for each in blocks
            if (id := _id(each)) not in there and not _is_over(each, lifted.get(id))
        }
        now_ms = self._clock.now_ms()
        entries = [_entry(id, each) for id, each in new.items()]
        await self._optouts.note_suppressions(entries, now_ms)
        await self._suppressions.add(entries)
        for id, each in new.items():
            await self._note(each, "add", id)

    async def lift(self, blocks: Sequence[Block]) -> None:
        """
        Take those off that are on the list and no newer than this; others stay.

        When it was said is kept, so that what was said before it and comes later changes nothing.
        """
        there = await self._there(blocks)
        over = {id: each for each in blocks if not _is_newer(there.get(id := _id(each)), each)}
        lifted = [Lifted(id, each.at_ms, _said_in(there.get(id))) for id, each in over.items()]
        await self._optouts.note_lifted(lifted)
        await self._suppressions.lift(lifted)
        for id, each in over.items():
            entry = there.get(id)
            if entry is None:
                continue
            now_ms = self._clock.now_ms()
            await self._optouts.note_suppression(entry, None, now_ms, removed=True)
            await self._note(each, "remove", id)

    async def _there(self, blocks: Sequence[Block]) -> Mapping[str, Suppression]:
        digests = list({each.digest for each in blocks})
        return {each.id: each for each in await self._suppressions.matching([], digests)}

    async def _note(self, block: Block, what: str, id: str) -> None:
        by = reporter(block.provider)
        await self._notes.add(by, f"suppression.{what}", f"suppression/{id}", block.why)


def reporter(provider: str) -> Principal:
    """Return who the trail says it was when a provider has told of somebody's wish."""
    return Principal(name=REPORTED_BY + provider, scopes=frozenset())


def _entry(id: str, block: Block) -> Suppression:
    return Suppression(
        id=id,
        recipient=None,
        channel=block.channel,
        digest=block.digest,
        reason=block.why,
        source=REPORTED_BY + block.provider,
        at_ms=block.at_ms,
        hint=block.hint,
        said_in=block.said_in,
    )


def _is_over(block: Block, lifted: Lifted | None) -> bool:
    """Return whether it was said before the word that has lifted it, or is that one's repeat."""
    if lifted is None:
        return False
    return block.at_ms < lifted.at_ms or (block.said_in != "" and block.said_in == lifted.said_in)


def _is_newer(entry: Suppression | None, block: Block) -> bool:
    return entry is not None and entry.at_ms > block.at_ms


def _said_in(entry: Suppression | None) -> str:
    return "" if entry is None else entry.said_in


def _id(block: Block) -> str:
    """The same for the same word about the same place, whichever provider it came through."""
    text = f"{block.why}/{block.channel}/".encode() + block.digest
    return "sup_" + hashlib.blake2b(text, digest_size=16).hexdigest()
