"""What a golden file holds, and what the shape of a record is."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, Final, get_args, get_type_hints

import msgspec

from tocsin.domain.reasons import Outcome, Reason, Verdict
from tocsin.domain.records import Record

FOLDER: Final = Path(__file__).with_name("records")
CODES_FILE: Final = Path(__file__).with_name("codes.json")
CODES: Final[tuple[type[Enum], ...]] = (Outcome, Reason, Verdict)
"""Closed lists whose values lie in records."""
KINDS: Final[tuple[type[msgspec.Struct], ...]] = get_args(Record)
"""Every kind of record that lies on a log."""

Shape = dict[str, list[str]]
"""Name of a type -> its fields in order, as ``name: type``."""


class Golden(msgspec.Struct, frozen=True, kw_only=True):
    """
    Records of one kind and shape, with their bytes as they were written.

    ``values`` are the fields by name, so that what was read then can be compared with what is read
    now, whatever has been added since.
    """

    kind: str
    shape: Shape
    bytes: list[str]
    """In hexadecimal."""
    values: list[dict[str, Any]]


def tag(kind: type[msgspec.Struct]) -> str:
    """The name of a kind on the log."""
    found = kind.__struct_config__.tag
    assert isinstance(found, str)
    return found


def shape(kind: type[msgspec.Struct]) -> Shape:
    """The fields of *kind* and of every type of ours within it."""
    found: Shape = {}
    _gather(kind, found)
    return found


def _gather(kind: type[msgspec.Struct], found: Shape) -> None:
    if kind.__name__ in found:
        return
    written = inspect.get_annotations(kind)
    names = [field.name for field in msgspec.structs.fields(kind)]
    found[kind.__name__] = [f"{name}: {written[name]}" for name in names]
    hints = get_type_hints(kind)
    for name in names:
        for inner in _own_types(hints[name]):
            _gather(inner, found)


def _own_types(hint: Any) -> Iterator[type[msgspec.Struct]]:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        yield hint
    for argument in get_args(hint):
        yield from _own_types(argument)


def named(value: object) -> Any:
    """*value* as plain JSON: records by the names of their fields, bytes in hexadecimal."""
    if isinstance(value, msgspec.Struct):
        return {name: named(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {str(key): named(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [named(each) for each in value]
    return value


def files(kind: type[msgspec.Struct]) -> list[Path]:
    """The golden files of *kind*, the oldest first."""
    return sorted(FOLDER.glob(f"{tag(kind)}.*.json"))


def load(path: Path) -> Golden:
    """Read a golden file."""
    return msgspec.json.decode(path.read_bytes(), type=Golden)


def codes() -> dict[str, list[str]]:
    """The values of the closed lists, as they are now."""
    return {kind.__name__: sorted(str(each.value) for each in kind) for kind in CODES}
