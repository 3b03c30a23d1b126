"""What Slack tells when somebody presses a button: signed, a form with JSON in it."""

from __future__ import annotations

import hmac
import re
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec

from tocsin.channels.chat.slack.blocks import ACKNOWLEDGE
from tocsin.errors import Malformed, Unauthenticated
from tocsin.ports.receipts import Callback, Receipt, ReceiptState

TOLERANCE_MS: Final = 300_000

_USER: Final = re.compile(r"[UW][A-Z0-9]{2,30}\Z", re.ASCII)


class Pressed(msgspec.Struct):
    """One button of an interaction (``block_actions``)."""

    action_id: str = ""
    value: str = ""
    action_ts: str = ""


class Interaction(msgspec.Struct):
    """What is read of an interaction's payload."""

    type: str
    actions: list[Pressed] = []
    user: dict[str, Any] = {}
    message: dict[str, Any] = {}
    response_url: str = ""

    @property
    def user_id(self) -> str:
        """Slack's id of who pressed, empty where it is none."""
        found = self.user.get("id")
        return found if isinstance(found, str) and _USER.match(found) else ""


def verify(callback: Callback, secret: str) -> None:
    """Check the signature (``v0``); raises `Unauthenticated`."""
    stamp = callback.headers.get("x-slack-request-timestamp", "")
    given = callback.headers.get("x-slack-signature", "")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        raise Unauthenticated("there is no signature of Slack's")
    digest = hmac.new(secret.encode(), f"v0:{stamp}:".encode() + callback.body, "sha256")
    wanted = f"v0={digest.hexdigest()}"
    if not hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode()):
        raise Unauthenticated("the signature is not Slack's")
    if abs(int(stamp) * 1_000 - callback.received_ms) > TOLERANCE_MS:
        raise Unauthenticated("the callback is too old")


def interaction(body: bytes) -> Interaction:
    """Read the form's field ``payload``; raises `Malformed`."""
    try:
        (payload,) = parse_qs(body.decode("ascii"), max_num_fields=100)["payload"]
        return msgspec.json.decode(payload, type=Interaction)
    except (KeyError, ValueError, RecursionError):
        raise Malformed("a form with one payload is needed") from None


def receipts(said: Interaction, received_ms: int) -> list[Receipt]:
    """Return who acknowledged what: whoever pressed is not kept, being perhaps somebody else."""
    if said.type != "block_actions":
        return []
    return [
        Receipt(each.value, ReceiptState.ACKNOWLEDGED, "slack_button", received_ms)
        for each in said.actions
        if each.action_id == ACKNOWLEDGE
    ]
