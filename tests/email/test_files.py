"""Letters with files are read by the standard library's parser as they were meant."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage

import pytest
from msgspec.structs import replace

from tocsin.channels.email import CHANNEL
from tocsin.channels.email.writing.letter import BadLetter, Sender, Writer
from tocsin.ports.message import Attachment, Message

LINK = "https://t.example/u/1"
PDF = Attachment("Rechnung für Ana.pdf", "application/pdf", bytes(range(256)) * 3)
LOGO = Attachment('lo"go.png', "image/png", b"\x89PNG", "logo")


def written(*files: Attachment, **said: str) -> EmailMessage:
    content = replace(CHANNEL.shape(said or {"title": "Hi", "body": "words"}), attachments=files)
    message = Message("dlv_1", "ana@example.net", content, unsubscribe=LINK)
    data = Writer(Sender("shop@example.com")).write(message, 0).data
    assert data.isascii()
    assert max(map(len, data.split(b"\r\n"))) <= 998
    return email.message_from_bytes(data, policy=email.policy.default)


def kinds(letter: EmailMessage) -> list[str]:
    return [part.get_content_type() for part in letter.walk()]


def test_a_file_stands_beside_the_text() -> None:
    letter = written(PDF)
    assert kinds(letter) == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "text/html",
        "application/pdf",
    ]
    (file,) = letter.iter_attachments()
    assert (file.get_filename(), file.get_content()) == (PDF.name, PDF.data)
    for part in ("plain", "html"):
        body = letter.get_body((part,))
        assert body is not None
        assert LINK in body.get_content()


def test_a_picture_belongs_to_the_page() -> None:
    letter = written(LOGO, PDF, html='<p><img src="cid:logo"></p>')
    assert kinds(letter) == [
        "multipart/mixed",
        "multipart/related",
        "multipart/alternative",
        "text/plain",
        "text/html",
        "image/png",
        "application/pdf",
    ]
    picture = next(part for part in letter.walk() if part.get_content_type() == "image/png")
    assert picture["Content-ID"] == "<logo>"
    assert picture.get_content_disposition() == "inline"
    assert picture.get_filename() == LOGO.name


def test_a_letter_of_text_alone_may_bring_a_file() -> None:
    letter = written(PDF, subject="Hi", text="words")
    assert kinds(letter) == ["multipart/mixed", "text/plain", "application/pdf"]
    body = letter.get_body(("plain",))
    assert body is not None
    assert body.get_content().splitlines()[-1] == f"Unsubscribe: {LINK}"


def test_an_empty_file_is_a_file() -> None:
    (file,) = written(Attachment("e.txt", "text/plain", b"")).iter_attachments()
    assert file.get_content() == ""


def test_no_name_becomes_a_header() -> None:
    with pytest.raises(BadLetter):
        written(Attachment("a\r\nBcc: all@example.com", "text/plain", b""))
