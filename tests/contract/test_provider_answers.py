"""What providers make of answers: every documented one, every status, and what is none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import cast

import pytest

from tests.contract.providers import CANARY, Vendor, of_those, played
from tests.support.receiver import receiver
from tocsin.channels.registry import loaded
from tocsin.channels.replies import Replies, Reply, load_replies
from tocsin.channels.simulating_http import HttpSimulating, Instead
from tocsin.ports.outcomes import Accepted, ProviderOutcome, Refused, TryLater
from tocsin.ports.provider import ProviderSpec
from tocsin.ports.simulator import Faults, Simulator, Stage

MEGABYTE = 1_024 * 1_024
NO_ANSWERS = {
    "nothing": b"",
    "a page": b"<!doctype html><title>502</title>",
    "cut off": b'{"id": "a',
    "null": b"null",
    "a number": b"17",
    "a list": b"[]",
    "a list of lists": b"[[[]]]",
    "an object": b"{}",
    "other types": b'{"id": [], "ok": {}, "name": 3, "sid": false, "messages": 7, "error": "x"}',
    "other texts": b"\xff\xfe\x00",
    "a deep one": b"[" * 100_000,
}


def table_of(spec: ProviderSpec) -> Replies | None:
    """What the folder says of answers; None where it has no table."""
    try:
        return load_replies(spec.build.partition(":")[0].rpartition(".")[0])
    except FileNotFoundError:
        return None


def kind(outcome: ProviderOutcome) -> tuple[object, ...]:
    """What of an outcome a table can say."""
    if isinstance(outcome, TryLater):
        return (TryLater, outcome.reason, outcome.known, outcome.address_only)
    return (Refused, outcome.reason) if isinstance(outcome, Refused) else (Accepted,)


def is_taken_or_unknown(outcome: ProviderOutcome) -> bool:
    return isinstance(outcome, Accepted) or (isinstance(outcome, TryLater) and not outcome.known)


def has_table(spec: ProviderSpec) -> bool:
    return table_of(spec) is not None


def speaks_http(spec: ProviderSpec) -> bool:
    return issubclass(loaded(spec.simulator), HttpSimulating)


@pytest.fixture(params=of_those(has_table))
async def certain(request: pytest.FixtureRequest) -> AsyncIterator[Vendor]:
    """Each provider that has a table of answers, at a vendor where what may go wrong does."""
    async with played(cast(str, request.param), Stage(fraction=lambda: 0.0)) as one:
        yield one


async def test_every_documented_code_means_what_the_table_says(certain: Vendor) -> None:
    table = table_of(certain.spec)
    assert table is not None
    wrong = []
    for n, (code, reply) in enumerate(_documented(table, certain.simulator).items()):
        await certain.simulator.set_faults(Faults(errors={code: 1.0}))
        outcome = await certain.send(n)
        if kind(outcome) != kind(reply.outcome("")) or not _waits_as_said(outcome, reply):
            wrong.append((code, reply, outcome))
    assert not wrong
    await certain.simulator.set_faults(Faults())
    assert isinstance(await certain.send(), Accepted)


def _documented(table: Replies, simulator: Simulator) -> dict[str, Reply]:
    """All codes, each of which the simulator must know, and the statuses that it says by number."""
    assert sorted(set(table.codes) - set(simulator.codes)) == []
    return {
        **{code: each for code, each in table.statuses.items() if code in simulator.codes},
        **table.codes,
    }


def _waits_as_said(outcome: ProviderOutcome, reply: Reply) -> bool:
    if reply.after_ms is None or not isinstance(outcome, TryLater):
        return True
    return outcome.after_ms is not None


@pytest.fixture(params=of_those(speaks_http))
async def web(request: pytest.FixtureRequest) -> AsyncIterator[Vendor]:
    """Each provider that calls over HTTP; it has its token, if it needs one."""
    async with played(cast(str, request.param)) as one:
        assert isinstance(await one.send(100), Accepted)
        yield one


def answer_instead(vendor: Vendor, instead: Instead | None) -> None:
    assert isinstance(vendor.simulator, HttpSimulating)
    vendor.simulator.answer_instead(instead)


async def test_every_status_means_what_the_table_says_or_its_kind(web: Vendor) -> None:
    table = table_of(web.spec)
    wrong = []
    for status in range(200, 600):
        answer_instead(web, Instead(status))
        outcome = await web.send(status)
        if not _fits(status, outcome, table):
            wrong.append((status, outcome))
    assert not wrong
    answer_instead(web, None)
    assert isinstance(await web.send(), Accepted)


def _fits(status: int, outcome: ProviderOutcome, table: Replies | None) -> bool:
    if status < 300:
        # Where the body says whether it was taken, and there is none, nobody knows.
        return is_taken_or_unknown(outcome)
    if table is not None:
        return kind(outcome) == kind(table.of(status).outcome(""))
    if status < 500:
        return isinstance(outcome, Refused) or (isinstance(outcome, TryLater) and outcome.known)
    return isinstance(outcome, TryLater)


@pytest.mark.parametrize("early", [100, 102, 103, 199])
async def test_what_comes_before_an_answer_is_none(web: Vendor, early: int) -> None:
    answer_instead(web, Instead(early=early))
    assert isinstance(await web.send(), Accepted)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(web: Vendor, status: int) -> None:
    async with receiver() as elsewhere:
        answer_instead(web, Instead(status, headers=[("location", elsewhere.url)]))
        outcome = await web.send()
        assert not is_taken_or_unknown(outcome)
        assert not elsewhere.connections


@pytest.mark.parametrize("body", NO_ANSWERS.values(), ids=NO_ANSWERS)
async def test_what_was_taken_is_never_said_not_to_be(web: Vendor, body: bytes) -> None:
    answer_instead(web, Instead(body=body, taking=True))
    outcome = await web.send()
    assert web.simulator.taken[-1].reference == web.message().reference
    assert is_taken_or_unknown(outcome), outcome


async def test_an_answer_without_end_is_not_read_to_it(web: Vendor) -> None:
    answer_instead(web, Instead(body=b"[" * 64 * MEGABYTE, taking=True))
    assert is_taken_or_unknown(await web.send())
    answer_instead(web, None)
    assert isinstance(await web.send(2), Accepted)


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429, 500, 503])
@pytest.mark.parametrize("form", ["text", "json"])
async def test_an_answer_that_repeats_the_call_is_not_repeated(
    web: Vendor, status: int, form: str
) -> None:
    """Vendors quote addresses in their errors, and proxies that debug quote everything."""
    message = web.message()
    quoted = f"{message.address} {CANARY}".encode()
    inner = b'"code": 1, "message": "%s", "detail": "%s", "description": "%s", "status": "%s"'
    one = b"{" + inner % ((quoted,) * 4) + b"}"
    answer = quoted if form == "text" else b'{"error": %s, "errors": [%s], %s' % (one, one, one[1:])
    answer_instead(web, Instead(status, body=answer))
    said = repr(await web.send())
    assert CANARY not in said
    assert message.address not in said
