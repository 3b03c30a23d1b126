"""What ``[providers.twilio]`` may say."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from tocsin.channels.phones import SEGMENTS
from tocsin.channels.twilio_account import TwilioSettings


class TwilioSmsSettings(TwilioSettings, frozen=True, kw_only=True):
    """SMS by Twilio."""

    messaging_service_sid: Annotated[
        Annotated[str, Meta(pattern="^MG[0-9a-f]{32}$")] | None,
        Meta(
            description="The messaging service whose senders are used where neither `senders` nor"
            " `sender` names one."
        ),
    ] = None
    segments_max: Annotated[int, SEGMENTS] = 10
    smart_encoding: Annotated[
        bool,
        Meta(
            description="Let Twilio put plain characters in place of typographic ones, so that"
            " fewer parts are needed; the parts are counted as they are written all the same."
        ),
    ] = False
