"""
Apple's service, played: HTTP/2 alone, tokens verified, refusals in Apple's words.

Nothing here is shared with what signs and writes.
"""

from __future__ import annotations

import re
import ssl
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from tocsin.channels.push.apns.checking import Tokens, check_headers, check_payload
from tocsin.channels.simulating import Deal
from tocsin.channels.simulating_h2 import H2, TlsSimulating
from tocsin.channels.simulating_http import Reply, Request
from tocsin.channels.simulating_tls import Proof
from tocsin.errors import NotFound
from tocsin.ports.receipts import Callback, ReceiptState
from tocsin.ports.simulator import Dial, Stage

PRIVATE_KEY: Final = "canary-apns-" + "k" * 30 + "A"
KEY_ID: Final = "SANDBOXKEY"
TEAM_ID: Final = "SANDBOXTEA"
TOPICS: Final = ("example.sandbox.app", "example.sandbox.other")

_R, _D, _T, _F = Dial.REFUSE, Dial.DEAD_ADDRESS, Dial.THROTTLE, Dial.FAIL
_REASONS: Final[dict[str, tuple[int, Dial]]] = {
    "BadCollapseId": (400, _R),
    "BadDeviceToken": (400, _D),
    "BadExpirationDate": (400, _R),
    "BadMessageId": (400, _R),
    "BadPriority": (400, _R),
    "BadTopic": (400, _R),
    "DeviceTokenNotForTopic": (400, _D),
    "DuplicateHeaders": (400, _R),
    "IdleTimeout": (400, _T),
    "InvalidPushType": (400, _R),
    "MissingDeviceToken": (400, _R),
    "MissingTopic": (400, _R),
    "PayloadEmpty": (400, _R),
    "TopicDisallowed": (400, _R),
    "BadCertificate": (403, _R),
    "BadCertificateEnvironment": (403, _R),
    "ExpiredProviderToken": (403, _R),
    "Forbidden": (403, _R),
    "InvalidProviderToken": (403, _R),
    "MissingProviderToken": (403, _R),
    "UnrelatedKeyIdInToken": (403, _R),
    "BadEnvironmentKeyIdInToken": (403, _R),
    "BadEnvironmentKeyInToken": (403, _R),
    "BadPath": (404, _R),
    "MethodNotAllowed": (405, _R),
    "Unregistered": (410, _D),
    "ExpiredToken": (410, _D),
    "PayloadTooLarge": (413, _R),
    "TooManyProviderTokenUpdates": (429, _T),
    "TooManyRequests": (429, _T),
    "InternalServerError": (500, _F),
    "ServiceUnavailable": (503, _F),
    "Shutdown": (503, _T),
}
_DIALLED: Final = {
    Dial.REFUSE: "InvalidPushType",
    Dial.DEAD_ADDRESS: "Unregistered",
    Dial.THROTTLE: "TooManyRequests",
    Dial.FAIL: "InternalServerError",
}
_NOBODY: Final = "0" * 64
_PATH: Final = re.compile(r"/3/device/([0-9a-f]*)\Z", re.ASCII)


class Waiting(NamedTuple):
    """A notification for a device that is off; at ``until_s`` it is forgotten."""

    reference: str
    until_s: int


