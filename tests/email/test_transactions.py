"""How the provider talks to a server, and what it takes from how that goes."""

from __future__ import annotations

import asyncio
import email
import email.policy
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop

from tests.email.scripted import (
    HANG_UP,
    MODERN,
    PLAIN,
    SILENCE,
    Server,
    message,
    provider_of,
    send,
)
from tests.support.certificates import make_certificate
from tocsin.channels.email.smtp.bounces import Tokens
from tocsin.channels.email.smtp.provider import Smtp
from tocsin.config import Misconfigured, Secret
from tocsin.ports.outcomes import Accepted, ProviderReason, Refused, TryLater

SECRET = "c2VjcmV0"


@asynccontextmanager
async def talking(server: Server, **settings: object) -> AsyncIterator[Smtp]:
    async with server.serving():
        provider = provider_of(server, **settings)
        try:
            yield provider
        finally:
            await provider.close()


async def test_the_envelope_travels_in_one_piece_where_the_server_takes_that() -> None:
    server = Server()
    async with talking(server) as provider:
        assert await send(provider) == Accepted("L0001")
        assert await send(provider) == Accepted("L0002")
    envelopes = [chunk for chunk in server.chunks if chunk.startswith(b"MAIL")]
    assert len(envelopes) == 2
    assert all(chunk.endswith(b"DATA\r\n") and chunk.count(b"\r\n") == 3 for chunk in envelopes)
    (heard,) = server.heard
    assert heard[0] == "EHLO sender.test"
    assert heard[2].startswith("MAIL FROM:<shop@sender.test> SIZE=")
    assert heard[3] == "RCPT TO:<ana@example.test>"


async def test_other_servers_hear_one_command_after_the_other() -> None:
    server = Server(PLAIN)
    async with talking(server) as provider:
        server.script["RCPT"].append(b"451 4.3.0 later")
        outcome = await send(provider)
        assert outcome == TryLater(ProviderReason.OVERLOADED, detail="rcpt: 451 4.3.0")
        assert isinstance(await send(provider), Accepted)
    assert not any(b"MAIL" in chunk and b"RCPT" in chunk for chunk in server.chunks)
    verbs = [line.split(" ")[0] for line in server.heard[0]]
    assert verbs[2:8] == ["MAIL", "RCPT", "RSET", "MAIL", "RCPT", "DATA"]


async def test_dots_at_the_beginning_of_lines_arrive() -> None:
    server = Server()
    async with talking(server) as provider:
        assert isinstance(await send(provider, message(1, body=".\n.a\nb.\n..")), Accepted)
    (stuffed,) = server.letters
    assert b"\r\n..a" in stuffed
    raw = stuffed.replace(b"\r\n..", b"\r\n.")
    text = email.message_from_bytes(raw, policy=email.policy.default).get_body(("plain",))
    assert text is not None
    assert text.get_content().split()[-4:] == [".", ".a", "b.", ".."]


async def test_an_idle_connection_that_was_closed_costs_no_attempt() -> None:
    server = Server()
    async with talking(server) as provider:
        assert isinstance(await send(provider), Accepted)
        server.script["MAIL"].append(HANG_UP)
        assert isinstance(await send(provider), Accepted)
        server.script["MAIL"].append(b"421 4.4.2 enough of this connection")
        assert isinstance(await send(provider), Accepted)
    assert len(server.heard) == 3


async def test_a_goodbye_to_an_idle_connection_is_heard() -> None:
    server = Server()
    async with talking(server) as provider:
        server.script["."].append(b"250 2.0.0 Ok\r\n421 4.4.2 idle for too long")
        assert isinstance(await send(provider), Accepted)
        assert isinstance(await send(provider), Accepted)
    assert server.most_open >= 1


async def test_a_new_connection_that_breaks_before_the_letter_is_known_to_have_sent_none() -> None:
    server = Server()
    async with talking(server) as provider:
        for verb in ("GREETING", "EHLO", "AUTH"):
            server.script[verb].extend([HANG_UP] * 2)
            outcome = await send(provider)
            assert isinstance(outcome, TryLater)
            assert (outcome.reason, outcome.known) == (ProviderReason.UNREACHABLE, True)
        for verb in ("MAIL", "RCPT", "DATA"):
            server.script[verb].extend([HANG_UP] * 2)
            outcome = await send(provider)
            assert isinstance(outcome, TryLater)
            assert (outcome.reason, outcome.known) == (ProviderReason.UNREACHABLE, True)
    assert not server.letters


