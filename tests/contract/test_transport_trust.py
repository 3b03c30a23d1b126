"""Who is at the two ends of a connection: authorities, certificates, proxies that hide neither."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from tests.support.authority import Authority, Issued
from tests.support.http2_server import http2_server
from tests.support.receiver import HANG, Receiver, answer, receiver
from tests.support.transports import Make, Streams
from tests.support.vendor_proxy import vendor_proxy
from tocsin.config import Outbound
from tocsin.domain.hosts import Reach, networks
from tocsin.ports.transport import Answer, Call, NoAnswer, NoAnswerReason, Trust

TLS = NoAnswer(NoAnswerReason.TLS, sent=False)


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ours")


@pytest.fixture
def theirs(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "theirs")


def trust(ours: Authority, own: Issued | None = None) -> Trust:
    if own is None:
        return Trust(str(ours.ca_file))
    return Trust(str(ours.ca_file), str(own.certificate), str(own.key))


async def test_a_call_can_trust_others_than_the_client_does(
    make: Make, ours: Authority, theirs: Authority
) -> None:
    transport = make(Outbound(ca_file=str(theirs.ca_file)))
    async with receiver(ours.issue("127.0.0.1").server_context()) as there:
        assert await transport.call(Call(there.url, b"{}")) == TLS
        assert isinstance(await transport.call(Call(there.url, b"{}", trust=trust(ours))), Answer)
        # A connection that one call trusts is not there for another that does not.
        assert await transport.call(Call(there.url, b"{}")) == TLS
        assert await transport.call(Call(there.url, b"{}", trust=trust(theirs))) == TLS
        assert len(there.seen) == 1


def shown(there: Receiver) -> list[str]:
    """The names in the certificates that callers with an open connection have shown."""
    found = []
    for writer in there.open:
        certificate = writer.get_extra_info("ssl_object").getpeercert()
        found.append(dict(part[0] for part in certificate["subject"])["commonName"])
    return sorted(found)


async def test_each_call_shows_its_own_certificate(
    make: Make, ours: Authority, theirs: Authority
) -> None:
    context = ours.issue("127.0.0.1").server_context(client_ca=theirs.ca_file)
    first, second = theirs.issue("first.example"), theirs.issue("second.example")
    transport = make(Outbound())
    async with receiver(context) as there:
        for own in (first, second, first, second):
            said = await transport.call(Call(there.url, b"{}", trust=trust(ours, own)))
            assert isinstance(said, Answer)
        assert shown(there) == ["first.example", "second.example"]
        assert there.callers == 2


async def test_certificate_and_key_may_be_one_file(
    make: Make, ours: Authority, theirs: Authority, tmp_path: Path
) -> None:
    own = theirs.issue("own.example")
    both = tmp_path / "both.pem"
    both.write_bytes(own.certificate.read_bytes() + own.key.read_bytes())
    async with receiver(ours.issue("127.0.0.1").server_context(client_ca=theirs.ca_file)) as there:
        call = Call(there.url, b"{}", trust=Trust(str(ours.ca_file), str(both)))
        assert isinstance(await make(Outbound()).call(call), Answer)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_without_the_certificate_that_is_asked_for_there_is_no_answer(
    make: Make, ours: Authority, theirs: Authority, version: ssl.TLSVersion
) -> None:
    context = ours.issue("127.0.0.1").server_context(client_ca=theirs.ca_file)
    context.maximum_version = version
    async with receiver(context) as there:
        for own in (None, ours.issue("stranger.example")):
            said = await make(Outbound()).call(Call(there.url, b"{}", trust=trust(ours, own)))
            # With TLS 1.3 the refusal may arrive after the call has been sent.
            assert isinstance(said, NoAnswer)
        assert not there.seen


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_certificate_that_is_refused_is_no_matter_of_the_network(
    ours: Authority, theirs: Authority, version: ssl.TLSVersion
) -> None:
    """Over HTTP/2 the other side speaks first, so that nothing has been sent when it refuses."""
    context = ours.issue("127.0.0.1").server_context("h2", client_ca=theirs.ca_file)
    context.maximum_version = version
    transport = Streams(Outbound(), Reach(networks(["127.0.0.0/8"])))
    async with http2_server(context) as there:
        for own in (None, ours.issue("stranger.example")):
            assert await transport.call(Call(there.url, b"{}", trust=trust(ours, own))) == TLS
    await transport.close()


async def test_files_that_are_not_there_are_found_before_anything_is_sent(
    make: Make, ours: Authority, tmp_path: Path
) -> None:
    nowhere = str(tmp_path / "nowhere.pem")
    async with receiver(ours.issue("127.0.0.1").server_context()) as there:
        transport = make(Outbound())
        for missing in (Trust(nowhere), Trust(str(ours.ca_file), nowhere)):
            assert await transport.call(Call(there.url, b"{}", trust=missing)) == TLS
        assert not there.seen


async def test_tls_that_is_broken_is_not_spoken(make: Make, ours: Authority) -> None:
    context = ours.issue("127.0.0.1").server_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with receiver(context) as there:
        assert await make(Outbound()).call(Call(there.url, b"{}", trust=trust(ours))) == TLS
        assert not there.seen


async def test_a_proxy_hides_nobody(make: Make, tmp_path: Path) -> None:
    """Through a proxy, the vendor's own certificate is what is looked at."""
    async with (
        receiver() as there,
        vendor_proxy(tmp_path, {"vendor.example": there.port}) as proxy,
    ):
        transport = make(Outbound(proxy=proxy.url))
        known = Trust(str(proxy.ca_file))
        said = await transport.call(Call("https://vendor.example/x", b"{}", trust=known))
        assert isinstance(said, Answer)
        assert there.seen[0].line == "POST /x HTTP/1.1"
        assert await transport.call(Call("https://vendor.example/x", b"{}")) == TLS
        assert proxy.asked == ["vendor.example:443"] * 2
        assert len(there.seen) == 1


async def test_a_proxy_that_refuses_has_sent_nothing(make: Make, tmp_path: Path) -> None:
    async with vendor_proxy(tmp_path, {}) as proxy:
        said = await make(Outbound(proxy=proxy.url)).call(Call("https://vendor.example/", b"{}"))
        assert said == NoAnswer(NoAnswerReason.UNREACHABLE, sent=False)
        assert proxy.asked == ["vendor.example:443"]


@pytest.mark.parametrize("said", [HANG, answer(502), b"nonsense\r\n\r\nconnection: close"])
async def test_a_proxy_that_fails_has_sent_nothing(make: Make, said: bytes) -> None:
    async with receiver() as proxy:
        proxy.say([said])
        transport = make(Outbound(proxy=f"http://127.0.0.1:{proxy.port}", timeout_ms=200))
        got = await transport.call(Call("https://vendor.example/", b"{}"))
        assert got == NoAnswer(NoAnswerReason.UNREACHABLE, sent=False)
        assert proxy.seen[0].line == "CONNECT vendor.example:443 HTTP/1.1"
