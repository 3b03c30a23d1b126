"""What fan-outs decided about one recipient."""

from __future__ import annotations

from collections.abc import Sequence

from tocsin.domain.history import Note, chunk_notes, handed_over
from tocsin.domain.recipient import Recipient
from tocsin.domain.records import Broadcast
from tocsin.ports.state import Recipients


class ChunksStep:
    """Reads chunks together with the profile that they were decided by."""

    def __init__(self, recipients: Recipients) -> None:
        self._recipients = recipients

    async def notes(
        self, chunks: Sequence[Broadcast], profile: Recipient, profile_version: int
    ) -> dict[bytes, Note]:
        """Return the notifications for *profile*'s recipient, by key."""
        number = profile.number
        times = {each.visible_ms for each in chunks if handed_over(each, number)}
        profiles = {at: await self._at(profile, at) for at in times}
        return chunk_notes(chunks, number, profile.id, profile_version, profiles)

    async def _at(self, profile: Recipient, at_ms: int) -> Recipient:
        return await self._recipients.version_at(profile.number, at_ms) or profile
