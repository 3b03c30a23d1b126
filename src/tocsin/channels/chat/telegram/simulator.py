"""Telegram, played: the Bot API's methods for messages, and people who press and block."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec

from tocsin.channels.chat.playing.simulating import OK, ChatSimulating, Posted, pressable
from tocsin.channels.chat.telegram.played_errors import CODES, status_of
from tocsin.channels.quotas import Quota, Quotas
from tocsin.channels.simulating import Deal
from tocsin.channels.simulating_http import Reply, Request
from tocsin.ports.receipts import Callback, ReceiptState
from tocsin.ports.simulator import Action, Deed, Dial, Proof, Stage, Tell

TOKEN: Final = "110201543:canaryToken"
SECRET_TOKEN: Final = "canary-secret_token"
RETRY_AFTER_S: Final = 30
TEXT_MAX: Final = 4_096

_DIALLED: Final = {
    Dial.REFUSE: "Bad Request: CHAT_WRITE_FORBIDDEN",
    Dial.DEAD_ADDRESS: "Forbidden: bot was blocked by the user",
    Dial.THROTTLE: "Too Many Requests",
    Dial.FAIL: "Internal Server Error",
}
_BOT: Final = {"id": 110201543, "is_bot": True, "first_name": "Canary", "username": "canary_bot"}


class TelegramSimulator(ChatSimulating):
    """`tocsin.ports.simulator.Simulator`."""

    provider = "telegram"
    channel = "chat"
    codes: Mapping[str, Dial] = CODES
    actions: Mapping[Action, ReceiptState] = {Action.PRESS: ReceiptState.ACKNOWLEDGED}
    speaks = frozenset({Action.REPLY})
    proof = Proof.SENDER
    quota = Quota(3, 3_000)
    """A message a second to each chat; short bursts pass."""

    def __init__(self) -> None:
        super().__init__()
        self._groups = Quotas(Quota(20, 60_000))
        self._bot = Quotas(Quota(30, 1_000))
        self._updates = 0
        self.moved: dict[int, int] = {}
        """Groups that have become supergroups, by their old number."""

    async def start(self, stage: Stage | None = None) -> Mapping[str, object]:
        """Listen for calls of one bot."""
        port = await self._listen_for_http(stage)
        return {
            "api_url": f"http://127.0.0.1:{port}/",
            "bot_token": TOKEN,
            "secret_token": SECRET_TOKEN,
        }

    def address(self, n: int) -> str:
        """Return a channel's name."""
        return f"@canary_{n}"

    def callback(
        self, references: Sequence[str], state: ReceiptState, at_ms: int, *, genuine: bool = True
    ) -> Callback:
        """Return the update that a press of the button makes."""
        (reference,) = references
        posted = self.standing(reference)
        query = {
            "id": f"77{self._updates}",
            "from": {"id": 7, "is_bot": False, "first_name": "Canary"},
            "message": _message(posted),
            "chat_instance": "1",
            "data": reference,
        }
        callback = self._update({"callback_query": query}, at_ms)
        if genuine:
            return callback
        return replace(
            callback, headers={**callback.headers, "x-telegram-bot-api-secret-token": "other"}
        )

    def signed(self, body: bytes, at_ms: int) -> Callback:
        """Return a genuine request with any body."""
        headers = {
            "content-type": "application/json",
            "x-telegram-bot-api-secret-token": SECRET_TOKEN,
        }
        return Callback("POST", "/v1/callbacks/telegram", "", headers, body, at_ms)

    async def act(self, deed: Deed, tell: Tell) -> str:
        """Press, or write something to the bot, such as ``/stop``."""
        if deed.action is not Action.REPLY:
            return await super().act(deed, tell)
        to = self.message(deed.id).to
        await tell(self.written(to, deed.words, deed.at_ms))
        return ""

    def written(self, to: str, text: str, at_ms: int) -> Callback:
        """Return the update of a message that somebody wrote in her chat with the bot."""
        chat = {"id": _number(to), "type": "private"}
        person = {"id": chat["id"], "is_bot": False, "first_name": "Canary"}
        said = {"message_id": 1, "date": at_ms // 1_000, "chat": chat, "from": person, "text": text}
        return self._update({"message": said}, at_ms)

    def blocked(self, to: str, at_ms: int, *, status: str = "kicked") -> Callback:
        """Return the update that tells that somebody has blocked the bot, or let it in again."""
        number = _number(to)
        change = {
            "chat": {"id": number, "type": "private"},
            "from": {"id": number, "is_bot": False, "first_name": "Canary"},
            "date": at_ms // 1_000,
            "old_chat_member": _member("member" if status == "kicked" else "kicked"),
            "new_chat_member": _member(status),
        }
        return self._update({"my_chat_member": change}, at_ms)

    def _update(self, what: dict[str, Any], at_ms: int) -> Callback:
        self._updates += 1
        return self.signed(msgspec.json.encode({"update_id": self._updates, **what}), at_ms)

    async def _reply(self, request: Request) -> Reply | None:
        prefix, _, method = request.path.removeprefix("/").partition("/")
        if prefix != f"bot{TOKEN}":
            return _error("Unauthorized")
        said = _fields(request)
        if method == "getMe":
            return Reply.json(200, {"ok": True, "result": _BOT})
        if method == "sendMessage":
            return await self._send(request, said)
        if method == "editMessageText":
            return await self._edit(request, said)
        if method == "editMessageReplyMarkup":
            return self._change(said)
        return _error("Not Found: method not found")

    def _within_quota(self, address: str) -> Deal:
        """What one chat has had too much of may also be too much for a group, or in all."""
        now_ms = self._stage.now_ms()
        if not now_ms or self._quotas is None:
            return Deal(Dial.ACCEPT)
        places = [(self._bot, ""), (self._quotas, address)]
        if _is_group(address):
            places.append((self._groups, address))
        after_ms = max(quotas.after_ms(place, now_ms) for quotas, place in places)
        if after_ms:
            return Deal(Dial.THROTTLE, after_ms=after_ms)
        for quotas, place in places:
            quotas.take(place, now_ms)
        return Deal(Dial.ACCEPT)

    async def _send(self, request: Request, said: Mapping[str, Any]) -> Reply | None:
        chat, reference = said.get("chat_id", ""), request.headers.get("idempotency-key", "")
        await self._arrived([reference])
        if (moved_to := self.moved.get(_number(str(chat)))) is not None:
            parameters = {"migrate_to_chat_id": moved_to}
            return _error("Bad Request: group chat was upgraded to a supergroup chat", parameters)
        wrong = _wrong(said)
        deal = self._deal(str(chat)) if wrong is None else Deal(Dial.REFUSE, wrong)
        posted = Posted(str(self._new_number()), str(chat), reference, dict(said), str(chat))
        return await self._answer(request, posted, deal)

    async def _edit(self, request: Request, said: Mapping[str, Any]) -> Reply | None:
        shown = self._posted.get(str(said.get("message_id")))
        # What shows a press is no message of ours, and comes without a reference.
        reference = request.headers.get("idempotency-key", "")
        if not reference:
            return self._change(said)
        await self._arrived([reference])
        wrong = _wrong(said)
        if shown is None:
            wrong = "Bad Request: message to edit not found"
        elif _same(shown.said, said):
            wrong = "Bad Request: message is not modified"
        to = str(said.get("chat_id")) if shown is None else shown.to
        deal = self._deal(to) if wrong is None else Deal(Dial.REFUSE, wrong)
        posted = Posted(str(said.get("message_id")), to, reference, dict(said), to)
        return await self._answer(request, posted, deal, edits=True)

    async def _answer(
        self, request: Request, posted: Posted, deal: Deal, *, edits: bool = False
    ) -> Reply | None:
        code = deal.code or _DIALLED.get(deal.dial, "ok")
        before = posted.id if edits else None
        await self._take(
            request,
            deal,
            reference=posted.reference,
            to=posted.to,
            content=_content(posted.said),
            answer=code,
            supersedes=before,
            place=posted.id,
        )
        if deal.lost:
            return None
        if deal.dial not in OK:
            return _error(code, after_ms=deal.after_ms)
        self._post(posted)
        return Reply.json(200, {"ok": True, "result": _message(posted)})

    def _change(self, said: Mapping[str, Any]) -> Reply:
        shown = self._posted.get(str(said.get("message_id")))
        if shown is None or _number(shown.place) != _number(str(said.get("chat_id"))):
            return _error("Bad Request: message to edit not found")
        # What an edit does not name is taken away, save the text where only buttons are edited.
        kept = {} if "text" in said else {**shown.said, "reply_markup": None}
        shown.said = {**kept, **said}
        return Reply.json(200, {"ok": True, "result": _message(shown)})


def _member(status: str) -> dict[str, Any]:
    until = {"until_date": 0} if status == "kicked" else {}
    return {"user": _BOT, "status": status, **until}


def _fields(request: Request) -> dict[str, Any]:
    """Return the parameters: JSON, or a form with JSON in some fields."""
    if request.headers.get("content-type", "").startswith("application/json"):
        return request.fields()
    form: dict[str, Any] = dict(request.form())
    for name in ("entities", "reply_markup", "link_preview_options"):
        if name in form:
            form[name] = msgspec.json.decode(form[name])
    return form


def _wrong(said: Mapping[str, Any]) -> str | None:
    text = said.get("text") or ""
    size = len(text.encode("utf-16-le")) // 2
    if not said.get("chat_id"):
        return "Bad Request: chat_id is empty"
    if not text.strip():
        return "Bad Request: message text is empty"
    if size > TEXT_MAX:
        return "Bad Request: message is too long"
    if any(_is_outside(each, size) for each in said.get("entities") or ()):
        return "Bad Request: ENTITY_BOUNDS_INVALID"
    if any(len(each.get("callback_data", "").encode()) > 64 for each in _buttons(said)):
        return "Bad Request: BUTTON_DATA_INVALID"
    return None


def _is_outside(entity: Mapping[str, int], size: int) -> bool:
    return entity["offset"] < 0 or not 1 <= entity["length"] <= size - entity["offset"]


def _buttons(said: Mapping[str, Any]) -> list[dict[str, str]]:
    rows = (said.get("reply_markup") or {}).get("inline_keyboard", ())
    return [button for row in rows for button in row]


def _same(shown: Mapping[str, Any], said: Mapping[str, Any]) -> bool:
    names = ("text", "entities", "reply_markup")
    return all(shown.get(name) == said.get(name) for name in names)


def _message(posted: Posted) -> dict[str, Any]:
    kept = ("text", "entities", "reply_markup", "link_preview_options")
    shown = {name: posted.said[name] for name in kept if posted.said.get(name) is not None}
    chat: dict[str, Any] = {"id": _number(posted.place), "type": "channel"}
    if posted.place.startswith("@"):
        chat["username"] = posted.place[1:]
    return {"message_id": int(posted.id), "date": 1_900_000_000, "chat": chat, **shown}


def _is_group(chat: str) -> bool:
    return chat.startswith(("-", "@"))


def _number(chat: str) -> int:
    """Return the number of a chat; one that is named has one that follows from the name."""
    if chat.lstrip("-").isdigit():
        return int(chat)
    return -1_000_000_000_000 - int(hashlib.sha256(chat.encode()).hexdigest()[:8], 16)


def _content(said: Mapping[str, Any]) -> dict[str, str]:
    buttons = [(button.get("text", ""), button.get("url")) for button in _buttons(said)]
    image = (said.get("link_preview_options") or {}).get("url", "")
    return {"text": said.get("text") or "", "image": image, **pressable(buttons)}


def _error(
    code: str, parameters: Mapping[str, int] | None = None, *, after_ms: int | None = None
) -> Reply:
    status = status_of(code)
    said: dict[str, Any] = {"ok": False, "error_code": status, "description": code}
    after: tuple[tuple[str, str], ...] = ()
    if status in {420, 429}:
        after_s = RETRY_AFTER_S if after_ms is None else -(-after_ms // 1_000)
        said["description"] = f"{code}: retry after {after_s}"
        parameters = {"retry_after": after_s}
        after = (("retry-after", str(after_s)),)
    if parameters is not None:
        said["parameters"] = parameters
    return Reply.json(status, said, *after)
