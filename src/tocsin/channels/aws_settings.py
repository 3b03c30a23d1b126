"""What the tables of Amazon's services say in the same words: where, with which key, and whom to
believe."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

from tocsin.config import Secret

_MINUTE_MS: Final = 60_000
CALLBACK_AGE_MAX_MS: Final = 120 * _MINUTE_MS

Region = Annotated[
    str,
    Meta(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$", description="The region, such as `eu-central-1`."),
]
AccessKeyId = Annotated[
    str, Meta(pattern=r"^[A-Z0-9]{16,128}$", description="The id of the key that signs calls.")
]
SecretAccessKey = Annotated[Secret, Meta(description="The key that belongs to the id.")]
SessionToken = Annotated[
    Secret | None, Meta(description="What belongs to keys that are lent for a while.")
]
ConfigurationSet = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Topic = Annotated[str, Meta(pattern=r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}$")]
CallbackAge = Annotated[
    int,
    Meta(
        ge=_MINUTE_MS,
        le=720 * _MINUTE_MS,
        description="How long ago a callback may have been signed; SNS tries for an hour.",
    ),
]
