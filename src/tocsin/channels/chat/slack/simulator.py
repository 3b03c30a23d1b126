"""Slack, played: the Web API's two methods, incoming webhooks, and people who press buttons."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from tocsin.channels.chat.playing.simulating import OK, ChatSimulating, Posted, pressable
from tocsin.channels.chat.slack.played_errors import CODES, plain_status
from tocsin.channels.quotas import Quota
from tocsin.channels.simulating import Deal
from tocsin.channels.simulating_http import Reply, Request
from tocsin.ports.receipts import Callback, ReceiptState
from tocsin.ports.simulator import Action, Dial, Stage

TOKEN: Final = "xoxb-canary-token"
SIGNING_SECRET: Final = "canary0signing0secret0of0slack00"
RETRY_AFTER_S: Final = 30
PERSON: Final = "U0CANARY0"

_HOOKS: Final = "https://hooks.slack.com/"
_DIALLED: Final = {
    Dial.REFUSE: "restricted_action",
    Dial.DEAD_ADDRESS: "is_archived",
    Dial.THROTTLE: "ratelimited",
    Dial.FAIL: "fatal_error",
}
_TEXT_MAX: Final = 13_200
_METHODS: Final = {"/api/chat.postMessage": False, "/api/chat.update": True}


class SlackSimulator(ChatSimulating):
    """`tocsin.ports.simulator.Simulator`."""

    provider = "slack"
    channel = "chat"
    codes: Mapping[str, Dial] = CODES
    actions: Mapping[Action, ReceiptState] = {Action.PRESS: ReceiptState.ACKNOWLEDGED}
    quota = Quota(3, 3_000)
    """A message a second to each channel and each incoming webhook; short bursts pass."""

    async def start(self, stage: Stage | None = None) -> Mapping[str, object]:
        """Listen for API and webhooks both."""
        port = await self._listen_for_http(stage)
        return {
            "api_url": f"http://127.0.0.1:{port}/api/",
            "hooks_url": f"http://127.0.0.1:{port}/hooks/",
            "bot_token": TOKEN,
            "signing_secret": SIGNING_SECRET,
        }

    def address(self, n: int) -> str:
        """Return a channel's name."""
        return f"#canary-{n}"

    def hook(self, n: int) -> str:
        """Return the URL of an incoming webhook."""
        return f"{_HOOKS}services/T0/B0/canary{n}"

    def callback(
        self, references: Sequence[str], state: ReceiptState, at_ms: int, *, genuine: bool = True
    ) -> Callback:
        """Return the request that a press of the button makes."""
        posted = self.standing(references[0])
        payload = {
            "type": "block_actions",
            "user": {"id": PERSON, "username": "canary", "team_id": "T0"},
            "api_app_id": "A0",
            "container": {"type": "message", "message_ts": posted.id, "channel_id": posted.place},
            "trigger_id": "1.2.3",
            "channel": {"id": posted.place, "name": "canary"},
            "message": {"type": "message", "ts": posted.id, **posted.said},
            "response_url": f"{_HOOKS}actions/T0/1/{posted.id}",
            "actions": [
                {
                    "type": "button",
                    "action_id": "acknowledge",
                    "block_id": "b",
                    "value": each,
                    "action_ts": f"{at_ms / 1_000:.6f}",
                }
                for each in references
            ],
        }
        form = urlencode({"payload": msgspec.json.encode(payload).decode()})
        callback = self.signed(form.encode(), at_ms)
        if genuine:
            return callback
        return replace(
            callback, headers={**callback.headers, "x-slack-signature": "v0=" + "0" * 64}
        )

    def signed(self, body: bytes, at_ms: int) -> Callback:
        """Return a genuine request with any body."""
        stamp = str(at_ms // 1_000)
        text = b"v0:" + stamp.encode() + b":" + body
        digest = hmac.new(SIGNING_SECRET.encode(), text, hashlib.sha256).hexdigest()
        headers = {
            "content-type": "application/x-www-form-urlencoded",
            "x-slack-request-timestamp": stamp,
            "x-slack-signature": f"v0={digest}",
        }
        return Callback("POST", "/v1/callbacks/slack", "", headers, body, at_ms)

    async def _reply(self, request: Request) -> Reply | None:
        if request.path.startswith("/hooks/actions/"):
            return self._respond(request)
        if request.path.startswith("/hooks/services/"):
            return await self._hooked(request)
        if request.path == "/api/auth.test":
            return _named(request)
        edits = _METHODS.get(request.path)
        if edits is None:
            return Reply.json(200, {"ok": False, "error": "unknown_method"})
        return await self._asked(request, edits=edits)

    async def _asked(self, request: Request, *, edits: bool) -> Reply | None:
        said = _fields(request)
        channel, reference = str(said.get("channel", "")), _reference(said)
        shown = self._posted.get(str(said.get("ts", ""))) if edits else None
        to = shown.to if shown is not None else channel
        await self._arrived([reference])
        wrong = self._wrong(request, said)
        if wrong is None and edits and (shown is None or shown.place != channel):
            wrong = "message_not_found"
        deal = self._deal(to) if wrong is None else Deal(Dial.REFUSE, wrong)
        ts = shown.id if shown is not None else f"1503435956.{self._new_number():06d}"
        place = shown.place if shown is not None else _id_of(channel)
        code = deal.code or _DIALLED.get(deal.dial, "ok")
        before = f"{place}:{ts}" if edits else None
        await self._take(
            request,
            deal,
            reference=reference,
            to=to,
            content=_content(said),
            answer=code,
            supersedes=before,
            place=f"{place}:{ts}",
        )
        if deal.lost:
            return None
        if deal.dial not in OK:
            return _refusal(code, deal.after_ms)
        self._post(Posted(ts, place, reference, _message(said), to))
        return Reply.json(
            200, {"ok": True, "channel": place, "ts": ts, "message": {"ts": ts, **_message(said)}}
        )

    async def _hooked(self, request: Request) -> Reply | None:
        said, to = _fields(request), _HOOKS + request.path.removeprefix("/hooks/")
        reference = _reference(said)
        await self._arrived([reference])
        wrong = _shape_wrong(said)
        deal = self._deal(to) if wrong is None else Deal(Dial.REFUSE, wrong)
        dialled = {**_DIALLED, Dial.DEAD_ADDRESS: "no_service", Dial.REFUSE: "action_prohibited"}
        code = deal.code or dialled.get(deal.dial, "ok")
        await self._take(
            request, deal, reference=reference, to=to, content=_content(said), answer=code
        )
        if deal.lost:
            return None
        if deal.dial not in OK:
            return _plain(code, deal.after_ms)
        ts = f"1503435956.{self._new_number():06d}"
        self._post(Posted(ts, "C0HOOK", reference, _message(said), to))
        return Reply(200, b"ok", (("content-type", "text/html"),))

    def _respond(self, request: Request) -> Reply:
        posted = self._posted.get(request.path.rpartition("/")[2])
        said = _fields(request)
        if posted is None or said.get("replace_original") is not True:
            return Reply(404, b"expired_url")
        posted.said = _message(said)
        return Reply(200, b"ok")

    def _wrong(self, request: Request, said: Mapping[str, Any]) -> str | None:
        if (stranger := _stranger(request)) is not None:
            return stranger
        if not said.get("channel"):
            return "channel_not_found"
        return _shape_wrong(said)


def _stranger(request: Request) -> str | None:
    given = request.headers.get("authorization", "")
    if not given:
        return "not_authed"
    return None if given == f"Bearer {TOKEN}" else "invalid_auth"


def _named(request: Request) -> Reply:
    stranger = _stranger(request)
    if stranger is not None:
        return _refusal(stranger)
    return Reply.json(200, {"ok": True, "team": "Sandbox", "user": "tocsin", "bot_id": "B0BOT"})


def _fields(request: Request) -> dict[str, Any]:
    """Return the arguments: JSON, or a form with JSON in some fields."""
    if request.headers.get("content-type", "").startswith("application/json"):
        return request.fields()
    form: dict[str, Any] = dict(request.form())
    for name in ("blocks", "metadata"):
        if name in form:
            form[name] = msgspec.json.decode(form[name])
    return form


def _shape_wrong(said: Mapping[str, Any]) -> str | None:
    blocks = said.get("blocks") or []
    if not said.get("text") and not blocks:
        return "no_text"
    if len(blocks) > 50:
        return "invalid_blocks"
    texts = "".join(_words(blocks))
    if len(texts) > _TEXT_MAX:
        return "msg_blocks_too_long"
    return None


def _words(value: Any) -> list[str]:
    """Return what a person would read in blocks, in order."""
    if isinstance(value, list):
        return [text for each in value for text in _words(each)]
    if not isinstance(value, dict):
        return []
    text = value.get("text")
    own = [text] if isinstance(text, str) else _words(text)
    return own + _words(value.get("elements", []))


def _content(said: Mapping[str, Any]) -> dict[str, str]:
    blocks = said.get("blocks") or []
    buttons = [
        (str(each.get("text", {}).get("text", "")), each.get("url"))
        for block in blocks
        if block.get("type") == "actions"
        for each in block.get("elements", [])
    ]
    images = [block["image_url"] for block in blocks if block.get("type") == "image"]
    rich = [block for block in blocks if block.get("type") not in {"actions", "image"}]
    return {
        "text": "".join(_words(rich)) or str(said.get("text", "")),
        "image": images[0] if images else "",
        **pressable(buttons),
    }


def _reference(said: Mapping[str, Any]) -> str:
    payload = (said.get("metadata") or {}).get("event_payload") or {}
    first: dict[str, Any] = next(iter(said.get("blocks") or ()), {})
    return str(payload.get("delivery") or first.get("block_id") or "")


def _message(said: Mapping[str, Any]) -> dict[str, Any]:
    return {"text": said.get("text", ""), "blocks": said.get("blocks", []), "bot_id": "B0"}


def _id_of(channel: str) -> str:
    """Return the id of a channel or person that was named."""
    if channel[:1] == "C":
        return channel
    return "C" + hashlib.sha256(channel.encode()).hexdigest()[:9].upper()


def _refusal(code: str, after_ms: int | None = None) -> Reply:
    if code == "ratelimited":
        return Reply.json(429, {"ok": False, "error": code}, _after(after_ms))
    return Reply.json(200, {"ok": False, "error": code})


def _after(after_ms: int | None) -> tuple[str, str]:
    return "retry-after", str(RETRY_AFTER_S if after_ms is None else -(-after_ms // 1_000))


def _plain(code: str, after_ms: int | None = None) -> Reply:
    after = (_after(after_ms),) if code == "ratelimited" else ()
    return Reply(plain_status(code), code.encode(), (("content-type", "text/html"), *after))
