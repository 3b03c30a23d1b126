"""SNS, played: messages that it signs, its certificate, and subscriptions that are confirmed."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tocsin.channels.simulating_http import Reply, Request
from tocsin.ports.receipts import Callback

TOKEN: Final = "token-of-sns-canary-55c1"

_BEGIN: Final = datetime(2020, 1, 1, tzinfo=UTC)
_VALID: Final = timedelta(days=36_500)


class PlayedNotices:
    """Signs as SNS does, with a key of its own that its certificate tells."""

    def __init__(self, topic: str, version: str = "2") -> None:
        self.topic = topic
        self.version = version
        self.confirmed: list[str] = []
        """Tokens with which a subscription was confirmed."""
        self.url = ""

    def envelope(
        self, provider: str, message: str, at_ms: int, kind: str = "Notification"
    ) -> Callback:
        """Return the request by which SNS posts *message*."""
        fields = {
            "Message": message,
            "MessageId": f"{at_ms:032x}",
            "Timestamp": _stamp(at_ms),
            "TopicArn": self.topic,
            "Type": kind,
        }
        if kind != "Notification":
            fields["Token"] = TOKEN
            fields["SubscribeURL"] = f"{self.url}/?Action=ConfirmSubscription&Token={TOKEN}"
        text = "".join(f"{name}\n{fields[name]}\n" for name in sorted(fields)).encode()
        algorithm = SHA256() if self.version == "2" else SHA1()  # noqa: S303  # SNS's default
        signature = self._key.sign(text, padding.PKCS1v15(), algorithm)
        body = msgspec.json.encode(
            {
                **fields,
                "SignatureVersion": self.version,
                "Signature": base64.b64encode(signature).decode(),
                "SigningCertURL": f"{self.url}{self._path}",
                "UnsubscribeURL": f"{self.url}/?Action=Unsubscribe",
            }
        )
        headers = {
            "content-type": "text/plain; charset=UTF-8",
            "x-amz-sns-message-type": kind,
            "x-amz-sns-topic-arn": self.topic,
        }
        return Callback("POST", f"/v1/callbacks/{provider}", "", headers, body, at_ms)

    def reply(self, request: Request) -> Reply | None:
        """Answer what whoever is subscribed asks of SNS; None for other requests."""
        if request.method != "GET":
            return None
        if request.path == self._path:
            return Reply(200, self._certificate, (("content-type", "application/x-pem-file"),))
        if request.query.get("Action") == "ConfirmSubscription":
            self.confirmed.append(request.query.get("Token", ""))
            return Reply(200, b"<ConfirmSubscriptionResponse/>", (("content-type", "text/xml"),))
        return None

    @cached_property
    def _key(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(65_537, 2_048)

    @cached_property
    def _path(self) -> str:
        # Another key, another address: whoever keeps certificates keeps the right one.
        return f"/SimpleNotificationService-{self._key.private_numbers().public_numbers.n % 16**32:032x}.pem"

    @cached_property
    def _certificate(self) -> bytes:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(1)
            .not_valid_before(_BEGIN)
            .not_valid_after(_BEGIN + _VALID)
            .sign(self._key, SHA256())
        )
        return made.public_bytes(Encoding.PEM)


def _stamp(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1_000, UTC):%Y-%m-%dT%H:%M:%S}.{at_ms % 1_000:03d}Z"
