"""Google's accounts, played: a service account's key file, and tokens for assertions of it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from tocsin.channels.simulating_http import Reply, Request

EMAIL: Final = "canary@sandbox-project.iam.gserviceaccount.com"
KEY_ID: Final = "canary0123456789"
EXPIRES_S: Final = 3_599
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_SCOPES: Final = frozenset(
    {
        "https://www.googleapis.com/auth/firebase.messaging",
        "https://www.googleapis.com/auth/cloud-platform",
    }
)
_HOUR_S: Final = 3_600
_SKEW_S: Final = 300
_TOKENS_HELD: Final = 1_000


class Google:
    """One service account, and the tokens that it was given."""

    def __init__(self, project: str) -> None:
        self._project = project
        self._key: rsa.RSAPrivateKey | None = None
        self._url = ""
        self._tokens: dict[str, int] = {}
        self.granted = 0
        """How many tokens."""
        self.expires_s = EXPIRES_S
        """How long a token lasts that is given from now on."""
        self.denial: tuple[int, str] | None = None
        """What every assertion is answered with: a status and OAuth's name of the error."""

    def open_account(self, folder: Path | None, url: str) -> str:
        """Return the key file, whose key is kept in *folder*; *url* is where tokens are given."""
        self._key, self._url = _key_in(folder), url
        pem = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        account = {
            "type": "service_account",
            "project_id": self._project,
            "private_key_id": KEY_ID,
            "private_key": pem.decode(),
            "client_email": EMAIL,
            "client_id": "1",
            "token_uri": url,
        }
        return msgspec.json.encode(account).decode()

    def grant(self, request: Request, now_ms: int) -> Reply:
        """Answer an assertion with a token, or say what is wrong with it."""
        if self.denial is not None:
            status, error = self.denial
            return Reply.json(status, {"error": error, "error_description": "played"})
        form = dict(request.form())
        if form.get("grant_type") != _GRANT:
            return Reply.json(400, {"error": "unsupported_grant_type"})
        places = {self._url, f"https://{request.headers.get('host', '')}{request.path}"}
        wrong = self._wrong(form.get("assertion", ""), now_ms // 1_000, places)
        if wrong is not None:
            return Reply.json(400, {"error": "invalid_grant", "error_description": wrong})
        self.granted += 1
        token = f"ya29.canary-{self.granted}"
        if len(self._tokens) >= _TOKENS_HELD:
            self._tokens.clear()
        self._tokens[token] = now_ms // 1_000 + self.expires_s
        answer = {"access_token": token, "expires_in": self.expires_s, "token_type": "Bearer"}
        return Reply.json(200, answer)

    def knows(self, authorization: str, now_ms: int) -> bool:
        """Return whether a call shows a token that has not ended."""
        scheme, _, token = authorization.partition(" ")
        return scheme == "Bearer" and now_ms // 1_000 < self._tokens.get(token, 0)

    def forget(self) -> None:
        """Take back every token."""
        self._tokens.clear()

    def _wrong(self, assertion: str, now_s: int, places: Collection[str]) -> str | None:
        header, claims = self._read(assertion)
        if header.get("alg") != "RS256" or header.get("kid") != KEY_ID:
            return "Invalid JWT Signature."
        if claims.get("iss") != EMAIL or claims.get("aud") not in places:
            return "Invalid JWT: issuer or audience."
        if not _SCOPES & set(str(claims.get("scope", "")).split()):
            return "Invalid OAuth scope."
        issued_s, ends_s = claims.get("iat"), claims.get("exp")
        if not isinstance(issued_s, int) or not isinstance(ends_s, int):
            return "Invalid JWT: iat and exp are needed."
        if not 0 < ends_s - issued_s <= _HOUR_S:
            return "Invalid JWT: Token must be a short-lived token (60 minutes)."
        if now_s and not issued_s - _SKEW_S <= now_s < ends_s + _SKEW_S:
            return "Invalid JWT: check your iat and exp values."
        return None

    def _read(self, assertion: str) -> tuple[dict[str, Any], dict[str, Any]]:
        assert self._key is not None
        parts = assertion.split(".")
        if len(parts) != 3:
            return {}, {}
        signed = f"{parts[0]}.{parts[1]}".encode()
        try:
            header, claims, signature = map(_bytes, parts)
            self._key.public_key().verify(signature, signed, padding.PKCS1v15(), SHA256())
            return msgspec.json.decode(header), msgspec.json.decode(claims)
        except (InvalidSignature, ValueError):
            return {}, {}


def _key_in(folder: Path | None) -> rsa.RSAPrivateKey:
    """Return the key of this folder, so that it is the same after a restart."""
    if folder is None:
        return _made()
    path = folder / "fcm-service-account.pem"
    if not path.exists():
        pem = _made().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.touch(mode=0o600)
        path.write_bytes(pem)
    found = load_pem_private_key(path.read_bytes(), None)
    assert isinstance(found, rsa.RSAPrivateKey)
    return found


@lru_cache(maxsize=1)
def _made() -> rsa.RSAPrivateKey:
    """Return the key of this process: to make one takes long."""
    return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


def _bytes(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        return b""
