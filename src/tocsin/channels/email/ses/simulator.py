"""SES, played: letters one by one and in bulk, and what becomes of them over SNS."""

from __future__ import annotations

import base64
import binascii
import email
import email.policy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from tocsin.channels.aws_notices_played import PlayedNotices
from tocsin.channels.aws_played import KEY_ID, REGION, SECRET, aws_fault
from tocsin.channels.email.playing.simulating import MailSimulating
from tocsin.channels.email.ses.played import (
    BY_DIAL,
    ENTRY_BY_DIAL,
    ERRORS,
    EVENTS,
    FATES,
    FOR_TRIES,
    Played,
)
from tocsin.channels.quotas import Quota, Quotas
from tocsin.channels.simulating import Deal
from tocsin.channels.simulating_http import Reply, Request
from tocsin.ports.receipts import Callback, ReceiptState
from tocsin.ports.simulator import Action, Deed, Dial, Proof, Stage, Tell

SENDER: Final = "hello@sandbox.test"
TOPIC: Final = f"arn:aws:sns:{REGION}:123456789012:sandbox"

PER_SECOND: Final = 14
PER_DAY: Final = 50_000
_DAY_MS: Final = 86_400_000

_ONE: Final = "/v2/email/outbound-emails"
_BULK: Final = "/v2/email/outbound-bulk-emails"
_ACCOUNT: Final = "/v2/email/account"
_WHOLE: Final = frozenset(Dial) - {Dial.ACCEPT, *ENTRY_BY_DIAL}


