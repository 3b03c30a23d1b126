"""From a request to the answer of its handler: query, body, ``Idempotency-Key``, time limit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope

from tocsin.api.body import (
    check_media_type,
    chunks_of,
    decode_json,
    decode_path,
    decode_query,
    read_body,
)
from tocsin.api.endpoint import JSON, Answer, Call, Endpoint
from tocsin.api.idempotency import Repeats, fingerprint
from tocsin.app.callers import Principal
from tocsin.errors import RequestRefused, Unavailable
from tocsin.ports.state import StoredAnswer

_REPLAYED = (b"idempotency-replayed", b"true")


class Serving:
    """Runs endpoints that are handlers."""

    def __init__(self, repeats: Repeats, *, bytes_max: int, request_ms: int) -> None:
        self._repeats = repeats
        self._bytes_max = bytes_max
        self._request_s = request_ms / 1_000

    async def answer(
        self,
        endpoint: Endpoint,
        caller: Principal | None,
        parameters: Mapping[str, str],
        scope: Scope,
        receive: Receive,
    ) -> Answer:
        """Return what the handler answers; raises what it raises."""
        assert endpoint.handler is not None
        headers = Headers(scope=scope)
        call = Call(
            principal=caller,
            path=decode_path(parameters),
            headers=headers,
            request_id=scope["tocsin.request_id"],
            of_head=scope["method"] == "HEAD",
        )
        if endpoint.query_raw:
            call.query_text = scope["query_string"].decode("latin-1")
        else:
            call.query_value = decode_query(scope["query_string"], endpoint.query)
        if endpoint.streams:
            call.content_type = check_media_type(headers, endpoint.body_types)
            call.chunks = self._chunks(receive)
            return await endpoint.handler(call)
        try:
            async with asyncio.timeout(None if endpoint.patient else self._request_s):
                await self._read(call, endpoint, headers, receive)
                return await self._guarded(call, endpoint, scope)
        except TimeoutError:
            raise Unavailable(
                "this took too long; repeat it with the same Idempotency-Key, if it had one"
            ) from None

    async def _chunks(self, receive: Receive) -> AsyncIterator[bytes]:
        """A stream may take as long as it likes, but not fall silent."""

        async def receive_soon() -> Message:
            async with asyncio.timeout(self._request_s):
                return await receive()

        try:
            async for chunk in chunks_of(receive_soon):
                yield chunk
        except TimeoutError:
            raise Unavailable("nothing more of the body arrived; send it again") from None

    async def _read(
        self, call: Call, endpoint: Endpoint, headers: Headers, receive: Receive
    ) -> None:
        call.raw = await read_body(headers, receive, self._bytes_max)
        if endpoint.body is None:
            if endpoint.method != "GET" and call.raw.strip() not in {b"", b"{}"}:
                raise RequestRefused("this takes no body", code="unknown_field")
            return
        if endpoint.body_optional and not call.raw:
            call.body_value = endpoint.body()
            return
        call.content_type = check_media_type(headers, endpoint.body_types)
        if not endpoint.body_raw:
            call.body_value = decode_json(call.raw, endpoint.body)

    async def _guarded(self, call: Call, endpoint: Endpoint, scope: Scope) -> Answer:
        assert endpoint.handler is not None
        key = call.headers.get("idempotency-key")
        caller = call.principal
        if key is None or caller is None or endpoint.method != "POST":
            return await endpoint.handler(call)
        target = scope["raw_path"] + b"?" + scope["query_string"]
        print_ = fingerprint(endpoint.method, target, call.content_type, call.raw)
        secret = endpoint.secret_answer
        stored = await self._repeats.begin(caller, key, print_, secret=secret)
        if stored is not None:
            return Answer(
                stored.body or None, stored.status, (_REPLAYED,), stored.content_type or JSON
            )
        try:
            answer = await endpoint.handler(call)
        except Exception:
            # A refusal is not stored, and what failed inside may be tried again.
            await self._repeats.forget(caller, key)
            raise
        kept = StoredAnswer(answer.status, answer.encoded(), answer.content_type)
        await self._repeats.finish(caller, key, kept, secret=secret)
        return answer
