"""What the tables say about each setting, in a form that loading and the reference page share."""

from __future__ import annotations

import typing
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import msgspec
from msgspec import Struct, inspect

from tocsin.config.secret import Secret
from tocsin.config.tables import Config
from tocsin.domain.durations import format_duration, parse_duration

ENV_PREFIX: Final = "TOCSIN_"
_DURATION_ENDING: Final = "_ms"
_WORDS: Final[dict[type[inspect.Type], str]] = {
    inspect.BoolType: "true or false",
    inspect.FloatType: "a number",
    inspect.VarTupleType: "a list of texts",
    inspect.DictType: "a table of texts",
}

RAW_TABLES: Final = frozenset({"providers", "channels"})
"""Tables of tables whose settings are declared elsewhere, by whoever reads them (`decode_table`)."""


class Setting(Struct, frozen=True, kw_only=True):
    """
    One setting.

    ``table`` is empty for the settings of the whole program. ``attribute`` is the name in the
    code and ``key`` the one in the file; they differ for durations only.
    """

    table: str
    attribute: str
    key: str
    default: Any
    description: str
    annotation: Any
    type: inspect.Type

    @property
    def name(self) -> str:
        """As messages and origins name it: ``http.port``."""
        return f"{self.table}.{self.key}" if self.table else self.key

    @property
    def variable(self) -> str:
        """As the environment names it: ``TOCSIN_HTTP__PORT``."""
        return ENV_PREFIX + self.name.replace(".", "__").upper()

    @property
    def required(self) -> bool:
        return self.default is msgspec.NODEFAULT

    @property
    def is_duration(self) -> bool:
        return self.attribute != self.key

    @property
    def is_secret(self) -> bool:
        return any(getattr(kind, "cls", None) is Secret for kind in _kinds(self.type))


class Section(Struct, frozen=True, kw_only=True):
    """A table with its settings; the first section has no name and holds the program's own."""

    table: str
    struct: type[Struct]
    description: str
    settings: tuple[Setting, ...]


@cache
def sections() -> tuple[Section, ...]:
    """Every table, in the order of `Config`."""
    tables: list[tuple[str, type[Struct]]] = [("", Config)]
    tables += [
        (field.name, field.type)
        for field in msgspec.structs.fields(Config)
        if isinstance(field.type, type) and issubclass(field.type, Struct)
    ]
    return tuple(section_of(name, struct) for name, struct in tables)


@cache
def settings() -> dict[str, Setting]:
    """Every setting by its name."""
    return {setting.name: setting for section in sections() for setting in section.settings}


def section_of(table: str, struct: type[Struct]) -> Section:
    """What the fields of *struct* say about the settings of *table*."""
    annotations = typing.get_type_hints(struct, include_extras=True)
    found = [
        _setting(table, field, annotations[field.name])
        for field in msgspec.structs.fields(struct)
        if field.name not in RAW_TABLES
        and not (isinstance(field.type, type) and issubclass(field.type, Struct))
    ]
    return Section(
        table=table,
        struct=struct,
        description=" ".join((struct.__doc__ or "").split()),
        settings=tuple(found),
    )


def read_value(setting: Setting, raw: object) -> object:
    """
    The value that *raw* means for *setting*; a text may come from a variable or a flag.

    Raises:
        ValueError: what is expected, fit to be shown; it never repeats a secret.

    """
    try:
        return msgspec.convert(_plain(setting, raw), setting.annotation, dec_hook=_to_secret)
    except (ValueError, TypeError) as refused:
        raise ValueError(f"must be {expectation(setting)}") from refused


def expectation(setting: Setting) -> str:
    """What the setting takes, in words: ``a whole number from 1 to 65535``."""
    kinds = _kinds(setting.type)
    words = [_words(kind, is_duration=setting.is_duration) for kind in kinds]
    return " or ".join(words)


def as_toml(setting: Setting, value: object) -> str | None:
    """*value* as the file would hold it, secrets hidden; None when it is unset."""
    if value is None:
        return None
    if setting.is_secret:
        return '"***"'
    if setting.is_duration and isinstance(value, int):
        return f'"{format_duration(value)}"'
    if isinstance(value, dict):
        inner = (f"{_json(key)} = {_json(each)}" for key, each in value.items())
        return f"{{ {', '.join(inner)} }}" if value else "{}"
    # TOML takes JSON's numbers, strings, booleans and arrays as they are.
    return _json(value)


def _json(value: object) -> str:
    return msgspec.json.encode(value, enc_hook=_hidden).decode()


def _hidden(value: object) -> str:
    if not isinstance(value, Secret):
        raise TypeError(f"a setting cannot hold a {type(value).__name__}")
    return "***"


def _setting(table: str, field: msgspec.structs.FieldInfo, annotation: Any) -> Setting:
    kind = inspect.type_info(annotation)
    description = ""
    if isinstance(kind, inspect.Metadata):
        description = str((kind.extra_json_schema or {}).get("description", ""))
        kind = kind.type
    return Setting(
        table=table,
        attribute=field.name,
        key=field.name.removesuffix(_DURATION_ENDING),
        default=_default(field),
        description=description,
        annotation=annotation,
        type=kind,
    )


def _default(field: msgspec.structs.FieldInfo) -> object:
    factory = field.default_factory
    return field.default if factory is msgspec.NODEFAULT else factory()


def _kinds(kind: inspect.Type) -> Sequence[inspect.Type]:
    """The alternatives of a type; None is one that nobody can write in a file."""
    if isinstance(kind, inspect.UnionType):
        return [part for part in kind.types if not isinstance(part, inspect.NoneType)]
    return [kind]


def _plain(setting: Setting, raw: object) -> object:
    """Undo what a file or a variable can only say as text."""
    if setting.is_duration:
        if not isinstance(raw, str):
            raise ValueError("a duration needs its unit")
        return parse_duration(raw)
    if not isinstance(raw, str):
        return raw
    kind = _kinds(setting.type)[0]
    if isinstance(kind, inspect.IntType):
        return int(raw)
    if isinstance(kind, inspect.BoolType):
        return {"true": True, "false": False}.get(raw, raw)
    if isinstance(kind, inspect.VarTupleType):
        return [part.strip() for part in raw.split(",") if part.strip()]
    if isinstance(kind, inspect.DictType):
        return dict(_pair(part) for part in raw.split(",") if part.strip())
    return raw


def _pair(text: str) -> tuple[str, str]:
    """Read one line of a table from a variable: ``+49=TOCSIN``."""
    key, equals, value = text.partition("=")
    if not equals:
        raise ValueError("a line of a table is a key, an equals sign and a value")
    return key.strip(), value.strip()


def _to_secret(kind: type, raw: object) -> object:
    if kind is Secret and isinstance(raw, str) and raw:
        return Secret(raw)
    raise TypeError(kind.__name__)


def _words(kind: inspect.Type, *, is_duration: bool) -> str:
    match kind:
        case inspect.IntType(ge=low, le=high) if is_duration:
            return f"a duration from {format_duration(low or 0)} to {format_duration(high or 0)}"
        case inspect.IntType(ge=low, le=high):
            return f"a whole number from {low} to {high}"
        case inspect.LiteralType(values=values):
            return "one of " + ", ".join(f'"{value}"' for value in values)
        case inspect.StrType(pattern=None):
            return "a text that is not empty"
        case inspect.StrType(pattern=pattern):
            return f"a text of the form {pattern}"
        case _:
            return _WORDS.get(type(kind), "a secret text")
