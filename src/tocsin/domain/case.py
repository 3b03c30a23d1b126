"""What decide is told: the facts of a batch, one recipient of one run, one delivery."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec

from tocsin.domain.category import Category, Tenant
from tocsin.domain.recipient import Address, Recipient
from tocsin.domain.workflow import CompiledStep, Workflow


class ChannelFacts(msgspec.Struct, frozen=True):
    """What is to be known of a channel: ``configured`` means that it has a provider."""

    configured: bool
    interrupts: bool
    needs_address: bool
    receipts: bool = False
    """Whether a provider of it tells later that a message has arrived."""
    acknowledges: bool = False
    """Whether somebody can acknowledge a message there, by a key or a button."""
    reads: bool = False
    """Whether a provider of it, or the message itself, tells that somebody has read it."""


NO_CHANNEL: Final = ChannelFacts(configured=False, interrupts=False, needs_address=False)


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """
    What holds for a whole batch, read once.

    Suppressions are (dense number or address digest, channel), the channel "" for all channels;
    those of addresses with what was said on the channel itself, empty for what others decided.
    """

    now_ms: int
    channels: Mapping[str, ChannelFacts]
    category: Category | None = None
    tenant: Tenant | None = None
    suppressed: AbstractSet[tuple[int, str]] = frozenset()
    suppressed_digests: Mapping[tuple[bytes, str], str] = {}
    workflow_active: bool = True


class Case(msgspec.Struct, frozen=True, gc=False):
    """One recipient of one run. ``expires_ms`` is an instant; ``recipient`` None: unknown."""

    workflow: Workflow
    recipient: Recipient | None
    facts: Facts
    expires_ms: int | None = None
    cancelled: bool = False
    data_valid: bool = True


class Target(msgspec.Struct, frozen=True, gc=False):
    """One delivery that is being decided; ``number`` is the address's, 0 where there is none."""

    case: Case
    step: CompiledStep
    channel: ChannelFacts
    number: int
    address: Address | None


def targets(case: Case, step: CompiledStep) -> list[Target]:
    """Return the step's deliveries: one for each address, or one without."""
    channel = case.facts.channels.get(step.channel, NO_CHANNEL)
    recipient = case.recipient
    if channel.needs_address and channel.configured and recipient is not None:
        found = [
            Target(case, step, channel, address.number, address)
            for address in recipient.addresses
            if address.channel == step.channel
        ]
        if found:
            return found
    return [Target(case, step, channel, 0, None)]


def target(case: Case, step: CompiledStep, number: int) -> Target:
    """Return one delivery by its address's number; the address may be gone by now."""
    channel = case.facts.channels.get(step.channel, NO_CHANNEL)
    addresses = case.recipient.addresses if case.recipient is not None else ()
    for each in addresses:
        if each.number == number and each.channel == step.channel:
            return Target(case, step, channel, number, each)
    return Target(case, step, channel, number, None)
