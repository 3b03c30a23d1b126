"""
The access token by which Google knows us (OAuth 2.0, RFC 7523: a signed assertion for a token).

It is asked for once, whoever needs it meanwhile waits, and a new one is asked for before the old
one ends. While that fails the old one is used until its end.
"""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import urlencode

import msgspec
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tocsin.channels.push.parts.jws import base64url
from tocsin.domain.json_check import UNREADABLE
from tocsin.ports.outcomes import ProviderReason, Refused, TryLater
from tocsin.ports.provider import ProviderTools
from tocsin.ports.transport import Answer, Call, NoAnswer, Trust

SCOPE: Final = "https://www.googleapis.com/auth/firebase.messaging"
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_HOUR_S: Final = 3_600
_RENEWED_BEFORE_S: Final = 225
_AGAIN_S: Final = 10
_TRANSIENT: Final = frozenset({"internal_failure", "server_error", "temporarily_unavailable"})
_DOCUMENTED: Final = _TRANSIENT | {
    "access_denied",
    "deleted_client",
    "disabled_client",
    "invalid_client",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "unauthorized_client",
    "unsupported_grant_type",
}


class ServiceAccount(msgspec.Struct, frozen=True):
    """What of a key file is needed."""

    client_email: str
    private_key: str
    private_key_id: str
    project_id: str
    token_uri: str = "https://oauth2.googleapis.com/token"

    def __repr__(self) -> str:
        return f"ServiceAccount({self.project_id})"

    def key(self) -> rsa.RSAPrivateKey:
        """Return its key; raises ValueError for what is none of RSA."""
        found = load_pem_private_key(self.private_key.encode(), None)
        if not isinstance(found, rsa.RSAPrivateKey):
            raise ValueError("is no key of RSA")
        return found


class _Granted(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: int | str = _HOUR_S


class _Denied(msgspec.Struct, frozen=True):
    error: str = ""


_granted: Final = msgspec.json.Decoder(_Granted)
_denied: Final = msgspec.json.Decoder(_Denied)


class AccessToken:
    """Holds the token of one service account."""

    def __init__(self, account: ServiceAccount, tools: ProviderTools, trust: Trust) -> None:
        """Raise ValueError for a key that is none."""
        self._account = account
        self._key = account.key()
        self._transport = tools.transport
        self._wall_ms = tools.wall_ms
        self._trust = trust
        self._asking = asyncio.Lock()
        self._asked = 0
        self._refused: Refused | TryLater | None = None
        self._line = ""
        self._renewed_s = 0
        self._ends_s = 0

    async def header(self) -> str | Refused | TryLater:
        """Return the line for a call that is made now, or why there is none."""
        now_s = self._wall_ms() // 1_000
        if now_s < self._renewed_s:
            return self._line
        if now_s < self._ends_s and self._asking.locked():
            return self._line
        asked = self._asked
        async with self._asking:
            if now_s < self._renewed_s:
                return self._line
            if asked == self._asked:
                self._refused = await self._ask(now_s)
                self._asked += 1
            # Else somebody has asked while this one waited, and was refused for both.
        if self._refused is None or now_s < self._ends_s:
            return self._line
        return self._refused

    def forget(self, line: str) -> None:
        """Ask for another one next time: Google did not take this one."""
        if line == self._line:
            self._renewed_s = self._ends_s = 0

    async def _ask(self, now_s: int) -> Refused | TryLater | None:
        body = urlencode({"grant_type": _GRANT, "assertion": self._assertion(now_s)}).encode()
        headers = ["content-type: application/x-www-form-urlencoded"]
        call = Call(self._account.token_uri, body, headers, trust=self._trust)
        said = await self._transport.call(call)
        refused = _refusal(said) or self._keep(said, now_s)
        if refused is not None:
            self._renewed_s = min(now_s + _AGAIN_S, self._ends_s)
        return refused

    def _keep(self, said: Answer | NoAnswer, now_s: int) -> TryLater | None:
        assert isinstance(said, Answer)
        try:
            granted = _granted.decode(said.body)
            lasts_s = min(int(granted.expires_in), _HOUR_S)
        except (*UNREADABLE, ValueError):
            return TryLater(ProviderReason.OVERLOADED, detail="oauth: no token in the answer")
        token = granted.access_token
        if not (token.isascii() and token.isprintable()):
            return TryLater(ProviderReason.OVERLOADED, detail="oauth: no token in the answer")
        self._line = f"authorization: Bearer {token}"
        self._ends_s = now_s + lasts_s
        # Of a short one half, or each call would ask for another.
        self._renewed_s = self._ends_s - min(_RENEWED_BEFORE_S, lasts_s // 2)
        return None

    def _assertion(self, now_s: int) -> str:
        header = {"alg": "RS256", "typ": "JWT", "kid": self._account.private_key_id}
        claims = {
            "iss": self._account.client_email,
            "scope": SCOPE,
            "aud": self._account.token_uri,
            "iat": now_s,
            "exp": now_s + _HOUR_S,
        }
        signed = ".".join(base64url(msgspec.json.encode(part)) for part in (header, claims))
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), SHA256())
        return f"{signed}.{base64url(signature)}"


def _refusal(said: Answer | NoAnswer) -> Refused | TryLater | None:
    """Return why there is no token. The message itself was not sent, so all of it is known."""
    if isinstance(said, NoAnswer):
        return TryLater(ProviderReason.UNREACHABLE, detail=f"oauth: {said.reason}")
    if said.status < 300:
        return None
    try:
        error = _denied.decode(said.body).error
    except UNREADABLE:
        error = ""
    detail = f"oauth: {error if error in _DOCUMENTED else said.status}"
    if error in _TRANSIENT or said.status >= 500 or said.status in (408, 429):
        return TryLater(ProviderReason.OVERLOADED, detail=detail)
    return Refused(ProviderReason.OUR_FAULT, detail)
