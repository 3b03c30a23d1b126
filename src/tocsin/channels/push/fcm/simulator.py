"""
Firebase, played: tokens for service accounts, and messages checked as Google checks them.

Nothing here is shared with what signs and writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec

from tocsin.channels.push.fcm.checking import Wrong, check_message, plain
from tocsin.channels.push.fcm.errors import GONE_PATHS, PLAYED, error_of, refused
from tocsin.channels.push.fcm.google import Google
from tocsin.channels.push.fcm.topics import Topics
from tocsin.channels.quotas import Quota, Quotas
from tocsin.channels.simulating import Deal
from tocsin.channels.simulating_h2 import TlsSimulating
from tocsin.channels.simulating_http import Reply, Request
from tocsin.errors import NotFound
from tocsin.ports.receipts import Callback, ReceiptState
from tocsin.ports.simulator import Dial, Stage

PROJECT: Final = "sandbox-project"
_DIALLED: Final = {
    Dial.REFUSE: "INVALID_ARGUMENT",
    Dial.DEAD_ADDRESS: "UNREGISTERED",
    Dial.THROTTLE: "QUOTA_EXCEEDED",
    Dial.FAIL: "INTERNAL",
}


class FcmSimulator(TlsSimulating):
    """`tocsin.ports.simulator.Simulator`."""

    provider = "fcm"
    channel = "push"
    silence = (
        "Firebase answers once and reports nothing after that; what was shown or opened is said"
        " by the app itself"
    )
    codes: Mapping[str, Dial] = {code: each.dial for code, each in PLAYED.items()}
    quota = Quota(240, 60_000)
    """Of each device."""

    def __init__(self) -> None:
        super().__init__()
        self.google = Google(PROJECT)
        self.topics = Topics(PROJECT)
        self.project = Quotas(Quota(600_000, 60_000))
        """What is left to the project; refused messages count, too."""
        self.hourly = Quotas(Quota(5_000, 3_600_000))
        """What is left to each device in an hour, beside what `quota` leaves it in a minute."""

    async def start(self, stage: Stage | None = None) -> Mapping[str, object]:
        """Listen: the tokens' endpoint is at the same place as the messages'."""
        proof = await self._listen_for_tls(stage)
        url = f"https://127.0.0.1:{self.port}"
        folder = None if stage is None or stage.log is None else proof.key.parent
        return {
            "url": url,
            "ca_file": str(proof.authority),
            "service_account": self.google.open_account(folder, f"{url}/token"),
            "service_account_file": None,
        }

    def address(self, n: int) -> str:
        """Return a registration token."""
        return f"canary-{n:08d}:APA91b" + "c" * 40

    def callback(
        self, references: Sequence[str], state: ReceiptState, at_ms: int, *, genuine: bool = True
    ) -> Callback:
        """Raise `NotFound`: Firebase does not call back."""
        raise NotFound("Firebase does not call back")

    def signed(self, body: bytes, at_ms: int) -> Callback:
        """Raise `NotFound`, as above."""
        raise NotFound("Firebase does not call back")

    async def _reply(self, request: Request) -> Reply | None:
        # A stage without a clock stands still at 0.
        now_ms = self._stage.real_ms()
        if request.path == "/token":
            return self.google.grant(request, now_ms)
        about_topics = self.topics.is_asked(request.path)
        known = about_topics or request.path.endswith("/messages:send")
        if request.path in GONE_PATHS or not known:
            return Reply(404, b"<!DOCTYPE html><title>Error 404 (Not Found)!!1</title>")
        if not self.google.knows(request.headers.get("authorization", ""), now_ms):
            return error_of("UNAUTHENTICATED")
        if about_topics:
            return self.topics.reply(request)
        if request.path != f"/v1/projects/{PROJECT}/messages:send":
            return error_of("NOT_FOUND")
        return await self._take(request)

    async def _take(self, request: Request) -> Reply | None:
        body = request.fields()
        message = body.get("message")
        given = plain(message) if isinstance(message, dict) else {}
        data = given.get("data")
        told = data if isinstance(data, dict) else {}
        reference, to = (
            str(told.get("tocsin", "")),
            _target(given),
        )
        await self._arrived([reference])
        deal = self._dealt(to)
        wrong = check_message(given)
        reply = self._answer(deal, wrong, only_checked=body.get("validate_only") is True)
        if deal.dial is not Dial.DROP:
            await self._keep(
                reference=reference,
                to=to,
                content=_content(given),
                raw=request.raw,
                answer="" if deal.lost else str(reply.status),
                taken=wrong is None and deal.taken,
                trace=told.get("traceparent"),
                place=_place(given, to),
            )
        await self._wait(deal)
        return None if deal.lost else reply

    def _dealt(self, to: str) -> Deal:
        now_ms = self._stage.now_ms()
        after_ms = self.project.take(PROJECT, now_ms) if now_ms else 0
        if after_ms:
            return Deal(Dial.THROTTLE, "QUOTA_EXCEEDED", after_ms)
        deal = self._deal(to)
        of_device = deal.dial is Dial.THROTTLE and deal.after_ms is not None
        return replace(deal, code="DEVICE_QUOTA_EXCEEDED") if of_device else deal

    def _within_quota(self, address: str) -> Deal:
        now_ms = self._stage.now_ms()
        after_ms = self.hourly.after_ms(address, now_ms)
        if now_ms and after_ms:
            return Deal(Dial.THROTTLE, after_ms=after_ms)
        deal = super()._within_quota(address)
        if deal.dial is Dial.ACCEPT:
            self.hourly.take(address, now_ms)
        return deal

    def _answer(self, deal: Deal, wrong: Wrong | None, *, only_checked: bool) -> Reply:
        if wrong is not None:
            return refused(wrong)
        code = deal.code or _DIALLED.get(deal.dial)
        if code is not None:
            return error_of(code, deal.after_ms)
        id = "fake_message_id" if only_checked else f"0:{self._mailbox.next_number}%31bd"
        return Reply.json(200, {"name": f"projects/{PROJECT}/messages/{id}"})


def _place(message: Mapping[str, Any], to: str) -> str | None:
    """Return where a message of the same key waits for a device that is away."""
    key = message.get("android", {}).get("collapse_key")
    return f"{to} {key}" if isinstance(key, str) else None


def _target(message: Mapping[str, Any]) -> str:
    """Return the device, or the topic as older clients write it."""
    device = message.get("token") or message.get("fid")
    if device is None and message.get("topic"):
        return f"/topics/{message['topic']}"
    return str(device or message.get("condition") or "")


def _content(message: Mapping[str, Any]) -> dict[str, str]:
    """Return what a phone shows and what its app is told, as texts."""
    shown = message.get("notification", {})
    data = message.get("data", {})
    parts = {name: message[name] for name in ("android", "apns", "webpush") if name in message}
    whole = {**data, **shown, **parts}
    return {
        name: value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for name, value in whole.items()
    }
