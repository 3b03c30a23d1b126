"""The vendors of a sandbox that plays in a process of its own, asked over HTTP."""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from tocsin.domain.instants import parse_instant, show_instant
from tocsin.errors import Conflict, FieldProblem, NotFound, RequestRefused, Unavailable
from tocsin.ports.simulator import Action, Faults, Received
from tocsin.ports.vendors import Played, Wanted

_TIMEOUT_S: Final = 60.0
_REFUSALS: Final = {404: NotFound, 409: Conflict, 422: RequestRefused}


class RemoteVendors:
    """
    Fills `tocsin.ports.vendors.Vendors`.

    Each question is a connection of its own: nobody asks often, and the other process may have
    been started anew meanwhile.
    """

    def __init__(self, url: str, key: str) -> None:
        where = urlsplit(url)
        self._host, self._port, self._key = where.hostname or "", where.port, key

    async def messages(self, wanted: Wanted) -> Sequence[Received]:
        """Ask for the newest."""
        since = None if wanted.since_ms is None else show_instant(wanted.since_ms)
        given = {
            "channel": wanted.channel,
            "provider": wanted.provider,
            "to": wanted.to,
            "recipient_number": wanted.recipient,
            "since": since,
            "limit": wanted.limit,
        }
        query = urlencode({name: value for name, value in given.items() if value is not None})
        answer = await self._ask("GET", f"/v1/sandbox/messages?{query}")
        return [_received(each) for each in answer["messages"]]

    async def message(self, id: str) -> Received:
        """Ask for it."""
        return _received(await self._ask("GET", f"/v1/sandbox/messages/{quote(id, safe='')}"))

    async def played(self) -> Sequence[Played]:
        """Ask who is played."""
        answer = await self._ask("GET", "/v1/sandbox/vendors")
        return msgspec.convert(answer["vendors"], list[Played])

    async def act(self, id: str, action: Action, words: str = "") -> str:
        """Ask for it."""
        path = f"/v1/sandbox/messages/{quote(id, safe='')}/{action.value}"
        said = await self._ask("POST", path, {"words": words})
        return "" if said is None else str(said["answer"])

    async def faults(self, provider: str) -> Faults:
        """Ask what goes wrong."""
        answer = await self._ask("GET", f"/v1/sandbox/faults/{quote(provider, safe='')}")
        return msgspec.convert(answer, Faults)

    async def set_faults(self, provider: str, faults: Faults) -> Faults:
        """Say what is to go wrong."""
        path = f"/v1/sandbox/faults/{quote(provider, safe='')}"
        return msgspec.convert(await self._ask("PUT", path, faults), Faults)

    async def report_to(self, url: str) -> None:
        """Say where receipts go."""
        await self._ask("PUT", "/v1/sandbox/server", {"url": url})

    async def tell_time(self, offset_ms: int) -> None:
        """Say how far the time is ahead."""
        await self._ask("PUT", "/v1/sandbox/server", {"offset_ms": offset_ms})

    async def _ask(self, method: str, path: str, body: object = None) -> Any:
        return await asyncio.to_thread(self._asked, method, path, body)

    def _asked(self, method: str, path: str, body: object) -> Any:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT_S)
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        encoded = None if body is None else msgspec.json.encode(body)
        try:
            connection.request(method, path, encoded, headers)
            reply = connection.getresponse()
            text = reply.read()
        except (OSError, http.client.HTTPException) as failed:
            raise Unavailable(
                f"the process that plays the vendors does not answer: {type(failed).__name__}"
            ) from None
        finally:
            connection.close()
        document = msgspec.json.decode(text) if text else None
        if reply.status < http.client.BAD_REQUEST:
            return document
        raise _refusal(reply.status, document)


def _refusal(status: int, problem: Any) -> Exception:
    said = problem if isinstance(problem, dict) else {}
    detail, kind = said.get("detail", ""), _REFUSALS.get(status)
    if kind is None:
        return Unavailable(f"the process that plays the vendors answered {status}: {detail}")
    errors = msgspec.convert(said.get("errors", ()), tuple[FieldProblem, ...])
    return kind(detail, code=said.get("code"), errors=errors)


def _received(shown: dict[str, Any]) -> Received:
    received_ms = parse_instant(shown["received_at"])
    own = {name: shown[name] for name in Received.__struct_fields__ if name in shown}
    return Received(**{**own, "received_ms": received_ms, "raw": shown["raw"].encode()})
