"""The load generator against a stub: what it sends, what it counts, what it notices."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from bench import native
from tests.bench.stub import KEY, Behaviour, Stub

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("cc") is None, reason="the load generator is a C program"),
]


async def generate(stub: Stub, folder: Path, *options: str, people: int = 5) -> dict[str, Any]:
    """Run the generator against ``stub`` and return its results."""
    key, tokens = folder / "key", folder / "tokens"
    key.write_text(KEY)
    tokens.write_text("".join(f"p{n} token-p{n}\n" for n in range(people)))
    command = [str(native.program("load")), "--port", str(stub.port), "--key-file", str(key)]
    command += ["--tokens", str(tokens)] if people else ["--recipients", "1000"]
    # It ends as soon as all has come; only what never comes is waited for so long.
    command += ["--tag", "t1", "--drain", "20", *options]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    phases = []
    async with asyncio.timeout(30):
        async for line in process.stdout:
            report: dict[str, Any] = json.loads(line)
            phases.append(report["phase"])
            if report["phase"] == "ready":
                process.stdin.write(b"go\n")
            if report["phase"] == "done":
                await process.wait()
                assert phases == ["ready", "sending", "draining", "done"]
                return report
    raise AssertionError(f"ended after {phases}")


OPEN = ("--mode", "open", "--rate", "200", "--batch", "10", "--seconds", "0.5")


async def test_open_loop_sends_by_the_clock_and_receives_everything(tmp_path: Path) -> None:
    async with Stub() as stub:
        results = await generate(stub, tmp_path, *OPEN)
    assert results["events_sent"] == results["accepted"] == results["received"] == 100
    assert results["requests"] == 10
    assert results["latency_with_warmup"]["count"] == 100
    assert 0 < results["latency"]["p50_us"] <= results["latency"]["max_us"] < 10_000_000
    assert sum(results["received_per_second"]) == 100
    assert [results[name] for name in ("missing", "duplicates", "misdelivered")] == [0, 0, 0]


async def test_events_are_cloudevents_of_the_size_asked_for(tmp_path: Path) -> None:
    async with Stub() as stub:
        await generate(stub, tmp_path, *OPEN, "--event-bytes", "550")
        event = stub.samples[-1]
    assert len(json.dumps(event, separators=(",", ":"))) == 550
    assert event["specversion"] == "1.0"
    assert event["id"] == "t1-99"
    assert event["data"]["customer_id"] == "p4"
    assert isinstance(event["data"]["sent"], int)


async def test_closed_loop_sends_single_events(tmp_path: Path) -> None:
    async with Stub() as stub:
        results = await generate(
            stub, tmp_path, "--mode", "closed", "--single", "--senders", "4", "--seconds", "1.5"
        )
        assert stub.requests == results["requests"] == results["accepted"] == results["received"]
    assert results["requests"] > 4


async def test_without_sockets_recipients_are_spread(tmp_path: Path) -> None:
    async with Stub() as stub:
        results = await generate(stub, tmp_path, *OPEN, people=0)
        recipients = {event["data"]["customer_id"] for event in stub.samples}
    assert results["accepted"] == 100
    assert results["missing"] == results["received"] == 0
    assert len(recipients) > 5
    assert all("u0000001" <= recipient <= "u0001000" for recipient in recipients)


async def test_fragments_split_over_reads_and_pings_between_them(tmp_path: Path) -> None:
    async with Stub(Behaviour(split=True)) as stub:
        results = await generate(stub, tmp_path, *OPEN)
        pongs = sum(socket.frames["PONG"] for socket in stub.sockets.values())
    assert results["received"] == 100
    assert results["pings"] == pongs == 105  # one for each of five hellos, too
    assert results["sockets_open"] == 5


async def test_several_items_in_one_array(tmp_path: Path) -> None:
    async with Stub(Behaviour(pair=True)) as stub:
        results = await generate(stub, tmp_path, *OPEN, "--batch-frames")
    assert results["received"] == 100
    assert results["messages"] == 50 + 5


async def test_items_are_acknowledged_when_asked(tmp_path: Path) -> None:
    async with Stub(Behaviour(pair=True)) as stub:
        results = await generate(stub, tmp_path, *OPEN, "--acknowledge")
        said = [json.loads(text) for socket in stub.sockets.values() for text in socket.said]
    assert results["acknowledged"] == 100
    assert {message["type"] for message in said} == {"received"}
    assert sorted(one for message in said for one in message["ids"]) == sorted(
        f"ntf_t1-{number}" for number in range(100)
    )


async def test_duplicates_are_noticed(tmp_path: Path) -> None:
    async with Stub(Behaviour(twice=True)) as stub:
        results = await generate(stub, tmp_path, *OPEN)
    assert (results["received"], results["duplicates"]) == (100, 100)


async def test_missing_items_are_noticed(tmp_path: Path) -> None:
    async with Stub(Behaviour(drop_every=7)) as stub:
        results = await generate(stub, tmp_path, *OPEN, "--drain", "1")
    assert results["missing"] == 15
    assert results["first_missing"] == 0
    assert results["received"] == 85


@pytest.mark.parametrize("status", [429, 503, 422])
async def test_refusals_are_counted_and_not_missed(tmp_path: Path, status: int) -> None:
    def every_other(request: int, events: int) -> tuple[int, list[int]]:
        return (status, []) if request % 2 else (202, list(range(events)))

    async with Stub(Behaviour(answer=every_other)) as stub:
        results = await generate(stub, tmp_path, *OPEN)
    name = f"rejected_{status}" if status != 422 else "other_status"
    assert results[name] == 5
    assert (results["accepted"], results["received"], results["missing"]) == (50, 50, 0)


async def test_partly_taken_batches_are_counted_by_item(tmp_path: Path) -> None:
    async with Stub(Behaviour(answer=lambda _request, _events: (207, [0, 1, 2]))) as stub:
        results = await generate(stub, tmp_path, *OPEN)
    assert results["partial_answers"] == 10
    assert results["accepted"] == results["received"] == 30


async def test_sockets_are_held_open_without_load(tmp_path: Path) -> None:
    async with Stub() as stub:
        results = await generate(stub, tmp_path, "--mode", "hold", "--seconds", "0.2", people=300)
        assert len(stub.sockets) == 300
    assert results["sockets_open"] == results["hellos"] == 300
    assert results["requests"] == 0


async def test_a_wrong_token_is_reported_not_waited_for(tmp_path: Path) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    stub = Stub()
    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        stub.port = server.sockets[0].getsockname()[1]
        results = await generate(stub, tmp_path, "--mode", "hold", "--seconds", "0.1")
    assert results["handshakes_failed"] == 5
    assert results["sockets_open"] == 0


async def test_a_lost_socket_returns_and_resumes_where_it_was(tmp_path: Path) -> None:
    async with Stub(Behaviour(hang_up_after=50)) as stub:
        results = await generate(stub, tmp_path, *OPEN, "--reconnect", "0.1", people=1)
        said = stub.sockets["p0"].said
    assert [json.loads(each) for each in said] == [{"type": "resume", "cursor": "0"}]
    assert results["sockets_returned"] == results["sockets_closed"] == 1
    assert results["handshakes_failed"] == 0
    assert results["away"]["count"] == 1


async def test_the_type_of_the_events_can_be_chosen(tmp_path: Path) -> None:
    async with Stub() as stub:
        await generate(stub, tmp_path, *OPEN, "--type", "bench.critical")
        assert {each["type"] for each in stub.samples} == {"bench.critical"}
