"""Addresses that come in the place of one that has gone while its delivery was held."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import xxhash

from tocsin.app.routing.inputs import Input, Only, Run, place_token
from tocsin.domain.recipient import Recipient
from tocsin.domain.records import Release
from tocsin.ports.state import Deduplication, Recipients


class _Gone(NamedTuple):
    """A run whose held address is no longer one to send to."""

    entry: Input
    run: Run
    only: Only
    recipient: Recipient


class SuccessorStep:
    """
    Finds out for each release whose address has gone which addresses are planned in its place.

    Only those that the profile did not have when the delivery was planned: every other one has a
    delivery of its own already. Where several held addresses of one recipient have gone, the first
    release to come takes a successor, so that it is planned once.
    """

    def __init__(self, recipients: Recipients, deduplication: Deduplication) -> None:
        self._recipients = recipients
        self._deduplication = deduplication

    async def __call__(self, inputs: Sequence[Input], now_ms: int) -> None:
        """Fill in `Only.successors`. The usual batch, in which nothing has gone, costs no call."""
        wanted: list[tuple[_Gone, int]] = []
        for gone in _gone(inputs):
            wanted += [(gone, number) for number in await self._newcomers(gone)]
        if not wanted:
            return
        claims = [(_claim(gone, number), _token(gone)) for gone, number in wanted]
        owners = await self._deduplication.claim(claims, now_ms)
        for (gone, number), owner in zip(wanted, owners, strict=True):
            only = gone.run.only
            if only is not None and owner == _token(gone):
                gone.run.only = only._replace(successors=(*only.successors, number))

    async def _newcomers(self, gone: _Gone) -> list[int]:
        """Return the numbers of the step's channel that came after the delivery was planned."""
        recipient, only = gone.recipient, gone.only
        planned = await self._recipients.version(recipient.number, only.profile_version)
        if planned is None:
            return []
        covered = {address.number for address in planned.addresses}
        channel = gone.run.workflow.steps[only.step].channel
        return [
            address.number
            for address in recipient.addresses
            if address.channel == channel and address.number not in covered
        ]


def _gone(inputs: Sequence[Input]) -> list[_Gone]:
    found = []
    # Only a release names an address.
    for entry in [entry for entry in inputs if type(entry.record) is Release]:
        for run in entry.runs:
            only = run.only
            if only is None or only.address is None:
                continue
            for _, recipient in run.recipients:
                if recipient is not None and _has_lost(recipient, only):
                    found.append(_Gone(entry, run, only, recipient))
    return found


def _has_lost(recipient: Recipient, only: Only) -> bool:
    if recipient.version == only.profile_version:
        return False
    held = None if only.address is None else recipient.address(only.address)
    return held is None or held.dead_ms is not None


def _claim(gone: _Gone, number: int) -> bytes:
    """Return what the releases of one notification's step compete for."""
    event = gone.entry.event
    assert event is not None
    place = (gone.run.index, gone.only.step, number, gone.recipient.number)
    return xxhash.xxh3_128_digest(event.key + repr(place).encode())


def _token(gone: _Gone) -> bytes:
    """Return the owner that a second look at the same record has, too."""
    return place_token(gone.entry.partition, gone.entry.position)