@pytest.mark.parametrize("said", [HANG_UP, b"what?", b"354 go on", b"250", b"2500 Ok"])
async def test_after_the_letter_only_a_clear_answer_counts(said: bytes) -> None:
    server = Server()
    async with talking(server) as provider:
        server.script["."].append(said)
        outcome = await send(provider)
        if said == b"250":
            assert outcome == Accepted(None)
            return
        assert isinstance(outcome, TryLater)
        assert (outcome.reason, outcome.known) == (ProviderReason.TIMED_OUT, False)
        assert isinstance(await send(provider), Accepted)
    assert len(server.heard) == 2


async def test_a_server_that_asks_for_a_letter_to_nobody_gets_an_empty_one() -> None:
    server = Server()
    async with talking(server) as provider:
        server.script["RCPT"].append(b"550 5.1.1 unknown")
        server.script["."].append(b"554 5.5.1 nobody to send it to")
        assert await send(provider) == Refused(ProviderReason.DEAD_ADDRESS, "rcpt: 550 5.1.1")
        assert isinstance(await send(provider), Accepted)
    (heard,) = server.heard
    assert heard[5:7] == [".", "RSET"]


async def test_a_refused_recipient_leaves_the_connection_usable() -> None:
    server = Server()
    async with talking(server) as provider:
        server.script["RCPT"].append(b"550-5.1.1 unknown\r\n550 5.1.1 user")
        server.script["DATA"].append(b"503 5.5.1 no valid recipients")
        assert await send(provider) == Refused(ProviderReason.DEAD_ADDRESS, "rcpt: 550 5.1.1")
        assert isinstance(await send(provider), Accepted)
    assert len(server.heard) == 1


async def test_an_endless_reply_is_broken_off() -> None:
    server = Server()
    async with talking(server) as provider:
        server.script["."].append(b"250-" + b"x" * 200_000)
        outcome = await send(provider)
        assert isinstance(outcome, TryLater)
        assert not outcome.known


async def test_who_waits_too_long_for_the_recipient_to_be_taken_knows_that_nothing_was_sent() -> (
    None
):
    server = Server()
    async with talking(server, call_timeout_ms=400) as provider:
        server.script["RCPT"].extend([SILENCE] * 2)
        outcome = await send(provider)
        assert isinstance(outcome, TryLater)
        assert (outcome.reason, outcome.known) == (ProviderReason.UNREACHABLE, True)
        await server.until_open(0)


async def test_a_cancelled_call_lets_go_of_its_connection() -> None:
    server = Server()
    async with talking(server, connections_max=1) as provider:
        server.script["."].append(SILENCE)
        sending = asyncio.get_running_loop().create_task(send(provider))
        await server.until_heard(".")
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await server.until_open(0)
        assert isinstance(await send(provider), Accepted)


async def test_connections_are_shared_and_not_too_many() -> None:
    server = Server()
    async with talking(server, connections_max=3) as provider, asyncio.TaskGroup() as tasks:
        sending = [tasks.create_task(send(provider, message(n))) for n in range(30)]
    assert all(isinstance(each.result(), Accepted) for each in sending)
    assert server.most_open <= 3
    assert len(server.heard) <= 3
    assert len(server.letters) == 30


async def test_a_connection_is_changed_after_so_many_letters() -> None:
    server = Server()
    async with talking(server, letters_per_connection_max=2) as provider:
        for n in range(5):
            assert isinstance(await send(provider, message(n)), Accepted)
    assert [sum(line == "." for line in heard) for heard in server.heard] == [2, 2, 1]
    assert server.heard[0][-1] == "QUIT"


async def test_an_idle_connection_is_let_go() -> None:
    server = Server()
    async with talking(server, idle_ms=100) as provider:
        assert isinstance(await send(provider), Accepted)
        assert server.open == 1
        await server.until_open(0)
        assert server.heard[0][-1] == "QUIT"
        assert isinstance(await send(provider), Accepted)


