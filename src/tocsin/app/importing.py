"""
Import of recipients by stream: any number of lines, in memory that does not grow.

A line is like a PATCH that may create: what it does not hold is left alone. A bad line harms no
other, and sending the same file again changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import msgspec
from msgspec import UNSET, Raw, UnsetType
from msgspec.structs import replace

from tocsin.app.addresses import AddressBook
from tocsin.app.callers import Principal
from tocsin.app.lines import LINE_BYTES_MAX, lines_of, records_of
from tocsin.app.misreadings import field_problem
from tocsin.app.optouts import OptOuts
from tocsin.app.profile import (
    AddressInput,
    ProfileInput,
    check_id,
    new_recipient,
    with_address,
    with_profile,
)
from tocsin.app.trail import Notes
from tocsin.app.versions import at_last, put_unless_late
from tocsin.domain.json_check import UNREADABLE
from tocsin.domain.preferences_read import merge_preferences
from tocsin.domain.recipient import Recipient
from tocsin.errors import Conflict, FieldProblem, Malformed, RequestRefused
from tocsin.ports.state import Recipients
from tocsin.ports.system import Clock

T = TypeVar("T")

BATCH_ROWS: Final = 2_000
PROBLEMS_MAX: Final = 1_000
_SLICE_ROWS: Final = 50
_TEXT_COLUMNS: Final = ("id", "name", "email", "phone", "locale", "timezone")
_JSON_COLUMNS: Final = ("attributes", "preferences", "addresses")
_json: Final = msgspec.json.Decoder(Raw).decode
"""Also looks whether a field is one value of JSON and no more: it becomes a part of its line."""


class ImportRow(ProfileInput, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of an import."""

    id: str
    preferences: dict[str, Any] | UnsetType = UNSET
    addresses: list[AddressInput] | UnsetType = UNSET

    def __repr__(self) -> str:
        return "ImportRow(…)"


class LineProblem(msgspec.Struct, frozen=True):
    """What is wrong with one line."""

    line: int
    pointer: str
    code: str
    detail: str


class ImportResult(msgspec.Struct, kw_only=True):
    """What an import came to; ``problems`` holds the first 1,000."""

    read: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    failed: int = 0
    problems: list[LineProblem] = []

    def refuse(self, line: int, problem: FieldProblem) -> None:
        """Count a line as failed and note why, as long as there is room."""
        self.failed += 1
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(LineProblem(line, problem.pointer, problem.code, problem.detail))

    def add(self, other: ImportResult) -> None:
        """Add the counts and problems of one batch."""
        self.created += other.created
        self.updated += other.updated
        self.unchanged += other.unchanged
        self.failed += other.failed
        room = PROBLEMS_MAX - len(self.problems)
        self.problems.extend(other.problems[:room])


Row = tuple[int, ImportRow]
Read = tuple[int, ImportRow | FieldProblem]
"""A line by its number, read, or what is wrong with it."""


