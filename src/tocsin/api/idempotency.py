"""
``Idempotency-Key``: a request that is sent again has no second effect.

Same key and same body: the same answer. Another body: 422. Still running: 409. Refusals are not
stored, so that a mended request may use the key again.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Final

import structlog

from tocsin.app.callers import Principal
from tocsin.errors import RequestRefused, Unavailable
from tocsin.ports.cache import Sealer
from tocsin.ports.state import Idempotency, StoredAnswer
from tocsin.ports.system import Clock

KEY_CHARACTERS_MAX: Final = 255
_VISIBLE: Final = re.compile(r"[!-~]+\Z", re.ASCII)
_PLACE: Final = "idempotency.answer"

logger = structlog.get_logger(__name__)


class Repeats:
    """
    Begins, finishes and forgets guarded requests; usable by any handler, on raw bytes.

    A *secret* answer is sealed before it is kept: a key or a token must not lie in a table.
    """

    def __init__(self, store: Idempotency, sealer: Sealer, clock: Clock) -> None:
        self._store = store
        self._sealer = sealer
        self._clock = clock

    async def begin(
        self, caller: Principal, key: str, fingerprint: bytes, *, secret: bool = False
    ) -> StoredAnswer | None:
        """
        Take *key* for this request, or return what was answered to it before.

        Raises `tocsin.errors.Conflict` and `tocsin.errors.RequestRefused` as the port does.
        """
        check_key(key)
        answer = await self._store.begin(caller.name, key, fingerprint, self._clock.now_ms())
        if answer is None or not secret:
            return answer
        sealed = self._sealer.open(answer.body, place=_PLACE)
        return StoredAnswer(answer.status, base64.b64decode(sealed), answer.content_type)

    async def finish(
        self, caller: Principal, key: str, answer: StoredAnswer, *, secret: bool = False
    ) -> None:
        """
        Keep *answer* for the next request with *key*, if that can be.

        What was done stands, so its answer is given also when it cannot be kept: to say that the
        store was full would be to say that nothing happened.
        """
        if secret:
            text = base64.b64encode(answer.body).decode()
            sealed = self._sealer.seal(text, place=_PLACE)
            answer = StoredAnswer(answer.status, sealed, answer.content_type)
        try:
            await self._store.finish(caller.name, key, answer, self._clock.now_ms())
        except Unavailable as error:
            logger.warning("answer_not_kept", code=error.code)

    async def forget(self, caller: Principal, key: str) -> None:
        """Give *key* back after a refusal, if that can be: it ends by itself."""
        try:
            await self._store.forget(caller.name, key)
        except Unavailable as error:
            logger.warning("key_not_given_back", code=error.code)


def fingerprint(method: str, target: bytes, content_type: str, body: bytes) -> bytes:
    """Return what tells one request from another under the same key."""
    head = b"\0".join((method.encode(), target, content_type.encode(), b""))
    return hashlib.sha256(head + body).digest()


def event_ids(caller: Principal, key: str, count: int) -> list[str]:
    """Return ids for events without one, the same again for the same ``Idempotency-Key``."""
    stem = hashlib.sha256(f"{caller.name}\0{key}".encode()).hexdigest()[:32]
    return [f"{stem}-{index}" for index in range(count)]


def check_key(key: str) -> None:
    """Refuse a key that is empty, too long or holds what a header should not."""
    if not (0 < len(key) <= KEY_CHARACTERS_MAX and _VISIBLE.match(key)):
        raise RequestRefused(
            f"an Idempotency-Key has 1 to {KEY_CHARACTERS_MAX} visible ASCII characters",
            code="invalid_idempotency_key",
        )