async def test_a_server_that_wants_fewer_connections_gets_fewer() -> None:
    server = Server()
    async with talking(server, connections_max=2) as provider:
        server.script["."].append(SILENCE)
        first = asyncio.get_running_loop().create_task(send(provider, message(1)))
        await server.until_heard(".")
        server.script["GREETING"].append(b"421 4.7.0 too many connections")
        second = asyncio.get_running_loop().create_task(send(provider, message(2)))
        await server.until("it left", lambda: len(server.heard) == 2 and server.open == 1)
        # It waits for the one that there is, which the first gives back by letting go of it.
        first.cancel()
        assert isinstance(await second, Accepted)
        server.script["GREETING"].append(b"421 4.7.0 too many connections")
    async with talking(server) as provider:
        outcome = await send(provider)
        assert isinstance(outcome, TryLater)
        assert (outcome.known, outcome.detail) == (True, "greeting: 421 4.7.0")


async def test_an_address_beyond_ascii_needs_a_server_that_takes_it() -> None:
    server = Server()
    async with talking(server) as provider:
        outcome = await send(provider, message(1, "anä@bücher.example"))
        assert isinstance(outcome, Accepted)
        mail, rcpt = server.heard[0][2:4]
        assert mail.endswith(" BODY=8BITMIME SMTPUTF8")
        assert rcpt == "RCPT TO:<anä@xn--bcher-kva.example>"
    plain = Server(PLAIN)
    async with talking(plain) as provider:
        outcome = await send(provider, message(1, "anä@bücher.example"))
        assert isinstance(outcome, Refused)
        assert outcome.reason is ProviderReason.BAD_ADDRESS
        assert isinstance(await send(provider, message(1, "ana@bücher.example")), Accepted)


async def test_a_report_would_name_the_delivery() -> None:
    server = Server((*MODERN, "DSN"))
    async with talking(server, bounce_address="bounces@sender.test") as provider:
        assert isinstance(await send(provider, message(7)), Accepted)
    mail, rcpt = server.heard[0][2:4]
    assert mail.startswith("MAIL FROM:<bounces@sender.test>")
    assert mail.endswith(f" RET=HDRS ENVID={message(7).reference}")
    assert rcpt.endswith(" NOTIFY=FAILURE")


async def test_a_letter_above_the_servers_size_is_not_sent() -> None:
    server = Server()
    async with talking(server) as provider:
        outcome = await send(provider, message(1, body="x" * 20_000))
        assert isinstance(outcome, Refused)
        assert outcome.reason is ProviderReason.TOO_LARGE
    assert "MAIL" not in " ".join(server.heard[0])


async def test_a_server_without_plain_is_logged_in_to_all_the_same() -> None:
    server = Server(("AUTH LOGIN",))
    async with talking(server) as provider:
        server.script["AUTH"].append(b"334 VXNlcm5hbWU6")
        server.script["DXNLCG=="].append(b"334 UGFzc3dvcmQ6")
        server.script["C2VJCMV0"].append(b"235 2.7.0 Welcome")
        server.script["DXNLCG=="][0] = b"334 UGFzc3dvcmQ6"
        assert isinstance(await send(provider), Accepted)
    assert server.heard[0][1:4] == ["AUTH LOGIN", "dXNlcg==", SECRET]


@pytest.mark.parametrize(
    ("verb", "said", "reason"),
    [
        ("GREETING", b"554 5.7.1 go away", ProviderReason.OUR_FAULT),
        ("GREETING", b"421 4.3.2 not now", ProviderReason.OVERLOADED),
        ("EHLO", b"502 5.5.1 what?", ProviderReason.OUR_FAULT),
        ("AUTH", b"535 5.7.8 wrong", ProviderReason.OUR_FAULT),
        ("AUTH", b"535 wrong", ProviderReason.OUR_FAULT),
        ("AUTH", b"454 4.7.0 not now", ProviderReason.OVERLOADED),
    ],
)
async def test_no_letter_is_lost_over_what_is_wrong_at_the_door(
    verb: str, said: bytes, reason: ProviderReason
) -> None:
    server = Server()
    async with talking(server) as provider:
        server.script[verb].append(said)
        outcome = await send(provider)
        assert isinstance(outcome, TryLater)
        assert (outcome.reason, outcome.known) == (reason, True)
        assert isinstance(await send(provider), Accepted)