class Importing:
    """Reads lines, and writes recipients in batches of at most `BATCH_ROWS`."""

    def __init__(
        self,
        recipients: Recipients,
        optouts: OptOuts,
        notes: Notes,
        book: AddressBook,
        clock: Clock,
    ) -> None:
        self._recipients = recipients
        self._optouts = optouts
        self._notes = notes
        self._book = book
        self._clock = clock

    async def from_ndjson(self, by: Principal, chunks: AsyncIterator[bytes]) -> ImportResult:
        """Import one JSON object a line; empty lines are passed over."""
        return await self._import(by, _lines(chunks))

    async def from_csv(self, by: Principal, chunks: AsyncIterator[bytes]) -> ImportResult:
        """Import CSV with a head line; an empty field is an absent one."""
        return await self._import(by, _records(chunks))

    async def _import(self, by: Principal, read: AsyncIterator[Read]) -> ImportResult:
        result = ImportResult()
        rows: list[Row] = []
        async for number, row in read:
            result.read += 1
            if isinstance(row, FieldProblem):
                result.refuse(number, row)
            else:
                rows.append((number, row))
            if len(rows) >= BATCH_ROWS:
                await self._store(rows, result)
                rows = []
        if rows:
            await self._store(rows, result)
        # One wait for all batches: what is answered is durable, and batches follow each other
        # without waiting for the disk.
        await self._recipients.durable()
        counts = f"created {result.created}, updated {result.updated}, failed {result.failed}"
        await self._notes.add(by, "recipient.import", "recipients", counts)
        return result

    async def _store(self, rows: Sequence[Row], result: ImportResult) -> None:
        async def attempt() -> ImportResult | None:
            batch = ImportResult()
            before = await self._recipients.by_id(list({row.id for _, row in rows}))
            after = await self._applied(before, rows, batch)
            now_ms = self._clock.now_ms()
            made = [
                replace(one, version=one.version + 1, changed_ms=now_ms)
                for id, one in after.items()
                if one is not before.get(id)
            ]
            await self._optouts.note((before.get(one.id), one) for one in made)
            stored = await put_unless_late(self._recipients, made)
            return None if stored is None else batch

        result.add(await at_last(attempt))

    async def _applied(
        self, before: Mapping[str, Recipient], rows: Sequence[Row], batch: ImportResult
    ) -> dict[str, Recipient]:
        after: dict[str, Recipient] = {}
        for start in range(0, len(rows), _SLICE_ROWS):
            for line, row in rows[start : start + _SLICE_ROWS]:
                stored = after.get(row.id) or before.get(row.id)
                try:
                    one = self._apply(stored, row)
                except RequestRefused as refused:
                    batch.refuse(line, _first_problem(refused))
                    continue
                _count(batch, stored, one)
                after[row.id] = one
            # Slices are short, so that requests that arrive meanwhile need not wait for a batch.
            await asyncio.sleep(0)
        return after

    def _apply(self, stored: Recipient | None, row: ImportRow) -> Recipient:
        if stored is None:
            stored = new_recipient(check_id(row.id))
        elif stored.erased:
            raise Conflict("this recipient was erased and is not created again", code="erased")
        after = with_profile(stored, row, self._book)
        if row.preferences is not UNSET:
            chosen = _below(
                "/preferences", lambda: merge_preferences(after.preferences, row.preferences)
            )
            after = replace(after, preferences=chosen)
        for index, given in enumerate(row.addresses or ()):
            add = partial(with_address, after, given, self._book)
            after, _ = _below(f"/addresses/{index}", add)
        return stored if stored.number and after == stored else after


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[Read]:
    decoder = msgspec.json.Decoder(ImportRow)
    async for lines in lines_of(chunks):
        for number, body in lines:
            if body is None or (body and not body.isspace()):
                yield number, _read_line(decoder, body)


async def _records(chunks: AsyncIterator[bytes]) -> AsyncIterator[Read]:
    head: list[str] | None = None
    async for records in records_of(chunks):
        for number, record in records:
            if head is None:
                head = _check_head(record)
            elif record != []:
                yield number, _read_record(head, record)
    if head is None:
        raise Malformed("the first line must name the columns")


def _count(batch: ImportResult, stored: Recipient | None, one: Recipient) -> None:
    if stored is None:
        batch.created += 1
    elif one is stored:
        batch.unchanged += 1
    else:
        batch.updated += 1


def _read_line(
    decoder: msgspec.json.Decoder[ImportRow], body: bytes | None
) -> ImportRow | FieldProblem:
    if body is None:
        return _TOO_LONG
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        return field_problem(str(error), ImportRow)
    except UNREADABLE:
        return FieldProblem("", "malformed", "is not a JSON object in UTF-8")


def _check_head(record: list[str] | None) -> list[str]:
    columns = [name.strip() for name in record or ()]
    known = (*_TEXT_COLUMNS, *_JSON_COLUMNS)
    unknown = [name for name in columns if name not in known]
    if unknown or "id" not in columns or len(set(columns)) < len(columns):
        raise RequestRefused(
            f"the first line names the columns, each once, id among them; known are {', '.join(known)}",
            code="unknown_column",
        )
    return columns


def _read_record(head: Sequence[str], record: list[str] | None) -> ImportRow | FieldProblem:
    if record is None:
        return _TOO_LONG
    if len(record) != len(head):
        detail = f"has {len(record)} fields, and the first line names {len(head)}"
        return FieldProblem("", "malformed", detail)
    values: dict[str, Any] = {}
    for name, text in zip(head, record, strict=True):
        if not text:
            continue
        try:
            values[name] = text if name in _TEXT_COLUMNS else _json(text)
        except UNREADABLE:
            return FieldProblem(f"/{name}", "malformed", "is not JSON")
    return _read_line(msgspec.json.Decoder(ImportRow), msgspec.json.encode(values))


def _first_problem(refused: RequestRefused) -> FieldProblem:
    if refused.errors:
        return refused.errors[0]
    return FieldProblem("", refused.code, refused.detail)


def _below(pointer: str, change: Callable[[], T]) -> T:
    """Run *change*, and move what it refuses below *pointer*."""
    try:
        return change()
    except RequestRefused as refused:
        problem = _first_problem(refused)
        moved = FieldProblem(pointer + problem.pointer, problem.code, problem.detail)
        raise RequestRefused(refused.detail, errors=(moved,)) from None


_TOO_LONG: Final = FieldProblem(
    "", "malformed", f"is no record of at most {LINE_BYTES_MAX} bytes in UTF-8"
)
