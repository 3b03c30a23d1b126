"""A value that must not be seen."""

from __future__ import annotations

from typing import Final

_HIDDEN: Final = "Secret(***)"


class Secret:
    """
    A key or password from the configuration.

    Nothing that prints shows it: ``repr``, ``str``, ``format``, and it cannot be pickled or
    encoded by accident, being no string. Two are equal when their values are, and neither
    hashes nor orders.
    """

    __slots__ = ("_value",)
    __hash__ = None  # type: ignore[assignment]  # as a key of a dict it would end up in dumps

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself, to be handed on at once and never kept in anything that prints."""
        return self._value

    def __repr__(self) -> str:
        return _HIDDEN

    def __format__(self, spec: str) -> str:
        return _HIDDEN

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not pickled")
