"""Tables whose settings only a provider's folder knows, kept as they came until it reads them."""

from __future__ import annotations

from collections.abc import Mapping


class RawTable:
    """
    One table, unread. Its values may be secrets that nobody has marked yet, so it never prints.
    """

    __slots__ = ("_origins", "_values", "name")

    def __init__(self, name: str, values: Mapping[str, object], origins: Mapping[str, str]) -> None:
        self.name = name
        self._values = dict(values)
        self._origins = dict(origins)

    def __repr__(self) -> str:
        return f"RawTable({self.name})"

    def with_values(self, values: Mapping[str, object], origin: str) -> RawTable:
        """Return the table with *values* in place of its own."""
        origins = {**self._origins, **dict.fromkeys(values, origin)}
        return RawTable(self.name, {**self._values, **values}, origins)

    def items(self) -> list[tuple[str, object, str]]:
        """Return (key, value, where it came from)."""
        return [(key, value, self._origins[key]) for key, value in self._values.items()]


RawTables = Mapping[str, RawTable]
