"""
Which message takes the place of which: the later one of the same step's collapse key.

Found in bulk right before the calls, for providers that can edit; written down before the outcome
is, so that a message whose answer was lost is edited rather than posted twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b

from msgspec.structs import replace

from tocsin.app.delivering.work import Work
from tocsin.ports.outcomes import Accepted, ProviderOutcome
from tocsin.ports.state import StandingMessage, Standings
from tocsin.ports.state.standings import KEPT_MS

FIELD = "collapse_key"


async def supersede(works: Iterable[Work], standings: Standings, now_ms: int) -> None:
    """Give the messages of *works* what they take the place of, if anything."""
    keyed = {id(work): key for work in works if (key := _key(work)) is not None}
    if not keyed:
        return
    found = await standings.by_key(list(set(keyed.values())))
    for work in works:
        standing = found.get(keyed.get(id(work), b""))
        if standing is not None and _may_edit(work, standing, now_ms):
            assert work.message is not None
            work.message = replace(work.message, supersedes=standing.provider_id)


def standing_after(
    work: Work, outcome: ProviderOutcome | None, now_ms: int
) -> StandingMessage | None:
    """Return what stands after *outcome*, if later messages may take its place."""
    key = _key(work)
    if key is None or not isinstance(outcome, Accepted) or outcome.provider_id is None:
        return None
    assert work.wired is not None
    assert work.event is not None
    return StandingMessage(
        key,
        work.handoff.recipient,
        work.wired.name,
        outcome.provider_id,
        work.event.accepted_ms,
        now_ms,
    )


def was_edited(work: Work, outcome: ProviderOutcome | None) -> bool:
    """Return whether the message took the place of an earlier one, under its name."""
    message = work.message
    return (
        message is not None
        and message.supersedes is not None
        and isinstance(outcome, Accepted)
        and outcome.provider_id == message.supersedes
    )


def _key(work: Work) -> bytes | None:
    """Return the key of what *work* says; None where nothing can take its place."""
    message, wired, handoff = work.message, work.wired, work.handoff
    if message is None or wired is None or not wired.provider.flags.edits:
        return None
    own = message.content.fields.get(FIELD)
    if not own:
        return None
    parts: Sequence[str] = (
        handoff.workflow,
        str(handoff.recipient),
        str(handoff.address),
        wired.name,
        own,
    )
    return blake2b("\0".join(parts).encode(), digest_size=16).digest()


def _may_edit(work: Work, standing: StandingMessage, now_ms: int) -> bool:
    """Return whether what stands is this provider's, not too old, and not of a later event."""
    assert work.event is not None
    assert work.wired is not None
    return (
        standing.provider == work.wired.name
        and standing.at_ms > now_ms - KEPT_MS
        and standing.event_ms <= work.event.accepted_ms
    )
