"""What ``[providers.twilio_voice]`` may say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from tocsin.channels.twilio_account import TwilioSettings
from tocsin.ports.provider import RetryBase

_SECOND_MS = 1_000

Language = Annotated[str, Meta(pattern=r"^[a-z]{2,3}(-[A-Z]{2})?$")]


class TwilioVoiceSettings(TwilioSettings, frozen=True, kw_only=True):
    """
    Calls by Twilio.

    Who is called again and again in a minute is not reached sooner, so attempts are few and far
    between.
    """

    language: Annotated[
        Language,
        Meta(description="What is spoken to whose language is not known, or not one of Twilio's."),
    ] = "en-US"
    voices: Annotated[
        Mapping[Language, str],
        Meta(
            description='Whose voice reads, by language: `{ "de-DE" = "Polly.Vicki" }`; without'
            " one, Twilio's own for the language."
        ),
    ] = msgspec.field(default_factory=dict)
    ring_ms: Annotated[
        int,
        Meta(ge=5 * _SECOND_MS, le=600 * _SECOND_MS, description="How long a phone rings at most."),
    ] = 30 * _SECOND_MS
    key_wait_ms: Annotated[
        int,
        Meta(
            ge=_SECOND_MS,
            le=60 * _SECOND_MS,
            description="How long a call waits for a key after it was read out.",
        ),
    ] = 8 * _SECOND_MS
    machine_detection: Annotated[
        bool,
        Meta(
            description="Let Twilio find out whether a machine answers, which costs extra and some"
            " seconds of silence: then a machine counts as nobody."
        ),
    ] = False
    attempts_max: Annotated[
        int, Meta(ge=1, le=100, description="Most attempts of one delivery.")
    ] = 4
    retry_base_ms: RetryBase = 30 * _SECOND_MS
    rate_per_second: Annotated[
        Annotated[float, Meta(gt=0, le=1_000_000)] | None,
        Meta(description="Calls that it may be given, on average; without it, no limit."),
    ] = 1.0
    burst: Annotated[
        Annotated[int, Meta(ge=1, le=10_000_000)] | None,
        Meta(description="Calls that it may be given at one moment; by default those of 1 s."),
    ] = 5
