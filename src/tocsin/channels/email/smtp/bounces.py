"""
Mail that tells what became of a letter: reports of delivery (RFC 3464) and of abuse (RFC 5965).

Anybody can write to the address that such mail comes to. So each letter bears a token, its reference
with a MAC: in its return path, its Message-ID and its envelope's id, of which a report brings some
back. A report without one is nobody's.
"""

from __future__ import annotations

import base64
import email
import hmac
import re
from collections.abc import Iterator, Sequence
from email.message import Message as Mail
from typing import Final

from tocsin.channels.email.smtp.meaning import Stage, meaning
from tocsin.channels.email.smtp.replies import Reply
from tocsin.config import Secret
from tocsin.errors import Malformed, Unauthenticated
from tocsin.ports.outcomes import Accepted, ProviderReason
from tocsin.ports.receipts import Receipt, ReceiptState

MAIL_BYTES_MAX: Final = 1_024 * 1_024
"""A longer one brings a whole letter back, which was not asked for."""

_PREFIX: Final = "dlv_"
_TOKEN: Final = re.compile(r"([a-z0-9_]{1,64})\.([a-z2-7]{13})(?![a-z0-9])", re.IGNORECASE)
_MAC_BYTES: Final = 8
"""As much as leaves room for a name before it, in a local part of 64 characters."""
_LOCAL_CHARACTERS_MAX: Final = 64
_STATUS: Final = re.compile(r"\s*([245])\.(\d{1,3})\.(\d{1,3})(?!\d)")
_TO_US: Final = ("To", "Delivered-To", "X-Original-To", "Envelope-To")
_RETURNED: Final = ("Message-ID", "Return-Path", "X-Failed-Recipients")
_REPORTED: Final = ("Original-Envelope-Id", "Original-Mail-From")
_PLEASED: Final = frozenset({"not-spam"})


class Tokens:
    """Makes and verifies the tokens of letters."""

    def __init__(self, key: Secret) -> None:
        self._key = key.reveal().encode()

    def of(self, reference: str) -> str:
        """Return the token of a letter, which may come back in capitals."""
        mac = hmac.digest(self._key, reference.encode(), "sha256")[:_MAC_BYTES]
        return f"{reference}.{base64.b32encode(mac).decode().lower().rstrip('=')}"

    def reference(self, text: str) -> str | None:
        """Return the reference of the first token in *text* that is ours."""
        for found in _TOKEN.finditer(text):
            reference = _PREFIX + found[1].lower().removeprefix(_PREFIX)
            if hmac.compare_digest(self.of(reference), f"{reference}.{found[2].lower()}"):
                return reference
        return None


def return_path(bounces: str, token: str) -> str:
    """Return *bounces* with *token* in it, or as it is where that would be too long."""
    local, _, domain = bounces.rpartition("@")
    tagged = f"{local}+{token.removeprefix(_PREFIX)}"
    return f"{tagged}@{domain}" if len(tagged) <= _LOCAL_CHARACTERS_MAX else bounces


def read_report(raw: bytes, tokens: Tokens, at_ms: int) -> Sequence[Receipt]:
    """
    Return what a mail says of a letter of ours; one that is no report says nothing.

    Raises `Unauthenticated` where no token of ours is in it, and `Malformed` for a report that
    cannot be read.
    """
    if len(raw) > MAIL_BYTES_MAX:
        raise Malformed(f"a report has at most {MAIL_BYTES_MAX} bytes")
    try:
        mail = email.message_from_bytes(raw)
        parts = list(mail.walk())
        reference = _reference(mail, parts, tokens)
    except (ValueError, LookupError, RecursionError):
        raise Unauthenticated("this is no mail about a letter of ours") from None
    if reference is None:
        raise Unauthenticated("the mail bears no token of ours")
    if mail.get_content_type() != "multipart/report":
        return ()
    kinds = {part.get_content_type(): part for part in parts}
    for kind, read in (("message/delivery-status", _status), ("message/feedback-report", _abuse)):
        if kind in kinds:
            return read(kinds[kind], reference, at_ms)
    raise Malformed("the report says nothing that can be read")


def _reference(mail: Mail, parts: Sequence[Mail], tokens: Tokens) -> str | None:
    for text in _said(mail, parts):
        reference = tokens.reference(text)
        if reference is not None:
            return reference
    return None


def _said(mail: Mail, parts: Sequence[Mail]) -> Iterator[str]:
    """Yield all fields in which a token may have come back."""
    for part in (mail, *_blocks(parts)):
        for name in (*_TO_US, *_RETURNED, *_REPORTED):
            yield from map(str, part.get_all(name, []))


def _blocks(parts: Sequence[Mail]) -> Iterator[Mail]:
    for part in parts:
        kind, payload = part.get_content_type(), part.get_payload()
        if isinstance(payload, list):
            yield from (each for each in payload if isinstance(each, Mail))
        elif kind == "text/rfc822-headers":
            yield email.message_from_string(str(payload))


def _status(part: Mail, reference: str, at_ms: int) -> Sequence[Receipt]:
    """Read the first recipient: a letter has one. The first block is about the letter as a whole."""
    blocks = part.get_payload()
    about = [each for each in blocks if isinstance(each, Mail) and "Action" in each]
    if not about:
        raise Malformed("the report names no recipient")
    block = about[0]
    action = str(block["Action"]).strip().lower()
    if action == "delivered":
        return [Receipt(reference, ReceiptState.DELIVERED, "delivered", at_ms)]
    if action != "failed":
        return ()
    found = _STATUS.match(str(block.get("Status", "")))
    status = "5.0.0" if found is None else f"5.{found[2]}.{found[3]}"
    words = " ".join(str(block.get("Diagnostic-Code", "")).split())[:1_000]
    outcome = meaning(Reply(550, f"{status} {words}"), Stage.LETTER)
    assert not isinstance(outcome, Accepted)
    reason = outcome.reason
    # What went on failing until the server gave up says nothing about the address.
    for_good = found is not None and found[1] == "5"
    dead = for_good and reason is ProviderReason.DEAD_ADDRESS
    if reason is ProviderReason.DEAD_ADDRESS and not dead:
        reason = ProviderReason.BLOCKED
    shown = "" if found is None else found[0].strip()
    return [
        Receipt(reference, ReceiptState.FAILED, reason, at_ms, dead, f"bounced {shown}".strip())
    ]


def _abuse(part: Mail, reference: str, at_ms: int) -> Sequence[Receipt]:
    blocks = [each for each in part.get_payload() if isinstance(each, Mail)]
    kind = str(blocks[0].get("Feedback-Type", "")).strip().lower() if blocks else ""
    if not kind:
        raise Malformed("the report names no kind of feedback")
    if kind in _PLEASED:
        return ()
    detail = kind if kind.replace("-", "").isalpha() else ""
    if kind in {"opt-out", "opt-out-list"}:
        return [Receipt(reference, ReceiptState.UNSUBSCRIBED, "unsubscribed", at_ms, detail=detail)]
    return [Receipt(reference, ReceiptState.COMPLAINED, "complained", at_ms, detail=detail[:40])]
