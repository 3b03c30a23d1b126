"""Discord, played: webhooks of channels that an app owns, and people who press buttons."""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tocsin.channels.chat.discord.played_errors import CODES, SHARED, status_of
from tocsin.channels.chat.playing.simulating import OK, ChatSimulating, Posted, pressable
from tocsin.channels.quotas import Quota
from tocsin.channels.simulating import Deal
from tocsin.channels.simulating_http import Reply, Request
from tocsin.ports.receipts import Callback, ReceiptState, Response
from tocsin.ports.simulator import Action, Deed, Dial, Stage, Tell

RETRY_AFTER_S: Final = 1.337
_SHARED: Final = ("X-RateLimit-Scope", "shared")
"""Of a 429 that others have brought about: it counts against nobody."""
_WRONG_WITHIN_MS: Final = 600_000

_KEY: Final = Ed25519PrivateKey.from_private_bytes(b"canary-canary-canary-canary-cana")
_PUBLIC: Final = _KEY.public_key().public_bytes_raw().hex()
_HOOKS: Final = "https://discord.com/api/"
_API: Final = re.compile("^/api/(v10/)?")
_TRUE: Final = frozenset({"true", "True", "1"})
_DIALLED: Final = {
    Dial.REFUSE: "50013",
    Dial.DEAD_ADDRESS: "10015",
    Dial.THROTTLE: "429",
    Dial.FAIL: "500",
}


