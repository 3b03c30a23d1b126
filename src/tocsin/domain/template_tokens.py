"""The tokens within a template's tags."""

from __future__ import annotations

import re
from typing import Final, NoReturn

_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\\n]|\\["\\n])*"|'(?:[^'\\\n]|\\['\\n])*')
    |(?P<number>-?\d{1,15}(?:\.\d{1,15})?)
    |(?P<name>[A-Za-z_]\w{0,99})
    |(?P<mark>==|!=|<=|>=|[<>|().,\[\]])
    |(?P<end>-?(?:\}\}|%\})))""",
    re.VERBOSE | re.ASCII,
)


class Refusal(Exception):
    """A template says what it may not; ``at`` is where, counted in characters."""

    def __init__(self, detail: str, at: int) -> None:
        super().__init__(detail)
        self.detail = detail
        self.at = at


class Lexer:
    """Walks over the tokens of a tag: ``kind`` and ``token`` are the present one."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0
        self.kind = ""
        self.token = ""

    def next(self) -> None:
        """Move to the next token; raises `Refusal` for what is none."""
        match = _TOKEN.match(self.source, self.at)
        if match is None:
            shown = self.source[self.at : self.at + 20].strip()
            raise Refusal(f"this cannot stand in a tag: {shown!r}", self.at)
        self.at = match.end()
        self.kind = match.lastgroup or ""
        self.token = match.group(self.kind)

    def expect(self, token: str) -> None:
        """Move past *token*, which must come now."""
        if self.token != token or self.kind == "text":
            raise Refusal(f"{token!r} is needed here, not {self.token[:20]!r}", self.at)
        self.next()

    def refuse(self) -> NoReturn:
        """Raise `Refusal` for the present token."""
        raise Refusal(f"this cannot stand here: {self.token[:20]!r}", self.at)
