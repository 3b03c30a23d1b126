"""The codes that commands end with, and which error leads to which."""

from __future__ import annotations

from typing import Final

from tocsin.config import Misconfigured
from tocsin.errors import TocsinError

DONE: Final = 0
NO: Final = 1
"""The command worked and the answer is "no": nothing found, an audit that does not balance."""
WRONG_USE: Final = 2
UNREACHABLE: Final = 3
INTERRUPTED: Final = 130
"""What shells report for Ctrl-C."""

_CALLERS_FAULT: Final = frozenset({400, 401, 403, 413, 415, 422})


class CannotReach(TocsinError):
    """No server answers where the command looked; the message says what to do next."""

    code = "cannot_reach"
    title = "No server answers"


class ServerRefused(TocsinError):
    """The server answered with a problem document (RFC 9457)."""

    code = "server_refused"
    title = "The server refused"

    def __init__(self, detail: str, *, status: int, code: str) -> None:
        super().__init__(detail)
        self.answered_status = status
        self.answered_code = code


def of(failed: TocsinError) -> int:
    """The code for a command that *failed* ended."""
    match failed:
        case CannotReach():
            return UNREACHABLE
        case Misconfigured():
            return WRONG_USE
        case ServerRefused(answered_status=status) if status in _CALLERS_FAULT:
            return WRONG_USE
        case _:
            return NO