class ApnsSimulator(TlsSimulating):
    """`tocsin.ports.simulator.Simulator`."""

    provider = "apns"
    channel = "push"
    silence = (
        "Apple answers once and reports nothing after that; what was shown or opened is said by"
        " the app itself"
    )
    protocols = (H2,)
    streams_first = 1
    bad_max = 50
    """Apple names no number; it ends connections with too many of them."""
    codes: Mapping[str, Dial] = {reason: dial for reason, (_, dial) in _REASONS.items()}

    def __init__(self) -> None:
        super().__init__()
        self.tokens = Tokens(PRIVATE_KEY, KEY_ID, TEAM_ID)
        self.away: set[str] = set()
        """Devices that are off: of each app the newest notification waits, and no other."""
        self._waiting: dict[tuple[str, str], Waiting] = {}
        self.dead_since_ms: int | None = None
        """When Apple says to have learned that a device is gone; by default, now."""
        self.client_file = ""
        """A certificate, with its key, that may be shown instead of a token."""

    async def start(self, stage: Stage | None = None) -> Mapping[str, object]:
        """Listen."""
        proof = await self._listen_for_tls(stage)
        self.client_file = str(proof.client)
        return {
            "url": f"https://127.0.0.1:{self.port}",
            "ca_file": str(proof.authority),
            "private_key": PRIVATE_KEY,
            "private_key_file": None,
            "certificate_file": None,
            "certificate_key_file": None,
            "key_id": KEY_ID,
            "team_id": TEAM_ID,
            "topics": list(TOPICS),
        }

    def address(self, n: int) -> str:
        """Return a token, which are hexadecimal."""
        return b"canary".hex() + f"{n:052x}"

    def callback(
        self, references: Sequence[str], state: ReceiptState, at_ms: int, *, genuine: bool = True
    ) -> Callback:
        """Raise `NotFound`: Apple does not call back."""
        raise NotFound("Apple does not call back")

    def signed(self, body: bytes, at_ms: int) -> Callback:
        """Raise `NotFound`, as above."""
        raise NotFound("Apple does not call back")

    def _context(self, proof: Proof) -> ssl.SSLContext:
        context = super()._context(proof)
        context.load_verify_locations(proof.authority)
        context.verify_mode = ssl.CERT_OPTIONAL
        return context

    def is_bad(self, reply: Reply) -> bool:
        """Return whether it is a mistake of ours: that a device is gone is none."""
        return 400 <= reply.status < 500 and reply.status not in {410, 429}

    def parting(self, reply: Reply) -> bytes:
        """Return Apple's word for the last mistake."""
        return super().parting(reply) + reply.body

    async def _reply(self, request: Request) -> Reply | None:
        found = _PATH.match(request.path)
        to = "" if found is None else found[1]
        payload = request.fields()
        if to == _NOBODY:
            shut_out = self._refused(request, True, to, payload)
            return self._answer(request, Deal(Dial.ACCEPT), shut_out or "BadDeviceToken")
        reference = str(payload.get("tocsin", ""))
        await self._arrived([reference])
        deal = self._deal(to)
        refused = self._refused(request, found is not None, to, payload)
        reply = self._answer(request, deal, refused)
        if deal.dial is not Dial.DROP:
            await self._keep(
                reference=reference,
                to=to,
                content=_content(payload, request),
                raw=request.raw,
                answer="" if deal.lost else str(reply.status),
                taken=refused is None and deal.taken,
                trace=payload.get("traceparent"),
                place=_place(request, to),
            )
        if to in self.away and refused is None and deal.taken:
            self._let_wait(request, to, reference)
        await self._wait(deal)
        return None if deal.lost else reply

    def _let_wait(self, request: Request, to: str, reference: str) -> None:
        until_s = int(request.headers.get("apns-expiration", "0"))
        place = (to, request.headers.get("apns-topic", ""))
        if until_s:
            self._waiting[place] = Waiting(reference, until_s)

    def come_back(self, device: str, now_ms: int) -> list[str]:
        """Switch a device on; return the references of what it is then shown."""
        self.away.discard(device)
        mine = [place for place in self._waiting if place[0] == device]
        waited = [self._waiting.pop(place) for place in mine]
        return [each.reference for each in waited if each.until_s * 1_000 > now_ms]

    def _refused(
        self, request: Request, is_device: bool, to: str, payload: Mapping[str, Any]
    ) -> str | None:
        if not is_device:
            return "BadPath"
        # A stage without a clock stands still at 0.
        now_ms = self._stage.real_ms() or None
        return (
            check_headers(request, to, TOPICS)
            or (None if request.client else self.tokens.check(request, now_ms))
            or check_payload(request, payload)
        )

    def _answer(self, request: Request, deal: Deal, refused: str | None) -> Reply:
        reason = refused or deal.code or _DIALLED.get(deal.dial)
        id = request.headers.get("apns-id") or str(uuid.UUID(int=self._mailbox.next_number))
        if reason is None:
            return Reply(200, headers=(("apns-id", id),))
        status = _REASONS[reason][0]
        body: dict[str, object] = {"reason": reason}
        if status == 410:
            since_ms = self._stage.now_ms() if self.dead_since_ms is None else self.dead_since_ms
            body["timestamp"] = since_ms
        return Reply.json(status, body, ("apns-id", id))


def _place(request: Request, to: str) -> str | None:
    """Return where a notification of the same collapse id stands on the screen."""
    collapse_id = request.headers.get("apns-collapse-id")
    return None if collapse_id is None else f"{to} {collapse_id}"


def _content(payload: Mapping[str, Any], request: Request) -> dict[str, str]:
    """Return what a phone shows and what its app is told, as texts."""
    aps = payload.get("aps")
    parts: dict[str, object] = dict(aps) if isinstance(aps, dict) else {}
    alert = parts.pop("alert", None)
    parts = {**(alert if isinstance(alert, dict) else {"body": alert}), **parts}
    beside = {name: value for name, value in payload.items() if name != "aps"}
    headers = {name: value for name, value in request.headers.items() if name.startswith("apns-")}
    whole = {**beside, **parts, **headers}
    return {
        name: value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for name, value in whole.items()
        if value is not None
    }
