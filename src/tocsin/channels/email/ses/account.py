"""What Amazon says about the account: whether it may send, to whom, and how much."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tocsin.domain.json_check import UNREADABLE
from tocsin.ports.self_check import Finding, Weight


class Quota(msgspec.Struct, frozen=True, rename="pascal"):
    """How much it may send; -1 is without an end."""

    max24_hour_send: float = -1
    max_send_rate: float = -1
    sent_last24_hours: float = 0


class Account(msgspec.Struct, frozen=True, rename="pascal"):
    """The answer of ``GetAccount``."""

    production_access_enabled: bool = True
    sending_enabled: bool = True
    enforcement_status: str = ""
    send_quota: Quota = Quota()


def findings(body: bytes) -> Sequence[Finding]:
    """Return what stands in the answer; one that cannot be read is a problem, too."""
    try:
        account = msgspec.json.decode(body, type=Account)
    except UNREADABLE:
        return [Finding(Weight.PROBLEM, "what it says about the account cannot be read", _URL)]
    found = [Finding(Weight.FINE, "asking about the account works")]
    if not account.sending_enabled:
        found.append(Finding(Weight.PROBLEM, "Amazon does not let the account send", _CONSOLE))
    if not account.production_access_enabled:
        says = "the account is in Amazon's sandbox: only verified addresses get letters"
        found.append(Finding(Weight.PROBLEM, says, "ask for production access in the console"))
    if account.enforcement_status == "PROBATION":
        says = "Amazon reviews the account, because of bounces or complaints"
        found.append(Finding(Weight.ADVICE, says, _CONSOLE))
    return [*found, *_quota(account.send_quota)]


def _quota(quota: Quota) -> Sequence[Finding]:
    if 0 <= quota.max24_hour_send <= quota.sent_last24_hours:
        says = f"the quota of {quota.max24_hour_send:.0f} letters a day is used up"
        return [Finding(Weight.PROBLEM, says, "ask Amazon for a higher one")]
    if quota.max_send_rate >= 0:
        says = f"Amazon takes {quota.max_send_rate:g} letters a second, see rate_per_second"
        return [Finding(Weight.FINE, says)]
    return ()


_CONSOLE = "see the account's dashboard in Amazon's console"
_URL = "look whether `url` names Amazon's API"
