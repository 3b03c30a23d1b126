"""Another program believes our signatures, and none of a letter that was changed."""

from __future__ import annotations

import base64
from pathlib import Path
from types import SimpleNamespace

import dkim
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tocsin.channels.email import CHANNEL
from tocsin.channels.email.smtp.provider import dkim_keys
from tocsin.channels.email.smtp.settings import SmtpSettings
from tocsin.channels.email.writing.dkim import BadKey, DkimKey, read_key
from tocsin.channels.email.writing.letter import Sender, Writer
from tocsin.config import Misconfigured
from tocsin.ports.message import Message

NOW_MS = 1_700_000_000_000
RSA = rsa.generate_private_key(65_537, 2_048)
ED25519 = ed25519.Ed25519PrivateKey.generate()
DOMAIN = "example.com"


def pem(key: object) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())  # type: ignore[attr-defined, no-any-return]  # every kind of key has it


KEYS = {
    "rsa": read_key(pem(RSA), DOMAIN, "rsa"),
    "ed25519": read_key(pem(ED25519), DOMAIN, "ed25519"),
}


def dns(name: bytes, timeout: int = 5) -> bytes | None:
    """Answer as the domain's DNS would."""
    public = RSA.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if name == b"rsa._domainkey.example.com.":
        return b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)
    if name == b"ed25519._domainkey.example.com.":
        raw = ED25519.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return b"v=DKIM1; k=ed25519; p=" + base64.b64encode(raw)
    return None


def letter(*keys: str, **said: str) -> bytes:
    content = CHANNEL.shape(said or {"title": "Grüße  an  dich", "body": "On its way.\n.\n"})
    message = Message(
        "dlv_1",
        "ana@example.net",
        content,
        category="news",
        unsubscribe="https://t.example/u/" + "x" * 60,
    )
    signing: list[DkimKey] = [KEYS[name] for name in keys]
    return Writer(Sender("shop@example.com", "Shop"), signing).write(message, NOW_MS).data


class VerifyKey:
    """Stands where the other program looks for its library of Ed25519: `cryptography` has that, too."""

    def __init__(self, key: bytes, encoder: object = None) -> None:
        self._key = ed25519.Ed25519PublicKey.from_public_bytes(base64.b64decode(key))

    def verify(self, message: bytes, signature: bytes) -> None:
        self._key.verify(signature, message)


@pytest.fixture(autouse=True)
def nacl(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = SimpleNamespace(
        signing=SimpleNamespace(VerifyKey=VerifyKey),
        encoding=SimpleNamespace(Base64Encoder=None),
        exceptions=SimpleNamespace(BadSignatureError=InvalidSignature),
    )
    monkeypatch.setattr(dkim, "nacl", stand_in, raising=False)


def believed(data: bytes, number: int = 0) -> bool:
    try:
        return bool(dkim.DKIM(data).verify(idx=number, dnsfunc=dns))
    except dkim.ValidationError:
        return False


@pytest.mark.parametrize("key", ["rsa", "ed25519"])
@pytest.mark.parametrize(
    "said",
    [
        {"title": "Hello", "body": "words"},
        {"subject": "ä" * 200, "html": "<p>page</p>\n\n\n", "text": "text \n\n"},
        {"subject": "s", "text": ""},
    ],
)
def test_another_program_believes_it(key: str, said: dict[str, str]) -> None:
    assert believed(letter(key, **said))


def test_a_letter_may_have_both_kinds() -> None:
    data = letter("ed25519", "rsa")
    assert [believed(data, number) for number in (0, 1)] == [True, True]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"Subject: ", b"Subject: another "),
        (b"List-Unsubscribe: <https://t.example", b"List-Unsubscribe: <https://u.example"),
        (b"List-Unsubscribe-Post: ", b"List-Unsubscribe-Post: x"),
        (b"From: Shop", b"From: Bank"),
        (b"On its way", b"On my way"),
        (b"To: ", b"From: other@example.org\r\nTo: "),
    ],
)
def test_nobody_believes_what_was_changed(before: bytes, after: bytes) -> None:
    data = letter("rsa")
    assert before in data
    assert not believed(data.replace(before, after, 1))


def test_spaces_and_folds_on_the_way_do_no_harm() -> None:
    data = letter("rsa")
    assert believed(data.replace(b"Auto-Submitted: ", b"auto-submitted:  \r\n\t", 1))


def test_without_a_key_nothing_is_signed() -> None:
    assert b"DKIM" not in letter()


def test_no_line_is_longer_than_it_may_be() -> None:
    assert max(map(len, letter("rsa", "ed25519").split(b"\r\n"))) <= 200


@pytest.mark.parametrize(
    "key",
    [
        b"no key at all, canary",
        pem(ec.generate_private_key(ec.SECP256R1())),
        pem(dsa.generate_private_key(1_024)),
    ],
)
def test_what_cannot_sign_is_refused_without_being_shown(key: bytes) -> None:
    with pytest.raises(BadKey) as refused:
        read_key(key, DOMAIN, "s")
    assert "canary" not in str(refused.value)


def settings(*files: str, selectors: tuple[str, ...] = ("one",)) -> SmtpSettings:
    return SmtpSettings(
        host="mail.test",
        from_address="shop@example.com",
        dkim_key_files=files,
        dkim_selectors=selectors,
    )


def test_keys_come_from_files(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(pem(ED25519))
    (key,) = dkim_keys(settings(str(path)), "providers.smtp")
    assert repr(key) == "DkimKey(one._domainkey.example.com)"
    for wrong in (settings(str(tmp_path / "none.pem")), settings(str(path), selectors=())):
        with pytest.raises(Misconfigured, match=r"providers\.smtp\.dkim"):
            dkim_keys(wrong, "providers.smtp")
    path.write_bytes(b"canary")
    with pytest.raises(Misconfigured) as refused:
        dkim_keys(settings(str(path)), "providers.smtp")
    assert "canary" not in str(refused.value)
