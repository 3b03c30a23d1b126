"""
A whole block of recipients at once: the gates that are sets, as bitmap algebra.

Sets are named by what a recipient's own document says, so that they are kept by whoever stores
documents, without knowing any workflow. A slash never occurs in a key, so names are unambiguous::

    erased                      the recipient is erased
    timed                       has quiet hours or a do-not-disturb instant
    on/channel/sms              her own choices and consents: on/… and off/… with one of
    off/category/orders           channel/C, category/K, category/K/C, workflow/K,
    off/consent/email/orders      workflow/K/C, consent/C, consent/C/K
    one/push                    exactly one address there, and nothing is wrong with it
    other/push                  several addresses there, or one that is dead, disabled or unverified
    suppressed, suppressed/push on the suppression list by number, for all or for one channel
    suppressed-address          some address of hers is on the suppression list
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from pyroaring import BitMap

from tocsin.domain.case import NO_CHANNEL, Case, Facts, Target
from tocsin.domain.choice import all_choices, default_choice, newest_consents
from tocsin.domain.gates import can_be_held
from tocsin.domain.reasons import Reason
from tocsin.domain.recipient import Address, Recipient
from tocsin.domain.workflow import Workflow

SUPPRESSED_ADDRESS: Final = "suppressed-address"
"""Kept from the suppression list by whoever knows which recipient has which address."""


class BlockDecision(NamedTuple):
    """Disjoint sets whose union is the block's members; empty ones are left out."""

    by_reason: dict[Reason, BitMap]
    """Each of these has one delivery by this step: without address, or to her only one."""
    personal: BitMap
    """Who must go through `tocsin.domain.decide.decide` one by one."""


def set_keys(recipient: Recipient) -> frozenset[str]:
    """Return the named sets that *recipient*'s document puts the number into."""
    keys = {"erased"} if recipient.erased else set[str]()
    preferences = recipient.preferences
    if preferences is not None:
        keys |= {f"{_word(on)}/{place}" for place, on in all_choices(preferences)}
        if preferences.quiet_hours or preferences.do_not_disturb_until_ms is not None:
            keys.add("timed")
    for (channel, category), given in newest_consents(recipient.consents).items():
        place = channel if category is None else f"{channel}/{category}"
        keys.add(f"{_word(given)}/consent/{place}")
    by_channel: dict[str, list[Address]] = {}
    for address in recipient.addresses:
        by_channel.setdefault(address.channel, []).append(address)
    keys |= {f"{_reach(found)}/{channel}" for channel, found in by_channel.items()}
    return frozenset(keys)


def _word(on: bool) -> str:
    return "on" if on else "off"


def _reach(addresses: list[Address]) -> str:
    first = addresses[0]
    verified = first.verified_ms is not None or not first.needs_verification
    fine = first.dead_ms is None and first.disabled_ms is None and verified
    return "one" if len(addresses) == 1 and fine else "other"


def suppression_key(channel: str | None) -> str:
    """Return the set of recipients who are on the suppression list for *channel* (None: all)."""
    return "suppressed" if channel is None else f"suppressed/{channel}"


def _places(workflow: Workflow, channel: str) -> tuple[str, ...]:
    category, key = workflow.category, workflow.key
    return (
        f"channel/{channel}",
        f"category/{category}",
        f"category/{category}/{channel}",
        f"workflow/{key}",
        f"workflow/{key}/{channel}",
        f"consent/{channel}",
        f"consent/{channel}/{category}",
    )


def keys_needed(workflow: Workflow, step: int) -> tuple[str, ...]:
    """Return the sets that `decide_block` reads for that step."""
    channel = workflow.steps[step].channel
    places = _places(workflow, channel)
    return (
        "erased",
        "timed",
        f"one/{channel}",
        f"other/{channel}",
        suppression_key(None),
        suppression_key(channel),
        SUPPRESSED_ADDRESS,
        *(f"{word}/{place}" for word in ("on", "off") for place in places),
    )


def decide_block(
    workflow: Workflow,
    step: int,
    members: BitMap,
    sets: Mapping[str, BitMap],
    facts: Facts,
    *,
    expires_ms: int | None = None,
    cancelled: BitMap | None = None,
) -> BlockDecision:
    """
    Decide one step for all *members*, who are known and whose data is valid.

    *sets* holds those of `keys_needed`, cut to the block or not; a missing one is empty.
    """
    block = _Block(members, sets)
    compiled = workflow.steps[step]
    channel = facts.channels.get(compiled.channel, NO_CHANNEL)
    addressed = channel.needs_address and channel.configured
    if addressed:
        block.leave_to_persons(f"other/{compiled.channel}", SUPPRESSED_ADDRESS)
    if not facts.workflow_active:
        block.all_are(Reason.WORKFLOW_INACTIVE)
    block.those_are(Reason.ERASED, block.any_of("erased"))
    if expires_ms is not None and facts.now_ms >= expires_ms:
        block.all_are(Reason.EXPIRED)
    if cancelled is not None:
        block.those_are(Reason.CANCELLED, cancelled)
    listed = block.any_of(suppression_key(None), suppression_key(compiled.channel))
    block.those_are(Reason.SUPPRESSION_LIST, listed)
    _choose(block, workflow, compiled.channel, facts)
    if not channel.configured:
        block.all_are(Reason.CHANNEL_NOT_CONFIGURED)
    if addressed:
        reached = block.any_of(f"one/{compiled.channel}")
        block.those_are(Reason.NO_ADDRESS, block.rest - reached)
    case = Case(workflow=workflow, recipient=None, facts=facts)
    if can_be_held(Target(case, compiled, channel, 0, None)):
        block.leave_to_persons("timed")
    block.all_are(Reason.SEND)
    return BlockDecision(block.by_reason, block.personal)


def _choose(block: _Block, workflow: Workflow, channel: str, facts: Facts) -> None:
    if workflow.required:
        return
    places = _places(workflow, channel)
    block.those_are(Reason.OPTED_OUT, block.any_of(*(f"off/{place}" for place in places)))
    default = default_choice(workflow, channel, category=facts.category, tenant=facts.tenant)
    if not default.allowed:
        wanted = block.any_of(*(f"on/{place}" for place in places))
        block.those_are(Reason.OFF_BY_DEFAULT, block.rest - wanted)


class _Block:
    """The members who have no reason yet, and those who have."""

    def __init__(self, members: BitMap, sets: Mapping[str, BitMap]) -> None:
        self.rest = members.copy()
        self.personal = BitMap()
        self.by_reason: dict[Reason, BitMap] = {}
        self._sets = sets

    def any_of(self, *keys: str) -> BitMap:
        return _union(self._sets[key] for key in keys if key in self._sets)

    def those_are(self, reason: Reason, numbers: BitMap) -> None:
        found = self.rest & numbers
        if found:
            self.by_reason[reason] = found
            self.rest -= found

    def all_are(self, reason: Reason) -> None:
        self.those_are(reason, self.rest)

    def leave_to_persons(self, *keys: str) -> None:
        found = self.rest & self.any_of(*keys)
        self.personal |= found
        self.rest -= found


def _union(sets: Iterable[BitMap]) -> BitMap:
    found = BitMap()
    for each in sets:
        found |= each
    return found
