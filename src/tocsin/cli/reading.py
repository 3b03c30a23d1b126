"""Reading what commands are given: JSON texts, and files of JSON or TOML."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

import click
import msgspec


def json_value(ctx: click.Context, param: click.Parameter, text: str | None) -> Any:
    """Decode an option's JSON, ``@FILE`` or ``-`` for standard input; a click callback."""
    if text is None:
        return None
    try:
        return msgspec.json.decode(_text(text))
    except msgspec.DecodeError as wrong:
        raise click.BadParameter(f"is not JSON: {wrong}", ctx, param) from None
    except OSError as wrong:
        raise click.BadParameter(f"cannot be read: {wrong.strerror}", ctx, param) from None


def document_file(path: Path) -> Any:
    """Return the document in a TOML or JSON file, by its name's end."""
    body = path.read_bytes()
    try:
        if path.suffix == ".toml":
            return tomllib.loads(body.decode())
        return msgspec.json.decode(body)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.DecodeError) as wrong:
        raise click.UsageError(f"{path} cannot be read: {wrong}") from None


def recipient_terms(named: tuple[str, ...]) -> list[Any]:
    """Return the terms of a call: ids as they are, and what begins with ``{`` as JSON."""
    terms: list[Any] = []
    for text in named:
        if not text.startswith("{"):
            terms.append(text)
            continue
        try:
            terms.append(msgspec.json.decode(text))
        except msgspec.DecodeError as wrong:
            raise click.UsageError(f"{text!r} is not JSON: {wrong}") from None
    return terms


def _text(text: str) -> bytes:
    if text == "-":
        return sys.stdin.buffer.read()
    return Path(text[1:]).read_bytes() if text.startswith("@") else text.encode()
