"""Signatures of requests to Amazon's services, version 4 (``AWS4-HMAC-SHA256``)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qsl, quote, urlsplit

from tocsin.config import Secret

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_SAFE: Final = "-_.~"


@dataclass(frozen=True, slots=True)
class AwsKeys:
    """Who signs; ``token`` belongs to keys that are lent for a while."""

    id: str
    secret: Secret
    token: Secret | None = None


class AwsSigner:
    """Signs requests to one service in one region. Keys of a day are made once."""

    def __init__(self, keys: AwsKeys, region: str, service: str) -> None:
        self._keys = keys
        self._region = region
        self._service = service
        self._day = ""
        self._day_key = b""

    def headers(
        self, method: str, url: str, body: bytes, content_type: str, now_ms: int
    ) -> Sequence[str]:
        """Return the lines that a request needs beside its host."""
        where = urlsplit(url)
        now = datetime.fromtimestamp(now_ms // 1_000, UTC)
        stamp, day = f"{now:%Y%m%dT%H%M%SZ}", f"{now:%Y%m%d}"
        signed = {"content-type": content_type, "host": where.netloc, "x-amz-date": stamp}
        if self._keys.token is not None:
            signed["x-amz-security-token"] = self._keys.token.reveal()
        names = ";".join(sorted(signed))
        request = "\n".join(
            (
                method,
                quote(where.path or "/", safe=f"/{_SAFE}"),
                _query(where.query),
                *(f"{name}:{signed[name]}" for name in sorted(signed)),
                "",
                names,
                hashlib.sha256(body).hexdigest(),
            )
        )
        scope = f"{day}/{self._region}/{self._service}/aws4_request"
        digest = hashlib.sha256(request.encode()).hexdigest()
        text = f"{_ALGORITHM}\n{stamp}\n{scope}\n{digest}"
        signature = hmac.new(self._key_of(day), text.encode(), hashlib.sha256).hexdigest()
        del signed["host"]
        who = f"Credential={self._keys.id}/{scope}"
        proof = f"authorization: {_ALGORITHM} {who}, SignedHeaders={names}, Signature={signature}"
        return (*(f"{name}: {value}" for name, value in signed.items()), proof)

    def _key_of(self, day: str) -> bytes:
        if self._day != day:
            key = f"AWS4{self._keys.secret.reveal()}".encode()
            for part in (day, self._region, self._service, "aws4_request"):
                key = hmac.new(key, part.encode(), hashlib.sha256).digest()
            self._day, self._day_key = day, key
        return self._day_key


def _query(query: str) -> str:
    pairs = parse_qsl(query, keep_blank_values=True)
    escaped = sorted((quote(name, safe=_SAFE), quote(value, safe=_SAFE)) for name, value in pairs)
    return "&".join(f"{name}={value}" for name, value in escaped)
