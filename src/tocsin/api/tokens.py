"""Recipients' tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tocsin.api.endpoint import Answer, Call, Endpoint
from tocsin.api.shared import RecipientId, shown_time
from tocsin.app.token_desk import TokenDesk

TokenScope = Literal["inbox", "devices", "preferences"]


class TokenInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For whom, to reach what, and for how long."""

    recipient: RecipientId
    scopes: Annotated[list[TokenScope], Meta(min_length=1, max_length=3)] | None = None
    expires_in: Annotated[str, Meta(max_length=40)] | None = None


class TokenAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A token for a browser or an app."""

    token: str
    scopes: list[TokenScope]
    expires_at: str | None

    def __repr__(self) -> str:
        return "TokenAnswer(…)"


class TokenRoutes:
    """Handlers of ``/v1/tokens``."""

    def __init__(self, desk: TokenDesk) -> None:
        self._desk = desk

    def endpoints(self) -> Sequence[Endpoint]:
        """Return the routes."""
        return (
            Endpoint(
                "POST",
                "/v1/tokens",
                "Get a token for a recipient's browser or app",
                self.mint,
                {201: TokenAnswer},
                body=TokenInput,
                secret_answer=True,
            ),
        )

    async def mint(self, call: Call) -> Answer:
        """Hand one out."""
        given = call.body(TokenInput)
        made = await self._desk.mint(call.by, given.recipient, given.scopes, given.expires_in)
        shown = {
            "token": made.token,
            "scopes": list(made.scopes),
            "expires_at": shown_time(made.expires_ms),
        }
        return Answer(shown, status=201)
