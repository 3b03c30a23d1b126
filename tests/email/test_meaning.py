"""What a refusal means: the table, row by row, and what it falls back to."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.channels.email.smtp.connection import queue_name
from tocsin.channels.email.smtp.meaning import ANSWERS, Stage, _row, meaning
from tocsin.channels.email.smtp.replies import BadReply, Replies, Reply
from tocsin.ports.outcomes import ProviderReason, Refused, TryLater

R = ProviderReason
LATER = "later"
NEVER = "never"

CASES = [
    (421, "4.7.0 try again", Stage.MAIL, LATER, R.THROTTLED),
    (421, "closing", Stage.LETTER, LATER, R.OVERLOADED),
    (450, "4.2.1 receiving mail at a rate that prevents", Stage.RCPT, LATER, R.THROTTLED),
    (450, "4.2.1 mailbox disabled", Stage.RCPT, LATER, R.OVERLOADED),
    (450, "too many messages", Stage.RCPT, LATER, R.THROTTLED),
    (451, "Greylisted, please try again", Stage.RCPT, LATER, R.THROTTLED),
    (451, "local error", Stage.LETTER, LATER, R.OVERLOADED),
    (451, "4.7.1 greylisted", Stage.RCPT, LATER, R.THROTTLED),
    (452, "4.2.2 full", Stage.RCPT, LATER, R.THROTTLED),
    (452, "4.3.1 no storage", Stage.MAIL, LATER, R.OVERLOADED),
    (452, "4.5.3 too many recipients", Stage.RCPT, LATER, R.OVERLOADED),
    (454, "4.7.0 temporary", Stage.AUTH, LATER, R.OVERLOADED),
    (550, "5.1.1 no such user", Stage.RCPT, NEVER, R.DEAD_ADDRESS),
    (550, "5.1.2 no such host", Stage.RCPT, NEVER, R.DEAD_ADDRESS),
    (553, "5.1.3 bad syntax", Stage.RCPT, NEVER, R.DEAD_ADDRESS),
    (550, "5.1.6 moved", Stage.RCPT, NEVER, R.DEAD_ADDRESS),
    (556, "5.1.10 null MX", Stage.RCPT, NEVER, R.DEAD_ADDRESS),
    (550, "5.1.1 no such user", Stage.LETTER, NEVER, R.DEAD_ADDRESS),
    (550, "5.1.0 other", Stage.RCPT, NEVER, R.BAD_ADDRESS),
    (550, "5.1.8 bad sender", Stage.MAIL, LATER, R.OUR_FAULT),
    (550, "5.2.1 disabled", Stage.RCPT, NEVER, R.DEAD_ADDRESS),
    (552, "5.2.2 mailbox full", Stage.RCPT, LATER, R.THROTTLED),
    (552, "5.2.3 too long", Stage.LETTER, NEVER, R.TOO_LARGE),
    (552, "5.3.4 too big", Stage.MAIL, NEVER, R.TOO_LARGE),
    (552, "too big", Stage.LETTER, NEVER, R.TOO_LARGE),
    (550, "5.4.6 loop", Stage.RCPT, NEVER, R.BAD_ADDRESS),
    (501, "5.5.4 bad argument", Stage.MAIL, NEVER, R.BAD_CONTENT),
    (554, "5.6.0 bad content", Stage.LETTER, NEVER, R.BAD_CONTENT),
    (553, "5.6.7 no SMTPUTF8", Stage.RCPT, NEVER, R.BAD_ADDRESS),
    (550, "5.7.1 policy", Stage.LETTER, LATER, R.OUR_FAULT),
    (535, "5.7.8 wrong password", Stage.AUTH, LATER, R.OUR_FAULT),
    (530, "5.7.0 log in first", Stage.MAIL, LATER, R.OUR_FAULT),
    (530, "log in first", Stage.RCPT, LATER, R.OUR_FAULT),
    (550, "5.7.26 unauthenticated", Stage.LETTER, LATER, R.OUR_FAULT),
    (550, "5.7.515 access denied", Stage.LETTER, LATER, R.OUR_FAULT),
    (550, "5.7.25 no PTR", Stage.LETTER, LATER, R.OUR_FAULT),
    (550, "unknown user", Stage.RCPT, NEVER, R.DEAD_ADDRESS),
    (550, "No such person", Stage.RCPT, NEVER, R.DEAD_ADDRESS),
    (550, "blocked: the user's mailbox refuses spam", Stage.RCPT, LATER, R.OUR_FAULT),
    (550, "listed at some list", Stage.MAIL, LATER, R.OUR_FAULT),
    (550, "no", Stage.RCPT, NEVER, R.BLOCKED),
    (551, "user not local", Stage.RCPT, NEVER, R.DEAD_ADDRESS),
    (553, "not allowed", Stage.RCPT, NEVER, R.DEAD_ADDRESS),
    (553, "not allowed", Stage.MAIL, LATER, R.OUR_FAULT),
    (554, "no service", Stage.GREETING, LATER, R.OUR_FAULT),
    (554, "no service", Stage.EHLO, LATER, R.OUR_FAULT),
    (554, "transaction failed", Stage.LETTER, NEVER, R.BLOCKED),
    (501, "syntax", Stage.RCPT, NEVER, R.BAD_ADDRESS),
    (503, "bad sequence", Stage.DATA, NEVER, R.BAD_CONTENT),
    # The class of the status is believed where the digits say something else.
    (550, "4.2.0 come back", Stage.RCPT, LATER, R.OVERLOADED),
    (450, "5.1.1 nobody", Stage.RCPT, NEVER, R.DEAD_ADDRESS),
    (250, "Ok", Stage.DATA, LATER, R.OVERLOADED),
]


@pytest.mark.parametrize(("code", "text", "stage", "when", "reason"), CASES)
def test_a_refusal_is_understood(
    code: int, text: str, stage: Stage, when: str, reason: ProviderReason
) -> None:
    outcome = meaning(Reply(code, text), stage)
    assert isinstance(outcome, TryLater if when == LATER else Refused)
    assert outcome.reason is reason
    assert outcome.detail.startswith(f"{stage}: {code}")
    if isinstance(outcome, TryLater):
        assert outcome.known


def test_every_row_is_reached() -> None:
    for rows, text in ((ANSWERS.statuses, "{status} {words}"), (ANSWERS.codes, "{words}")):
        for row in rows:
            parts = [*row.said.rstrip(".").split("."), "99", "99"][:3]
            said = ".".join(parts) if "." in row.said else row.said
            code = int(said[0] + "99" if "." in said else said.ljust(3, "9"))
            words = text.format(status=said, words=row.words[0] if row.words else "x")
            found = [_row(Reply(code, words), stage) for stage in row.stages]
            assert row in found, row


@pytest.mark.parametrize(
    ("text", "after_ms"),
    [
        ("4.7.1 greylisted, try again in 90 seconds", 90_000),
        ("4.7.1 please wait 10 minutes", 600_000),
        ("4.7.1 retry in 2h", 7_200_000),
        ("4.7.1 retry in 99 hours", 4 * 3_600_000),
        ("4.7.1 retry in 0 seconds", 300_000),
        ("4.7.1 greylisted", 300_000),
    ],
)
def test_a_wait_that_is_asked_for_is_kept(text: str, after_ms: int) -> None:
    outcome = meaning(Reply(451, text), Stage.RCPT)
    assert isinstance(outcome, TryLater)
    assert outcome.after_ms == after_ms


@given(
    code=st.integers(400, 599),
    text=st.text(max_size=60),
    stage=st.sampled_from(list(Stage)),
)
def test_what_is_kept_never_holds_the_servers_words(code: int, text: str, stage: Stage) -> None:
    outcome = meaning(Reply(code, f"ana@example.test {text}"), stage)
    assert isinstance(outcome, TryLater | Refused)
    assert outcome.detail == f"{stage}: {code}"
    assert "ana" not in repr(Reply(code, "ana@example.test"))


@given(
    lines=st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126)), min_size=1),
    cuts=st.lists(st.integers(0, 400)),
)
def test_replies_are_read_whatever_pieces_they_come_in(lines: list[str], cuts: list[int]) -> None:
    last = len(lines) - 1
    wire = "".join(f"250{'-' if n < last else ' '}{line}\r\n" for n, line in enumerate(lines))
    data = (wire * 2).encode()
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    replies = Replies()
    pieces = [data[a:b] for a, b in pairwise(places)]
    found = [reply for piece in pieces for reply in replies.feed(piece)]
    assert found == [Reply(250, "\n".join(lines))] * 2
    assert replies.clean


@pytest.mark.parametrize(
    "data", [b"hello\r\n", b"25\r\n", b"25x ok\r\n", b"250_ok\r\n", b"150 ok\r\n"]
)
def test_what_is_no_reply_is_refused(data: bytes) -> None:
    with pytest.raises(BadReply):
        Replies().feed(data)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("2.0.0 Ok: queued as 4F5B12C0D3", "4F5B12C0D3"),
        ("OK id=1qXyZa-0003Hk-2B", "1qXyZa-0003Hk-2B"),
        ("Ok 0102018c-5b1e-000000", "0102018c-5b1e-000000"),
        ("2.0.0 OK", None),
        ("2.0.0 Ok: queued as ana@example.test", None),
        ("ok thanks", None),
        ("queued as " + "1" * 100, None),
    ],
)
def test_the_servers_name_for_a_letter_is_kept_and_nothing_else(
    text: str, name: str | None
) -> None:
    assert queue_name(text) == name
