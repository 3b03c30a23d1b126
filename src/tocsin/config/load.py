"""Where values come from: defaults, one file, the environment, flags; each beats those before."""

from __future__ import annotations

import ipaddress
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from tocsin.config.raw import RawTable
from tocsin.config.settings import (
    ENV_PREFIX,
    RAW_TABLES,
    Setting,
    read_value,
    sections,
    settings,
)
from tocsin.config.tables import Config
from tocsin.domain.instants import parse_begin
from tocsin.domain.names import nearest
from tocsin.errors import TocsinError

CLIENT_VARIABLES: Final = frozenset({"TOCSIN_CONFIG", "TOCSIN_KEY", "TOCSIN_URL"})
"""Read by commands, not by the server: which file, and which server with which key."""

DEFAULT: Final = "default"
"""The origin of what nobody has set."""


class Misconfigured(TocsinError):
    """The configuration cannot be used; every problem is named, each in one line."""

    code = "misconfigured"
    title = "The configuration cannot be used"

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class Loaded(NamedTuple):
    """The configuration, and for each setting by name where its value came from."""

    config: Config
    origins: dict[str, str]

    def changed(self, name: str) -> bool:
        """Whether someone set *name*, be it to its default."""
        return self.origins[name] != DEFAULT


class _Given(NamedTuple):
    """A value on its way in: ``said`` is how its author wrote the name."""

    name: str
    raw: object
    said: str
    origin: str


def load(
    path: Path | None, env: Mapping[str, str], flags: Mapping[str, object] | None = None
) -> Loaded:
    """
    Read the configuration from the file at *path*, if any, from *env* and from *flags*.

    *flags* maps names of settings to values; None means that the flag was not given.

    Raises:
        Misconfigured: with all that is wrong at once: unknown keys with a suggestion, values
            out of bounds, settings that contradict one another. No message holds a secret.

    """
    problems: list[str] = []
    values: dict[str, object] = {}
    origins = dict.fromkeys(settings(), DEFAULT)
    raw: dict[str, list[_Given]] = {table: [] for table in RAW_TABLES}
    for given in (*_file(path), *_environment(env), *_flags(flags or {})):
        table = given.name.partition(".")[0]
        if table in RAW_TABLES:
            raw[table].append(given)
            continue
        setting = settings().get(given.name)
        if setting is None:
            problems.append(_unknown(given))
            continue
        try:
            values[given.name] = read_value(setting, given.raw)
            origins[given.name] = given.origin
        except ValueError as refused:
            problems.append(f"{given.said} ({given.origin}) {refused}")
    unread = {table: _raw_tables(some, problems) for table, some in raw.items()}
    if problems:
        raise Misconfigured(problems)
    config = msgspec.structs.replace(_build(values), **unread)
    if contradictions := list(_contradictions(config)):
        raise Misconfigured(contradictions)
    return Loaded(config, origins)


def value_of(config: Config, setting: Setting) -> Any:
    """The value of *setting* in *config*."""
    table = getattr(config, setting.table) if setting.table else config
    return getattr(table, setting.attribute)


def _build(values: Mapping[str, object]) -> Config:
    first, *tables = sections()
    parts: dict[str, Any] = {}
    for section in tables:
        parts[section.table] = section.struct(**_of_section(section.settings, values))
    return Config(**_of_section(first.settings, values), **parts)


def _of_section(found: Iterable[Setting], values: Mapping[str, object]) -> dict[str, Any]:
    return {s.attribute: values[s.name] for s in found if s.name in values}


def _file(path: Path | None) -> Iterator[_Given]:
    if path is None:
        return
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except OSError as failed:
        raise Misconfigured([f"{path} cannot be read: {failed.strerror}"]) from failed
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as failed:
        raise Misconfigured([f"{path} is not TOML: {failed}"]) from failed
    origin = f"file {path}"
    for key, value in document.items():
        if isinstance(value, dict) and value:
            for inner, inner_value in value.items():
                yield _Given(f"{key}.{inner}", inner_value, f"{key}.{inner}", origin)
        elif not isinstance(value, dict) or key not in _tables():
            yield _Given(key, value, key, origin)


def _raw_tables(given: Iterable[_Given], problems: list[str]) -> dict[str, RawTable]:
    """Gather ``providers.<name>.<key>``, in the order in which the names were first said."""
    values: dict[str, dict[str, object]] = {}
    origins: dict[str, dict[str, str]] = {}
    for each in given:
        table, name, key, *rest = [*each.name.split("."), "", ""]
        inner = {key: each.raw} if key and not any(rest) else each.raw
        if not name or not isinstance(inner, dict):
            problems.append(f"{each.said} ({each.origin}) must be a table: [{table}.<name>]")
            continue
        values.setdefault(name, {}).update(inner)
        origins.setdefault(name, {}).update(dict.fromkeys(inner, each.origin))
    return {name: RawTable(name, values[name], origins[name]) for name in values}


def _environment(env: Mapping[str, str]) -> Iterator[_Given]:
    by_variable = {setting.variable: setting.name for setting in settings().values()}
    for variable, text in sorted(env.items()):
        if variable.startswith(ENV_PREFIX) and variable not in CLIENT_VARIABLES:
            name = by_variable.get(variable, variable)
            path = variable.removeprefix(ENV_PREFIX).lower().split("__")
            if path[0] in RAW_TABLES:
                name = ".".join(path)
            yield _Given(name, text, variable, "environment")


def _flags(flags: Mapping[str, object]) -> Iterator[_Given]:
    for name, raw in flags.items():
        if raw is not None:
            yield _Given(name, raw, name, "flag")


def _unknown(given: _Given) -> str:
    if given.origin == "environment":
        known = [setting.variable for setting in settings().values()]
    else:
        known = [*settings(), *_tables()]
    close = nearest(given.said, known)
    hint = f"did you mean {close}?" if close else "`tocsin config doc` lists what there is"
    return f"{given.said} ({given.origin}) is not a setting; {hint}"


def _tables() -> list[str]:
    return [section.table for section in sections() if section.table]


def _contradictions(config: Config) -> Iterator[str]:
    if config.http.event_bytes_max > config.http.request_bytes_max:
        yield "http.event_bytes_max is above http.request_bytes_max, so no request could hold it"
    if config.accept.events_burst < config.accept.events_per_second:
        yield "accept.events_burst is below accept.events_per_second, which could not be reached"
    if config.keys.encryption_key is not None and config.keys.encryption_key_file is not None:
        yield "keys.encryption_key and keys.encryption_key_file are both set; keep one"
    yield from _of_sandbox(config)
    for network in config.http.trusted_proxies:
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            yield f"http.trusted_proxies: {network!r} is neither an address nor a network"


def _of_sandbox(config: Config) -> Iterator[str]:
    sandbox = config.sandbox
    if sandbox.clock is not None:
        if config.mode == "real":
            yield "sandbox.clock is set, but the mode is real: only a sandbox's clock can be"
        try:
            parse_begin(sandbox.clock)
        except ValueError as refused:
            yield f"sandbox.clock: {refused}"
    if sandbox.folder is not None and config.mode == "real":
        yield "sandbox.folder is set, but the mode is real: only a sandbox plays its vendors"
