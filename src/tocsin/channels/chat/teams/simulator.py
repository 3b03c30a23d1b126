"""Power Automate and Teams, played: cards taken with 202, and people who follow links."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from tocsin.channels.chat.playing.simulating import OK, ChatSimulating, Posted, pressable
from tocsin.channels.simulating import Deal
from tocsin.channels.simulating_http import Reply, Request
from tocsin.ports.receipts import Callback, ReceiptState
from tocsin.ports.simulator import Action, Dial, Proof, Stage

SECRET: Final = "canary-acknowledge-secret"
CARD_BYTES_MAX: Final = 28 * 1_024
RETRY_AFTER_S: Final = 30

_ALL: Final = {
    "TriggerInputSchemaMismatch": (400, Dial.REFUSE),
    "InvalidRequestContent": (400, Dial.REFUSE),
    "MissingApiVersionParameter": (400, Dial.REFUSE),
    "DirectApiAuthorizationRequired": (401, Dial.REFUSE),
    "DirectApiInvalidAuthorizationScheme": (401, Dial.REFUSE),
    "MisMatchingOAuthClaims": (401, Dial.REFUSE),
    "AuthorizationFailed": (403, Dial.REFUSE),
    "WorkflowTriggerIsNotEnabled": (404, Dial.REFUSE),
    "WorkflowNotFound": (404, Dial.DEAD_ADDRESS),
    "EnvironmentNotFound": (404, Dial.DEAD_ADDRESS),
    "RequestEntityTooLarge": (413, Dial.REFUSE),
    "WorkflowRunThrottled": (429, Dial.THROTTLE),
    "TooManyRequests": (429, Dial.THROTTLE),
    "NoResponse": (502, Dial.FAIL),
    "ServiceUnavailable": (503, Dial.FAIL),
    "GatewayTimeout": (504, Dial.FAIL),
}
_DIALLED: Final = {
    Dial.REFUSE: "TriggerInputSchemaMismatch",
    Dial.DEAD_ADDRESS: "WorkflowNotFound",
    Dial.THROTTLE: "TooManyRequests",
    Dial.FAIL: "NoResponse",
}


class TeamsSimulator(ChatSimulating):
    """`tocsin.ports.simulator.Simulator`."""

    provider = "teams"
    channel = "chat"
    codes: Mapping[str, Dial] = {code: dial for code, (_, dial) in _ALL.items()}
    actions: Mapping[Action, ReceiptState] = {Action.PRESS: ReceiptState.ACKNOWLEDGED}
    proof = Proof.SENDER

    def __init__(self) -> None:
        super().__init__()
        self.failing: set[str] = set()
        """Workflows that take a card and then fail, of which nobody who called them hears."""

    async def start(self, stage: Stage | None = None) -> Mapping[str, object]:
        """Listen; every card is to come here, wherever it was meant for."""
        port = await self._listen_for_http(stage)
        return {"relay_url": f"http://127.0.0.1:{port}/", "acknowledge_secret": SECRET}

    def address(self, n: int) -> str:
        """Return a workflow's URL."""
        host = "0.00.environment.api.powerplatform.com"
        path = f"powerautomate/automations/direct/workflows/canary{n}/triggers/manual/paths/invoke"
        query = "api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=canary"
        return f"https://{host}:443/{path}?{query}"

    def callback(
        self, references: Sequence[str], state: ReceiptState, at_ms: int, *, genuine: bool = True
    ) -> Callback:
        """Return the request of the button on the page behind the link."""
        (reference,) = references
        shown = [url for url in _urls(self.standing(reference).said) if _reports(url)]
        query = urlsplit(shown[-1]).query if shown else _query(reference)
        callback = replace(self.signed(b"acknowledge=1", at_ms), query=query)
        if genuine:
            return callback
        return replace(callback, query=urlencode({"ref": reference, "sig": "0" * 64}))

    def signed(self, body: bytes, at_ms: int) -> Callback:
        """Return a genuine request with any body."""
        headers = {"content-type": "application/x-www-form-urlencoded"}
        query = _query("dlv_" + "0" * 40)
        return Callback("POST", "/v1/callbacks/teams", query, headers, body, at_ms)

    async def _reply(self, request: Request) -> Reply | None:
        if request.method != "POST":
            return Reply(405)
        to = request.headers.get("webhook-destination", "")
        reference = request.headers.get("idempotency-key", "")
        said = request.fields()
        await self._arrived([reference])
        wrong = _wrong(request, said, to)
        deal = self._deal(to) if wrong is None else Deal(Dial.REFUSE, wrong)
        code = deal.code or _DIALLED.get(deal.dial, "202")
        failed = {"flow": "failed"} if to in self.failing else {}
        content = {**_content(said), **failed}
        await self._take(request, deal, reference=reference, to=to, content=content, answer=code)
        if deal.lost:
            return None
        if deal.dial not in OK:
            return _error(code)
        if not failed:
            self._post(Posted(str(self._new_number()), to, reference, said, to))
        return Reply(202)


def _query(reference: str) -> str:
    text = f"acknowledge:{reference}".encode()
    sig = hmac.new(SECRET.encode(), text, hashlib.sha256).hexdigest()
    return urlencode({"ref": reference, "sig": sig})


def _card(said: Mapping[str, Any]) -> Mapping[str, Any]:
    attachment: Mapping[str, Any] = next(iter(said.get("attachments") or ()), {})
    content: Mapping[str, Any] = attachment.get("content") or {}
    return content


def _wrong(request: Request, said: Mapping[str, Any], to: str) -> str | None:
    if "api-version=" not in to:
        return "MissingApiVersionParameter"
    if "sig=" not in to:
        return "DirectApiAuthorizationRequired"
    if said.get("type") != "message" or _card(said).get("type") != "AdaptiveCard":
        return "TriggerInputSchemaMismatch"
    return "RequestEntityTooLarge" if len(request.body) > CARD_BYTES_MAX else None


def _reports(url: str) -> bool:
    return "/callbacks/teams?" in url and "ref=" in url


def _urls(said: Mapping[str, Any]) -> list[str]:
    return [str(each.get("url")) for each in _card(said).get("actions") or ()]


def _content(said: Mapping[str, Any]) -> dict[str, str]:
    shown = _card(said)
    runs = [
        run.get("text", "")
        for block in shown.get("body") or ()
        if block.get("type") == "RichTextBlock"
        for run in block["inlines"]
    ]
    images = [b["url"] for b in shown.get("body") or () if b.get("type") == "Image"]
    # The one that acknowledges is a link, too: to a page of ours with a button that reports.
    buttons = [
        (str(each.get("title")), "" if _reports(url := str(each.get("url"))) else url)
        for each in shown.get("actions") or ()
    ]
    return {
        "text": "\n".join(runs),
        "image": images[0] if images else "",
        **pressable(buttons),
    }


def _error(code: str) -> Reply:
    status, dial = _ALL[code]
    after = (("retry-after", str(RETRY_AFTER_S)),) if dial is Dial.THROTTLE else ()
    return Reply.json(status, {"error": {"code": code, "message": "canary"}}, *after)
