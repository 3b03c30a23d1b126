"""
Messages of Amazon SNS to an HTTP endpoint: verified, and the subscription confirmed.

The signature covers the fields, not the bytes. Its certificate is fetched from SNS itself, once for
each URL; that URL is believed only where it leads to SNS.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import OrderedDict
from collections.abc import Container
from typing import Final, NamedTuple

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm

from tocsin.domain.instants import parse_instant
from tocsin.domain.json_check import UNREADABLE
from tocsin.errors import Malformed, Unauthenticated, Unavailable
from tocsin.ports.receipts import Callback
from tocsin.ports.transport import Answer, Call, Transport

_HOST: Final = re.compile(r"https://sns\.[a-z0-9-]{1,40}\.amazonaws\.com(?:\.cn)?/", re.ASCII)
_CERTIFICATES_MAX: Final = 16
_AHEAD_MAX_MS: Final = 300_000
_NOTIFICATION: Final = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION: Final = (
    "Message",
    "MessageId",
    "SubscribeURL",
    "Timestamp",
    "Token",
    "TopicArn",
    "Type",
)


class Envelope(msgspec.Struct, frozen=True, rename="pascal"):
    """One message of SNS."""

    type: str
    message_id: str
    topic_arn: str
    message: str
    timestamp: str
    signature_version: str
    signature: str
    certificate_url: str = msgspec.field(name="SigningCertURL")
    subscribe_url: str | None = msgspec.field(name="SubscribeURL", default=None)
    subject: str | None = None
    token: str | None = None

    def __repr__(self) -> str:
        return f"Envelope({self.type})"

    def signed_text(self) -> bytes:
        """Return what its signature is over: each field's name and value, on lines of their own."""
        values = {
            "Message": self.message,
            "MessageId": self.message_id,
            "SubscribeURL": self.subscribe_url,
            "Subject": self.subject,
            "Timestamp": self.timestamp,
            "Token": self.token,
            "TopicArn": self.topic_arn,
            "Type": self.type,
        }
        names = _NOTIFICATION if self.type == "Notification" else _CONFIRMATION
        return "".join(
            f"{name}\n{value}\n" for name in names if (value := values[name]) is not None
        ).encode()


class Notice(NamedTuple):
    """What was published to a topic, and when: the same each time that it is posted."""

    message: str
    at_ms: int


_decoder: Final = msgspec.json.Decoder(Envelope)


class Notices:
    """Opens what SNS posts about the topics that are known."""

    def __init__(
        self,
        transport: Transport,
        topics: Container[str],
        *,
        age_max_ms: int,
        url: str | None = None,
    ) -> None:
        """*url* is of a service that plays SNS, and believed as SNS is."""
        self._transport = transport
        self._topics = topics
        self._age_max_ms = age_max_ms
        self._url = None if url is None else f"{url}/"
        self._keys: OrderedDict[str, RSAPublicKey] = OrderedDict()

    async def open(self, callback: Callback) -> Notice | None:
        """
        Return what *callback* brings; None for one that SNS says to itself.

        A subscription to a topic that is known is confirmed. Raises `Unauthenticated` for what is
        not SNS's, about another topic, or too old, and `Unavailable` where SNS does not answer.
        """
        envelope = self._read(callback)
        await self._verify(envelope)
        at_ms = _instant(envelope.timestamp)
        age_ms = callback.received_ms - at_ms
        if not -_AHEAD_MAX_MS <= age_ms <= self._age_max_ms:
            raise Unauthenticated("the message of SNS is too old")
        if envelope.type == "Notification":
            return Notice(envelope.message, at_ms)
        if envelope.type == "SubscriptionConfirmation":
            await self._fetch(envelope.subscribe_url or "")
        return None

    def _read(self, callback: Callback) -> Envelope:
        try:
            envelope = _decoder.decode(callback.body)
        except UNREADABLE:
            raise Unauthenticated("a message of SNS is needed") from None
        if callback.headers.get("x-amz-sns-message-type") != envelope.type:
            raise Unauthenticated("the kind of message is not what its header says")
        if envelope.topic_arn not in self._topics:
            raise Unauthenticated("the message is about a topic that is not ours")
        return envelope

    async def _verify(self, envelope: Envelope) -> None:
        algorithm: HashAlgorithm = SHA256()
        if envelope.signature_version == "1":
            # What SNS signs with unless a topic is set to version 2.
            algorithm = SHA1()  # noqa: S303  # the vendor's choice
        key = await self._key(envelope.certificate_url)
        try:
            signature = base64.b64decode(envelope.signature, validate=True)
            key.verify(signature, envelope.signed_text(), PKCS1v15(), algorithm)
        except (binascii.Error, InvalidSignature, ValueError):
            raise Unauthenticated("the signature is not that of SNS") from None

    async def _key(self, url: str) -> RSAPublicKey:
        found = self._keys.get(url)
        if found is not None:
            return found
        page = await self._fetch(url)
        try:
            key = x509.load_pem_x509_certificate(page).public_key()
        except ValueError:
            raise Unauthenticated("what should be a certificate is none") from None
        if not isinstance(key, RSAPublicKey):
            raise Unauthenticated("the certificate is not that of SNS")
        self._keys[url] = key
        if len(self._keys) > _CERTIFICATES_MAX:
            self._keys.popitem(last=False)
        return key

    async def _fetch(self, url: str) -> bytes:
        """Fetch something from SNS; raises `Unauthenticated` for a URL that leads elsewhere."""
        played = self._url is not None and url.startswith(self._url)
        if not played and _HOST.match(url) is None:
            raise Unauthenticated("the message of SNS points to another host")
        answer = await self._transport.call(Call(url, b"", method="GET"))
        if not isinstance(answer, Answer) or answer.status != 200:
            raise Unavailable("SNS could not be asked")
        return answer.body


def _instant(text: str) -> int:
    try:
        return parse_instant(text)
    except ValueError:
        raise Malformed("the time of a message of SNS cannot be read") from None
