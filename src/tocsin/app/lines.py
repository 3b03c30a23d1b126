"""Cutting a stream of bytes into lines and CSV records, in bounded memory."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Sequence
from typing import Final, NamedTuple

from tocsin.errors import Malformed

LINE_BYTES_MAX: Final = 262_144


class Line(NamedTuple):
    """One line with its number, from 1; ``body`` is None when it is too long to be kept."""

    number: int
    body: bytes | None


async def lines_of(chunks: AsyncIterator[bytes]) -> AsyncIterator[Sequence[Line]]:
    """Yield the lines of *chunks* without their ends, in slices; one may lack its newline."""
    rest = b""
    number = 1
    too_long = False
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        found = []
        for body in whole:
            cut = too_long or len(body) > LINE_BYTES_MAX
            found.append(Line(number, None if cut else body.removesuffix(b"\r")))
            number += 1
            too_long = False
        if len(rest) > LINE_BYTES_MAX:
            too_long, rest = True, b""
        if found:
            yield found
    if rest or too_long:
        yield [Line(number, None if too_long else rest.removesuffix(b"\r"))]


async def records_of(
    chunks: AsyncIterator[bytes],
) -> AsyncIterator[Sequence[tuple[int, list[str] | None]]]:
    """
    Yield CSV records (RFC 4180) with the number of the line on which each begins.

    A quoted field may hold newlines, so lines are joined until the quotes are even. None stands
    for what is too long or no CSV.
    """
    held: list[bytes] = []
    began = 1
    quotes = 0
    async for slice_ in lines_of(chunks):
        found: list[tuple[int, list[str] | None]] = []
        for number, body in slice_:
            if not held:
                began = number
            if body is None or sum(map(len, held)) + len(body) > LINE_BYTES_MAX:
                found.append((began, None))
                held, quotes = [], 0
                continue
            held.append(body)
            quotes += body.count(b'"')
            if quotes % 2 == 0:
                found.append((began, _fields(b"\n".join(held))))
                held, quotes = [], 0
        yield found
    if held:
        raise Malformed(f"the quotes of the record that begins on line {began} are never closed")


def _fields(record: bytes) -> list[str] | None:
    try:
        rows = list(csv.reader([record.decode("utf-8-sig")], strict=True))
    except (csv.Error, UnicodeDecodeError):
        return None
    return rows[0] if rows else []
