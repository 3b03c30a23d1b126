"""The mails by which servers tell what became of a letter, as RFC 3464 and RFC 5965 show them."""

from __future__ import annotations

import email
from email.message import Message
from typing import Final

from tocsin.ports.receipts import ReceiptState

_BOUNDARY: Final = "=_report"
_STRANGER: Final = (
    b"Message-ID: <dlv_" + b"0" * 40 + b".aaaaaaaaaaaaa@sandbox.test>\r\nSubject: x\r\n\r\n"
)
_STATUS: Final = (
    "Reporting-MTA: dns; mx.example.test\r\n"
    "\r\n"
    "Final-Recipient: rfc822; somebody@example.test\r\n"
    "Action: {action}\r\n"
    "Status: {status}\r\n"
    "Diagnostic-Code: smtp; {code} {status} {words}\r\n"
)
_ABUSE: Final = (
    "Feedback-Type: abuse\r\n"
    "User-Agent: SandboxFeedback/1.0\r\n"
    "Version: 1\r\n"
    "Reported-Domain: sandbox.test\r\n"
)


def report(letter: bytes | None, state: ReceiptState) -> bytes:
    """Return the mail that tells *state* of *letter*; of one that nobody sent where there is none."""
    if state is ReceiptState.COMPLAINED:
        return _mail("feedback-report", "feedback-report", _ABUSE, letter)
    if state is ReceiptState.DELIVERED:
        said = _STATUS.format(action="delivered", status="2.0.0", code=250, words="ok")
    else:
        said = _STATUS.format(action="failed", status="5.1.1", code=550, words="no such user")
    return _mail("delivery-status", "delivery-status", said, letter)


def garbled(letter: bytes, body: bytes) -> bytes:
    """Return a report about *letter* in which *body* stands where the report is to be."""
    return _mail("delivery-status", "x-garbled", "", letter).replace(
        b"x-garbled\r\n\r\n", b"x-garbled\r\n\r\n" + body
    )


def _mail(report_type: str, part_type: str, said: str, letter: bytes | None) -> bytes:
    original = _head(letter or _STRANGER)
    parts = (
        ("text/plain", "Something became of your letter.\r\n"),
        (f"message/{part_type}", said),
        ("text/rfc822-headers", original),
    )
    lines = [
        "From: MAILER-DAEMON@mx.example.test",
        "To: bounces@sandbox.test",
        "Subject: Report",
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type={report_type}; boundary="{_BOUNDARY}"',
        "",
    ]
    for kind, text in parts:
        lines += [f"--{_BOUNDARY}", f"Content-Type: {kind}", "", text]
    return "\r\n".join([*lines, f"--{_BOUNDARY}--", ""]).encode("utf-8", "surrogateescape")


def _head(letter: bytes) -> str:
    """Return the head of *letter* without what says to whom it went, as some reporters do."""
    mail: Message = email.message_from_bytes(letter.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
    names = ("From", "Subject", "Date", "Message-ID")
    return "".join(f"{name}: {mail[name]}\r\n" for name in names if name in mail)
