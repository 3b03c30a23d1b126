"""When a message offers a button to acknowledge it, and what the button says."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from tocsin.ports.message import Message
from tocsin.ports.provider import ProviderSettings


class AcknowledgeSettings(ProviderSettings, frozen=True, kw_only=True):
    """What platforms with buttons may say about them, beside what every provider may."""

    acknowledge: Annotated[
        Literal["awaited", "always", "never"],
        Meta(
            description="When messages have a button to acknowledge them: if the workflow waits"
            " for that, always, or never."
        ),
    ] = "awaited"
    acknowledge_label: Annotated[
        str, Meta(min_length=1, max_length=20, description="What the button says.")
    ] = "Acknowledge"
    acknowledged_label: Annotated[
        str,
        Meta(min_length=1, max_length=60, description="What is shown after somebody pressed it."),
    ] = "Acknowledged"


def offers(settings: AcknowledgeSettings, message: Message) -> bool:
    """Return whether *message* has the button."""
    if settings.acknowledge == "always":
        return True
    return settings.acknowledge == "awaited" and message.acknowledge
