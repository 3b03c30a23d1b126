"""What ``[providers.postmark]`` may say."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from tocsin.channels.email.writing.sender import SenderSettings, ServiceUrl
from tocsin.config import Secret

Stream = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,49}$")]


class PostmarkSettings(SenderSettings, frozen=True, kw_only=True):
    """Postmark's API. It names no rate, and answers with 429 where one is too high."""

    token: Annotated[Secret, Meta(description="The token of the server at Postmark.")]
    url: Annotated[ServiceUrl, Meta(description="Where its API is.")] = (
        "https://api.postmarkapp.com"
    )
    stream: Annotated[Stream, Meta(description="The message stream that letters go by.")] = (
        "outbound"
    )
    bulk_stream: Annotated[
        Stream | None,
        Meta(description="The one for the lane `bulk`, which Postmark wants to be a broadcast."),
    ] = None
    callback_username: Annotated[
        str, Meta(min_length=1, max_length=200, description="Who its webhooks log in as.")
    ] = "postmark"
    callback_password: Annotated[
        Secret | None,
        Meta(
            description="What its webhooks log in with, since they are not signed: both stand in"
            " their URL. Without it, callbacks are refused."
        ),
    ] = None
    batch_max: Annotated[
        int, Meta(ge=1, le=500, description="Most letters in one call; 1 for no batches.")
    ] = 100
