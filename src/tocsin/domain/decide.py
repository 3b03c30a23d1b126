"""Decide: recipient x workflow x facts x now -> one verdict per step and address."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

import msgspec

from tocsin.domain.category import Category, Tenant
from tocsin.domain.decision import Decision, GateResult
from tocsin.domain.recipient import Recipient
from tocsin.domain.workflow import Workflow


class ChannelFacts(msgspec.Struct, frozen=True):
    """What decide must know of a channel."""

    configured: bool
    interrupts: bool
    needs_address: bool


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """
    What holds for a whole batch, read once.

    Suppressions are (number or digest, channel), with the channel "" for all channels.
    """

    now_ms: int
    channels: Mapping[str, ChannelFacts]
    category: Category | None = None
    tenant: Tenant | None = None
    suppressed: AbstractSet[tuple[int, str]] = frozenset()
    suppressed_digests: AbstractSet[tuple[bytes, str]] = frozenset()
    workflow_active: bool = True
    preferences_known: bool = True
    """False when preferences and consents cannot be read: see `must_wait`."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One recipient of one run. ``expires_ms`` is an instant; ``recipient`` None: unknown."""

    workflow: Workflow
    recipient: Recipient | None
    facts: Facts
    expires_ms: int | None = None
    cancelled: bool = False
    data_valid: bool = True


def must_wait(workflow: Workflow, facts: Facts) -> bool:
    """Return whether the run has to wait because preferences cannot be read now."""
    raise NotImplementedError


def decide(case: Case) -> tuple[Decision, ...]:
    """Decide all steps."""
    raise NotImplementedError


def decide_step(case: Case, step: int, address: int) -> Decision:
    """Decide one delivery anew, as after a hold; *address* 0: the step has none."""
    raise NotImplementedError


def trace(case: Case, step: int, address: int) -> list[GateResult]:
    """Return what each gate looked at, up to the one that said no, by the same gates."""
    raise NotImplementedError
