"""Mail that comes back is believed when it bears a letter's token, and read as it was meant."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest

from tests.channels.vendor_bench import NOW_MS, Bench, bench
from tests.channels.vendor_bench import callback as posted
from tocsin.channels.email.smtp.bounces import MAIL_BYTES_MAX, Tokens, read_report, return_path
from tocsin.config import Secret
from tocsin.errors import Malformed, Unauthenticated
from tocsin.ports.receipts import Receipt, ReceiptState

REFERENCE = "dlv_" + "0a" * 20
TOKENS = Tokens(Secret("canary of the bounces"))
TOKEN = TOKENS.of(REFERENCE)
PATH = return_path("bounces@example.com", TOKEN)

# As Postfix writes it.
POSTFIX = f"""\
Return-Path: <>
Date: Mon,  5 Jan 2026 00:41:02 +0000 (UTC)
From: MAILER-DAEMON@mx.example.net (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: {PATH}
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="4C1F2200B1.1767573662/mx.example.net"

This is a MIME-encapsulated message.

--4C1F2200B1.1767573662/mx.example.net
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not be delivered.

--4C1F2200B1.1767573662/mx.example.net
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net
X-Postfix-Queue-ID: 4C1F2200B1
X-Postfix-Sender: rfc822; bounces@example.com
Arrival-Date: Mon,  5 Jan 2026 00:41:01 +0000 (UTC)

Final-Recipient: rfc822; ana@example.net
Original-Recipient: rfc822;ana@example.net
Action: {{action}}
Status: {{status}}
Remote-MTA: dns; mail.example.net
Diagnostic-Code: smtp; {{said}}

--4C1F2200B1.1767573662/mx.example.net
Content-Description: Undelivered Message Headers
Content-Type: text/rfc822-headers

Return-Path: <{{path}}>
From: Shop <shop@example.com>
Message-ID: <{{id}}@example.com>

--4C1F2200B1.1767573662/mx.example.net--
"""

# As RFC 5965, appendix B shows it.
ARF = f"""\
From: <abusedesk@example.com>
Date: Thu, 8 Mar 2005 17:40:36 EDT
Subject: FW: Earn money
To: <abuse@example.net>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report;
     boundary="part1_13d.2e68ed54_boundary"

--part1_13d.2e68ed54_boundary
Content-Type: text/plain; charset="US-ASCII"
Content-Transfer-Encoding: 7bit

This is an email abuse report.

--part1_13d.2e68ed54_boundary
Content-Type: message/feedback-report

Feedback-Type: {{kind}}
User-Agent: SomeGenerator/1.0
Version: 1
Original-Mail-From: <somespammer@example.net>

--part1_13d.2e68ed54_boundary
Content-Type: message/rfc822
Content-Disposition: inline

Received: from mailserver.example.net by example.com; Thu, 08 Mar 2005 14:00:00 -0400
From: <somespammer@example.net>
Message-ID: <{TOKEN}@example.com>
Subject: Earn money

Spam Spam Spam
--part1_13d.2e68ed54_boundary--
"""


def bounce(
    action: str = "failed",
    status: str = "5.1.1",
    said: str = "550 5.1.1 <ana@example.net>: unknown",
    path: str = PATH,
    id: str = TOKEN,
) -> bytes:
    text = POSTFIX.format(action=action, status=status, said=said, path=path, id=id)
    return text.replace("\n", "\r\n").encode()


def read(raw: bytes) -> list[Receipt]:
    return list(read_report(raw, TOKENS, NOW_MS))


def test_an_unknown_user_is_a_dead_address() -> None:
    (receipt,) = read(bounce())
    assert receipt == Receipt(
        REFERENCE, ReceiptState.FAILED, "dead_address", NOW_MS, True, "bounced 5.1.1"
    )


@pytest.mark.parametrize(
    ("status", "said", "reason"),
    [
        ("5.7.1", "550 5.7.1 listed", "our_fault"),
        ("5.3.4", "552 5.3.4 too large", "too_large"),
        ("4.4.1", "connect: timed out", "bad_address"),
        ("4.1.1", "450 4.1.1 unknown for now", "blocked"),
        ("nonsense", "", "blocked"),
    ],
)
def test_other_failures_leave_the_address(status: str, said: str, reason: str) -> None:
    (receipt,) = read(bounce(status=status, said=said))
    assert (receipt.state, receipt.reason, receipt.dead_address) == ("failed", reason, False)
    assert "@" not in receipt.detail


@pytest.mark.parametrize("action", ["delayed", "relayed", "expanded"])
def test_what_ends_nothing_says_nothing(action: str) -> None:
    assert not read(bounce(action, "4.4.1"))


def test_a_server_may_tell_that_it_arrived() -> None:
    (receipt,) = read(bounce("delivered", "2.0.0", "250 ok"))
    assert receipt.state is ReceiptState.DELIVERED


@pytest.mark.parametrize(
    ("kind", "states"),
    [
        ("abuse", ["complained"]),
        ("Fraud", ["complained"]),
        ("opt-out", ["unsubscribed"]),
        ("not-spam", []),
    ],
)
def test_a_complaint(kind: str, states: list[str]) -> None:
    found = read(ARF.format(kind=kind).encode())
    assert [(each.reference, each.state) for each in found] == [(REFERENCE, s) for s in states]


def test_the_path_alone_is_proof_enough_and_so_is_the_name() -> None:
    nobodys = "somebody@example.com"
    without_name = bounce(path=nobodys, id="other")
    assert read(without_name)[0].reference == REFERENCE
    without_path = bounce().replace(PATH.encode(), nobodys.encode())
    assert read(without_path)[0].reference == REFERENCE
    assert read(bounce().replace(TOKEN.encode(), TOKEN.upper().encode()))


def test_nobody_makes_up_a_bounce() -> None:
    other = f"{REFERENCE}.{'a' * 13}"
    for raw in (
        bounce(path="x@y.test", id=other).replace(PATH.encode(), b"bounces@example.com"),
        bounce(path="x@y.test", id=REFERENCE).replace(PATH.encode(), b"bounces@example.com"),
        b"",
        b"\xff\x00 nonsense",
        b"Content-Type: multipart/report; boundary=x\r\n\r\n" + b"--x\r\n" * 5_000,
    ):
        with pytest.raises(Unauthenticated):
            read(raw)
    strange = Tokens(Secret("another key"))
    with pytest.raises(Unauthenticated):
        read_report(bounce(), strange, NOW_MS)


def test_an_answer_of_a_machine_says_nothing() -> None:
    raw = f"From: ana@example.net\r\nTo: {PATH}\r\nAuto-Submitted: auto-replied\r\n\r\nI am away."
    assert not read(raw.encode())


def test_what_is_too_long_or_empty_is_malformed() -> None:
    with pytest.raises(Malformed):
        read(bounce() + bytes(MAIL_BYTES_MAX))
    with pytest.raises(Malformed):
        read(bounce().replace(b"Action:", b"X-Action:"))


def test_a_path_has_no_more_than_may_stand_before_the_at() -> None:
    assert re.fullmatch(r"bounces\+[0-9a-f]{40}\.[a-z2-7]{13}@example\.com", PATH)
    assert len(PATH.partition("@")[0]) <= 64
    assert (
        return_path("a-very-long-name-of-bounces@x.test", TOKEN)
        == "a-very-long-name-of-bounces@x.test"
    )
    assert "canary" not in repr(TOKENS)


@pytest.fixture
async def smtp() -> AsyncIterator[Bench]:
    async with bench("smtp") as one:
        yield one


async def test_what_is_sent_bears_what_comes_back(smtp: Bench) -> None:
    await smtp.provider.send([smtp.message(7)])
    (taken,) = smtp.simulator.taken
    assert taken.reference == smtp.message(7).reference
    token = Tokens(Secret(str(smtp.settings["bounce_key"]))).of(taken.reference)
    assert f"Message-ID: <{token}@".encode() in taken.raw
    told = smtp.simulator.callback([taken.reference], ReceiptState.COMPLAINED, NOW_MS)
    (receipt,) = (await smtp.provider.read_callback(told)).receipts
    assert (receipt.reference, receipt.state) == (taken.reference, "complained")


async def test_without_a_key_no_mail_is_believed() -> None:
    async with bench("smtp", bounce_key=None) as smtp:
        assert not smtp.provider.flags.receipts
        await smtp.provider.send([smtp.message(7)])
        reference = smtp.message(7).reference
        assert f"Message-ID: <{reference}@".encode() in smtp.simulator.taken[0].raw
        with pytest.raises(Unauthenticated):
            await smtp.provider.read_callback(posted("smtp", bounce(), {}))
