"""HTTP/2 against a server that shares no code with the client: Node's."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.authority import Authority
from tests.support.transports import Streams
from tocsin.adapters.http.curl import CurlTransport
from tocsin.config import Outbound
from tocsin.domain.hosts import Reach, networks
from tocsin.ports.transport import Answer, Call, Transport

NODE = shutil.which("node")
SERVER = Path(__file__).parents[1] / "support/http2_server.js"

pytestmark = pytest.mark.skipif(NODE is None, reason="needs node, whose HTTP/2 server is called")


@pytest.fixture
def server(authority: Authority) -> Iterator[subprocess.Popen[str]]:
    assert NODE is not None
    issued = authority.issue("127.0.0.1")
    with subprocess.Popen(
        [NODE, SERVER, issued.certificate, issued.key],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("client", [CurlTransport, Streams])
async def test_many_calls_share_a_connection(
    authority: Authority,
    server: subprocess.Popen[str],
    client: Callable[[Outbound, Reach], Transport],
) -> None:
    assert server.stdout is not None
    port = int(server.stdout.readline())
    outbound = Outbound(ca_file=str(authority.ca_file))
    transport = client(outbound, Reach(networks(["127.0.0.0/8"])))
    url = f"https://127.0.0.1:{port}/"
    said = await asyncio.gather(*(transport.call(Call(url, b"%d" % n)) for n in range(300)))
    await transport.close()
    assert [each.body for each in said if isinstance(each, Answer)] == [
        b"%d" % n for n in range(300)
    ]
    assert server.stdin is not None
    server.stdin.close()
    connections, requests = map(int, server.stdout.readline().split())
    assert requests == 300
    # 100 at a time on each: they share, where HTTP/1.1 would have taken all that are allowed.
    assert connections <= 4 < outbound.connections_per_host_max
