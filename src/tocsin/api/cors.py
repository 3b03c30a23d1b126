"""Cross-origin calls: from allowed origins only, and only to what a recipient's token reaches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from starlette.datastructures import Headers

from tocsin.api.permissions import Permission

_ALLOWED_HEADERS: Final = b"authorization, content-type, idempotency-key, if-none-match"
_EXPOSED_HEADERS: Final = b"etag, retry-after, x-request-id"
_KEPT_S: Final = b"600"


class Cors:
    """Answers which headers a browser needs before it lets a page read an answer."""

    def __init__(self, origins: Sequence[str]) -> None:
        self._origins = frozenset(origins)

    def headers(self, request: Headers, permission: Permission) -> list[tuple[bytes, bytes]]:
        """Return the headers of an answer to *request*."""
        if permission.token is None or not self._origins:
            return []
        vary = (b"vary", b"origin")
        origin = request.get("origin", "")
        if origin not in self._origins:
            return [vary]
        return [
            vary,
            (b"access-control-allow-origin", origin.encode()),
            (b"access-control-expose-headers", _EXPOSED_HEADERS),
        ]

    def preflight(
        self, request: Headers, permission: Permission, method: str
    ) -> list[tuple[bytes, bytes]]:
        """Return the headers of an answer to a preflight for *method*."""
        headers = self.headers(request, permission)
        if len(headers) < 2:
            return headers
        return [
            *headers,
            (b"access-control-allow-methods", method.encode()),
            (b"access-control-allow-headers", _ALLOWED_HEADERS),
            (b"access-control-max-age", _KEPT_S),
        ]
