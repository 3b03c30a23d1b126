"""What the settings of every vendor of email with an API of its own have in common."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from tocsin.channels.email.writing.letter import Sender
from tocsin.ports.provider import ProviderSettings

Address = Annotated[str, Meta(pattern=r"^[!-?A-~]{1,64}@[A-Za-z0-9.-]{1,190}$")]
_ONE_LINE = r"^(?!.*=\?)[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"
"""What can be written into a header: also nothing that reads as an encoded word (RFC 2047)."""

ServiceUrl = Annotated[str, Meta(pattern=r"^https?://[^/?#\s]+$")]


class SenderSettings(ProviderSettings, frozen=True, kw_only=True):
    """Who letters are from."""

    from_address: Annotated[Address, Meta(description="Who letters are from.")]
    from_name: Annotated[
        str,
        Meta(max_length=200, pattern=_ONE_LINE, description="The name that is shown for it."),
    ] = ""
    reply_to: Annotated[
        Address | None, Meta(description="Where answers go, if a step says nothing else.")
    ] = None

    def sender(self) -> Sender:
        """Return them as a letter's."""
        return Sender(self.from_address, self.from_name, self.reply_to or "")
