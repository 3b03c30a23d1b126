"""Handing out recipients' tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from tocsin.app.callers import TOKEN_SCOPES, Principal, Scope
from tocsin.app.people import People
from tocsin.app.tokens import TOKEN_MS_MAX, Tokens
from tocsin.app.trail import Notes
from tocsin.domain.durations import parse_duration
from tocsin.errors import FieldProblem, NotFound, RequestRefused

TOKEN_MS_MIN: Final = 10_000


class Minted(NamedTuple):
    """A token, and when it ends."""

    token: str
    scopes: tuple[Scope, ...]
    expires_ms: int

    def __repr__(self) -> str:
        return f"Minted(expires_ms={self.expires_ms})"


class TokenDesk:
    """Mints tokens for recipients, who are created if they are unknown."""

    def __init__(self, tokens: Tokens, people: People, notes: Notes, *, token_ms: int) -> None:
        self._tokens = tokens
        self._people = people
        self._notes = notes
        self._token_ms = token_ms

    async def mint(
        self, by: Principal, recipient: str, scopes: Sequence[str] | None, expires_in: str | None
    ) -> Minted:
        """Return a new token; all scopes unless some are named."""
        lives_ms = self._token_ms if expires_in is None else _lives_ms(expires_in)
        wanted = TOKEN_SCOPES if scopes is None else tuple(Scope(scope) for scope in scopes)
        one = (await self._people.ensure([recipient]))[recipient]
        if one.erased:
            raise NotFound("there is no such recipient")
        token, expires_ms = self._tokens.mint(one.number, one.id, wanted, lives_ms=lives_ms)
        await self._notes.add(by, "token.mint", f"recipient/{one.number}", " ".join(wanted))
        return Minted(token, wanted, expires_ms)


def _lives_ms(text: str) -> int:
    try:
        lives_ms = parse_duration(text)
    except ValueError as error:
        raise _refused("invalid_duration", str(error)) from None
    if not TOKEN_MS_MIN <= lives_ms <= TOKEN_MS_MAX:
        raise _refused("out_of_range", "must be from 10s to 30d")
    return lives_ms


def _refused(code: str, detail: str) -> RequestRefused:
    problem = FieldProblem("/expires_in", code, detail)
    return RequestRefused("a field is wrong, see errors", errors=(problem,))