async def test_letters_and_password_travel_under_tls(tmp_path: Path) -> None:
    paths = make_certificate(tmp_path, "127.0.0.1")
    server = Server(("STARTTLS", "AUTH PLAIN"))
    server.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.tls.load_cert_chain(paths.certificate, paths.key)
    server.script["STARTTLS"].append(b"220 2.0.0 go on")
    ours = {"security": "starttls", "ca_file": str(paths.certificate)}
    async with talking(server, **ours) as provider:
        assert isinstance(await send(provider), Accepted)
        assert isinstance(await send(provider), Accepted)
    assert server.heard[0][:3] == ["EHLO sender.test", "STARTTLS", "EHLO sender.test"]


@pytest.mark.parametrize(
    ("extensions", "said"),
    [
        (("AUTH PLAIN",), b""),
        (("STARTTLS", "AUTH PLAIN"), b"220 go on\r\n250 2.0.0 I was not asked"),
        (("STARTTLS", "AUTH PLAIN"), b"454 4.7.0 not now"),
        (("STARTTLS", "AUTH PLAIN"), b"220 and then plain text"),
    ],
)
async def test_without_tls_the_password_stays_here(
    extensions: tuple[str, ...], said: bytes
) -> None:
    server = Server(extensions)
    server.script["STARTTLS"].extend([said] * 2)
    async with talking(server, security="starttls", connect_timeout_ms=500) as provider:
        outcome = await send(provider)
        assert isinstance(outcome, TryLater)
        assert outcome.known
    assert b"AUTH" not in b"".join(server.chunks)
    assert not server.letters


async def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    paths = make_certificate(tmp_path, "127.0.0.2")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(paths.certificate, paths.key)
    server = Server(("STARTTLS", "AUTH PLAIN"))
    server.tls = context
    server.script["STARTTLS"].append(b"220 2.0.0 go on")
    ours = {"security": "starttls", "ca_file": str(paths.certificate)}
    async with talking(server, **ours) as provider:
        outcome = await send(provider)
        assert isinstance(outcome, TryLater)
        assert (outcome.reason, outcome.detail) == (
            ProviderReason.UNREACHABLE,
            "SSLCertVerificationError",
        )


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"host": "mail.example", "security": "none"}, "would show the password"),
        ({"password": None}, "belong together"),
        ({"username": None}, "belong together"),
        ({"security": "tls", "ca_file": "/nowhere/at/all"}, "ca_file"),
    ],
)
async def test_what_cannot_work_is_refused_at_the_start(
    settings: dict[str, object], word: str
) -> None:
    with pytest.raises(Misconfigured, match=word) as refused:
        provider_of(Server(), **{"password": Secret("secret"), **settings})
    assert "secret" not in str(refused.value)


def test_it_runs_on_the_loop_that_the_server_runs_on() -> None:
    async def all_of_it() -> None:
        server = Server()
        async with talking(server, connections_max=2) as provider:
            async with asyncio.TaskGroup() as tasks:
                sending = [tasks.create_task(send(provider, message(n))) for n in range(9)]
            assert all(isinstance(each.result(), Accepted) for each in sending)
            server.script["."].append(HANG_UP)
            outcome = await send(provider)
            assert isinstance(outcome, TryLater)
            assert not outcome.known

    uvloop.run(all_of_it())


async def test_the_return_path_bears_a_token_where_there_is_a_key_for_it() -> None:
    server = Server((*MODERN, "DSN"))
    key = Secret("a long text that nobody knows")
    async with talking(server, bounce_address="bounces@sender.test", bounce_key=key) as provider:
        assert isinstance(await send(provider, message(7)), Accepted)
    token = Tokens(key).of(message(7).reference)
    mail = server.heard[0][2]
    path = f"bounces+{token.removeprefix('dlv_')}@sender.test"
    assert mail.startswith(f"MAIL FROM:<{path}>")
    assert mail.endswith(f" ENVID={token}")
