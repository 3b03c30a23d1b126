"""Reading a table by the type that its owner brings, with the checks of every other setting."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from tocsin.config.load import DEFAULT, Misconfigured
from tocsin.config.raw import RawTable
from tocsin.config.settings import Section, as_toml, read_value, section_of
from tocsin.domain.names import nearest

T = TypeVar("T", bound=msgspec.Struct)


def decode_table(table: RawTable, prefix: str, kind: type[T]) -> T:
    """
    Return *table*, which stands under *prefix*, as *kind*.

    Raises:
        Misconfigured: with all that is wrong at once; no message holds a value.

    """
    section = section_of(f"{prefix}.{table.name}", kind)
    values, problems = _read(section, table)
    said = {key for key, _, _ in table.items()}
    problems += [
        f"{setting.name} is not set, and has no default; the environment says it as {setting.variable}"
        for setting in section.settings
        if setting.required and setting.key not in said
    ]
    if problems:
        raise Misconfigured(problems)
    return kind(**values)


def check_said(table: RawTable, prefix: str, kind: type[T]) -> None:
    """
    Raise `Misconfigured` with all that is wrong in what *table* says; what it leaves out is not.

    So much is asked of a table whose rest somebody else brings, as a sandbox does.
    """
    _, problems = _read(section_of(f"{prefix}.{table.name}", kind), table)
    if problems:
        raise Misconfigured(problems)


def _read(section: Section, table: RawTable) -> tuple[dict[str, Any], list[str]]:
    known = {setting.key: setting for setting in section.settings}
    values: dict[str, Any] = {}
    problems: list[str] = []
    for key, raw, origin in table.items():
        said = f"{section.table}.{key} ({origin})"
        setting = known.get(key)
        if setting is None:
            close = nearest(key, known)
            hint = f"did you mean {close}?" if close else f"it takes {', '.join(known)}"
            problems.append(f"{said} is not a setting; {hint}")
            continue
        try:
            values[setting.attribute] = read_value(setting, raw)
        except ValueError as refused:
            problems.append(f"{said} {refused}")
    return values, problems


def show_table(table: RawTable, prefix: str, kind: type[T]) -> list[tuple[str, str | None, str]]:
    """
    Return (name, value as the file could say it, origin) of each setting of *table*.

    Secrets are hidden, and what has no value is shown without. Raises `Misconfigured` as
    `check_said` does.
    """
    section = section_of(f"{prefix}.{table.name}", kind)
    values, problems = _read(section, table)
    if problems:
        raise Misconfigured(problems)
    defaults = {
        each.attribute: None if each.required else each.default for each in section.settings
    }
    found = {**defaults, **values}
    origins = {key: origin for key, _, origin in table.items()}
    return [
        (each.name, as_toml(each, found[each.attribute]), origins.get(each.key, DEFAULT))
        for each in section.settings
    ]
