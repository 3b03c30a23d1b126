"""The mail server that a sandbox plays: TLS, and what it makes of signatures."""

from __future__ import annotations

import asyncio
import base64
import smtplib
import ssl
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import dkim
import pytest
import uvloop
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tests.channels.vendor_bench import Bench, bench
from tocsin.channels.email.smtp.simulator import PASSWORD, USERNAME, SmtpSimulator
from tocsin.ports.outcomes import Accepted, ProviderReason, TryLater
from tocsin.ports.simulator import Dial, Stage

RSA = rsa.generate_private_key(65_537, 2_048)
ED25519 = ed25519.Ed25519PrivateKey.generate()
DOMAIN = "sandbox.test"
RECORDS: Mapping[str, str] = {
    f"rsa._domainkey.{DOMAIN}": "v=DKIM1; k=rsa; p="
    + base64.b64encode(
        RSA.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).decode(),
    f"ed._domainkey.{DOMAIN}": "v=DKIM1; k=ed25519; p="
    + base64.b64encode(ED25519.public_key().public_bytes_raw()).decode(),
}
PASSES = f"pass header.d={DOMAIN} header.s=rsa"


def pem(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.fixture
async def server() -> AsyncIterator[Bench]:
    async with bench("smtp") as one:
        one.simulator.records.update(RECORDS)
        yield one


def only(server: Bench) -> Mapping[str, str]:
    (taken,) = server.simulator.taken
    fields: Mapping[str, str] = taken.fields
    return fields


async def over_tls() -> None:
    async with bench("smtp", security="starttls") as one:
        letters = [one.message(n) for n in range(5)]
        outcomes = await asyncio.gather(*(one.provider.send([each]) for each in letters))
        assert all(isinstance(each, Accepted) for (each,) in outcomes)
        assert len(one.simulator.taken) == 5
        one.simulator.dial([Dial.TAKE_AND_DROP])
        (lost,) = await one.provider.send([one.message(6)])
        assert isinstance(lost, TryLater)
        assert not lost.known


async def test_letters_go_over_tls_to_whoever_asks_for_it() -> None:
    await over_tls()


def test_they_do_on_the_loop_of_a_real_server() -> None:
    uvloop.run(over_tls())


def left_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_one_that_cannot_listen_leaves_no_folder_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(OverflowError):
        await SmtpSimulator().start(Stage(port=65_536))
    assert left_in(tmp_path) == []


async def test_who_trusts_others_gets_no_letter_out() -> None:
    async with bench("smtp", security="starttls", ca_file=None) as one:
        (outcome,) = await one.provider.send([one.message()])
        assert isinstance(outcome, TryLater)
        assert (outcome.reason, outcome.known) == (ProviderReason.UNREACHABLE, True)
        assert not one.simulator.taken


async def test_what_is_sent_is_signed_as_the_server_believes_it(tmp_path: Path) -> None:
    files = []
    for name, key in (("rsa", RSA), ("ed", ED25519)):
        files.append(tmp_path / f"{name}.pem")
        files[-1].write_bytes(pem(key))
    async with bench(
        "smtp", dkim_selectors=["rsa", "ed"], dkim_key_files=[str(each) for each in files]
    ) as one:
        (message,) = one.alike(1)
        assert message.unsubscribe is not None
        one.simulator.records.update(RECORDS)
        assert isinstance((await one.provider.send([message]))[0], Accepted)
        ed = f"pass header.d={DOMAIN} header.s=ed"
        assert sorted(only(one)["dkim"].split("; ")) == [ed, PASSES]
        (taken,) = one.simulator.taken
        assert b"\r\nList-Unsubscribe-Post: " in taken.raw


async def test_a_letter_without_a_signature_has_no_verdict(server: Bench) -> None:
    await server.provider.send([server.message()])
    assert "dkim" not in only(server)


LETTER = (
    b"From: shop@sandbox.test\r\nTo: ana@example.test\r\nSubject:  Parcel\r\n"
    b"List-Unsubscribe: <https://t.example/u/1>\r\n"
    b"Message-ID: <dlv_1.x@sandbox.test>\r\n\r\nOn  its way. \r\n\r\n\r\n"
)


def signed(
    letter: bytes = LETTER,
    form: tuple[bytes, bytes] = (b"relaxed", b"simple"),
    names: tuple[bytes, ...] = (b"from", b"subject", b"list-unsubscribe"),
    selector: bytes = b"rsa",
) -> bytes:
    """Have another program sign it."""
    made: bytes = dkim.sign(
        letter,
        selector,
        DOMAIN.encode(),
        pem(RSA),
        canonicalize=form,
        include_headers=list(names),
    )
    return made + letter


async def post(server: Bench, letter: bytes) -> str:
    """Hand a letter over, in TLS, as another program does; return what is said of its signature."""
    context = ssl.create_default_context(cafile=str(server.settings["ca_file"]))

    def send() -> None:
        with smtplib.SMTP("127.0.0.1", server.simulator.port) as client:
            client.starttls(context=context)
            client.login(USERNAME, PASSWORD)
            client.sendmail("shop@sandbox.test", ["ana@example.test"], letter)

    await asyncio.to_thread(send)
    return only(server)["dkim"]


@pytest.mark.parametrize("body", [b"simple", b"relaxed"])
@pytest.mark.parametrize("head", [b"simple", b"relaxed"])
async def test_another_programs_signature_is_believed(
    server: Bench, head: bytes, body: bytes
) -> None:
    assert await post(server, signed(form=(head, body))) == PASSES


@pytest.mark.parametrize(
    ("letter", "why"),
    [
        (signed().replace(b"its way", b"its  way"), "fail (the body was changed)"),
        (
            signed().replace(b"Subject:  Parcel", b"Subject: Prize"),
            "fail (signature did not verify)",
        ),
        (
            signed().replace(b"From: shop@", b"Sender: x@a.test\r\nFrom: shap@"),
            "fail (signature did not verify)",
        ),
        (
            signed(names=(b"from", b"subject")),
            "policy (list-unsubscribe is not signed)",
        ),
        (signed(selector=b"other"), "permerror (no key for signature)"),
    ],
)
async def test_a_letter_that_was_changed_is_not_believed(
    server: Bench, letter: bytes, why: str
) -> None:
    assert (await post(server, letter)).startswith(f"{why} header.d={DOMAIN} ")


async def test_it_forgets_who_greeted_it_in_plain(server: Bench) -> None:
    """As it has to when TLS begins (RFC 3207, 4.2)."""
    context = ssl.create_default_context(cafile=str(server.settings["ca_file"]))
    reader, writer = await asyncio.open_connection("127.0.0.1", server.simulator.port)
    try:
        await reader.readline()
        writer.write(b"EHLO sender.test\r\n")
        while not (await reader.readline()).startswith(b"250 "):
            pass
        writer.write(b"STARTTLS\r\n")
        assert (await reader.readline()).startswith(b"220 ")
        await writer.start_tls(context, server_hostname="127.0.0.1")
        writer.write(b"MAIL FROM:<a@b.test>\r\n")
        assert (await reader.readline()).startswith(b"503 ")
    finally:
        writer.close()
        await writer.wait_closed()
