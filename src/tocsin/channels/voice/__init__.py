"""Voice: a call that is read out, and that a key acknowledges."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from tocsin.domain.channels import CHANNEL_FIELDS
from tocsin.domain.phones import checked_number
from tocsin.ports.message import Content
from tocsin.ports.provider import Channel

SPOKEN_CHARACTERS_MAX: Final = 1_500
"""About two minutes: nobody listens to more."""

_SPACES: Final = re.compile(r"[\s\x00-\x1f\x7f]+")


class VoiceChannel:
    """`tocsin.ports.provider.Channel` for calls: nothing interrupts more than one."""

    name = "voice"
    interrupts = True
    needs_address = True
    needs_provider = True

    def check_address(self, address: str) -> str:
        """Return a number in international form; raises `RequestRefused`."""
        return checked_number(address)

    def content_fields(self) -> frozenset[str]:
        """Return title and body."""
        return CHANNEL_FIELDS[self.name]

    def shape(self, rendered: Mapping[str, str]) -> Content:
        """Return what is said in ``fields["text"]``: the title, a pause, and the body."""
        title, body = _spoken(rendered.get("title", "")), _spoken(rendered.get("body", ""))
        pause = "" if not title or title[-1] in ".!?…" else "."
        text = f"{title}{pause} {body}".strip() if title else body
        return Content(title, body, {"text": text[:SPOKEN_CHARACTERS_MAX].rstrip()})


def _spoken(text: str) -> str:
    return _SPACES.sub(" ", text).strip()


CHANNEL: Final[Channel] = VoiceChannel()