class SesSimulator(MailSimulating):
    """`tocsin.ports.simulator.Simulator`."""

    provider = "ses"
    proof = Proof.FIELDS
    codes: Mapping[str, Dial] = {code: played.dial for code, played in ERRORS.items()}
    pauses_s = (20, 20, 20)
    """SNS's, as it has them unless its topic says otherwise."""
    # SES reports no unsubscribing.
    actions: Mapping[Action, ReceiptState] = {
        action: state
        for action, state in MailSimulating.actions.items()
        if action is not Action.DECLINE
    }

    def __init__(self) -> None:
        super().__init__()
        self.notices = PlayedNotices(TOPIC)
        self.suppressed: set[str] = set()
        """Who bounced or complained: SES takes letters to them, and sends none."""
        self.rate = Quotas(Quota(PER_SECOND, 1_000))
        self.daily = Quotas(Quota(PER_DAY, _DAY_MS))

    async def start(self, stage: Stage | None = None) -> Mapping[str, object]:
        """Listen."""
        self.notices.url = url = f"http://127.0.0.1:{await self._listen_for_http(stage)}"
        return {
            "region": REGION,
            "access_key_id": KEY_ID,
            "secret_access_key": SECRET,
            "from_address": SENDER,
            "topics": [TOPIC],
            "url": url,
            "notices_url": url,
        }

    def callback(
        self, references: Sequence[str], state: ReceiptState, at_ms: int, *, genuine: bool = True
    ) -> Callback:
        """Return the message of SNS that brings the event about the first of *references*."""
        callback = self._event(references[0], state, at_ms)
        if genuine:
            return callback
        changed = callback.body.replace(b"123456789012:sandbox", b"123456789012:sandb0x")
        return replace(callback, body=changed)

    async def act(self, deed: Deed, tell: Tell) -> str:
        """
        Report it; of a letter that SES would not deliver, to whom it would not, that instead.

        Who bounces or complains is on the list of those who get nothing more.
        """
        message = self.message(deed.id)
        if deed.action in {Action.BOUNCE, Action.COMPLAIN}:
            self.suppressed.add(message.to)
        fates = self._fates(message.to) if deed.action is Action.DELIVER else ()
        told = self.repeating.around(tell)
        for state, bounce in fates:
            await told(self._event(message.reference, state, deed.at_ms, bounce))
        return "" if fates else await super().act(deed, tell)

    def _fates(self, to: str) -> Sequence[tuple[ReceiptState, tuple[str, str] | None]]:
        if to.endswith(FOR_TRIES):
            return FATES.get(to.partition("@")[0].partition("+")[0], ())
        return FATES["suppressionlist"] if to in self.suppressed else ()

    def _event(
        self,
        reference: str,
        state: ReceiptState,
        at_ms: int,
        bounce: tuple[str, str] | None = None,
    ) -> Callback:
        kind, detail = EVENTS[state]
        if bounce is not None:
            detail = {**detail, "bounceType": bounce[0], "bounceSubType": bounce[1]}
        stamp = f"{datetime.fromtimestamp(at_ms / 1_000, UTC):%Y-%m-%dT%H:%M:%S}.000Z"
        event = {
            "eventType": kind.title(),
            kind: {**detail, "timestamp": stamp},
            "mail": {
                "timestamp": stamp,
                "source": SENDER,
                "messageId": f"0100-{reference}",
                "destination": ["somebody@example.test"],
                "tags": {"ses:configuration-set": ["sandbox"], "tocsin": [reference]},
            },
        }
        return self.signed(msgspec.json.encode(event), at_ms)

    def signed(self, body: bytes, at_ms: int) -> Callback:
        """Return a message of SNS that says anything."""
        return self.notices.envelope(self.provider, body.decode("latin-1"), at_ms)

    async def _reply(self, request: Request) -> Reply | None:
        noticed = self.notices.reply(request)
        if noticed is not None:
            return noticed
        wrong = aws_fault(request, "ses")
        if wrong is not None:
            return _error(ERRORS[wrong])
        if (request.method, request.path) == ("GET", _ACCOUNT):
            return Reply.json(200, self._account())
        if request.method != "POST" or request.path not in {_ONE, _BULK}:
            return _error(Played(404, "UnknownOperationException", ""))
        try:
            letters = _letters(request)
        except (KeyError, TypeError, ValueError, IndexError, msgspec.DecodeError, binascii.Error):
            return _error(ERRORS["BadRequestException"])
        await self._arrived(letter["reference"] for letter in letters)
        deals = self._deal_together([letter["to"] for letter in letters])
        if request.path == _ONE:
            return await self._whole(letters, deals[0], [])
        whole = next((d for d in deals if d.dial in _WHOLE or d.code is not None), None)
        if whole is not None:
            return await self._whole(letters, whole, letters)
        entries = [await self._entry(*each) for each in zip(letters, deals, strict=True)]
        await self._wait(Deal(Dial.ACCEPT))
        return Reply.json(200, {"BulkEmailEntryResults": entries})

    def _account(self) -> Mapping[str, object]:
        sent = PER_DAY - self.daily.left("", self._stage.now_ms())
        quota = {
            "Max24HourSend": float(PER_DAY),
            "MaxSendRate": float(PER_SECOND),
            "SentLast24Hours": float(round(sent)),
        }
        return {
            "SendQuota": quota,
            "ProductionAccessEnabled": True,
            "SendingEnabled": True,
            "EnforcementStatus": "HEALTHY",
        }

    def _within_quota(self, address: str) -> Deal:
        """Each recipient counts, against the second and against the day."""
        now_ms = self._stage.now_ms()
        if not now_ms:
            return Deal(Dial.ACCEPT)
        if self.daily.after_ms("", now_ms):
            return Deal(Dial.THROTTLE, "ThrottlingException/daily")
        if self.rate.take("", now_ms):
            return Deal(Dial.THROTTLE, "TooManyRequestsException")
        self.daily.take("", now_ms)
        return Deal(Dial.ACCEPT)

    async def _whole(
        self, letters: Sequence[dict[str, Any]], deal: Deal, bulk: Sequence[dict[str, Any]]
    ) -> Reply | None:
        """Do with a whole call what is dealt to it."""
        name = deal.code or BY_DIAL.get(deal.dial)
        ids = []
        if deal.dial is not Dial.DROP:
            answer = "" if deal.lost else name or "200"
            ids = [await self._put(each, answer, deal.taken) for each in letters]
        await self._wait(deal)
        if deal.lost:
            return None
        if name is not None:
            return _error(ERRORS[name])
        if bulk:
            entries = [{"Status": "SUCCESS", "MessageId": id} for id in ids]
            return Reply.json(200, {"BulkEmailEntryResults": entries})
        return Reply.json(200, {"MessageId": ids[0]})

    async def _entry(self, letter: dict[str, Any], deal: Deal) -> dict[str, str]:
        status = ENTRY_BY_DIAL.get(deal.dial, "SUCCESS")
        id = await self._put(letter, status, deal.dial is Dial.ACCEPT)
        return {"Status": status, **({"MessageId": id} if status == "SUCCESS" else {"Error": "no"})}

    async def _put(self, letter: dict[str, Any], answer: str, taken: bool) -> str:
        id = await self._keep(**letter, answer=answer, taken=taken)
        return f"0100-{id}-000000"


