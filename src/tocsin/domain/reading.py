"""Reading JSON documents from outside: every problem at once, each with its place."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from typing import Final, NoReturn

from tocsin.domain.durations import parse_duration
from tocsin.domain.names import nearest
from tocsin.errors import FieldProblem, NotBuilt, RequestRefused

KEY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}\Z")
"""Keys that people choose: workflows, categories, groups, tenants, collections."""
PROBLEMS_MAX: Final = 50
_PLAIN_CONTROLS: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})


def bad_characters(text: str) -> bool:
    """Return whether *text* holds control characters, line separators or lone surrogates."""
    if text.isprintable():
        return False
    return any(unicodedata.category(character) in _PLAIN_CONTROLS for character in text)


def refuse(problems: Sequence[FieldProblem], detail: str) -> NoReturn:
    """Raise *problems*: as `NotBuilt` when all of them are features of a later version."""
    if all(problem.code == "not_built" for problem in problems):
        raise NotBuilt(problems[0].detail, errors=tuple(problems))
    raise RequestRefused(detail, errors=tuple(problems))


def step_into(pointer: str, name: str | int) -> str:
    """Return the RFC 6901 pointer of a member."""
    return f"{pointer}/{str(name).replace('~', '~0').replace('/', '~1')}"


class Notes:
    """The problems found so far in one document; further ones than a person reads are dropped."""

    def __init__(self) -> None:
        self.problems: list[FieldProblem] = []

    def add(self, pointer: str, code: str, detail: str) -> None:
        """Note one problem."""
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(FieldProblem(pointer, code, detail))

    def finish(self, detail: str) -> None:
        """Raise what was noted, if anything was."""
        if self.problems:
            refuse(self.problems, detail)


class Reader:
    """
    One JSON object being read: hands out its fields and notes what is wrong with them.

    A field that is absent or null reads as None; so does one that is wrong, after a note.
    """

    def __init__(
        self, value: object, pointer: str, notes: Notes, allowed: Collection[str] | None
    ) -> None:
        self.pointer = pointer
        self.notes = notes
        self.fields: dict[str, object] = {}
        if not isinstance(value, dict):
            self.note(None, "wrong_type", "an object is needed here")
            return
        self.fields = value
        if allowed is not None:
            for name in value:
                if name not in allowed:
                    self.note(name, "unknown_field", _unknown(name, allowed))

    def note(self, name: str | None, code: str, detail: str) -> None:
        """Note a problem with the field *name*, or with the object itself."""
        place = self.pointer if name is None else step_into(self.pointer, name)
        self.notes.add(place, code, detail)

    def at(self, name: str) -> str:
        """Return the pointer of a field."""
        return step_into(self.pointer, name)

    def get(self, name: str) -> object:
        """Return the value as it is."""
        return self.fields.get(name)

    def text(
        self, name: str, *, characters_max: int = 256, required: bool = False, lines: bool = False
    ) -> str | None:
        """Return a string; *lines* allows any characters but NUL."""
        value = self.fields.get(name)
        if value is None:
            if required:
                self.note(name, "missing", f"{name} is needed")
            return None
        if not isinstance(value, str):
            self.note(name, "wrong_type", "a string is needed here")
            return None
        problem = text_problem(value, characters_max=characters_max, lines=lines)
        if problem is None:
            return value
        self.note(name, *problem)
        return None

    def key(self, name: str, *, required: bool = False) -> str | None:
        """Return a key (`KEY`)."""
        value = self.text(name, characters_max=128, required=required)
        if value is None or KEY.match(value):
            return value
        self.note(name, "invalid_key", "use letters, digits and . _ : - (a letter or digit first)")
        return None

    def flag(self, name: str) -> bool | None:
        """Return true or false."""
        value = self.fields.get(name)
        if value is None or isinstance(value, bool):
            return value
        self.note(name, "wrong_type", "true or false is needed here")
        return None

    def duration_ms(self, name: str) -> int | None:
        """Return a length of time above zero, written like ``2d``."""
        value = self.text(name, characters_max=40)
        if value is None:
            return None
        try:
            duration_ms = parse_duration(value)
        except ValueError as refusal:
            self.note(name, "invalid_duration", str(refusal))
            return None
        if 0 < duration_ms <= DURATION_MAX_MS:
            return duration_ms
        self.note(name, "invalid_duration", "more than nothing and at most 3650d is needed here")
        return None

    def items(self, name: str, *, count_max: int) -> list[object]:
        """Return a list's items; empty when it is absent."""
        value = self.fields.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            self.note(name, "wrong_type", "a list is needed here")
            return []
        if len(value) > count_max:
            self.note(name, "too_many", f"at most {count_max} entries are allowed here")
            return []
        return value

    def flags(self, name: str, known: Collection[str] | None = None) -> dict[str, bool]:
        """Return an object of key → true or false."""
        value = self.fields.get(name)
        if value is None:
            return {}
        inner = Reader(value, self.at(name), self.notes, known)
        found = {key: inner.flag(key) for key in inner.fields if _is_key(inner, key)}
        return {key: on for key, on in found.items() if on is not None}


DURATION_MAX_MS: Final = 3_650 * 86_400_000


def text_problem(
    value: str, *, characters_max: int = 256, lines: bool = False
) -> tuple[str, str] | None:
    """Return (code, detail) of what is wrong with a string that names something, or None."""
    if not value:
        return "empty", "an empty string is not allowed here"
    if len(value) > characters_max:
        return "too_long", f"at most {characters_max} characters are allowed here"
    if "\0" in value or (not lines and bad_characters(value)):
        return "control_character", "control characters are not allowed here"
    return None


def _is_key(reader: Reader, key: str) -> bool:
    if KEY.match(key):
        return True
    reader.note(key, "invalid_key", "use letters, digits and . _ : - (a letter or digit first)")
    return False


def _unknown(name: str, allowed: Collection[str]) -> str:
    shown = name[:40]
    near = nearest(shown, sorted(allowed))
    if near is not None:
        return f"there is no field {shown!r} here; did you mean {near!r}?"
    return f"there is no field {shown!r} here; known are {', '.join(sorted(allowed))}"
