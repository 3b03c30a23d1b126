"""What a simulator keeps on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from tocsin.channels.mailbox import Mailbox
from tocsin.errors import NotFound
from tocsin.ports.simulator import Received


def add(mailbox: Mailbox, to: str = "ana", *, at_ms: int = 0) -> Received:
    number = mailbox.next_number
    message = Received(
        id=f"pager-{number}",
        provider="pager",
        channel="chat",
        reference=f"dlv_{number}",
        to=to,
        received_ms=at_ms,
        content={"text": f"text {number}"},
        raw=b"\xff",
        answer="taken",
        taken=True,
    )
    mailbox.add(message)
    return message


@pytest.fixture(params=["memory", "file"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "mail.jsonl" if request.param == "file" else None


def test_the_newest_comes_first_and_is_found_by_address_reference_and_time(
    path: Path | None,
) -> None:
    mailbox = Mailbox(path, held_max=10)
    first, second = add(mailbox, "ana", at_ms=1), add(mailbox, "bo", at_ms=2)
    assert list(mailbox.newest_first()) == [second, first]
    assert list(mailbox.newest_first(to="ana")) == [first]
    assert list(mailbox.newest_first(to="dlv_2")) == [second]
    assert list(mailbox.newest_first(since_ms=2)) == [second]
    assert mailbox.get(1) == first


def test_the_oldest_are_forgotten_and_numbers_go_on(path: Path | None) -> None:
    mailbox = Mailbox(path, held_max=8)
    messages = [add(mailbox) for _ in range(20)]
    kept = list(mailbox.oldest_first())
    assert len(kept) <= 8
    assert kept == messages[-len(kept) :]
    assert mailbox.next_number == 21
    assert mailbox.get(20) == messages[-1]
    with pytest.raises(NotFound):
        mailbox.get(1)


def test_one_message_is_the_least_that_is_kept(path: Path | None) -> None:
    mailbox = Mailbox(path, held_max=1)
    for number in range(1, 4):
        newest = add(mailbox)
        assert mailbox.next_number == number + 1
        assert newest in list(mailbox.oldest_first())


def test_what_was_added_is_there_when_the_file_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "mail.jsonl"
    before = Mailbox(path, held_max=8)
    messages = [add(before) for _ in range(12)]
    # Nothing is closed in good order: whoever is killed does not, either.
    after = Mailbox(path, held_max=8)
    assert list(after.oldest_first()) == messages[-len(list(before.oldest_first())) :]
    assert after.next_number == 13


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "mail.jsonl"
    mailbox = Mailbox(path, held_max=8)
    first = add(mailbox)
    add(mailbox)
    path.write_bytes(path.read_bytes()[:-5])
    after = Mailbox(path, held_max=8)
    assert list(after.oldest_first()) == [first]
    again = add(after)
    assert again.id == "pager-2"
    assert list(Mailbox(path, held_max=8).oldest_first()) == [first, again]
