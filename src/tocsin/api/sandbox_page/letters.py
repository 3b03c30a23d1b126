"""
Addresses of letters that a frame can open.

A frame cannot show a key, so its address proves by itself that somebody with a key was given it,
a moment ago.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Final

from tocsin.domain.base64url import base64url, read_base64url
from tocsin.errors import NotFound
from tocsin.ports.simulator import Received

PATH: Final = "/sandbox/letters/"
_EMAIL: Final = "email"
_HTML: Final = "html"
_LIFE_S: Final = 300
_PROOF_BYTES: Final = 32
_END_BYTES: Final = 6


class LetterAddresses:
    """
    Makes and reads them.

    *secret* is this process's own, so nothing of them is kept; *now_s* is the machine's time.
    """

    def __init__(self, secret: bytes, now_s: Callable[[], float]) -> None:
        self._secret = secret
        self._now_s = now_s

    def url_of(self, message: Received) -> str | None:
        """Return the path of a letter's page, good for five minutes; None for what is none."""
        if message.channel != _EMAIL or not message.content.get(_HTML):
            return None
        said = (int(self._now_s()) + _LIFE_S).to_bytes(_END_BYTES, "big") + message.id.encode()
        return PATH + base64url(self._prove(said) + said)

    def read(self, proof: str) -> str:
        """Return the message's id; raises `NotFound` for what is not ours or has ended."""
        try:
            whole = read_base64url(proof)
        except ValueError:
            raise _unknown() from None
        given, said = whole[:_PROOF_BYTES], whole[_PROOF_BYTES:]
        if not hmac.compare_digest(given, self._prove(said)):
            raise _unknown()
        if int.from_bytes(said[:_END_BYTES], "big") < self._now_s():
            raise _unknown()
        return said[_END_BYTES:].decode()

    def _prove(self, said: bytes) -> bytes:
        return hmac.digest(self._secret, said, "sha256")


def _unknown() -> NotFound:
    return NotFound("this address of a letter has ended; open the letter once more")
