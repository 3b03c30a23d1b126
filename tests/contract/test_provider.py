"""What every provider keeps: those of the registry, and the toy."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import msgspec
import pytest
from msgspec import structs

from tests.contract.providers import AT_MS, CANARY, REGISTRY, TRACE, Vendor
from tests.support import toy
from tests.support.waiting import awaited
from tocsin.channels.registry import Registry, folders
from tocsin.config import Misconfigured, RawTable, decode_table
from tocsin.errors import Malformed, Unauthenticated
from tocsin.ports.outcomes import Accepted, ProviderReason, Refused, TryLater
from tocsin.ports.receipts import ReceiptState
from tocsin.ports.simulator import Dial, Proof

_TWO_DAYS_MS = 2 * 86_400_000
"""SendGrid tries for a day with one signature, which is longer than any other vendor does."""
UNKNOWN = (Dial.FAIL, Dial.TAKE_AND_DROP, Dial.DROP)


async def test_a_message_arrives_with_reference_and_trace(vendor: Vendor) -> None:
    (outcome,) = await vendor.provider.send([vendor.message()])
    assert isinstance(outcome, Accepted)
    (taken,) = vendor.simulator.taken
    assert (taken.reference, taken.trace) == (vendor.message().reference, TRACE)
    assert taken.address == vendor.message().address
    assert f"body-{CANARY}" in taken.text


async def test_a_batch_has_one_outcome_for_each_message_in_order(vendor: Vendor) -> None:
    count = vendor.provider.flags.batch_max
    dials = [(Dial.ACCEPT, Dial.REFUSE)[n % 2] for n in range(count)]
    vendor.simulator.dial(dials)
    outcomes = await vendor.provider.send([vendor.message(n) for n in range(count)])
    kinds = {Dial.ACCEPT: Accepted, Dial.REFUSE: Refused}
    assert [type(each) for each in outcomes] == [kinds[dial] for dial in dials]
    # Where a refusal is about the whole call and does not say for whom, that is found by halves.
    assert len(vendor.simulator.calls[0]) == count
    assert len(vendor.simulator.calls) < 2 * count


async def test_a_dead_address_is_told_from_another_refusal(vendor: Vendor) -> None:
    vendor.simulator.dial([Dial.DEAD_ADDRESS])
    assert (await vendor.provider.send([vendor.message()]))[0].reason is ProviderReason.DEAD_ADDRESS  # type: ignore[union-attr]  # an Accepted fails here, too
    vendor.simulator.dial([Dial.REFUSE])
    (outcome,) = await vendor.provider.send([vendor.message()])
    assert isinstance(outcome, Refused)
    assert outcome.reason is not ProviderReason.DEAD_ADDRESS


@pytest.mark.parametrize("dial", UNKNOWN)
async def test_an_answer_that_is_lost_is_unknown(vendor: Vendor, dial: Dial) -> None:
    vendor.simulator.dial([dial])
    (outcome,) = await vendor.provider.send([vendor.message()])
    assert isinstance(outcome, TryLater)
    assert not outcome.known


async def test_being_throttled_is_known_and_says_when(vendor: Vendor) -> None:
    vendor.simulator.dial([Dial.THROTTLE])
    (outcome,) = await vendor.provider.send([vendor.message()])
    assert isinstance(outcome, TryLater)
    assert (outcome.known, outcome.reason) == (True, ProviderReason.THROTTLED)
    assert outcome.after_ms is not None
    assert not vendor.simulator.taken


async def test_without_a_connection_it_is_known_that_nothing_was_sent(vendor: Vendor) -> None:
    await vendor.simulator.close()
    outcomes = await vendor.provider.send([vendor.message()])
    assert outcomes == [TryLater(ProviderReason.UNREACHABLE, detail=outcomes[0].detail)]  # type: ignore[union-attr]  # as above


async def test_a_cancelled_call_lets_go_at_once(vendor: Vendor) -> None:
    vendor.simulator.dial([Dial.STALL])
    sending = asyncio.get_running_loop().create_task(_send(vendor))
    await awaited("the call has arrived", vendor.simulator.until_called(1))
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending


async def _send(vendor: Vendor) -> None:
    await vendor.provider.send([vendor.message()])


async def test_every_attempt_carries_the_same_reference(vendor: Vendor) -> None:
    vendor.simulator.dial([Dial.FAIL, Dial.TAKE_AND_DROP])
    for _ in range(3):
        await vendor.provider.send([vendor.message()])
    assert set(map(tuple, vendor.simulator.calls)) == {(vendor.message().reference,)}
    if vendor.provider.flags.idempotent:
        assert len(vendor.simulator.taken) == 1


async def test_an_edit_names_what_it_replaces(vendor: Vendor) -> None:
    if not vendor.provider.flags.edits:
        pytest.skip("it cannot edit")
    (first,) = await vendor.provider.send([vendor.message()])
    assert isinstance(first, Accepted)
    assert first.provider_id is not None
    channel = REGISTRY.channels[vendor.spec.channel]
    later = vendor.message(2, supersedes=first.provider_id)
    await vendor.provider.send([structs.replace(later, content=channel.shape({"title": "Better"}))])
    assert vendor.simulator.taken[-1].supersedes == first.provider_id


@pytest.mark.parametrize("dial", list(Dial))
async def test_nothing_that_is_said_holds_a_secret(
    vendor: Vendor, dial: Dial, capsys: pytest.CaptureFixture[str]
) -> None:
    vendor.simulator.dial([dial])
    said = [vendor.provider, vendor.wired, vendor.message(), vendor.wired.settings]
    if dial is not Dial.STALL:
        said.append(await vendor.provider.send([vendor.message()]))
    shown = capsys.readouterr()
    text = repr(said) + str(said) + shown.out + shown.err
    assert CANARY not in text
    assert vendor.simulator.address(1) not in text


async def test_a_setting_that_is_wrong_is_refused_without_its_value(vendor: Vendor) -> None:
    values = {"attempts_mx": CANARY, "attempts_max": CANARY}
    table = RawTable(vendor.spec.name, {}, {}).with_values(values, "test")
    with pytest.raises(Misconfigured) as refused:
        decode_table(table, "providers", vendor.spec.settings)
    text = "\n".join(refused.value.problems)
    assert f"providers.{vendor.spec.name}.attempts_mx" in text
    assert "did you mean attempts_max?" in text
    assert CANARY not in text


@pytest.fixture
def calling(vendor: Vendor) -> Vendor:
    if not vendor.provider.flags.receipts:
        pytest.skip("it does not call back")
    return vendor


@pytest.mark.parametrize("state", [ReceiptState.DELIVERED, ReceiptState.FAILED])
async def test_a_callback_names_our_reference(calling: Vendor, state: ReceiptState) -> None:
    if state not in calling.simulator.actions.values():
        pytest.skip("it reports nothing of the kind")
    messages = [calling.message(n) for n in (1, 2)]
    for message in messages:
        await calling.provider.send([message])
    for message in messages:
        callback = calling.simulator.callback([message.reference], state, AT_MS)
        (receipt,) = (await calling.provider.read_callback(callback)).receipts
        assert (receipt.reference, receipt.state) == (message.reference, state)


async def _sent(calling: Vendor) -> str:
    """Send a message, for most vendors report only what they took; returns its reference."""
    await calling.provider.send([calling.message()])
    return calling.message().reference


async def test_it_says_of_itself_what_it_reports(vendor: Vendor) -> None:
    flags, reported = vendor.provider.flags, set(vendor.simulator.actions.values())
    assert flags.arrivals == (ReceiptState.DELIVERED in reported)
    assert flags.reads == (ReceiptState.OPENED in reported)
    assert flags.receipts or not (flags.arrivals or flags.reads)


async def test_a_forged_callback_is_refused(calling: Vendor) -> None:
    reference = await _sent(calling)
    forged = calling.simulator.callback([reference], ReceiptState.DELIVERED, AT_MS, genuine=False)
    genuine = calling.simulator.callback([reference], ReceiptState.DELIVERED, AT_MS)
    changed = replace(genuine, body=genuine.body + b" ")
    # Most sign in a header, some in the query.
    unsigned = replace(genuine, headers={}, query="")
    odd = replace(genuine, headers=dict.fromkeys(genuine.headers, "\xff9"), query="sig=%ff9")
    covered = calling.simulator.proof is Proof.BYTES
    # Some vendors put the signature among the fields: then their headers prove nothing.
    heard = genuine.headers.keys() - {"content-type", "user-agent"}
    wrong = [forged, *([changed] if covered else []), *([unsigned, odd] if heard else [])]
    for callback in wrong:
        with pytest.raises(Unauthenticated):
            await calling.provider.read_callback(callback)


async def test_an_old_callback_cannot_be_replayed(calling: Vendor) -> None:
    if calling.simulator.proof is Proof.SENDER:
        pytest.skip("its callbacks do not say when they were made")
    callback = calling.simulator.callback([await _sent(calling)], ReceiptState.DELIVERED, AT_MS)
    with pytest.raises(Unauthenticated):
        await calling.provider.read_callback(replace(callback, received_ms=AT_MS + _TWO_DAYS_MS))


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 5_000])
async def test_a_signed_callback_that_cannot_be_read_is_malformed(
    calling: Vendor, body: bytes
) -> None:
    await _sent(calling)
    with pytest.raises(Malformed):
        await calling.provider.read_callback(calling.simulator.signed(body, AT_MS))


def test_what_a_step_may_say_cannot_be_changed_afterwards() -> None:
    """All messages of which nothing is said to a vendor alone share one object (`read_options`)."""
    kinds = [spec.options for spec in REGISTRY.specs.values() if spec.options is not None]
    assert kinds
    assert [kind for kind in kinds if not kind.__struct_config__.frozen] == []


def test_a_name_that_is_taken_is_refused() -> None:
    with pytest.raises(Misconfigured, match="pager"):
        Registry([*folders(), toy, toy])


def test_an_unknown_provider_is_refused_with_a_suggestion() -> None:
    with pytest.raises(Misconfigured, match="did you mean pager"):
        REGISTRY.spec("pagr")


def test_a_provider_of_no_channel_is_refused() -> None:
    class Folder:
        SPEC = msgspec.structs.replace(toy.SPEC, channel="pigeon")

    with pytest.raises(Misconfigured, match="pigeon"):
        Registry([Folder])
