"""A whole block of recipients at once: the gates that are sets, as bitmap algebra."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pyroaring import BitMap

from tocsin.domain.decide import Facts
from tocsin.domain.reasons import Reason
from tocsin.domain.recipient import Recipient
from tocsin.domain.workflow import Workflow


class BlockDecision(NamedTuple):
    """Disjoint sets whose union is the block's members."""

    by_reason: dict[Reason, BitMap]
    personal: BitMap
    """Who must go through `tocsin.domain.decide.decide` one by one."""


def set_keys(recipient: Recipient) -> frozenset[str]:
    """Return the named sets that *recipient*'s document puts the number into."""
    raise NotImplementedError


def suppression_key(channel: str | None) -> str:
    """Return the set of recipients who are on the suppression list for *channel* (None: all)."""
    raise NotImplementedError


def keys_needed(workflow: Workflow, step: int) -> tuple[str, ...]:
    """Return the sets that `decide_block` reads for that step."""
    raise NotImplementedError


def decide_block(
    workflow: Workflow,
    step: int,
    members: BitMap,
    sets: Mapping[str, BitMap],
    facts: Facts,
    *,
    expires_ms: int | None = None,
) -> BlockDecision:
    """Decide one step for all *members*."""
    raise NotImplementedError