class DiscordSimulator(ChatSimulating):
    """`tocsin.ports.simulator.Simulator`."""

    provider = "discord"
    channel = "chat"
    codes: Mapping[str, Dial] = CODES
    actions: Mapping[Action, ReceiptState] = {Action.PRESS: ReceiptState.ACKNOWLEDGED}

    quota = Quota(5, 2_000)
    """Of each webhook, as it was seen: Discord documents none, and says with each answer."""

    def __init__(self) -> None:
        super().__init__()
        self.global_limit = False
        """Whether being throttled is meant for all calls."""
        self.wrong_max = 10_000
        self._wrong_at_ms: deque[int] = deque()
        """When calls were answered with 401, 403 or 429: too many, and all are turned away."""

    async def start(self, stage: Stage | None = None) -> Mapping[str, object]:
        """Listen for calls of webhooks."""
        port = await self._listen_for_http(stage)
        return {"api_url": f"http://127.0.0.1:{port}/api/v10/", "public_key": _PUBLIC}

    def address(self, n: int) -> str:
        """Return a webhook's URL."""
        return f"{_HOOKS}webhooks/{100_000 + n}/canary-{n}"

    def callback(
        self, references: Sequence[str], state: ReceiptState, at_ms: int, *, genuine: bool = True
    ) -> Callback:
        """Return the interaction that a press of the button makes."""
        (reference,) = references
        posted = self.standing(reference)
        body = {
            "type": 3,
            "id": "1",
            "token": "canary",
            "data": {"component_type": 2, "custom_id": f"acknowledge:{reference}"},
            "member": {"user": {"id": "4242", "username": "canary"}},
            "message": {"id": posted.id, **posted.said},
        }
        callback = self.signed(msgspec.json.encode(body), at_ms)
        if genuine:
            return callback
        return replace(callback, headers={**callback.headers, "x-signature-ed25519": "00" * 64})

    def signed(self, body: bytes, at_ms: int) -> Callback:
        """Return a genuine request with any body."""
        stamp = str(at_ms // 1_000)
        headers = {
            "content-type": "application/json",
            "x-signature-timestamp": stamp,
            "x-signature-ed25519": _KEY.sign(stamp.encode() + body).hex(),
        }
        return Callback("POST", "/v1/callbacks/discord", "", headers, body, at_ms)

    async def act(self, deed: Deed, tell: Tell) -> str:
        """Press; what is answered changes the message, as at Discord."""
        reference = self.message(deed.id).reference

        async def told(callback: Callback) -> Response:
            said = await tell(callback)
            self.answered(reference, said)
            return said

        return await super().act(deed, told)

    def answered(self, reference: str, said: Response) -> None:
        """Do with the message of *reference* what an interaction was answered with."""
        answer = msgspec.json.decode(said.body)
        if answer["type"] == 7:
            self.standing(reference).said = dict(answer["data"])

    async def _reply(self, request: Request) -> Reply | None:
        now_ms, wrong_ms = self._stage.now_ms(), self._wrong_at_ms
        while wrong_ms and wrong_ms[0] <= now_ms - _WRONG_WITHIN_MS:
            wrong_ms.popleft()
        if len(wrong_ms) >= self.wrong_max:
            return _error("banned")
        reply = await self._answered(request)
        if reply is not None and reply.status in {401, 403, 429} and _SHARED not in reply.headers:
            wrong_ms.append(now_ms)
        return reply

    async def _answered(self, request: Request) -> Reply | None:
        # An URL without a version means one of them, too.
        parts = _API.sub("", request.path).split("/")
        if parts == ["gateway"]:
            return Reply.json(200, {"url": "wss://gateway.discord.gg"})
        if len(parts) < 3 or parts[0] != "webhooks":
            return _error("10015")
        thread = request.query.get("thread_id")
        to = _HOOKS + "/".join(parts[:3]) + (f"?thread_id={thread}" if thread else "")
        said = request.fields()
        edited = parts[4] if request.method == "PATCH" and parts[3:4] == ["messages"] else None
        reference = request.headers.get("idempotency-key", "")
        await self._arrived([reference])
        wrong = _wrong(request, said)
        if edited is not None and edited not in self._posted:
            wrong = "10008"
        deal = self._deal(to) if wrong is None else Deal(Dial.REFUSE, wrong)
        id = edited or str(1_100_000_000_000 + self._new_number())
        code = deal.code or _DIALLED.get(deal.dial, "ok")
        await self._take(
            request,
            deal,
            reference=reference,
            to=to,
            content=_content(said),
            answer=code,
            supersedes=edited,
            place=id,
        )
        if deal.lost:
            return None
        if deal.dial is Dial.THROTTLE and code != "banned":
            return self._too_much(code, to, deal.after_ms)
        if deal.dial not in OK:
            return _error(code)
        self._post(Posted(id, to, reference, said, to))
        if request.method == "POST" and request.query.get("wait") not in _TRUE:
            return Reply(204)
        shown = {"id": id, "channel_id": "9", "webhook_id": parts[1], **said}
        return Reply.json(200, shown, *self._limits(to))

    def _limits(self, to: str) -> Sequence[tuple[str, str]]:
        """Return what Discord says with each answer of how much goes through."""
        assert self._quotas is not None
        now_ms = self._stage.now_ms()
        left = int(self._quotas.left(to, now_ms))
        return self._bucket(left, self._quotas.full_in_ms(to, now_ms) / 1_000)

    def _bucket(self, left: int, after_s: float) -> Sequence[tuple[str, str]]:
        return (
            ("X-RateLimit-Limit", str(self.quota.calls)),
            ("X-RateLimit-Remaining", str(left)),
            ("X-RateLimit-Reset", f"{self._stage.real_ms() / 1_000 + after_s:.3f}"),
            ("X-RateLimit-Reset-After", f"{after_s:.3f}"),
            ("X-RateLimit-Bucket", "canary"),
        )

    def _too_much(self, code: str, to: str, after_ms: int | None) -> Reply:
        """Name the bucket that is empty: a webhook's, or what all who call from here share."""
        after_s = RETRY_AFTER_S if after_ms is None else after_ms / 1_000
        said: dict[str, Any] = {"message": "You are being rate limited.", "retry_after": after_s}
        said["global"] = self.global_limit
        if code.isdecimal() and code != "429":
            said["code"] = int(code)
        after = ("Retry-After", str(math.ceil(after_s)))
        if self.global_limit:
            scope = (("X-RateLimit-Global", "true"), ("X-RateLimit-Scope", "global"))
            return Reply.json(429, said, after, *scope)
        scope_of_it = _SHARED if code == SHARED else ("X-RateLimit-Scope", "user")
        return Reply.json(429, said, after, scope_of_it, *self._bucket(0, after_s))


def _wrong(request: Request, said: Mapping[str, Any]) -> str | None:
    if not request.headers.get("user-agent", "").strip():
        return "40333"
    embeds = said.get("embeds") or []
    texts = [each.get(name) or "" for each in embeds for name in ("title", "description")]
    if not said.get("content") and not any(texts):
        return "50006"
    if _size(said.get("content") or "") > 2_000:
        return "50035"
    sizes = list(map(_size, texts))
    if any(size > most for size, most in zip(sizes, (256, 4_096) * len(embeds), strict=True)):
        return "50035"
    rows = said.get("components") or []
    crowded = len(rows) > 5 or any(len(row["components"]) > 5 for row in rows)
    return "50035" if crowded or sum(sizes) > 6_000 else None


def _size(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _content(said: Mapping[str, Any]) -> dict[str, str]:
    embed: Mapping[str, Any] = next(iter(said.get("embeds") or ()), {})
    buttons = [
        (button.get("label", ""), button.get("url"))
        for row in said.get("components") or ()
        for button in row["components"]
    ]
    return {
        "title": embed.get("title", ""),
        "text": _plain(embed.get("description") or said.get("content") or ""),
        "image": (embed.get("image") or {}).get("url", ""),
        **pressable(buttons),
    }


def _plain(text: str) -> str:
    """Return what Markdown with escapes shows."""
    shown, rest = "", iter(text)
    for letter in rest:
        shown += next(rest, "") if letter == "\\" else letter
    return shown


def _error(code: str) -> Reply:
    status = status_of(code)
    if code == "banned":
        return Reply(429, b"<!DOCTYPE html><title>Access denied</title>error code: 1015")
    body = {"message": "canary", "code": int(code)} if status != int(code) else None
    return Reply.json(status, body) if body else Reply(status, b"<html></html>")
