"""What a letter holds is read with the standard library's parser, which has not written it."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.channels.email import CHANNEL, SUBJECT_CHARACTERS_MAX
from tocsin.channels.email.writing.frame import UNSUBSCRIBE_PLACE
from tocsin.channels.email.writing.headers import BadHeader, text_field
from tocsin.channels.email.writing.letter import BadLetter, Letter, Sender, Writer
from tocsin.ports.message import Content, Message

NOW_MS = 1_900_000_000_123
REFERENCE = "dlv_" + "0a" * 20
LINK = "https://tocsin.example/u/" + "x" * 60
HEADERS = {
    *("from", "to", "subject", "date", "message-id", "auto-submitted", "mime-version", "reply-to"),
    *("list-unsubscribe", "list-unsubscribe-post", "list-id", "traceparent", "content-type"),
    "content-transfer-encoding",
}
ANYTHING = st.text(st.characters(exclude_categories=["Cs"]), max_size=400)
LINES = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n"))


def message(
    content: Content,
    address: str = "ana@example.com",
    unsubscribe: str | None = None,
    category: str | None = None,
    trace: str | None = None,
) -> Message:
    return Message(
        REFERENCE, address, content, unsubscribe=unsubscribe, category=category, trace=trace
    )


def written(
    content: Content,
    sender: Sender | None = None,
    unsubscribe: str | None = None,
    category: str | None = None,
    trace: str | None = None,
) -> Letter:
    writer = Writer(sender or Sender("shop@shop.example", "The Shop"))
    one = message(content, unsubscribe=unsubscribe, category=category, trace=trace)
    return writer.write(one, NOW_MS)


def read(letter: Letter) -> EmailMessage:
    found = email.message_from_bytes(letter.data, policy=email.policy.default)
    assert not found.defects
    return found


def part(letter: EmailMessage, kind: str) -> str:
    found = letter.get_body((kind,))
    assert found is not None
    return str(found.get_content()).replace("\r\n", "\n")


def test_a_letter_says_who_when_and_what() -> None:
    content = CHANNEL.shape({"title": "Über uns", "body": "Zwei\nZeilen\n\nund mehr"})
    more = {"category": "news:shop", "unsubscribe": LINK, "trace": "00-ab-cd-01"}
    letter = read(
        written(content, Sender("shop@shop.example", "Der Läden", "re@x.example"), **more)
    )
    assert letter["From"] == "Der Läden <shop@shop.example>"
    assert letter["To"] == "ana@example.com"
    assert letter["Subject"] == "Über uns"
    assert letter["Date"].datetime.timestamp() == NOW_MS // 1_000
    assert letter["Message-ID"] == f"<{REFERENCE}@shop.example>"
    assert letter["Reply-To"] == "re@x.example"
    assert letter["List-Unsubscribe"] == f"<{LINK}>"
    assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert letter["List-Id"] == "<news-shop.shop.example>"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["Traceparent"] == "00-ab-cd-01"
    assert letter.get_content_type() == "multipart/alternative"
    kinds = [each.get_content_type() for each in letter.iter_parts()]
    assert kinds == ["text/plain", "text/html"]


def test_a_letter_that_nobody_can_switch_off_has_no_link() -> None:
    letter = read(written(CHANNEL.shape({"title": "Hi", "body": "there"})))
    assert letter["List-Unsubscribe"] is None
    assert letter["List-Unsubscribe-Post"] is None
    assert "unsubscribe" not in part(letter, "plain").lower()
    assert "<a" not in part(letter, "html")


def test_the_link_stands_in_text_and_page_too() -> None:
    letter = read(written(CHANNEL.shape({"title": "Hi", "body": "there"}), unsubscribe=LINK))
    assert part(letter, "plain").rstrip().endswith(f"Unsubscribe: {LINK}")
    assert f'href="{LINK}"' in part(letter, "html")


@pytest.mark.parametrize("filler", ["plain words ", "прямая речь "])
def test_a_page_of_its_own_gets_the_link_where_it_asks_for_it(filler: str) -> None:
    page = f"<html><body><p>{filler * 40}a{UNSUBSCRIBE_PLACE}b</p></body></html>"
    content = CHANNEL.shape({"subject": "s", "html": page})
    with_link = part(read(written(content, unsubscribe=LINK)), "html")
    without = part(read(written(content)), "html")
    before, _, after = page.partition(UNSUBSCRIBE_PLACE)
    assert with_link.startswith(before)
    assert with_link.rstrip().endswith(after)
    assert f'href="{LINK}"' in with_link
    assert "".join(without.split()) == "".join((before + after).split())


def test_readers_of_one_text_get_links_of_their_own() -> None:
    content = CHANNEL.shape({"title": "Hi", "body": "there"})
    writer = Writer(Sender("shop@shop.example"))
    letters = [
        read(writer.write(message(content, f"{name}@example.com", unsubscribe=f"{LINK}{name}"), 0))
        for name in ("ana", "bob", "ana")
    ]
    for letter, name in zip(letters, ("ana", "bob", "ana"), strict=True):
        assert letter["To"] == f"{name}@example.com"
        assert letter["List-Unsubscribe"] == f"<{LINK}{name}>"
        assert f'"{LINK}{name}"' in part(letter, "html")
    other = read(writer.write(message(CHANNEL.shape({"title": "B", "body": "other"})), 2_000))
    assert part(other, "plain").strip() == "B\n\nother"
    assert other["Date"] != letters[0]["Date"]


@given(title=ANYTHING, text=LINES, page=LINES)
def test_what_comes_out_is_what_went_in(title: str, text: str, page: str) -> None:
    content = Content(
        "", "", {"subject": CHANNEL.shape({"title": title}).fields.get("subject", "")}
    )
    fields = {**content.fields, "text": text, "html": page}
    try:
        letter = written(Content("", "", fields), unsubscribe=LINK)
    except BadLetter:
        assert "=?" in title
        return
    found = read(letter)
    assert (found["Subject"] or "") == content.fields.get("subject", "")
    plain = part(found, "plain").rstrip()
    if not page:
        assert plain.endswith(f"Unsubscribe: {LINK}")
        plain = plain.removesuffix(f"Unsubscribe: {LINK}").rstrip()
    assert plain == _as_read(text).rstrip()
    if page:
        assert part(found, "html").rstrip() == _as_read(page).rstrip()
    assert {name.lower() for name in found} <= HEADERS
    assert len(found.keys()) == len(set(found.keys()))
    assert all(len(line) <= 998 for line in letter.data.split(b"\r\n"))
    assert b"\r" not in letter.data.replace(b"\r\n", b"")
    assert b"\n" not in letter.data.replace(b"\r\n", b"")
    assert letter.data.isascii()


@given(
    fields=st.dictionaries(st.sampled_from(sorted(CHANNEL.content_fields())), ANYTHING),
    address=ANYTHING,
    name=ANYTHING,
)
def test_no_value_becomes_a_header(fields: dict[str, str], address: str, name: str) -> None:
    content = CHANNEL.shape(fields)
    try:
        sender = Sender("shop@shop.example", name)
        letter = Writer(sender).write(message(content, address or "ana@example.com"), NOW_MS)
    except (BadLetter, BadHeader):
        return
    head = letter.data.partition(b"\r\n\r\n")[0]
    names = [line.partition(b":")[0].lower().decode() for line in _unfolded(head)]
    assert set(names) <= HEADERS
    assert len(names) == len(set(names))


INJECTED = "=?utf-8?q?Hello=0D=0ABcc:_eve@evil.example?="


def test_an_encoded_word_that_holds_a_line_break_is_refused() -> None:
    # The library that we do not write with takes it for a header of its own.
    theirs = email.message_from_string(f"Subject: {INJECTED}\n\n", policy=email.policy.default)
    assert "\nBcc: eve@evil.example" in str(theirs["Subject"]).replace("\r", "")
    for hidden in (INJECTED, INJECTED.upper(), "=?utf-8?b?SGkNCkJjYzogZUBldmlsLmV4YW1wbGU=?="):
        with pytest.raises(BadHeader):
            text_field("Subject", f"Re: {hidden}")
        with pytest.raises(BadLetter):
            written(CHANNEL.shape({"title": f"Re: {hidden}", "body": "b"}))


def test_what_looks_like_an_encoded_word_reads_as_it_was_written() -> None:
    for word in ("=?utf-8?q?caf=C3=A9?=", "a =? b ?= c", "=?broken"):
        assert read(written(CHANNEL.shape({"title": word, "body": "b"})))["Subject"] == word


@pytest.mark.parametrize("bad", ["a\rb", "a\nb", "a\0b", "a\x1bb", "a\x7fb", "a\x85b", "a\u2028b"])
def test_the_gate_lets_no_control_character_pass(bad: str) -> None:
    with pytest.raises(BadHeader):
        text_field("Subject", bad)
    with pytest.raises(BadHeader):
        Writer(Sender("shop@shop.example", bad))
    with pytest.raises(BadLetter):
        written(Content("", "", {"subject": "s", "text": "t", "reply_to": f"{bad}@x.example"}))
    with pytest.raises(BadLetter):
        written(CHANNEL.shape({"title": "s"}), trace=bad)
    with pytest.raises(BadLetter):
        Writer(Sender("shop@shop.example")).write(message(Content(), f"{bad}@x.example"), 0)


def test_an_address_beyond_ascii_is_written_as_the_wire_takes_it() -> None:
    content = CHANNEL.shape({"title": "s", "body": "b"})
    domain = Writer(Sender("s@x.example")).write(message(content, "ana@bücher.example"), 0)
    assert domain.to == ("ana@xn--bcher-kva.example", False)
    local = Writer(Sender("s@x.example")).write(message(content, "anä@bücher.example"), 0)
    assert local.to == ("anä@xn--bcher-kva.example", True)
    assert "To: anä@xn--bcher-kva.example\r\n".encode() in local.data


def test_a_subject_is_one_line_and_not_too_long() -> None:
    content = CHANNEL.shape({"subject": "Two\r\n lines\tand \u202emore", "text": "t"})
    assert content.fields["subject"] == "Two lines and more"
    cut = CHANNEL.shape({"subject": "x" * 900, "text": "t"}).fields["subject"]
    assert (len(cut), cut[-1]) == (SUBJECT_CHARACTERS_MAX, "…")


def _as_read(text: str) -> str:
    """The parser's way with lines: it ends them all in one way, and the last one, too."""
    return text.rstrip("\n") + "\n"


def _unfolded(head: bytes) -> list[bytes]:
    return head.replace(b"\r\n ", b" ").split(b"\r\n")


def test_a_letter_of_text_alone_shows_the_link_at_its_end() -> None:
    content = CHANNEL.shape({"subject": "Hi", "text": "Only words."})
    message = Message("dlv_1", "ana@example.net", content, unsubscribe="https://t.test/u/1")
    read = email.message_from_bytes(
        Writer(Sender("shop@example.com")).write(message, 0).data, policy=email.policy.default
    )
    lines = read.get_content().splitlines()
    assert (lines[0], lines[-1]) == ("Only words.", "Unsubscribe: https://t.test/u/1")
