"""Encryption and identity of Web Push against the published vectors and another implementation."""

from __future__ import annotations

import base64

import http_ece
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from py_vapid import Vapid02

from tocsin.channels.push.parts.jws import base64url, read_base64url, read_p256_key
from tocsin.channels.push.webpush.browser import Browser, Undecryptable
from tocsin.channels.push.webpush.checking import Vapid
from tocsin.channels.push.webpush.encryption import encrypt, encrypt_with
from tocsin.channels.push.webpush.identity import Identity
from tocsin.channels.simulating_http import Request

# RFC 8291, section 5
AUTH = read_base64url("BTBZMqHH6r4Tts7J_aSIgg")
RECEIVER = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
RECEIVER_PUBLIC = read_base64url(
    "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
)
SENDER = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
SALT = read_base64url("DGv6ra1nlYgDCS1FRnbzlw")
PLAINTEXT = b"When I grow up, I want to be a watermelon"
BODY = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS"
    "6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qu"
    "lcy4a-fN"
)

# RFC 8292, section 2.4
TOKEN = (
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5uZXQiLCJleHAiOjE0"
    "NTM1MjM3NjgsInN1YiI6Im1haWx0bzpwdXNoQGV4YW1wbGUuY29tIn0.i3CYb7t4xfxCDquptFOepC9GAu_HLGkMlMuCG"
    "SK2rpiUfnK9ojFwDXb1JrErtmysazNjjvW2L9OkSSHzvoD1oA"
)
KEY = "BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs"

NOW_MS = 1_900_000_000_000


def test_the_published_vector_is_met_byte_by_byte() -> None:
    made = encrypt_with(PLAINTEXT, RECEIVER_PUBLIC, AUTH, read_p256_key(SENDER), SALT)
    assert base64url(made) == BODY


def test_another_implementation_decrypts_it() -> None:
    key = read_p256_key(RECEIVER)
    for text in (b"", b"x", "Grüße ✉".encode(), b"y" * 3_993):
        body = encrypt(text, RECEIVER_PUBLIC, AUTH)
        assert len(body) <= 4_096
        assert http_ece.decrypt(body, private_key=key, auth_secret=AUTH) == text


def test_no_two_messages_share_a_key_or_a_salt() -> None:
    one, other = (encrypt(PLAINTEXT, RECEIVER_PUBLIC, AUTH) for _ in range(2))
    assert one[:16] != other[:16]
    assert one[21:86] != other[21:86]


def test_a_key_that_is_no_point_of_the_curve_is_refused() -> None:
    with pytest.raises(ValueError, match=r"."):
        encrypt(PLAINTEXT, b"\x04" + b"\x01" * 64, AUTH)


def test_the_played_browser_decrypts_what_another_implementation_made() -> None:
    browser = Browser("https://push.example/generic/b1")
    keys = msgspec.json.decode(browser.subscription())["keys"]
    sender = ec.generate_private_key(ec.SECP256R1())
    body = http_ece.encrypt(
        PLAINTEXT,
        private_key=sender,
        dh=read_base64url(keys["p256dh"]),
        auth_secret=read_base64url(keys["auth"]),
        version="aes128gcm",
    )
    assert browser.decrypt(body) == PLAINTEXT
    with pytest.raises(Undecryptable):
        Browser("https://push.example/generic/b2").decrypt(body)


def asked(authorization: str) -> Request:
    return Request("POST", "/", {"authorization": authorization}, b"", b"")


def test_the_played_service_takes_the_published_token_and_no_other() -> None:
    line = f"vapid t={TOKEN}, k={KEY}"
    endpoint = "https://push.example.net/p/1"
    at_ms = 1_453_523_000_000
    assert Vapid().check(asked(line), endpoint, at_ms) is None
    assert Vapid().check(asked(line), "https://push.example.org/p/1", at_ms) is not None
    assert Vapid().check(asked(line), endpoint, 1_453_523_769_000) is not None
    assert Vapid().check(asked(line.replace("i3CY", "i3CZ")), endpoint, at_ms) is not None
    assert Vapid().check(asked("WebPush x"), endpoint, at_ms) is not None


def test_another_implementation_verifies_our_identity() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    line = Identity(key, "mailto:a@shop.example", lambda: NOW_MS).header("https://push.example")
    name, _, value = line.partition(": ")
    assert name == "authorization"
    assert Vapid02.verify(value)
    claims = msgspec.json.decode(read_base64url(value.split("t=")[1].split(".")[1]))
    assert claims == {
        "aud": "https://push.example",
        "exp": NOW_MS // 1_000 + 12 * 3_600,
        "sub": "mailto:a@shop.example",
    }


def test_a_token_is_made_once_for_hours_and_renewed_before_it_ends() -> None:
    now = [NOW_MS]
    identity = Identity(
        ec.generate_private_key(ec.SECP256R1()), "mailto:a@b.example", lambda: now[0]
    )
    first = identity.header("https://one.example")
    now[0] += 5 * 3_600_000
    assert identity.header("https://one.example") == first
    assert identity.header("https://two.example") != first
    now[0] += 2 * 3_600_000
    renewed = identity.header("https://one.example")
    assert renewed != first
    assert Vapid().check(asked(renewed.partition(": ")[2]), "https://one.example/x", now[0]) is None


@pytest.mark.parametrize("text", ["", "AAAA", "not base64!", "-----BEGIN x-----", "A" * 43])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_p256_key(text)


def test_a_key_is_read_in_each_form() -> None:
    raw = base64.urlsafe_b64encode(bytes(range(1, 33))).decode()
    assert read_p256_key(raw).private_numbers() == read_p256_key(raw.rstrip("=")).private_numbers()
