"""
Forgetting somebody: what is left of a record when nothing in it is about her any more.

Keys, places, times and dense numbers stay, so that the ledger still adds up. What others share
stays, too: an event for several people keeps its data as long as the others may ask about it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from tocsin.domain.channels import CHANNEL_FIELDS
from tocsin.domain.recipient import Recipient
from tocsin.domain.records import Event, Item, Plan, PlannedRun, StateChange

_NOTHING: Final = b"{}"
_PREFIX: Final = "erased-"

ERASED: Final = "erased recipient"
"""The place for which ids are hashed and sealed."""

_json = msgspec.json.Decoder()


def alias(digest: bytes) -> str:
    """Return what the names of erased recipients begin with whose id has this keyed hash."""
    return f"{_PREFIX}{digest.hex()}-"


def erased(before: Recipient, digest: bytes, now_ms: int) -> Recipient:
    """Return the version that takes the place of *before*: a number, and a hash of the id."""
    return Recipient(
        number=before.number,
        id=f"{alias(digest)}{before.number}",
        version=before.version + 1,
        changed_ms=now_ms,
        erased=True,
        addresses_made=before.addresses_made,
    )


def bare_event(event: Event, id: str, name: str, *, alone: bool) -> Event:
    """
    Return *event* without the recipient *id*, who is called *name* from now on.

    *alone* says that nobody else was told of it: then nothing of its content is left.
    """
    event = msgspec.structs.replace(
        event,
        audience=_without(event.audience, id, name),
        exclude=_without(event.exclude, id, name),
        subject=None if event.subject == id else event.subject,
        actor=None if event.actor == id else event.actor,
    )
    if not alone:
        return event
    return msgspec.structs.replace(
        event,
        data=_NOTHING,
        data_ref=None,
        subject=None,
        actor=None,
        content=None if event.content is None else _emptied(event.content),
    )


def bare_plan(plan: Plan, number: int, name: str) -> Plan:
    """Return *plan* with *name* in place of the recipient's id, and no text made for her alone."""
    return msgspec.structs.replace(
        plan, runs=tuple(_bare_run(run, number, name) for run in plan.runs)
    )


def bare_item(item: Item, name: str) -> Item:
    """Return *item* without its text."""
    return msgspec.structs.replace(item, recipient_id=name, body=_NOTHING)


def bare_change(change: StateChange, name: str) -> StateChange:
    """Return *change* without the id."""
    return msgspec.structs.replace(change, recipient_id=name)


def told(plans: Sequence[Plan]) -> set[int]:
    """Return the numbers of everybody whom *plans* name."""
    return {note.recipient for plan in plans for run in plan.runs for note in run.notifications}


def _bare_run(run: PlannedRun, number: int, name: str) -> PlannedRun:
    others = {
        decision.content
        for note in run.notifications
        if note.recipient != number
        for decision in note.decisions
    }
    notes = tuple(
        msgspec.structs.replace(note, recipient_id=name) if note.recipient == number else note
        for note in run.notifications
    )
    contents = tuple(
        text if place in others else b',"title":""}' for place, text in enumerate(run.contents)
    )
    return msgspec.structs.replace(run, notifications=notes, contents=contents)


def _without(terms: bytes | None, id: str, name: str) -> bytes | None:
    """Rename a person among the JSON terms of a call, and drop what the call said about her."""
    if terms is None or (id.encode() not in terms and b"\\" not in terms):
        return terms
    found = _json.decode(terms)
    listed = found if isinstance(found, list) else [found]
    bare = [_renamed(term, id, name) for term in listed]
    return msgspec.json.encode(bare if isinstance(found, list) else bare[0])


def _renamed(term: Any, id: str, name: str) -> Any:
    if term == id:
        return name
    if isinstance(term, Mapping) and term.get("id") == id and "collection" not in term:
        return {"id": name}
    return term


def _emptied(content: bytes) -> bytes:
    """Keep the shape of a document that was sent by hand: it is compiled when explained."""
    return msgspec.json.encode(_blank(_json.decode(content)))


_TEXTS: Final = frozenset({"label"}.union(*CHANNEL_FIELDS.values()))
"""Where a document says something in words: the fields of its steps, and what buttons are called."""

_GONE: Final = "(erased)"
"""Not nothing: a document with an empty text cannot be read."""


def _blank(value: Any) -> Any:
    if isinstance(value, list):
        return [_blank(each) for each in value]
    if isinstance(value, dict):
        return {
            key: _GONE if key in _TEXTS and isinstance(each, str) else _blank(each)
            for key, each in value.items()
        }
    return value