def _error(played: Played) -> Reply:
    name = ("x-amzn-errortype", played.name)
    return Reply.json(played.status, {"message": played.message}, name)


def _letters(request: Request) -> list[dict[str, Any]]:
    """Return what `HttpSimulating._keep` is told of each letter; raises for what SES refuses."""
    said = request.json()
    if "@" not in said["FromEmailAddress"]:
        raise ValueError
    if request.path == _ONE:
        return [_single(said)]
    if not 0 < len(said["BulkEmailEntries"]) <= 50:
        raise ValueError
    return [_templated(said, entry) for entry in said["BulkEmailEntries"]]


def _single(said: dict[str, Any]) -> dict[str, Any]:
    content = said["Content"]
    if "Raw" in content:
        raw = base64.b64decode(content["Raw"]["Data"], validate=True)
        letter = email.message_from_bytes(raw, policy=email.policy.default)
        shown = {"subject": str(letter["Subject"] or "")}
        for name, kind in (("text", "plain"), ("html", "html")):
            part = letter.get_body((kind,))
            if part is not None:
                shown[name] = str(part.get_content())
        trace = letter["Traceparent"]
    else:
        simple = content["Simple"]
        raw = msgspec.json.encode(simple)
        shown = {"subject": simple["Subject"]["Data"]}
        shown |= {name.lower(): part["Data"] for name, part in simple["Body"].items()}
        trace = None
    return {
        "reference": _tag(said.get("EmailTags", ())),
        "to": said["Destination"]["ToAddresses"][0],
        "content": shown,
        "raw": raw,
        "trace": None if trace is None else str(trace),
    }


def _templated(said: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    template = said["DefaultContent"]["Template"]["TemplateContent"]
    replacement = entry.get("ReplacementEmailContent", {}).get("ReplacementTemplate", {})
    data = {
        **msgspec.json.decode(said["DefaultContent"]["Template"].get("TemplateData", "{}")),
        **msgspec.json.decode(replacement.get("ReplacementTemplateData", "{}")),
    }
    headers = {each["Name"]: each["Value"] for each in entry.get("ReplacementHeaders", ())}
    tags = entry.get("ReplacementTags", said.get("DefaultEmailTags", ()))
    return {
        "reference": _tag(tags),
        "to": entry["Destination"]["ToAddresses"][0],
        "content": {name.lower(): _filled(text, data) for name, text in template.items()},
        "raw": msgspec.json.encode({**said, "BulkEmailEntries": [entry]}),
        "trace": headers.get("Traceparent"),
    }


def _filled(text: str, data: Mapping[str, Any]) -> str:
    for name, value in data.items():
        text = text.replace("{{{" + name + "}}}", str(value)).replace(
            "{{" + name + "}}", str(value)
        )
    return text


def _tag(tags: Sequence[Mapping[str, str]]) -> str:
    return next((each["Value"] for each in tags if each["Name"] == "tocsin"), "")
